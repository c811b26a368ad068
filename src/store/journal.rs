//! The table `journal`: all facts in commit order.

use super::bulk::{Bulk, Ready, bulk};
use super::statement::{Rows, Type, args, cells, statement};
use super::{Conn, Statement, StoreError};
use crate::domain::{AccountId, BatchId, Entry, ItemId, LevelKey, LocationId, OrderId, Seq};

statement!(NEWEST, "select seq, at from journal order by seq desc limit 1");

/// The newest seq and its time; (0, 0) while the journal is empty.
pub(crate) async fn newest(conn: &mut Conn<'_>) -> Result<(i64, i64), StoreError> {
    match conn.optional(&NEWEST, args![]).await? {
        Some(row) => Ok((row.int(0)?, row.int(1)?)),
        None => Ok((0, 0)),
    }
}

statement!(
    MOVED_SINCE,
    sqlite "select wanted.value->>0, wanted.value->>1, wanted.value->>2,
                   cast(coalesce(sum(j.d_on_hand), 0) as bigint),
                   cast(coalesce(sum(j.d_reserved + j.d_shortfall), 0) as bigint)
            from json_each($1) as wanted
            left join journal as j
              on j.item_id = wanted.value->>0 and j.location_id = wanted.value->>1
                and j.level_version is not null and j.effective_at > wanted.value->>2
            group by 1, 2, 3",
    postgres "select w.item_id, w.location_id, w.observed_at,
                     cast(coalesce(sum(j.d_on_hand), 0) as bigint),
                     cast(coalesce(sum(j.d_reserved + j.d_shortfall), 0) as bigint)
              from unnest($1::bigint[], $2::bigint[], $3::bigint[])
                as w (item_id, location_id, observed_at)
              left join journal as j
                on j.item_id = w.item_id and j.location_id = w.location_id
                  and j.level_version is not null and j.effective_at > w.observed_at
              group by w.item_id, w.location_id, w.observed_at"
);

statement!(
    LEFT_UNMAPPED,
    "select effective_at, quantity from journal
     where order_id = $1 and line = $2 and kind = 'order.updated' and data = $3 order by seq"
);

/// When units of a line left while nobody knew its item, and how many, the oldest first;
/// `said` is what the entries say of it.
pub(crate) async fn left_unmapped(
    conn: &mut Conn<'_>,
    (order, line): (OrderId, i64),
    said: &str,
) -> Result<Vec<(i64, i64)>, StoreError> {
    let rows = conn.all(&LEFT_UNMAPPED, args![order.get(), line, said]).await?;
    rows.iter().map(|row| Ok((row.int(0)?, row.int(1)?))).collect()
}

/// A level and the moment it was counted at.
pub(crate) type Counted = (LevelKey, i64);

/// What moved at levels after moments, as far as it was recorded: on hand, and
/// promised (reserved and owed). One statement, because a file of counts asks
/// this of each of its rows.
pub(crate) async fn moved_since(
    conn: &mut Conn<'_>,
    wanted: impl Iterator<Item = Counted>,
) -> Result<Vec<(Counted, (i64, i64))>, StoreError> {
    let mut rows = Rows::new(&[Type::Int; 3]);
    for (key, observed_at) in wanted {
        rows.push(cells![key.item.get(), key.location.get(), observed_at]);
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

// `or fail` spares SQLite the statement journal, with which it would take back
// the rows before the one that breaks a constraint. They stay in the transaction
// instead: every error of this statement must roll back the whole of it.
bulk!(
    APPEND_ROWS,
    25,
    "insert or fail into journal
       (seq, at, effective_at, kind, account_id, order_id, line, part, item_id, location_id,
        level_version, d_on_hand, d_reserved, d_shortfall, d_safety, on_hand, reserved,
        shortfall, safety, quantity, idem_key, content_hash, batch_id, reverses, data)
     select * from ({rows}) where column1 is not null"
);

statement!(
    APPEND,
    postgres "with newest as materialized (
                select coalesce((select seq from journal order by seq desc limit 1), 0) as seq,
                  (select at from journal order by seq desc limit 1) as at),
              added as (
                insert into journal
                  (seq, at, effective_at, kind, account_id, order_id, line, part, item_id,
                   location_id, level_version, d_on_hand, d_reserved, d_shortfall, d_safety,
                   on_hand, reserved, shortfall, safety, quantity, idem_key, content_hash,
                   batch_id, reverses, data)
                select n.seq + d.position, greatest(d.at, n.at),
                  least(d.effective_at, greatest(d.at, n.at)), d.kind, d.account_id, d.order_id,
                  d.line, d.part, d.item_id, d.location_id, d.level_version, d.d_on_hand,
                  d.d_reserved, d.d_shortfall, d.d_safety, d.on_hand, d.reserved, d.shortfall,
                  d.safety, d.quantity, d.idem_key, d.content_hash, d.batch_id, d.reverses, d.data
                from newest as n cross join
                  (select unnest($1::bigint[]) as position, unnest($2::bigint[]) as at,
                     unnest($3::bigint[]) as effective_at, unnest($4::text[]) as kind,
                     unnest($5::bigint[]) as account_id, unnest($6::bigint[]) as order_id,
                     unnest($7::bigint[]) as line, unnest($8::bigint[]) as part,
                     unnest($9::bigint[]) as item_id, unnest($10::bigint[]) as location_id,
                     unnest($11::bigint[]) as level_version, unnest($12::bigint[]) as d_on_hand,
                     unnest($13::bigint[]) as d_reserved, unnest($14::bigint[]) as d_shortfall,
                     unnest($15::bigint[]) as d_safety, unnest($16::bigint[]) as on_hand,
                     unnest($17::bigint[]) as reserved, unnest($18::bigint[]) as shortfall,
                     unnest($19::bigint[]) as safety, unnest($20::bigint[]) as quantity,
                     unnest($21::text[]) as idem_key, unnest($22::bytea[]) as content_hash,
                     unnest($23::bigint[]) as batch_id, unnest($24::bigint[]) as reverses,
                     unnest($25::text[]) as data) as d
                returning 1)
              select (select count(*) from added), (select seq from newest)"
);

/// Where the numbers of entries begin.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Numbering {
    /// After the newest entry, by its seq and time as this transaction read them:
    /// under SQLite's write lock they are so still.
    After { seq: i64, at: i64 },
    /// At 1 until they are appended: only then does PostgreSQL know.
    Later { at: i64 },
}

