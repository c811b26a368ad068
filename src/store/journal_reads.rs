//! Reading the journal for people: the history of a level or an order, and
//! where in it a moment lies.

use super::statement::{Row, args, statement};
use super::{Conn, Statement, StoreError};
use crate::domain::{Deltas, ItemId, Kind, LevelKey, LocationId, OrderId, Totals};

/// One entry of the journal with the names of what it is about.
#[derive(Clone, Debug)]
pub(crate) struct EntryRecord {
    pub(crate) seq: i64,
    pub(crate) at: i64,
    pub(crate) effective_at: i64,
    pub(crate) kind: Kind,
    pub(crate) item: Option<ItemId>,
    pub(crate) sku: Option<String>,
    pub(crate) location: Option<String>,
    /// The level's version, what changed and the totals after it; of movements only.
    pub(crate) level: Option<(i64, Deltas, Totals)>,
    pub(crate) quantity: Option<i64>,
    pub(crate) order: Option<(String, String)>,
    pub(crate) line: Option<i64>,
    pub(crate) part: Option<i64>,
    pub(crate) batch: Option<i64>,
    pub(crate) account: Option<String>,
    pub(crate) reverses: Option<i64>,
    pub(crate) data: Option<String>,
}

macro_rules! entries {
    ($tail:literal) => {
        concat!(
            "select j.seq, j.at, j.effective_at, j.kind, i.sku, p.code, j.level_version,
                    j.d_on_hand, j.d_reserved, j.d_shortfall, j.d_safety,
                    j.on_hand, j.reserved, j.shortfall, j.safety, j.quantity,
                    o.source, o.external_id, j.line, j.part, j.batch_id, a.name, j.reverses, j.data,
                    j.item_id
             from journal as j
             left join item as i on i.id = j.item_id
             left join location as p on p.id = j.location_id
             left join orders as o on o.id = j.order_id
             left join account as a on a.id = j.account_id ",
            $tail
        )
    };
}

statement!(
    LEVEL_BACKWARDS,
    entries!(
        "where j.item_id = $1 and j.location_id = $2 and j.level_version is not null
           and j.seq < $3
         order by j.level_version desc limit $4"
    )
);
statement!(
    LEVEL_FORWARDS,
    entries!(
        "where j.item_id = $1 and j.location_id = $2 and j.level_version is not null
           and j.seq > $3
         order by j.level_version limit $4"
    )
);
statement!(FORWARDS, entries!("where j.seq > $1 order by j.seq limit $2"));
statement!(
    ORDER_FORWARDS,
    entries!("where j.order_id = $1 and j.seq > $2 order by j.seq limit $3")
);

/// Movements of a level before a seq, newest first.
pub(crate) async fn before(
    conn: &mut Conn<'_>,
    key: LevelKey,
    seq: i64,
    limit: i64,
) -> Result<Vec<EntryRecord>, StoreError> {
    of_level(conn, &LEVEL_BACKWARDS, key, (seq, limit)).await
}

/// Movements of a level after a seq, oldest first.
pub(crate) async fn after(
    conn: &mut Conn<'_>,
    key: LevelKey,
    seq: i64,
    limit: i64,
) -> Result<Vec<EntryRecord>, StoreError> {
    of_level(conn, &LEVEL_FORWARDS, key, (seq, limit)).await
}

async fn of_level(
    conn: &mut Conn<'_>,
    statement: &'static Statement,
    key: LevelKey,
    (seq, limit): (i64, i64),
) -> Result<Vec<EntryRecord>, StoreError> {
    let args = args![key.item.get(), key.location.get(), seq, limit];
    conn.all(statement, args).await?.iter().map(entry).collect()
}

/// Entries of an order after a seq, oldest first.
pub(crate) async fn of_order(
    conn: &mut Conn<'_>,
    order: OrderId,
    seq: i64,
    limit: i64,
) -> Result<Vec<EntryRecord>, StoreError> {
    conn.all(&ORDER_FORWARDS, args![order.get(), seq, limit]).await?.iter().map(entry).collect()
}

/// An entry that is there and means nothing to this program.
#[derive(Debug)]
pub(crate) struct Unreadable {
    pub(crate) seq: i64,
    pub(crate) why: StoreError,
}

/// Entries of whatever kind after a seq, oldest first. One that cannot be read is told as
/// such: what comes after it can.
pub(crate) async fn entries(
    conn: &mut Conn<'_>,
    seq: i64,
    limit: i64,
) -> Result<Vec<Result<EntryRecord, Unreadable>>, StoreError> {
    let each = |row: &Row| {
        let seq = row.int(0)?;
        Ok(entry(row).map_err(|why| Unreadable { seq, why }))
    };
    conn.all(&FORWARDS, args![seq, limit]).await?.iter().map(each).collect()
}

fn entry(row: &Row) -> Result<EntryRecord, StoreError> {
    let level = match row.int_opt(6)? {
        Some(version) => Some((version, deltas(row, 7)?, totals(row, 11)?)),
        None => None,
    };
    let order = row.text_opt(16)?.zip(row.text_opt(17)?);
    let kind = Kind::parse(&row.text(3)?);
    Ok(EntryRecord {
        seq: row.int(0)?,
        at: row.int(1)?,
        effective_at: row.int(2)?,
        kind: kind.ok_or_else(|| row.decode_error("an unknown kind of entry"))?,
        item: row.int_opt(24)?.map(ItemId::new),
        sku: row.text_opt(4)?,
        location: row.text_opt(5)?,
        level,
        quantity: row.int_opt(15)?,
        order,
        line: row.int_opt(18)?,
        part: row.int_opt(19)?,
        batch: row.int_opt(20)?,
        account: row.text_opt(21)?,
        reverses: row.int_opt(22)?,
        data: row.text_opt(23)?,
    })
}

