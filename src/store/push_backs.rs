//! The table `push_back`: what channels are to be told of their orders.

use std::collections::BTreeMap;

use super::statement::{Row, args, statement};
use super::{Conn, Statement, StoreError};
use crate::domain::OrderId;

/// What a channel is to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum About {
    /// Goods left.
    Shipped,
    /// Goods will not leave.
    Cancelled,
}

/// Something a channel is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PushBack {
    /// The entry that says so.
    pub(crate) seq: i64,
    pub(crate) order: OrderId,
    pub(crate) about: About,
    pub(crate) attempts: i64,
}

/// How telling ended, for now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// The channel knows, or need not.
    Done(Option<String>),
    /// The channel knows that nothing of the order follows; whether it knew before.
    Cancelled(Option<String>),
    /// It is tried again at a moment.
    Later(String, i64),
    /// It is left to a person.
    Refused(String),
}

/// An entry about goods of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Goods {
    pub(crate) kind: String,
    pub(crate) line: Option<i64>,
    pub(crate) part: Option<i64>,
    pub(crate) quantity: i64,
    pub(crate) data: Option<String>,
}

/// Something a channel did not take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NotTold {
    pub(crate) channel: String,
    pub(crate) source: String,
    pub(crate) external_id: String,
    pub(crate) kind: String,
    pub(crate) reason: String,
    pub(crate) since: i64,
}

// What a channel's own states did to its orders it knows: their entries say so.
statement!(
    COLLECT,
    "insert into push_back (seq, channel_id, order_id, kind, state)
     select j.seq, c.id, o.id,
            case when j.kind = 'order.shipped' then 'shipped' else 'cancelled' end, 'pending'
     from journal as j
     join orders as o on o.id = j.order_id
     join channel as c on c.name = o.source
     where j.seq > $1 and j.seq <= $2
       and (j.kind = 'order.shipped'
            or j.kind = 'order.cancelled' and coalesce(j.data, '') <> $3
               and coalesce(j.data, '') <> $4)
     on conflict (seq) do nothing"
);
statement!(
    DUE,
    "select seq, order_id, kind, attempts from push_back
     where channel_id = $1 and state = 'pending' and retry_at <= $2 order by seq limit $3"
);
statement!(
    ENDED,
    "update push_back set state = $2, reason = $3, ended_at = $4, attempts = attempts + $5
     where seq = $1 and state = 'pending'"
);
// What was cancelled of it before is in that.
statement!(
    SETTLED,
    "update push_back set state = 'done', ended_at = $3, reason = 'all of it is cancelled there now'
     where order_id = $1 and kind = 'cancelled' and state = 'refused' and seq < $2"
);
statement!(
    LATER,
    "update push_back set attempts = attempts + 1, reason = $2, retry_at = $3
     where seq = $1 and state = 'pending'"
);
statement!(
    NEXT_OF_ORDER,
    "select count(*) from push_back
     where order_id = $1 and seq > $2 and kind = 'shipped' and state = 'pending'"
);
statement!(
    GOODS,
    "select kind, line, part, coalesce(quantity, 0), data from journal
     where order_id = $1 and seq >= $2 order by seq limit $3"
);
statement!(
    LEFT_BEFORE,
    "select line, coalesce(part, 0), cast(sum(quantity) as bigint) from journal
     where order_id = $1 and seq < $2 and line is not null and (kind = 'ship' or data = $3)
     group by line, coalesce(part, 0)"
);
statement!(
    CANCELLED_HERE,
    "select count(*) from journal
     where order_id = $1 and kind = 'order.cancelled' and coalesce(data, '') <> $2
       and coalesce(data, '') <> $3"
);
statement!(
    AGAIN,
    "update push_back set state = 'pending', attempts = 0, retry_at = 0, ended_at = null
     where (state = 'refused' or state = 'pending' and attempts > 0)
       and channel_id = (select id from channel where name = $1)
       and ($2 = '' or order_id = (select id from orders where source = $1 and external_id = $2))"
);
statement!(
    BY_HAND,
    "update push_back set state = 'done', reason = 'told by hand',
       ended_at = coalesce(ended_at, $3)
     where (state = 'refused' or state = 'pending' and attempts > 0)
       and channel_id = (select id from channel where name = $1)
       and ($2 = '' or order_id = (select id from orders where source = $1 and external_id = $2))"
);
statement!(
    NOT_TOLD,
    "select c.name, o.source, o.external_id, b.kind, coalesce(b.reason, ''), j.at
     from push_back as b join channel as c on c.id = b.channel_id
     join orders as o on o.id = b.order_id join journal as j on j.seq = b.seq
     where b.state = 'refused' or b.state = 'pending' and b.attempts >= $2
     order by b.seq limit $1"
);

pub(super) const STATEMENTS: &[&Statement] = &[
    &COLLECT,
    &DUE,
    &ENDED,
    &SETTLED,
    &LATER,
    &NEXT_OF_ORDER,
    &GOODS,
    &LEFT_BEFORE,
    &CANCELLED_HERE,
    &AGAIN,
    &BY_HAND,
    &NOT_TOLD,
];

