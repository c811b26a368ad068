//! The tables `remote_line`, the lines of channels' orders, and `deduction`, what their
//! channels took off their own numbers for them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::pushes::flow;
use super::statement::{args, statement};
use super::{Conn, Statement, StoreError};

statement!(
    OF_ORDER,
    "select line, number, listing_keys from remote_line where channel_id = $1 and order_key = $2"
);
statement!(
    INSERT,
    "insert into remote_line (channel_id, order_key, line, number, listing_keys)
     values ($1, $2, $3, $4, $5)"
);
statement!(
    SET_KEYS,
    "update remote_line set listing_keys = $4
     where channel_id = $1 and order_key = $2 and line = $3"
);
statement!(
    UNMAPPED,
    "select l.order_id, l.line, o.external_id, r.listing_keys
     from order_line as l join orders as o on o.id = l.order_id
     join remote_line as r
       on r.channel_id = $1 and r.order_key = o.external_id and r.number = l.line
     where l.item_id is null and o.source = $2 and r.listing_keys is not null
       and (l.order_id > $3 or l.order_id = $3 and l.line > $4)
     order by l.order_id, l.line limit $5"
);
// Two who write down one line at once would both take what neither had taken.
statement!(
    LOCK,
    sqlite "select 1 from remote_line where channel_id = $1 and order_key = $2 and line = $3",
    postgres "select 1 from remote_line
              where channel_id = $1 and order_key = $2 and line = $3 for update"
);
statement!(
    DEDUCTED,
    "select holder, place, units from deduction
     where channel_id = $1 and order_key = $2 and line = $3"
);
statement!(
    SPOTS,
    "select distinct holder, place from deduction where channel_id = $1 and order_key = $2"
);
statement!(
    DEDUCT,
    "insert into deduction (channel_id, order_key, line, holder, place, units)
     values ($1, $2, $3, $4, $5, $6)
     on conflict (channel_id, order_key, line, holder, place)
     do update set units = excluded.units"
);
statement!(
    GIVEN_BACK,
    "delete from deduction
     where channel_id = $1 and order_key = $2 and line = $3 and holder = $4 and place = $5"
);

pub(super) const STATEMENTS: &[&Statement] =
    &[&OF_ORDER, &INSERT, &SET_KEYS, &UNMAPPED, &LOCK, &DEDUCTED, &SPOTS, &DEDUCT, &GIVEN_BACK];

/// A line of a channel's order, with the ids it has for its listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyedLine {
    pub(crate) id: String,
    pub(crate) keys: Vec<String>,
}

