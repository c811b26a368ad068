//! The table `push`: what channels should show, and what they are known to show.

use super::statement::{Row, Rows, Type, args, cells, statement};
use super::{Conn, Statement, StoreError};
use crate::domain::ItemId;

/// A number on a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PushRow {
    pub(crate) channel_id: i64,
    pub(crate) holder: String,
    pub(crate) place: String,
    pub(crate) item: ItemId,
    pub(crate) dirty_seq: i64,
    pub(crate) pushed_seq: i64,
    /// How often somebody said that it shows something else.
    pub(crate) remote_changed: i64,
    /// What the channel took off it and gave back for orders, in all.
    pub(crate) flow: Flow,
    pub(crate) known: Option<Known>,
    pub(crate) sending: Option<Sending>,
    pub(crate) attempts: i64,
    pub(crate) retry_at: i64,
    pub(crate) problem: Option<String>,
    /// Whether it is to go before what many changed together.
    pub(crate) is_urgent: bool,
    /// When the channel last said what it shows, UTC milliseconds.
    pub(crate) seen_at: Option<i64>,
    /// The day of the last write, counted from 1970-01-01 in UTC, and writes of that day.
    pub(crate) written_on: Option<i64>,
    pub(crate) writes: i64,
}

/// Units a channel took off a number and gave back to it; both only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flow {
    pub(crate) taken: i64,
    pub(crate) given: i64,
}

/// What the channel last confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) baseline: i64,
    /// What had come in before.
    pub(crate) from: Flow,
    /// What had come in after the first pull that was begun later.
    pub(crate) until: Option<Flow>,
    pub(crate) confirmed_at: i64,
}

/// A write that may be under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sending {
    pub(crate) quantity: i64,
    pub(crate) from: Flow,
    pub(crate) seq: i64,
    /// Until when it may reach the channel, UTC milliseconds.
    pub(crate) until: i64,
}

/// The columns of a [`PushRow`].
macro_rules! columns {
    () => {
        "channel_id, holder, place, item_id, dirty_seq, pushed_seq, remote_changed, taken, given,
         baseline, taken_from, given_from, taken_until, given_until, confirmed_at, sending,
         sending_taken, sending_given, sending_seq, sending_until, attempts, retry_at, problem,
         is_urgent, seen_at, written_on, writes"
    };
}
pub(super) use columns;