/// Keeps what entries after one and up to another tell channels; `theirs` is what the data
/// of a cancellation says that a channel itself made.
pub(crate) async fn collect(
    conn: &mut Conn<'_>,
    (after, until): (i64, i64),
    theirs: [&str; 2],
) -> Result<(), StoreError> {
    conn.execute(&COLLECT, args![after, until, theirs[0], theirs[1]]).await.map(drop)
}

/// What a channel is to be told now, the oldest first.
pub(crate) async fn due(
    conn: &mut Conn<'_>,
    channel: i64,
    now: i64,
    limit: i64,
) -> Result<Vec<PushBack>, StoreError> {
    let one = |row: &Row| {
        Ok(PushBack {
            seq: row.int(0)?,
            order: OrderId::new(row.int(1)?),
            about: if row.text(2)? == "shipped" { About::Shipped } else { About::Cancelled },
            attempts: row.int(3)?,
        })
    };
    conn.all(&DUE, args![channel, now, limit]).await?.iter().map(one).collect()
}

/// Writes down how telling ended.
pub(crate) async fn told(
    conn: &mut Conn<'_>,
    one: &PushBack,
    told: Told,
    now: i64,
) -> Result<(), StoreError> {
    let seq = one.seq;
    if matches!(told, Told::Cancelled(_)) {
        conn.execute(&SETTLED, args![one.order.get(), seq, now]).await?;
    }
    match told {
        Told::Done(reason) | Told::Cancelled(reason) => {
            conn.execute(&ENDED, args![seq, "done", reason, now, 0]).await
        }
        Told::Refused(why) => conn.execute(&ENDED, args![seq, "refused", why, now, 1]).await,
        Told::Later(why, at) => conn.execute(&LATER, args![seq, why, at]).await,
    }
    .map(drop)
}

/// Whether a later shipment of the order waits to be told.
pub(crate) async fn has_next(
    conn: &mut Conn<'_>,
    order: OrderId,
    seq: i64,
) -> Result<bool, StoreError> {
    Ok(conn.one(&NEXT_OF_ORDER, args![order.get(), seq]).await?.int(0)? > 0)
}

/// Entries of an order from one on.
pub(crate) async fn goods(
    conn: &mut Conn<'_>,
    order: OrderId,
    seq: i64,
    limit: i64,
) -> Result<Vec<Goods>, StoreError> {
    let one = |row: &Row| {
        Ok(Goods {
            kind: row.text(0)?,
            line: row.int_opt(1)?,
            part: row.int_opt(2)?,
            quantity: row.int(3)?,
            data: row.text_opt(4)?,
        })
    };
    conn.all(&GOODS, args![order.get(), seq, limit]).await?.iter().map(one).collect()
}

/// Units of each (line, part) of an order that left before an entry; `unmapped` is what the
/// data of such an entry says that is of no item.
pub(crate) async fn left_before(
    conn: &mut Conn<'_>,
    (order, seq): (OrderId, i64),
    unmapped: &str,
) -> Result<BTreeMap<(i64, i64), i64>, StoreError> {
    let rows = conn.all(&LEFT_BEFORE, args![order.get(), seq, unmapped]).await?;
    rows.iter().map(|row| Ok(((row.int(0)?, row.int(1)?), row.int(2)?))).collect()
}

/// Whether some of an order was cancelled here; `theirs` is what the data of a
/// cancellation says that the channel itself made.
pub(crate) async fn cancelled_here(
    conn: &mut Conn<'_>,
    order: OrderId,
    theirs: [&str; 2],
) -> Result<bool, StoreError> {
    Ok(conn.one(&CANCELLED_HERE, args![order.get(), theirs[0], theirs[1]]).await?.int(0)? > 0)
}

/// What a channel did not take is told once more, of one order or all; how many.
pub(crate) async fn again(
    conn: &mut Conn<'_>,
    channel: &str,
    order: &str,
) -> Result<u64, StoreError> {
    conn.execute(&AGAIN, args![channel, order]).await
}

/// What a channel did not take was told by hand; how many.
pub(crate) async fn by_hand(
    conn: &mut Conn<'_>,
    channel: &str,
    order: &str,
    now: i64,
) -> Result<u64, StoreError> {
    conn.execute(&BY_HAND, args![channel, order, now]).await
}

/// What channels did not take, or not after so many attempts, the oldest first.
pub(crate) async fn not_told(
    conn: &mut Conn<'_>,
    limit: i64,
    attempts: i64,
) -> Result<Vec<NotTold>, StoreError> {
    let one = |row: &Row| {
        Ok(NotTold {
            channel: row.text(0)?,
            source: row.text(1)?,
            external_id: row.text(2)?,
            kind: row.text(3)?,
            reason: row.text(4)?,
            since: row.int(5)?,
        })
    };
    conn.all(&NOT_TOLD, args![limit, attempts]).await?.iter().map(one).collect()
}
