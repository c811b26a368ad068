//! The table `journal`: all facts in commit order.

use super::statement::{Rows, Type, args, statement};
use super::{Conn, Statement, StoreError, lock_journal};
use crate::domain::{AccountId, BatchId, Entry, ItemId, Key, LevelKey, LocationId, OrderId, Seq};
use crate::ledger::Kept;

statement!(NEWEST, "select seq, at from journal order by seq desc limit 1");

/// The newest seq and its time; (0, 0) while the journal is empty.
pub(crate) async fn newest(conn: &mut Conn<'_>) -> Result<(i64, i64), StoreError> {
    match conn.optional(&NEWEST, args![]).await? {
        Some(row) => Ok((row.int(0)?, row.int(1)?)),
        None => Ok((0, 0)),
    }
}

statement!(
    KEYS,
    sqlite "select j.account_id, j.idem_key, j.seq, j.content_hash, j.order_id, j.batch_id
            from json_each($1) as wanted
            cross join journal as j
              on j.account_id = wanted.value->>0 and j.idem_key = wanted.value->>1",
    postgres "select j.account_id, j.idem_key, j.seq, j.content_hash, j.order_id, j.batch_id
              from unnest($1::bigint[], $2::text[]) as wanted (account_id, idem_key)
              join journal as j
                on j.account_id = wanted.account_id and j.idem_key = wanted.idem_key"
);

/// What is known of keys that were used before.
pub(crate) async fn keys<'k>(
    conn: &mut Conn<'_>,
    wanted: impl Iterator<Item = (AccountId, &'k Key)>,
) -> Result<Vec<((AccountId, Key), Kept)>, StoreError> {
    let mut rows = Rows::new(&[Type::Int, Type::Text]);
    for (account, key) in wanted {
        rows.push(args![account.get(), key.as_str()]);
    }
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let rows = conn.all(&KEYS, args![rows]).await?;
    rows.iter()
        .map(|row| {
            let key = row.parsed(1, Key::new)?;
            let hash = row.hash_opt(3)?;
            let kept = Kept {
                seq: Some(Seq::new(row.int(2)?)),
                index: None,
                content_hash: hash.ok_or_else(|| row.decode_error("a key without its hash"))?,
                order: row.int_opt(4)?.map(OrderId::new),
                batch: row.int_opt(5)?.map(BatchId::new),
            };
            Ok(((AccountId::new(row.int(0)?), key), kept))
        })
        .collect()
}

statement!(
    MOVED_SINCE,
    sqlite "select w.value->>0, w.value->>1, w.value->>2,
                   cast(coalesce(sum(j.d_on_hand), 0) as bigint),
                   cast(coalesce(sum(j.d_reserved + j.d_shortfall), 0) as bigint)
            from json_each($1) as w left join journal as j
              on j.item_id = w.value->>0 and j.location_id = w.value->>1
                and j.level_version is not null and j.effective_at > w.value->>2
            group by 1, 2, 3",
    postgres "select w.item_id, w.location_id, w.observed_at,
                     cast(coalesce(sum(j.d_on_hand), 0) as bigint),
                     cast(coalesce(sum(j.d_reserved + j.d_shortfall), 0) as bigint)
              from unnest($1::bigint[], $2::bigint[], $3::bigint[])
                as w (item_id, location_id, observed_at)
              left join journal as j
                on j.item_id = w.item_id and j.location_id = w.location_id
                  and j.level_version is not null and j.effective_at > w.observed_at
              group by 1, 2, 3"
);

/// What moved at levels after moments, as far as it was recorded: on hand, and
/// promised (reserved and owed). One statement, because a file of counts asks
/// this of each of its rows.
pub(crate) async fn moved_since(
    conn: &mut Conn<'_>,
    wanted: impl Iterator<Item = (LevelKey, i64)>,
) -> Result<Vec<((LevelKey, i64), (i64, i64))>, StoreError> {
    let mut rows = Rows::new(&[Type::Int; 3]);
    for (key, observed_at) in wanted {
        rows.push(args![key.item.get(), key.location.get(), observed_at]);
    }
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let rows = conn.all(&MOVED_SINCE, args![rows]).await?;
    rows.iter()
        .map(|row| {
            let location = LocationId::new(row.int(1)?);
            let key = LevelKey { item: ItemId::new(row.int(0)?), location };
            Ok(((key, row.int(2)?), (row.int(3)?, row.int(4)?)))
        })
        .collect()
}