statement!(
    MAP,
    "insert into push (channel_id, holder, place, item_id, dirty_seq) values ($1, $2, $3, $4, $5)
     on conflict (channel_id, holder, place) do update set
       item_id = excluded.item_id, dirty_seq = excluded.dirty_seq, problem = null, attempts = 0,
       retry_at = 0"
);
statement!(
    MAP_MANY,
    sqlite "insert into push (channel_id, holder, place, item_id, dirty_seq)
            select $1, value->>0, value->>1, value->>2, $2 from json_each($3) where true
            on conflict (channel_id, holder, place) do update set
              item_id = excluded.item_id, dirty_seq = excluded.dirty_seq, problem = null,
              attempts = 0, retry_at = 0",
    postgres "insert into push (channel_id, holder, place, item_id, dirty_seq)
              select $1, w.holder, w.place, w.item_id, $2
              from unnest($3::text[], $4::text[], $5::bigint[]) as w (holder, place, item_id)
              on conflict (channel_id, holder, place) do update set
                item_id = excluded.item_id, dirty_seq = excluded.dirty_seq, problem = null,
                attempts = 0, retry_at = 0"
);
statement!(UNMAP, "delete from push where channel_id = $1 and holder = $2 and place = $3");
// Whoever follows files may have been further: a sale is no less urgent for that. What waits
// without having failed is looked at again: it may have sold out.
statement!(
    MARK_ITEMS,
    sqlite "update push set dirty_seq = max(dirty_seq, $2), is_urgent = max(is_urgent, $3),
              retry_at = case when attempts = 0 then 0 else retry_at end
            where (dirty_seq < $2 or is_urgent < $3 and dirty_seq > pushed_seq) and item_id in (
              select value from json_each($1)
              union select bundle_id from bundle_part
                where part_id in (select value from json_each($1)))",
    postgres "update push
              set dirty_seq = greatest(dirty_seq, $2), is_urgent = greatest(is_urgent, $3),
                retry_at = case when attempts = 0 then 0 else retry_at end
              where (dirty_seq < $2 or is_urgent < $3 and dirty_seq > pushed_seq) and item_id in (
                select unnest($1::bigint[])
                union select bundle_id from bundle_part where part_id = any($1::bigint[]))"
);
statement!(
    MARK_CHANNEL,
    "update push set dirty_seq = $2, retry_at = 0 where channel_id = $1 and dirty_seq < $2"
);
statement!(
    MARK_CHANGED,
    "update push set remote_changed = remote_changed + 1, retry_at = 0, is_urgent = 1
     where channel_id = $1 and holder = $2 and place = $3"
);
statement!(
    LOOK_AT_ALL,
    "update push set remote_changed = remote_changed + 1, attempts = 0, retry_at = 0
     where channel_id = $1"
);
statement!(
    DUE,
    concat!(
        "select ",
        columns!(),
        " from push where channel_id = $1 and (dirty_seq > pushed_seq or remote_changed > 0)
            and is_urgent = 0 and retry_at <= $2 order by dirty_seq limit $3"
    )
);
statement!(
    DUE_URGENT,
    concat!(
        "select ",
        columns!(),
        " from push where channel_id = $1 and (dirty_seq > pushed_seq or remote_changed > 0)
            and is_urgent = 1 and retry_at <= $2 order by dirty_seq limit $3"
    )
);
statement!(
    FIND,
    concat!(
        "select ",
        columns!(),
        " from push where channel_id = $1 and holder = $2 and place = $3"
    )
);
statement!(
    SAVE,
    sqlite "update push as p set
              pushed_seq = r.value->>3,
              remote_changed = case when p.remote_changed = r.value->>4 and r.value->>19 = 1
                                    then 0 else p.remote_changed end,
              baseline = r.value->>5, taken_from = r.value->>6, given_from = r.value->>7,
              taken_until = r.value->>8, given_until = r.value->>9,
              confirmed_at = r.value->>10, sending = r.value->>11,
              sending_taken = r.value->>12, sending_given = r.value->>13,
              sending_seq = r.value->>14, sending_until = r.value->>15,
              attempts = r.value->>16, problem = r.value->>18,
              retry_at = case when r.value->>16 = 0 and (p.dirty_seq > r.value->>23
                                or p.remote_changed <> r.value->>4)
                              then p.retry_at else r.value->>17 end,
              seen_at = r.value->>20, written_on = r.value->>21, writes = r.value->>22,
              is_urgent = case when p.dirty_seq > r.value->>3 or p.remote_changed <> r.value->>4
                                 or r.value->>19 = 0
                               then p.is_urgent else 0 end
            from json_each($1) as r
            where p.channel_id = r.value->>0 and p.holder = r.value->>1 and p.place = r.value->>2",
    postgres "update push as p set
                pushed_seq = r.pushed_seq,
                remote_changed = case when p.remote_changed = r.remote_changed
                                        and r.is_right = 1
                                      then 0 else p.remote_changed end,
                baseline = r.baseline, taken_from = r.taken_from, given_from = r.given_from,
                taken_until = r.taken_until, given_until = r.given_until,
                confirmed_at = r.confirmed_at, sending = r.sending,
                sending_taken = r.sending_taken, sending_given = r.sending_given,
                sending_seq = r.sending_seq, sending_until = r.sending_until,
                attempts = r.attempts, problem = r.problem,
                retry_at = case when r.attempts = 0 and (p.dirty_seq > r.dirty_seq
                                  or p.remote_changed <> r.remote_changed)
                                then p.retry_at else r.retry_at end,
                seen_at = r.seen_at, written_on = r.written_on, writes = r.writes,
                is_urgent = case when p.dirty_seq > r.pushed_seq
                                   or p.remote_changed <> r.remote_changed or r.is_right = 0
                                 then p.is_urgent else 0 end
              from unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::bigint[],
                          $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[],
                          $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[],
                          $14::bigint[], $15::bigint[], $16::bigint[], $17::bigint[],
                          $18::bigint[], $19::text[], $20::bigint[], $21::bigint[],
                          $22::bigint[], $23::bigint[], $24::bigint[])
                as r (channel_id, holder, place, pushed_seq, remote_changed, baseline,
                      taken_from, given_from, taken_until, given_until, confirmed_at, sending,
                      sending_taken, sending_given, sending_seq, sending_until, attempts,
                      retry_at, problem, is_right, seen_at, written_on, writes, dirty_seq)
              where p.channel_id = r.channel_id and p.holder = r.holder and p.place = r.place"
);
statement!(
    ACKNOWLEDGE,
    sqlite "update push as p set pushed_seq = r.value->>3,
              remote_changed = case when p.remote_changed = r.value->>4 then 0
                                    else p.remote_changed end,
              is_urgent = case when p.dirty_seq > r.value->>3 or p.remote_changed <> r.value->>4
                               then p.is_urgent else 0 end
            from json_each($1) as r
            where p.channel_id = r.value->>0 and p.holder = r.value->>1 and p.place = r.value->>2
              and p.pushed_seq <= r.value->>3",
    postgres "update push as p set pushed_seq = r.seq,
                remote_changed = case when p.remote_changed = r.remote_changed then 0
                                      else p.remote_changed end,
                is_urgent = case when p.dirty_seq > r.seq or p.remote_changed <> r.remote_changed
                                 then p.is_urgent else 0 end
              from unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::bigint[])
                as r (channel_id, holder, place, seq, remote_changed)
              where p.channel_id = r.channel_id and p.holder = r.holder and p.place = r.place
                and p.pushed_seq <= r.seq"
);
statement!(
    SENDING_UNTIL,
    "select max(sending_until) from push where channel_id = $1 and sending is not null"
);
pub(super) const STATEMENTS: &[&Statement] = &[
    &MAP,
    &MAP_MANY,
    &UNMAP,
    &MARK_ITEMS,
    &MARK_CHANNEL,
    &MARK_CHANGED,
    &LOOK_AT_ALL,
    &DUE,
    &DUE_URGENT,
    &FIND,
    &SAVE,
    &ACKNOWLEDGE,
    &SENDING_UNTIL,
];

