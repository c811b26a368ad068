//! How long sales wait until a channel has the number: the column `push.sold_at` and the
//! table `push_latency`.

use super::pushes::PushRow;
use super::statement::{Rows, Type, args, cells, statement};
use super::{Conn, Statement, StoreError};

/// How long one row of the table counts together, milliseconds: a quarter of an hour, of
/// which every calendar's day is made.
pub(crate) const SLOT_MS: i64 = 15 * 60 * 1000;

statement!(
    SALES,
    "select item_id, min(at), min(seq) from journal
     where seq > $1 and seq <= $2 and kind = 'reserve' and item_id is not null group by item_id"
);
// What was pushed meanwhile was pushed with the sale. A bundle is sold with its parts.
statement!(
    MARK,
    sqlite "update push set sold_at = s.at
            from (select item_id, min(at) as at, min(seq) as seq from (
                    select value->>0 as item_id, value->>1 as at, value->>2 as seq
                    from json_each($1)
                    union all
                    select b.bundle_id, w.value->>1, w.value->>2
                    from json_each($1) as w join bundle_part as b on b.part_id = w.value->>0)
                  group by item_id) as s
            where push.item_id = s.item_id and push.sold_at is null and push.pushed_seq < s.seq",
    postgres "update push as p set sold_at = s.at
              from (with w as (
                      select * from unnest($1::bigint[], $2::bigint[], $3::bigint[])
                        as w (item_id, at, seq))
                    select item_id, min(at) as at, min(seq) as seq from (
                      select item_id, at, seq from w
                      union all
                      select b.bundle_id, w.at, w.seq
                      from w join bundle_part as b on b.part_id = w.item_id) as e
                    group by item_id) as s
              where p.item_id = s.item_id and p.sold_at is null and p.pushed_seq < s.seq"
);
statement!(
    WAITING,
    sqlite "select p.channel_id, p.holder, p.place, r.value->>3, p.sold_at
            from json_each($1) as r
            join push as p on p.channel_id = r.value->>0 and p.holder = r.value->>1
              and p.place = r.value->>2
            where p.sold_at is not null and p.pushed_seq < r.value->>3",
    postgres "select p.channel_id, p.holder, p.place, r.seq, p.sold_at
              from unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[])
                as r (channel_id, holder, place, seq)
              join push as p on p.channel_id = r.channel_id and p.holder = r.holder
                and p.place = r.place
              where p.sold_at is not null and p.pushed_seq < r.seq"
);
// Of the sales that came after what was pushed the oldest waits on: entries of the time a
// push took, found by their numbers (the sign keeps the index of the item out of it).
statement!(
    TAKE,
    "update push set sold_at = (
       select min(j.at) from journal as j
       where j.seq > $4 and j.seq <= push.dirty_seq and j.kind = 'reserve'
         and (+j.item_id = push.item_id or +j.item_id in (
           select b.part_id from bundle_part as b where b.bundle_id = push.item_id)))
     where channel_id = $1 and holder = $2 and place = $3"
);
statement!(
    NOTE,
    "insert into push_latency as l (channel_id, slot_at, bound_ms, sales) values ($1, $2, $3, 1)
     on conflict (channel_id, slot_at, bound_ms) do update set sales = l.sales + 1"
);
statement!(FORGET_SALES, "update push set sold_at = null where channel_id = $1");
statement!(FORGET_SLOTS, "delete from push_latency where slot_at < $1");
statement!(
    SLOTS,
    "select c.name, l.slot_at, l.bound_ms, l.sales
     from push_latency as l join channel as c on c.id = l.channel_id
     where l.slot_at >= $1 and l.slot_at < $2 order by c.name, l.slot_at, l.bound_ms"
);

pub(super) const STATEMENTS: &[&Statement] =
    &[&SALES, &MARK, &WAITING, &TAKE, &NOTE, &FORGET_SALES, &FORGET_SLOTS, &SLOTS];