pub(super) fn deltas(row: &Row, from: usize) -> Result<Deltas, StoreError> {
    Ok(Deltas {
        on_hand: row.int(from)?,
        reserved: row.int(from + 1)?,
        shortfall: row.int(from + 2)?,
        safety: row.int(from + 3)?,
    })
}

pub(super) fn totals(row: &Row, from: usize) -> Result<Totals, StoreError> {
    Ok(Totals {
        on_hand: row.int(from)?,
        reserved: row.int(from + 1)?,
        shortfall: row.int(from + 2)?,
        safety: row.int(from + 3)?,
    })
}

statement!(TIME_OF, "select at from journal where seq = $1");

/// When an entry was written.
pub(super) async fn time_of(conn: &mut Conn<'_>, seq: i64) -> Result<Option<i64>, StoreError> {
    conn.optional(&TIME_OF, args![seq]).await?.map(|row| row.int(0)).transpose()
}

/// The greatest seq whose time is at or before a moment; 0 when there is none.
///
/// Times never decrease along seq and seqs are dense, so halving finds it with
/// one look-up by primary key a step, and needs no index on the time.
pub(crate) async fn seq_at(
    conn: &mut Conn<'_>,
    newest: i64,
    moment: i64,
) -> Result<i64, StoreError> {
    let (mut low, mut high) = (0, newest);
    while low < high {
        let middle = low + (high - low + 1) / 2;
        if conn.one(&TIME_OF, args![middle]).await?.int(0)? <= moment {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    Ok(low)
}

statement!(
    LEVEL_AT,
    "select on_hand, reserved, shortfall, safety, level_version, seq from journal
     where item_id = $1 and location_id = $2 and level_version is not null and seq <= $3
     order by level_version desc limit 1"
);

/// The totals and version of a level after the last movement up to a seq.
pub(crate) async fn level_at(
    conn: &mut Conn<'_>,
    key: LevelKey,
    seq: i64,
) -> Result<Option<(Totals, i64)>, StoreError> {
    let args = args![key.item.get(), key.location.get(), seq];
    let row = conn.optional(&LEVEL_AT, args).await?;
    row.map(|row| Ok((totals(&row, 0)?, row.int(4)?))).transpose()
}

/// What movements of one kind did to one level's `on_hand`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KindSum {
    pub(crate) location: LocationId,
    pub(crate) kind: Kind,
    pub(crate) units: i64,
    pub(crate) count: i64,
    pub(crate) first_seq: i64,
    pub(crate) last_seq: i64,
}

// Every movement of the item is added up: this is the proof, not a summary kept aside.
statement!(
    KIND_SUMS,
    "select location_id, kind, cast(sum(d_on_hand) as bigint), count(*), min(seq), max(seq)
     from journal where item_id = $1 and level_version is not null and d_on_hand <> 0
     group by location_id, kind order by location_id, min(seq)"
);

/// The movements of an item's `on_hand`, summed by location and kind.
pub(crate) async fn kind_sums(
    conn: &mut Conn<'_>,
    item: ItemId,
) -> Result<Vec<KindSum>, StoreError> {
    let rows = conn.all(&KIND_SUMS, args![item.get()]).await?;
    rows.iter()
        .map(|row| {
            let kind = Kind::parse(&row.text(1)?);
            Ok(KindSum {
                location: LocationId::new(row.int(0)?),
                kind: kind.ok_or_else(|| row.decode_error("an unknown kind of entry"))?,
                units: row.int(2)?,
                count: row.int(3)?,
                first_seq: row.int(4)?,
                last_seq: row.int(5)?,
            })
        })
        .collect()
}

/// The last movement of `safety` at a level.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SafetySum {
    pub(crate) location: LocationId,
    pub(crate) count: i64,
    pub(crate) first_seq: i64,
    pub(crate) last_seq: i64,
}

statement!(
    SAFETY_SUMS,
    "select location_id, count(*), min(seq), max(seq)
     from journal where item_id = $1 and level_version is not null and d_safety <> 0
     group by location_id order by location_id"
);

/// The movements of an item's `safety` by location.
pub(crate) async fn safety_sums(
    conn: &mut Conn<'_>,
    item: ItemId,
) -> Result<Vec<SafetySum>, StoreError> {
    let rows = conn.all(&SAFETY_SUMS, args![item.get()]).await?;
    rows.iter()
        .map(|row| {
            Ok(SafetySum {
                location: LocationId::new(row.int(0)?),
                count: row.int(1)?,
                first_seq: row.int(2)?,
                last_seq: row.int(3)?,
            })
        })
        .collect()
}

pub(super) const STATEMENTS: &[&Statement] = &[
    &LEVEL_BACKWARDS,
    &LEVEL_FORWARDS,
    &ORDER_FORWARDS,
    &FORWARDS,
    &TIME_OF,
    &LEVEL_AT,
    &KIND_SUMS,
    &SAFETY_SUMS,
];