/// What carries a number, on a channel.
pub(crate) type At<'a> = (i64, &'a str, &'a str);

/// A holder shows an item from now on.
pub(crate) async fn map(
    conn: &mut Conn<'_>,
    (channel, holder, place): At<'_>,
    item: ItemId,
    seq: i64,
) -> Result<(), StoreError> {
    conn.execute_one(&MAP, args![channel, holder, place, item.get(), seq]).await
}

/// Holders of a channel show items from now on.
pub(crate) async fn map_many(
    conn: &mut Conn<'_>,
    channel: i64,
    shown: &[(String, String, ItemId)],
    seq: i64,
) -> Result<(), StoreError> {
    let mut rows = Rows::with_capacity(&[Type::Text, Type::Text, Type::Int], shown.len());
    for (holder, place, item) in shown {
        rows.push(cells![holder.as_str(), place.as_str(), item.get()]);
    }
    conn.execute(&MAP_MANY, args![channel, seq, rows]).await.map(drop)
}

/// A holder shows nothing of ours any more.
pub(crate) async fn unmap(
    conn: &mut Conn<'_>,
    (channel, holder, place): At<'_>,
) -> Result<(), StoreError> {
    conn.execute(&UNMAP, args![channel, holder, place]).await.map(drop)
}

/// Something of items, or of what bundles are made of, changed up to an entry; `is_urgent`
/// where it was not one file that changed many.
pub(crate) async fn mark_items(
    conn: &mut Conn<'_>,
    items: Vec<i64>,
    seq: i64,
    is_urgent: bool,
) -> Result<u64, StoreError> {
    conn.execute(&MARK_ITEMS, args![items, seq, i64::from(is_urgent)]).await
}

/// Something of a whole channel changed.
pub(crate) async fn mark_channel(
    conn: &mut Conn<'_>,
    channel: i64,
    seq: i64,
) -> Result<u64, StoreError> {
    conn.execute(&MARK_CHANNEL, args![channel, seq]).await
}

/// Somebody said that a holder shows another number.
pub(crate) async fn mark_changed(
    conn: &mut Conn<'_>,
    (channel, holder, place): At<'_>,
) -> Result<(), StoreError> {
    conn.execute(&MARK_CHANGED, args![channel, holder, place]).await.map(drop)
}

/// All numbers of a channel are to be looked at, now; how many.
pub(crate) async fn look_at_all(conn: &mut Conn<'_>, channel: i64) -> Result<u64, StoreError> {
    conn.execute(&LOOK_AT_ALL, args![channel]).await
}

/// Urgent numbers that are not known to be right and may be tried now, the longest first.
pub(crate) async fn due_urgent(
    conn: &mut Conn<'_>,
    channel: i64,
    now: i64,
    limit: i64,
) -> Result<Vec<PushRow>, StoreError> {
    conn.all(&DUE_URGENT, args![channel, now, limit]).await?.iter().map(push).collect()
}

/// The same of those that are not urgent.
pub(crate) async fn due(
    conn: &mut Conn<'_>,
    channel: i64,
    now: i64,
    limit: i64,
) -> Result<Vec<PushRow>, StoreError> {
    conn.all(&DUE, args![channel, now, limit]).await?.iter().map(push).collect()
}

/// One number.
pub(crate) async fn find(
    conn: &mut Conn<'_>,
    (channel, holder, place): At<'_>,
) -> Result<Option<PushRow>, StoreError> {
    let row = conn.optional(&FIND, args![channel, holder, place]).await?;
    row.map(|row| push(&row)).transpose()
}

