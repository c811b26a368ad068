//! The tables `remote_line`, the lines of channels' orders, and `deduction`, what their
//! channels took off their own numbers for them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::push_flows::{flow, may_have_moved};
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
    "select holder, place, units, unsure from deduction
     where channel_id = $1 and order_key = $2 and line = $3"
);
statement!(
    SPOTS,
    "select distinct holder, place from deduction where channel_id = $1 and order_key = $2"
);
statement!(
    DEDUCT,
    "insert into deduction (channel_id, order_key, line, holder, place, units, unsure)
     values ($1, $2, $3, $4, $5, $6, $7)
     on conflict (channel_id, order_key, line, holder, place)
     do update set units = excluded.units, unsure = excluded.unsure"
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
    /// Units beside these.
    pub(crate) unsaid: Option<Unsaid>,
    /// Nobody says which number that was: the one that is known from before, where one is.
    pub(crate) is_guessed: bool,
}

/// Units that a channel took off one of its numbers, and does not say which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unsaid {
    pub(crate) units: i64,
    /// Of these, units that may have been put back there.
    pub(crate) unsure: i64,
    /// Where they may have been taken off; the first where nothing is known from before.
    pub(crate) spots: Vec<Spot>,
}

impl Unsaid {
    /// Units of which nobody knows whether they are taken off where they are written down.
    fn unknown(&self) -> i64 {
        if self.spots.len() > 1 { self.units } else { self.unsure }
    }
}

/// What was taken off one number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Taken {
    units: i64,
    unsure: i64,
}

impl Deduction {
    /// What it is to be after what it was.
    fn after(&self, before: &BTreeMap<Spot, Taken>) -> BTreeMap<Spot, Taken> {
        let mut after: BTreeMap<Spot, Taken> = BTreeMap::new();
        for (spot, units) in self.said(before) {
            after.insert(spot, Taken { units, unsure: 0 });
        }
        let Some(unsaid) = &self.unsaid else { return after };
        let placed = placed(unsaid, (&after, before));
        let mut unsure = unsaid.unknown();
        // What was unsure there is so still, and only the rest is new.
        let known = |spot: &Spot| before.get(spot).map_or(0, |taken| taken.unsure);
        for is_known in [true, false] {
            for (spot, units) in &placed {
                let taken = after.entry(spot.clone()).or_default();
                let most = if is_known { known(spot).min(*units) } else { *units };
                let some = unsure.min(most - taken.unsure).max(0);
                (taken.unsure, unsure) = (taken.unsure + some, unsure - some);
            }
        }
        for (spot, units) in placed {
            after.entry(spot).or_default().units += units;
        }
        after
    }

    /// Units by number, as far as they are said. A guess does not move what is known.
    fn said(&self, before: &BTreeMap<Spot, Taken>) -> BTreeMap<Spot, i64> {
        let most = before.iter().max_by_key(|(_, taken)| taken.units);
        let Some((spot, _)) = most.filter(|_| self.is_guessed) else { return self.taken.clone() };
        let all: i64 = self.taken.values().sum();
        if all == 0 {
            return BTreeMap::new();
        }
        let change = all - before.values().map(|taken| taken.units).sum::<i64>();
        let mut after: BTreeMap<Spot, i64> =
            before.iter().map(|(spot, taken)| (spot.clone(), taken.units)).collect();
        *after.entry(spot.clone()).or_default() += change;
        after
    }
}