// Bytes stand as hexadecimal text in the JSON document of SQLite.
statement!(
    APPEND,
    sqlite "insert into journal
              (seq, at, kind, item_id, location_id, level_version, d_on_hand, d_reserved,
               d_shortfall, d_safety, on_hand, reserved, shortfall, safety, effective_at,
               quantity, order_id, line, part, batch_id, account_id, idem_key, content_hash,
               reverses, data)
            select value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6,
                   value->>7, value->>8, value->>9, value->>10, value->>11, value->>12, value->>13,
                   value->>14, value->>15, value->>16, value->>17, value->>18, value->>19,
                   value->>20, value->>21, unhex(value->>22), value->>23, value->>24
            from json_each($1)",
    postgres "insert into journal
                (seq, at, kind, item_id, location_id, level_version, d_on_hand, d_reserved,
                 d_shortfall, d_safety, on_hand, reserved, shortfall, safety, effective_at,
                 quantity, order_id, line, part, batch_id, account_id, idem_key, content_hash,
                 reverses, data)
              select * from unnest(
                $1::bigint[], $2::bigint[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[],
                $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[],
                $12::bigint[], $13::bigint[], $14::bigint[], $15::bigint[], $16::bigint[],
                $17::bigint[], $18::bigint[], $19::bigint[], $20::bigint[], $21::bigint[],
                $22::text[], $23::bytea[], $24::bigint[], $25::text[])"
);

/// Appends entries with the numbers after the newest one. This takes the journal
/// lock: it is the last thing a transaction does before its commit. The seq of
/// the first entry.
pub(crate) async fn append(
    conn: &mut Conn<'_>,
    entries: &[Entry],
    now: i64,
) -> Result<i64, StoreError> {
    lock_journal(conn).await?;
    // In the statement after the lock: its snapshot sees all who committed before.
    let (last, last_at) = newest(conn).await?;
    let at = now.max(last_at);
    conn.write(&APPEND, rows(entries, last, at)).await?;
    Ok(last + 1)
}

fn rows(entries: &[Entry], last: i64, at: i64) -> Rows {
    use Type::{Bytes, Int, Text};
    let mut types = [Int; 25];
    types[2] = Text;
    types[21] = Text;
    types[22] = Bytes;
    types[24] = Text;
    let mut rows = Rows::new(&types);
    for (seq, entry) in (last + 1..).zip(entries) {
        let mark = entry.level;
        let item = mark.map(|mark| mark.key.item).or(entry.item);
        let location = mark.map(|mark| mark.key.location).or(entry.location);
        rows.push(args![
            seq,
            at,
            entry.kind.as_str(),
            item.map(ItemId::get),
            location.map(LocationId::get),
            mark.map(|mark| mark.version),
            mark.map(|mark| mark.deltas.on_hand),
            mark.map(|mark| mark.deltas.reserved),
            mark.map(|mark| mark.deltas.shortfall),
            mark.map(|mark| mark.deltas.safety),
            mark.map(|mark| mark.totals.on_hand),
            mark.map(|mark| mark.totals.reserved),
            mark.map(|mark| mark.totals.shortfall),
            mark.map(|mark| mark.totals.safety),
            entry.effective_at.min(at),
            entry.quantity,
            entry.order.map(OrderId::get),
            entry.line,
            entry.part,
            entry.batch.map(BatchId::get),
            entry.account.map(AccountId::get),
            entry.key.as_ref().map(ToString::to_string),
            entry.content_hash,
            entry.reverses.map(Seq::get),
            entry.data.clone(),
        ]);
    }
    rows
}

pub(super) const STATEMENTS: &[&Statement] = &[&NEWEST, &KEYS, &MOVED_SINCE, &APPEND];