/// Items of which units were promised in entries after one and up to another, each with
/// when that was first committed, and with which entry.
pub(crate) async fn sales(
    conn: &mut Conn<'_>,
    after: i64,
    until: i64,
) -> Result<Vec<(i64, i64, i64)>, StoreError> {
    let rows = conn.all(&SALES, args![after, until]).await?;
    rows.iter().map(|row| Ok((row.int(0)?, row.int(1)?, row.int(2)?))).collect()
}

/// The numbers of items wait with a sale from then on, where none waits longer.
pub(crate) async fn mark(conn: &mut Conn<'_>, sales: &[(i64, i64, i64)]) -> Result<(), StoreError> {
    let mut rows = Rows::with_capacity(&[Type::Int; 3], sales.len());
    for &(item, at, seq) in sales {
        rows.push(cells![item, at, seq]);
    }
    conn.execute(&MARK, args![rows]).await.map(drop)
}

/// Numbers are about to be known right, each up to an entry: how long, in milliseconds, the
/// oldest sale in each of them waited, where it waited for one.
pub(crate) async fn acknowledged(
    conn: &mut Conn<'_>,
    all: &[(PushRow, i64)],
    now: i64,
) -> Result<Vec<i64>, StoreError> {
    let mut rows = Rows::with_capacity(&[Type::Int, Type::Text, Type::Text, Type::Int], all.len());
    for (row, seq) in all {
        rows.push(cells![row.channel_id, row.holder.as_str(), row.place.as_str(), *seq]);
    }
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let slot = now.div_euclid(SLOT_MS) * SLOT_MS;
    let mut all = Vec::new();
    for row in conn.all(&WAITING, args![rows]).await? {
        let (channel, holder, place) = (row.int(0)?, row.text(1)?, row.text(2)?);
        conn.execute_one(&TAKE, args![channel, holder, place, row.int(3)?]).await?;
        let waited = (now - row.int(4)?).max(0);
        conn.execute_one(&NOTE, args![channel, slot, bound(waited)]).await?;
        all.push(waited);
    }
    Ok(all)
}

/// The least bound that a time does not exceed: eight to each doubling, so that it is at
/// most an eighth more than the time, and there are few of them.
fn bound(millis: i64) -> i64 {
    let millis = millis.max(1);
    let doubling = 1_i64 << (63 - millis.leading_zeros().min(62));
    let step = (doubling / 8).max(1);
    (millis.saturating_add(step - 1) / step).saturating_mul(step)
}

/// Nothing of a channel waits any more: it was told nothing, by command.
pub(crate) async fn forget_sales(conn: &mut Conn<'_>, channel: i64) -> Result<(), StoreError> {
    conn.execute(&FORGET_SALES, args![channel]).await.map(drop)
}

/// Deletes what is from before a moment; how many rows.
pub(crate) async fn forget(conn: &mut Conn<'_>, before: i64) -> Result<u64, StoreError> {
    conn.execute(&FORGET_SLOTS, args![before]).await
}

/// Sales of a channel in one slot that waited no longer than a bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) channel: String,
    pub(crate) at: i64,
    pub(crate) bound_ms: i64,
    pub(crate) sales: i64,
}

/// What was counted from a moment on and before another, by channel and time.
pub(crate) async fn slots(
    conn: &mut Conn<'_>,
    from: i64,
    until: i64,
) -> Result<Vec<Slot>, StoreError> {
    let rows = conn.all(&SLOTS, args![from, until]).await?;
    rows.iter()
        .map(|row| {
            let (channel, at) = (row.text(0)?, row.int(1)?);
            Ok(Slot { channel, at, bound_ms: row.int(2)?, sales: row.int(3)? })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::bound;

    #[test]
    fn a_bound_is_never_less_and_at_most_an_eighth_more() {
        assert_eq!([0, 1, 7, 8, 9, 16, 17, 100].map(bound), [1, 1, 7, 8, 9, 16, 18, 104]);
        for millis in (1..100_000).step_by(7) {
            let bound = bound(millis);
            assert!(millis <= bound && bound * 8 <= millis * 9 + 8, "{millis}: {bound}");
        }
        assert!(bound(i64::MAX) > 0);
    }
}