/// Units of which nobody says where they were taken, by the numbers that they are known to be
/// taken off from before.
fn placed(
    unsaid: &Unsaid,
    (after, before): (&BTreeMap<Spot, Taken>, &BTreeMap<Spot, Taken>),
) -> BTreeMap<Spot, i64> {
    let (mut left, mut placed) = (unsaid.units, BTreeMap::new());
    let others = before.keys().filter(|spot| !unsaid.spots.contains(spot));
    for spot in unsaid.spots.iter().chain(others) {
        let of = |all: &BTreeMap<Spot, Taken>| all.get(spot).map_or(0, |taken| taken.units);
        let some = (of(before) - of(after)).clamp(0, left.max(0));
        left -= some;
        placed.insert(spot.clone(), some);
    }
    if let Some(home) = unsaid.spots.first() {
        *placed.entry(home.clone()).or_default() += left;
    }
    placed
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
        let taken = Taken { units: row.int(2)?, unsure: row.int(3)? };
        before.insert((row.text(0)?, row.text(1)?), taken);
    }
    let after = now.after(&before);
    for spot in before.keys().chain(after.keys()).collect::<BTreeSet<_>>() {
        let of = |all: &BTreeMap<Spot, Taken>| all.get(spot).copied().unwrap_or_default();
        let (was, mut is) = (of(&before), of(&after));
        let at = (channel, spot.0.as_str(), spot.1.as_str());
        if is.units == 0 {
            is.unsure = 0;
        }
        if is == was {
            continue;
        }
        if is.units == 0 {
            conn.execute_one(&GIVEN_BACK, args![channel, order, line, at.1, at.2]).await?;
        } else {
            let args = args![channel, order, line, at.1, at.2, is.units, is.unsure];
            conn.execute_one(&DEDUCT, args).await?;
        }
        if is.units != was.units {
            flow(conn, at, is.units - was.units).await?;
        }
        let unknown = is.unsure - was.unsure;
        if unknown > 0 {
            may_have_moved(conn, at, (0, unknown)).await?;
            // Else they were taken off another.
            let spots = now.unsaid.iter().flat_map(|unsaid| &unsaid.spots);
            for other in spots.filter(|other| *other != spot) {
                let at = (channel, other.0.as_str(), other.1.as_str());
                may_have_moved(conn, at, (unknown, 0)).await?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spot(place: &str) -> Spot {
        ("mug".to_owned(), place.to_owned())
    }

    fn spots(all: &[(&str, i64, i64)]) -> BTreeMap<Spot, Taken> {
        let one = |(place, units, unsure): &(&str, i64, i64)| {
            (spot(place), Taken { units: *units, unsure: *unsure })
        };
        all.iter().map(one).collect()
    }

    /// What is said to be taken, and so many units beside it, of which some may be back, at the
    /// first of some places or at another.
    fn deduction(said: &[(&str, i64)], (units, unsure): (i64, i64), places: &[&str]) -> Deduction {
        Deduction {
            order: "o".to_owned(),
            line: "l".to_owned(),
            taken: said.iter().map(|(place, units)| (spot(place), *units)).collect(),
            unsaid: Some(Unsaid {
                units,
                unsure,
                spots: places.iter().map(|place| spot(place)).collect(),
            }),
            is_guessed: false,
        }
    }

    /// Without the numbers that nothing was taken off.
    fn after(now: &Deduction, before: &[(&str, i64, i64)]) -> BTreeMap<Spot, Taken> {
        let mut after = now.after(&spots(before));
        after.retain(|_, taken| *taken != Taken::default());
        after
    }

    #[test]
    fn what_nobody_says_the_place_of_stays_where_it_was() {
        let now = deduction(&[("a", 1), ("b", 1)], (1, 0), &["a", "b"]);
        assert_eq!(after(&now, &[("a", 1, 0), ("b", 2, 0)]), spots(&[("a", 1, 0), ("b", 2, 1)]));
        assert_eq!(after(&now, &[("a", 2, 0), ("b", 1, 0)]), spots(&[("a", 2, 1), ("b", 1, 0)]));
        assert_eq!(after(&now, &[]), spots(&[("a", 2, 1), ("b", 1, 0)]), "nothing is known");
        // The line leaves from elsewhere by now, and one of it does not.
        let now = deduction(&[("b", 2)], (1, 0), &["b"]);
        assert_eq!(after(&now, &[("a", 3, 0)]), spots(&[("a", 1, 0), ("b", 2, 0)]));
    }

    #[test]
    fn what_may_have_been_put_back_is_unsure_once_and_where_it_was() {
        let now = deduction(&[("a", 1), ("b", 1)], (2, 1), &["b"]);
        let once = after(&now, &[("a", 1, 0), ("b", 3, 0)]);
        assert_eq!(once, spots(&[("a", 1, 0), ("b", 3, 1)]));
        assert_eq!(now.after(&once), once);
        let more = deduction(&[("a", 1)], (3, 2), &["b"]);
        assert_eq!(more.after(&once)[&spot("b")], Taken { units: 3, unsure: 2 });
        // Where it may have been at another place, all of it is unsure.
        let more = deduction(&[("a", 1)], (3, 2), &["b", "a"]);
        assert_eq!(more.after(&once)[&spot("b")], Taken { units: 3, unsure: 3 });
    }
}