impl Numbering {
    /// For entries decided at `now`; `newest` is the newest entry's seq and time.
    pub(crate) fn of(conn: &Conn<'_>, newest: (i64, i64), now: i64) -> Self {
        match conn {
            Conn::Sqlite(_) => Self::After { seq: newest.0, at: now.max(newest.1) },
            Conn::Postgres(_) => Self::Later { at: now },
        }
    }

    /// Entries made ready to append.
    pub(crate) fn ready(self, entries: &[Entry]) -> Result<Numbered, StoreError> {
        let rows = match self {
            Self::After { seq, at } => {
                let rows = rows(entries, seq, at);
                Ready::of([(&APPEND_ROWS, rows)]).map(|rows| NumberedRows::Sqlite(rows, seq))?
            }
            Self::Later { at } => NumberedRows::Postgres(rows(entries, 0, at)),
        };
        Ok(Numbered { rows, count: entries.len() as u64 })
    }
}

/// Entries ready to append.
#[derive(Debug)]
pub(crate) struct Numbered {
    rows: NumberedRows,
    count: u64,
}

#[derive(Debug)]
enum NumberedRows {
    Sqlite(Ready<std::array::IntoIter<(&'static Bulk, Rows), 1>>, i64),
    Postgres(Rows),
}

/// Appends entries: the last thing a transaction does before its commit. On
/// PostgreSQL the journal lock must have been taken by a statement before this
/// one, whose snapshot then sees all who committed before. The seq of the first entry.
pub(crate) async fn append(
    conn: &mut Conn<'_>,
    Numbered { rows, count: expected }: Numbered,
) -> Result<i64, StoreError> {
    let (changed, newest) = match (rows, &mut *conn) {
        (NumberedRows::Sqlite(rows, newest), Conn::Sqlite(conn)) => {
            (rows.write(conn).await?, newest)
        }
        (NumberedRows::Postgres(rows), Conn::Postgres(_)) => {
            let row = conn.one(&APPEND, args![rows]).await?;
            (u64::try_from(row.int(0)?).unwrap_or(0), row.int(1)?)
        }
        // Made ready on a connection to the other database: there is no such thing.
        _ => return Err(StoreError::Closed),
    };
    if changed == expected {
        Ok(newest + 1)
    } else {
        Err(StoreError::RowsAffected { statement: APPEND.name, changed, expected })
    }
}

/// Appends entries from beside the writer, as the last thing of a transaction; the seq
/// of the first.
pub(crate) async fn append_aside(
    conn: &mut Conn<'_>,
    entries: &[Entry],
    now: i64,
) -> Result<i64, StoreError> {
    super::lock_journal(conn).await?;
    let before = newest(conn).await?;
    let entries = Numbering::of(conn, before, now).ready(entries)?;
    append(conn, entries).await
}

fn rows(entries: &[Entry], newest: i64, at: i64) -> Rows {
    use Type::{Bytes, Int, Text};
    let mut types = [Int; 25];
    types[3] = Text;
    types[20] = Text;
    types[21] = Bytes;
    types[24] = Text;
    let mut rows = Rows::with_capacity(&types, entries.len());
    for (seq, entry) in (newest + 1..).zip(entries) {
        let mark = entry.level;
        let item = mark.map(|mark| mark.key.item).or(entry.item);
        let location = mark.map(|mark| mark.key.location).or(entry.location);
        rows.push(cells![
            seq,
            at,
            entry.effective_at.min(at),
            entry.kind.as_str(),
            entry.account.map(AccountId::get),
            entry.order.map(OrderId::get),
            entry.line,
            entry.part,
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
            entry.quantity,
            entry.key.as_ref().map(ToString::to_string),
            entry.content_hash,
            entry.batch.map(BatchId::get),
            entry.reverses.map(Seq::get),
            entry.data.clone(),
        ]);
    }
    rows
}

pub(super) const STATEMENTS: &[&Statement] = &[&NEWEST, &MOVED_SINCE, &LEFT_UNMAPPED, &APPEND];
pub(super) static BULKS: &[&Bulk] = &[&APPEND_ROWS];