/// Writes down what the lane knows of numbers after they were read: of those that are right,
/// and of those that wait, which stay as urgent as they are, whoever said that they are not
/// right. What waits without having failed is due at once where it changed since. What others
/// change of them stays, and what they said since. One that was unmapped meanwhile is none any
/// more.
pub(crate) async fn save(
    conn: &mut Conn<'_>,
    right: &[PushRow],
    waiting: &[PushRow],
) -> Result<(), StoreError> {
    use Type::{Int, Text};
    let mut rows = Rows::new(&[
        Int, Text, Text, Int, Int, Int, Int, Int, Int, Int, Int, Int, Int, Int, Int, Int, Int, Int,
        Text, Int, Int, Int, Int, Int,
    ]);
    let right = right.iter().map(|row| (row, 1));
    for (row, is_right) in right.chain(waiting.iter().map(|row| (row, 0))) {
        let (known, sending) = (row.known, row.sending);
        let from = known.map(|known| known.from).unwrap_or_default();
        let until = known.and_then(|known| known.until);
        rows.push(cells![
            row.channel_id,
            row.holder.as_str(),
            row.place.as_str(),
            row.pushed_seq,
            row.remote_changed,
            known.map(|known| known.baseline),
            from.taken,
            from.given,
            until.map(|flow| flow.taken),
            until.map(|flow| flow.given),
            known.map(|known| known.confirmed_at),
            sending.map(|sending| sending.quantity),
            sending.map(|sending| sending.from.taken),
            sending.map(|sending| sending.from.given),
            sending.map(|sending| sending.seq),
            sending.map(|sending| sending.until),
            row.attempts,
            row.retry_at,
            row.problem.clone(),
            is_right,
            row.seen_at,
            row.written_on,
            row.writes,
            row.dirty_seq,
        ]);
    }
    if rows.is_empty() {
        return Ok(());
    }
    conn.execute(&SAVE, args![rows]).await.map(drop)
}

/// Numbers are right, each up to an entry.
pub(crate) async fn acknowledge(
    conn: &mut Conn<'_>,
    all: &[(PushRow, i64)],
) -> Result<(), StoreError> {
    let mut rows = Rows::new(&[Type::Int, Type::Text, Type::Text, Type::Int, Type::Int]);
    for (row, seq) in all {
        let at = (row.holder.as_str(), row.place.as_str());
        rows.push(cells![row.channel_id, at.0, at.1, *seq, row.remote_changed]);
    }
    if rows.is_empty() {
        return Ok(());
    }
    conn.execute(&ACKNOWLEDGE, args![rows]).await.map(drop)
}

/// Until when a write of somebody else may still reach the channel.
pub(crate) async fn sending_until(
    conn: &mut Conn<'_>,
    channel: i64,
) -> Result<Option<i64>, StoreError> {
    conn.one(&SENDING_UNTIL, args![channel]).await?.int_opt(0)
}

/// Reads the columns of a [`PushRow`].
pub(super) fn push(row: &Row) -> Result<PushRow, StoreError> {
    let flow =
        |taken, given| Ok::<_, StoreError>(Flow { taken: row.int(taken)?, given: row.int(given)? });
    let until = row.int_opt(12)?.zip(row.int_opt(13)?).map(|(taken, given)| Flow { taken, given });
    let known = match (row.int_opt(9)?, row.int_opt(14)?) {
        (Some(baseline), Some(confirmed_at)) => {
            Some(Known { baseline, from: flow(10, 11)?, until, confirmed_at })
        }
        _ => None,
    };
    let sending = match (row.int_opt(15)?, row.int_opt(19)?) {
        (Some(quantity), Some(until)) => Some(Sending {
            quantity,
            from: Flow {
                taken: row.int_opt(16)?.unwrap_or(0),
                given: row.int_opt(17)?.unwrap_or(0),
            },
            seq: row.int_opt(18)?.unwrap_or(0),
            until,
        }),
        _ => None,
    };
    Ok(PushRow {
        channel_id: row.int(0)?,
        holder: row.text(1)?,
        place: row.text(2)?,
        item: ItemId::new(row.int(3)?),
        dirty_seq: row.int(4)?,
        pushed_seq: row.int(5)?,
        remote_changed: row.int(6)?,
        flow: flow(7, 8)?,
        known,
        sending,
        attempts: row.int(20)?,
        retry_at: row.int(21)?,
        problem: row.text_opt(22)?,
        is_urgent: row.int(23)? != 0,
        seen_at: row.int_opt(24)?,
        written_on: row.int_opt(25)?,
        writes: row.int(26)?,
    })
}
