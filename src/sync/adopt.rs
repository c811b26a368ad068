//! What channels show becomes what there is: numbers that are believed against the ledger,
//! as counts of what no order has a claim to.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use serde::Serialize;

use super::target::over;
use super::{Cause, Channel, Difference, SyncError};
use crate::clock::Timestamp;
use crate::domain::{ItemId, Location, LocationCode, PublishRules};
use crate::reports::Shelf;
use crate::shop::turn::Turn;
use crate::store::{StoreError, drift, inbox, listings, pushes};

/// How often it is looked whether the orders are in, and how long between two looks.
const LOOKS_MAX: usize = 60;
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long the lane is kept from the daemons while orders are recorded, milliseconds.
const LEASE_MS: i64 = 60_000;

/// A number that is believed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Adoption {
    /// The item.
    pub sku: String,
    /// Where its units are.
    pub location: String,
    /// What carries the number there.
    pub holder: String,
    /// The channel's place of it; empty where it has none.
    pub place: String,
    /// What is shown.
    pub shown: i64,
    /// Units at the location that no open order has a claim to.
    pub quantity: i64,
}

/// A number that cannot be believed, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NotAdopted {
    /// What carries the number there.
    pub holder: String,
    /// The channel's place of it; empty where it has none.
    pub place: String,
    /// Why.
    pub why: String,
}

/// What the numbers of a channel are taken for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Believed {
    /// Units on the shelf.
    Physical,
    /// Units on the shelf that no open order has a claim to.
    Available,
    /// What our own rules would publish.
    #[default]
    Published,
}

impl Believed {
    /// The word for it in the database and in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Physical => "physical",
            Self::Available => "available",
            Self::Published => "published",
        }
    }
}

/// What differences lead to where the channel is believed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Adoptions {
    /// Counts to be made.
    pub counts: Vec<Adoption>,
    /// Numbers that stay as they are.
    pub left: Vec<NotAdopted>,
}

impl Adoptions {
    /// Leaves items alone that are shown with two numbers, and counts each other once.
    fn leave(&mut self, contested: &HashSet<String>) {
        let mut seen = HashSet::new();
        for one in std::mem::take(&mut self.counts) {
            if contested.contains(&one.sku) {
                let why = format!("{} is shown twice, with two numbers", one.sku);
                self.left.push(NotAdopted { holder: one.holder, place: one.place, why });
            } else if seen.insert(one.sku.clone()) {
                self.counts.push(one);
            }
        }
    }
}

