//! The table `remote_line`: the lines of channels' orders.

use std::collections::BTreeMap;

use super::pushes::flow;
use super::statement::{args, statement};
use super::{Conn, Statement, StoreError};

statement!(
    OF_ORDER,
    "select line, number from remote_line where channel_id = $1 and order_key = $2"
);
statement!(
    INSERT,
    "insert into remote_line (channel_id, order_key, line, number) values ($1, $2, $3, $4)"
);
statement!(
    FIND,
    "select holder, place, units from remote_line
     where channel_id = $1 and order_key = $2 and line = $3"
);
statement!(
    DEDUCT,
    "update remote_line set holder = $4, place = $5, units = $6
     where channel_id = $1 and order_key = $2 and line = $3"
);

pub(super) const STATEMENTS: &[&Statement] = &[&OF_ORDER, &INSERT, &FIND, &DEDUCT];

/// The numbers of an order's lines by their ids, with those that are new numbered after
/// the others.
pub(crate) async fn number(
    conn: &mut Conn<'_>,
    channel: i64,
    order: &str,
    lines: &[String],
) -> Result<BTreeMap<String, i64>, StoreError> {
    let mut numbers = BTreeMap::new();
    for row in conn.all(&OF_ORDER, args![channel, order]).await? {
        numbers.insert(row.text(0)?, row.int(1)?);
    }
    let mut next = numbers.values().max().copied().unwrap_or(0) + 1;
    for line in lines {
        if !numbers.contains_key(line) {
            conn.execute_one(&INSERT, args![channel, order, line.as_str(), next]).await?;
            numbers.insert(line.clone(), next);
            next += 1;
        }
    }
    Ok(numbers)
}

/// The ids of an order's lines with their numbers.
pub(crate) async fn of_order(
    conn: &mut Conn<'_>,
    channel: i64,
    order: &str,
) -> Result<Vec<(String, i64)>, StoreError> {
    let rows = conn.all(&OF_ORDER, args![channel, order]).await?;
    rows.iter().map(|row| Ok((row.text(0)?, row.int(1)?))).collect()
}

/// What a channel took off a number for a line of one of its orders, as it says now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Deduction {
    pub(crate) order: String,
    pub(crate) line: String,
    pub(crate) holder: String,
    pub(crate) place: String,
    pub(crate) units: i64,
}

/// Writes down what a channel took; what is more or less than before moves the number's
/// flow. The same again changes nothing.
pub(crate) async fn deduct(
    conn: &mut Conn<'_>,
    channel: i64,
    now: &Deduction,
) -> Result<(), StoreError> {
    let key = args![channel, now.order.as_str(), now.line.as_str()];
    let Some(row) = conn.optional(&FIND, key).await? else {
        return Ok(());
    };
    let (holder, place, units) = (row.text(0)?, row.text(1)?, row.int(2)?);
    if (&holder, &place, units) == (&now.holder, &now.place, now.units) {
        return Ok(());
    }
    if (&holder, &place) == (&now.holder, &now.place) {
        flow(conn, (channel, &holder, &place), now.units - units).await?;
    } else {
        flow(conn, (channel, &holder, &place), -units).await?;
        flow(conn, (channel, &now.holder, &now.place), now.units).await?;
    }
    let args = args![
        channel,
        now.order.as_str(),
        now.line.as_str(),
        now.holder.as_str(),
        now.place.as_str(),
        now.units,
    ];
    conn.execute_one(&DEDUCT, args).await
}