/// The numbers of an order's lines by their ids, with those that are new numbered after
/// the others. What a line is of is kept beside it.
pub(crate) async fn number(
    conn: &mut Conn<'_>,
    channel: i64,
    order: &str,
    lines: &[KeyedLine],
) -> Result<BTreeMap<String, i64>, StoreError> {
    let (mut numbers, mut keys) = (BTreeMap::new(), BTreeMap::new());
    for row in conn.all(&OF_ORDER, args![channel, order]).await? {
        numbers.insert(row.text(0)?, row.int(1)?);
        keys.insert(row.text(0)?, row.text_opt(2)?);
    }
    let mut next = numbers.values().max().copied().unwrap_or(0) + 1;
    for line in lines {
        let now = Value::from(line.keys.clone()).to_string();
        let id = line.id.as_str();
        match keys.get(id) {
            None => {
                conn.execute_one(&INSERT, args![channel, order, id, next, now]).await?;
                numbers.insert(line.id.clone(), next);
                next += 1;
            }
            Some(before) if before.as_deref() != Some(&now) => {
                conn.execute_one(&SET_KEYS, args![channel, order, id, now]).await?;
            }
            Some(_) => {}
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

/// A line in the ledger of which nobody knows the item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UnmappedLine {
    pub(crate) order_id: i64,
    pub(crate) line: i64,
    /// The channel's id of the order.
    pub(crate) order: String,
    /// The ids it has for its listing.
    pub(crate) keys: Vec<String>,
}

/// Lines of a channel's orders of which nobody knows the item, after one of them.
pub(crate) async fn unmapped(
    conn: &mut Conn<'_>,
    (channel, name): (i64, &str),
    (order, line): (i64, i64),
    limit: i64,
) -> Result<Vec<UnmappedLine>, StoreError> {
    let rows = conn.all(&UNMAPPED, args![channel, name, order, line, limit]).await?;
    rows.iter()
        .map(|row| {
            let keys = row.text(3)?;
            let keys = serde_json::from_str(&keys).map_err(|error| StoreError::Decode {
                statement: UNMAPPED.name,
                message: error.to_string(),
            })?;
            let (order_id, line, order) = (row.int(0)?, row.int(1)?, row.text(2)?);
            Ok(UnmappedLine { order_id, line, order, keys })
        })
        .collect()
}

/// The numbers that something is taken off for an order.
pub(crate) async fn spots_of(
    conn: &mut Conn<'_>,
    channel: i64,
    order: &str,
) -> Result<Vec<Spot>, StoreError> {
    let rows = conn.all(&SPOTS, args![channel, order]).await?;
    rows.iter().map(|row| Ok((row.text(0)?, row.text(1)?))).collect()
}

/// A holder and its place, as the tables name them.
pub(crate) type Spot = (String, String);

/// What a channel took off its numbers for a line of one of its orders, as it says now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Deduction {
    pub(crate) order: String,
    pub(crate) line: String,
    /// Units by the number they were taken off; those that are not named have none of it.
    pub(crate) taken: BTreeMap<Spot, i64>,
    /// Nobody says which number that was: the one that is known from before, where one is.
    pub(crate) is_guessed: bool,
}

impl Deduction {
    /// What it is to be after what it was. A guess does not move what is known.
    fn after(&self, before: &BTreeMap<Spot, i64>) -> BTreeMap<Spot, i64> {
        let most = before.iter().max_by_key(|(_, units)| **units);
        let Some((spot, _)) = most.filter(|_| self.is_guessed) else { return self.taken.clone() };
        let all: i64 = self.taken.values().sum();
        if all == 0 {
            return BTreeMap::new();
        }
        let change = all - before.values().sum::<i64>();
        let mut after = before.clone();
        *after.entry(spot.clone()).or_default() += change;
        after
    }
}

/// Writes down what a channel took; what is more or less than before moves the flows of the
/// numbers. The same again changes nothing.
pub(crate) async fn deduct(
    conn: &mut Conn<'_>,
    channel: i64,
    now: &Deduction,
) -> Result<(), StoreError> {
    let (order, line) = (now.order.as_str(), now.line.as_str());
    if conn.optional(&LOCK, args![channel, order, line]).await?.is_none() {
        // It is of no order that is here.
        return Ok(());
    }
    let mut before = BTreeMap::new();
    for row in conn.all(&DEDUCTED, args![channel, order, line]).await? {
        before.insert((row.text(0)?, row.text(1)?), row.int(2)?);
    }
    let after = now.after(&before);
    for spot in before.keys().chain(after.keys()).collect::<BTreeSet<_>>() {
        let of = |all: &BTreeMap<Spot, i64>| all.get(spot).copied().unwrap_or(0);
        let (units, change) = (of(&after), of(&after) - of(&before));
        let (holder, place) = (spot.0.as_str(), spot.1.as_str());
        if change == 0 {
            continue;
        }
        if units == 0 {
            conn.execute_one(&GIVEN_BACK, args![channel, order, line, holder, place]).await?;
        } else {
            conn.execute_one(&DEDUCT, args![channel, order, line, holder, place, units]).await?;
        }
        flow(conn, (channel, holder, place), change).await?;
    }
    Ok(())
}