impl Channel {
    /// Reads the channel's orders and has all of them recorded: by the lane that has it, or
    /// here where none does. Refused where some still wait after half a minute.
    pub async fn record_orders(&self) -> Result<(), SyncError> {
        self.pull_now().await?;
        let lease = format!("lane {}", self.name());
        let node = format!("reconcile {}", std::process::id());
        for _ in 0..LOOKS_MAX {
            let mut reader = self.shop.db.read().await?;
            let waiting = inbox::count_pending(&mut reader.conn(), self.id).await?;
            drop(reader);
            if waiting == 0 {
                return Ok(());
            }
            let mut turn = Turn::new(&self.shop, &lease, node.clone()).held_for(LEASE_MS);
            if turn.is_ours().await? {
                let done = self.ingest().await;
                turn.let_go().await;
                done?;
            } else {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
        let cannot = "has orders that are not recorded yet: see `invshop inbox list`";
        Err(SyncError::Cannot { channel: self.name().to_owned(), cannot })
    }

    /// What differences lead to where the channel is believed; `location` says where the
    /// units are where it sells from several. Nothing is written.
    pub async fn adoptions(
        &self,
        differences: &[Difference],
        (believed, location): (Believed, Option<&LocationCode>),
    ) -> Result<Adoptions, StoreError> {
        let mut all = Adoptions::default();
        let mut reader = self.shop.db.snapshot().await?;
        let mut conn = reader.conn();
        let stale = self.stale_buffer(&mut conn).await?;
        let mut by_item: HashMap<ItemId, i64> = HashMap::new();
        let mut contested: HashSet<String> = HashSet::new();
        for one in differences {
            if one.cause == Cause::Unmapped {
                continue;
            }
            let left = |why: String| NotAdopted {
                holder: one.holder.clone(),
                place: one.place.clone(),
                why,
            };
            let shown = match believable(one) {
                Ok(shown) => shown,
                Err(why) => {
                    all.left.push(left(why.to_owned()));
                    continue;
                }
            };
            let at = (self.id, one.holder.as_str(), one.place.as_str());
            let Some(row) = pushes::find(&mut conn, at).await? else { continue };
            let shelf = Shelf::load(&mut conn, vec![row.item]).await?;
            let own = listings::rules_of(&mut conn, self.id, vec![one.holder.clone()]).await?;
            let own = own.get(&(one.holder.clone(), one.place.clone())).copied();
            let rules = over(self.rules(), own.unwrap_or_default()).holding_back(stale);
            let most = self.channel_max();
            let found = match believed {
                Believed::Published => available(rules, shown, most),
                Believed::Physical | Believed::Available if shown < 0 => {
                    Err("it is below 0: more was sold there than there was".to_owned())
                }
                Believed::Physical | Believed::Available => Ok(shown),
            };
            let found =
                found.and_then(|units| self.count((&shelf, row.item), units, (believed, location)));
            match found {
                Err(why) => all.left.push(left(why)),
                Ok((location, quantity)) => {
                    let sku = shelf.sku(row.item);
                    let (holder, place) = (one.holder.clone(), one.place.clone());
                    let count = Adoption { sku, location, holder, place, shown, quantity };
                    if *by_item.entry(row.item).or_insert(quantity) != quantity {
                        contested.insert(count.sku.clone());
                    }
                    all.counts.push(count);
                }
            }
        }
        all.leave(&contested);
        Ok(all)
    }

    /// Writes down that the channel was believed, as of a moment.
    pub async fn note_believed(&self, at: Timestamp, believed: Believed) -> Result<(), StoreError> {
        let (id, at) = (self.id, at.as_millis());
        let written = self.shop.db.write(move |mut conn| {
            Box::pin(async move { drift::believed(&mut conn, id, at, believed.as_str()).await })
        });
        written.await
    }

    /// Units at a location, where all units of the channel's locations are known.
    fn count(
        &self,
        (shelf, item): (&Shelf, ItemId),
        units: i64,
        (believed, location): (Believed, Option<&LocationCode>),
    ) -> Result<(String, i64), String> {
        if shelf.is_bundle(item) {
            return Err("it is made of parts: count those".to_owned());
        }
        let ours: Vec<&Location> =
            shelf.locations.iter().filter(|location| self.sells_from(location)).collect();
        let at = match (location, ours.as_slice()) {
            (Some(code), ours) => ours
                .iter()
                .find(|one| one.code == *code)
                .ok_or_else(|| format!("{} does not sell from {code}", self.name()))?,
            (None, [only]) => only,
            (None, _) => return Err("it is sold from several locations: name one".to_owned()),
        };
        let other = ours.iter().filter(|one| one.id != at.id);
        let (elsewhere, safety): (i64, i64) = match believed {
            Believed::Physical => (other.map(|one| shelf.on_hand_at(item, one)).sum(), 0),
            Believed::Available => (other.map(|one| shelf.available_at(item, one)).sum(), 0),
            // What is withheld from sale is on the shelf beside what is shown.
            Believed::Published => {
                let elsewhere = other.map(|one| shelf.available_at(item, one)).sum();
                (elsewhere, shelf.safety_at(item, at))
            }
        };
        let here = units - elsewhere;
        if here < 0 {
            return Err(format!("{elsewhere} units are at other locations, more than are shown"));
        }
        Ok((at.code.to_string(), here + safety))
    }
}

/// What is shown, where it may be believed: a number that is only late, or of which nobody
/// knows enough, would take back what the ledger knows.
fn believable(one: &Difference) -> Result<i64, &'static str> {
    match (one.cause, one.confirmed, one.shown) {
        (Cause::ManualEdit, _, Some(shown)) | (Cause::Pending, None, Some(shown)) => Ok(shown),
        (Cause::Pending, ..) => Err("the ledger changed since: it is to be written"),
        (Cause::LostPush, ..) => Err("nobody knows whether its last write was done"),
        (Cause::MissedOrder, ..) => Err("a sale explains it that did not come in yet"),
        _ => Err("it is no number there"),
    }
}

/// What is available where a number is shown; the rules turned round, where they can be.
fn available(rules: PublishRules, shown: i64, channel_max: i64) -> Result<i64, String> {
    let most = rules.max_quantity.unwrap_or(i64::MAX).min(channel_max);
    if shown < 0 {
        return Err("it is below 0: more was sold there than there was".to_owned());
    }
    if rules.share_percent != 100 {
        return Err(format!("it is a share of {} %: count the units", rules.share_percent));
    }
    if shown >= most {
        return Err("it is the most that may be shown: there may be more".to_owned());
    }
    if shown == 0 && (rules.buffer > 0 || rules.min_quantity > 0) {
        return Err("0 is shown for a few units too: count them".to_owned());
    }
    Ok(shown + rules.buffer)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: PublishRules =
        PublishRules { buffer: 0, share_percent: 100, max_quantity: None, min_quantity: 0 };

    #[test]
    fn rules_are_turned_round_where_only_one_number_can_be_behind_it() {
        assert_eq!(available(PLAIN, 7, 100), Ok(7));
        assert_eq!(available(PLAIN, 0, 100), Ok(0));
        assert_eq!(available(PublishRules { buffer: 2, ..PLAIN }, 7, 100), Ok(9));
        for (rules, shown) in [
            (PLAIN, -1),
            (PLAIN, 100),
            (PublishRules { buffer: 2, ..PLAIN }, 0),
            (PublishRules { min_quantity: 2, ..PLAIN }, 0),
            (PublishRules { share_percent: 50, ..PLAIN }, 7),
            (PublishRules { max_quantity: Some(7), ..PLAIN }, 7),
        ] {
            available(rules, shown, 100).unwrap_err();
        }
        for units in 1..50 {
            let rules = PublishRules { buffer: 3, min_quantity: 2, ..PLAIN };
            let shown = rules.published(units, 100).get();
            if let Ok(found) = available(rules, shown, 100) {
                assert_eq!(found, units, "what is believed is what there was");
            }
        }
    }
}
