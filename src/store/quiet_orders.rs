//! Open orders of a channel that have not changed for long.

use super::statement::{args, statement};
use super::{Conn, Statement, StoreError};
use crate::domain::OrderId;

/// Orders looked through with one statement: a shop has many more that are closed.
const WINDOW: i64 = 20_000;

statement!(
    QUIET,
    // What a file brought in the channel's name it may never have had.
    "select o.id, o.external_id from orders as o
     where o.id > $1 and o.id <= $2 and o.source = $3 and o.updated_at < $4 and o.placed_at >= $7
       and (o.held > 0 or o.shortfall > 0)
       and exists (
         select 1 from remote_line as r where r.channel_id = $5 and r.order_key = o.external_id)
     order by o.id limit $6"
);
statement!(
    NEWEST,
    "select o.id, o.external_id from orders as o
     where o.source = $1
       and exists (
         select 1 from remote_line as r where r.channel_id = $2 and r.order_key = o.external_id)
     order by o.id desc limit 1"
);
statement!(LAST, "select coalesce(max(id), 0) from orders");

pub(super) const STATEMENTS: &[&Statement] = &[&QUIET, &NEWEST, &LAST];

/// The newest order that a channel told of, by its id here.
pub(crate) async fn newest(
    conn: &mut Conn<'_>,
    (channel, source): (i64, &str),
) -> Result<Option<(OrderId, String)>, StoreError> {
    let row = conn.optional(&NEWEST, args![source, channel]).await?;
    row.map(|row| Ok((OrderId::new(row.int(0)?), row.text(1)?))).transpose()
}

/// The next orders that a channel told of, by id, that have units to come and did not
/// change since a time and were placed not before another; fewer than asked for are the last.
pub(crate) async fn next(
    conn: &mut Conn<'_>,
    ((channel, source), (from, before)): ((i64, &str), (i64, i64)),
    after: OrderId,
    limit: usize,
) -> Result<Vec<(OrderId, String)>, StoreError> {
    let last = conn.one(&LAST, args![]).await?.int(0)?;
    let (mut after, mut found) = (after.get(), Vec::new());
    while found.len() < limit && after < last {
        let left = i64::try_from(limit - found.len()).unwrap_or(i64::MAX);
        let args = args![after, after + WINDOW, source, before, channel, left, from];
        for row in conn.all(&QUIET, args).await? {
            found.push((OrderId::new(row.int(0)?), row.text(1)?));
        }
        after = match found.last() {
            Some((id, _)) if found.len() == limit => id.get(),
            _ => after + WINDOW,
        };
    }
    Ok(found)
}
