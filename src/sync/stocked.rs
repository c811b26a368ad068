//! A channel is told to keep listings at a place, some at a time.
//!
//! First it is written down which items they will be there, then the channel is told, and
//! last their numbers are begun. What ends in between is found by the next plan: a listing
//! that is an item at the place, kept there, and without a number here. So nothing that
//! somebody else has the channel keep is ever taken for ours.

use serde::Serialize;
use serde_json::json;

use super::SyncError;
use super::stocking::{StockingError, StockingPlan, StockingStep, Watch, tried};
use crate::connectors::{Holder, KEEP_MAX, Keeping, Stocking};
use crate::domain::{ItemId, Kind};
use crate::store::listings::{self, Seen};
use crate::store::{self, Conn, StoreError, pushes};

/// Another listing with the same number is another item.
const SHARED: &str = "its number is also that of another listing, which is another item";

/// What was done of a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stocked {
    /// Listings that are kept at the place from now on, and were not before.
    pub begun: usize,
    /// Of these and of those of an earlier run, those that are an item: their numbers are
    /// written from now on.
    pub mapped: usize,
    /// Listings that somebody else had the channel keep meanwhile: they are left as they are.
    pub already: usize,
    /// Listings that are not kept, or that are no item, and why.
    pub refused: Vec<NotStocked>,
    /// Steps that were not come to.
    pub left: usize,
    /// Lines of orders that waited for the listings.
    pub lines: usize,
}

/// A listing that was not done with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NotStocked {
    /// The channel's id of it.
    pub listing: String,
    /// Why.
    pub why: String,
}

/// Does what a plan says. What was done stays done where it fails or is stopped, and the next
/// plan goes on with the rest.
pub async fn apply_stocking(
    plan: StockingPlan,
    watch: &Watch<'_>,
) -> Result<Stocked, StockingError> {
    let channel = &plan.channel;
    let stocking = channel.may_stock().await?;
    let is_pushed = !channel.mirrored().await?.contains_key(&plan.place);
    let (mut stocked, mut done) = (Stocked::default(), 0);
    for steps in plan.steps.chunks(KEEP_MAX) {
        if watch(done).is_break() {
            break;
        }
        channel.may_stock().await?;
        plan.write_down(steps).await?;
        let outcomes = keep(stocking, steps, &|| watch(done).is_break()).await?;
        plan.begin(steps, outcomes, is_pushed, &mut stocked).await?;
        done += steps.len();
    }
    stocked.left = plan.steps.len() - done;
    stocked.lines = channel.map_waiting().await?;
    Ok(stocked)
}

/// What became of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    /// It is kept because of this program.
    Ours {
        /// Whether it was not, before this run.
        is_new: bool,
    },
    /// It is kept, and was before.
    Theirs,
    /// It is not kept.
    Refused(String),
}

/// Has some listings kept; a call that fails is made again, as its failure says.
async fn keep(
    stocking: &dyn Stocking,
    steps: &[StockingStep],
    is_stopped: &(dyn Fn() -> bool + Sync),
) -> Result<Vec<Outcome>, SyncError> {
    let holders: Vec<Holder> = steps.iter().map(|step| step.countable.holder.clone()).collect();
    let (kept, failures) = tried(&|| stocking.keep(&holders), is_stopped).await?;
    let outcome = |(step, keeping): (&StockingStep, Keeping)| match keeping {
        Keeping::Begun => Outcome::Ours { is_new: true },
        // A call without an answer did it, of this run or of one before.
        Keeping::Already if step.is_begun || failures > 0 => {
            Outcome::Ours { is_new: !step.is_begun }
        }
        Keeping::Already => Outcome::Theirs,
        Keeping::Refused { detail } => Outcome::Refused(detail),
    };
    Ok(steps.iter().zip(kept).map(outcome).collect())
}

impl StockingPlan {
    /// Writes down which items listings will be, before the channel is told.
    async fn write_down(&self, steps: &[StockingStep]) -> Result<(), StoreError> {
        let mark = |step: &StockingStep| {
            let item = step.item.filter(|_| !step.is_begun)?;
            Some((step.seen(&self.place, false), step.keys(), item))
        };
        let marks: Vec<_> = steps.iter().filter_map(mark).collect();
        if marks.is_empty() {
            return Ok(());
        }
        let (id, now) = (self.channel.id, self.channel.shop.clock.now().as_millis());
        let written = self.channel.shop.db.write(move |mut conn| {
            Box::pin(async move {
                for (seen, keys, item) in &marks {
                    let at = (seen.external_id.as_str(), seen.place.as_str());
                    let known = listings::find(&mut conn, id, at.0, at.1).await?;
                    let listing = listings::see(&mut conn, id, seen, keys, now).await?;
                    // What somebody said of it meanwhile goes before.
                    if known.is_none_or(|known| known.item.is_none()) {
                        listings::set_item(&mut conn, listing, Some(*item)).await?;
                    }
                }
                Ok(())
            })
        });
        written.await
    }

    /// Begins the numbers of listings that are kept now, and takes back what was written down
    /// of the others.
    async fn begin(
        &self,
        steps: &[StockingStep],
        outcomes: Vec<Outcome>,
        is_pushed: bool,
        stocked: &mut Stocked,
    ) -> Result<(), StoreError> {
        let (name, now) = (self.channel.name().to_owned(), self.channel.shop.clock.now());
        let at = At { channel: self.channel.id, place: self.place.clone(), is_pushed };
        let work: Vec<_> = steps.iter().cloned().zip(outcomes.iter().cloned()).collect();
        let written = self.channel.shop.db.write(move |mut conn| {
            Box::pin(async move {
                let (newest, _) = store::journal::newest(&mut conn).await?;
                let (mut entries, mut ends) = (Vec::new(), Vec::new());
                for (step, outcome) in &work {
                    // The number of its entry is not known before: it is this, or a later one.
                    let at = (&at, newest + 1, now.as_millis());
                    let end = end(&mut conn, at, step, outcome).await?;
                    if let Ok(Some(item)) = end {
                        let mut entry = super::entry(Kind::ListingMapped, &name, now);
                        entry.item = Some(item);
                        let place = &at.0.place;
                        let data =
                            json!({ "channel": name, "listing": step.listing, "place": place });
                        entry.data = Some(data.to_string());
                        entries.push(entry);
                    }
                    ends.push(end);
                }
                store::journal::append_aside(&mut conn, &entries, now.as_millis()).await?;
                Ok(ends)
            })
        });
        for ((step, outcome), end) in steps.iter().zip(&outcomes).zip(written.await?) {
            stocked.begun += usize::from(*outcome == Outcome::Ours { is_new: true });
            stocked.already += usize::from(*outcome == Outcome::Theirs);
            match end {
                Ok(item) => stocked.mapped += usize::from(item.is_some()),
                Err(why) => {
                    stocked.refused.push(NotStocked { listing: step.listing.clone(), why });
                }
            }
        }
        Ok(())
    }
}

/// A place of a channel, and whether numbers are pushed there.
struct At {
    channel: i64,
    place: String,
    is_pushed: bool,
}

/// Writes down what became of a listing: the item whose number begins, where one does, or why
/// it is not kept or no item.
async fn end(
    conn: &mut Conn<'_>,
    (at, seq, now): (&At, i64, i64),
    step: &StockingStep,
    outcome: &Outcome,
) -> Result<Result<Option<ItemId>, String>, StoreError> {
    let (channel, place) = (at.channel, at.place.as_str());
    let holder = step.countable.holder.id.to_string();
    let number = (channel, holder.as_str(), place);
    let known = listings::find(conn, channel, &step.listing, place).await?;
    let item = known.as_ref().and_then(|known| known.item);
    if *outcome == Outcome::Theirs || matches!(outcome, Outcome::Ours { .. }) || step.was_here {
        listings::see(conn, channel, &step.seen(place, true), &step.keys(), now).await?;
    }
    let beside = listings::of_holder(conn, channel, &holder, place).await?;
    let mut beside = beside.iter().filter(|one| one.external_id != step.listing);
    let is_shared = beside.any(|one| one.item.is_some() && one.item != item);
    let (Some(known), Some(item)) = (known, item) else {
        return Ok(match outcome {
            Outcome::Refused(why) => Err(why.clone()),
            _ => Ok(None),
        });
    };
    let why = match outcome {
        Outcome::Ours { .. } if is_shared => Some(SHARED.to_owned()),
        Outcome::Ours { .. } => {
            if at.is_pushed {
                // It begins anew: what was known of it before is of a number that is gone.
                pushes::unmap(conn, number).await?;
                pushes::map(conn, number, item, seq).await?;
            }
            return Ok(Ok(Some(item)));
        }
        Outcome::Theirs => None,
        Outcome::Refused(why) => Some(why.clone()),
    };
    if !step.was_here {
        listings::set_item(conn, known.id, None).await?;
    }
    Ok(why.map_or(Ok(None), Err))
}

impl StockingStep {
    /// The listing as it is at its place; without a holder until it is kept there.
    fn seen(&self, place: &str, is_kept: bool) -> Seen {
        let holder = self.countable.holder.id.to_string();
        Seen {
            external_id: self.listing.clone(),
            place: place.to_owned(),
            holder: if is_kept { holder } else { String::new() },
            sku_text: self.sku_text.clone(),
            title: self.title.clone(),
        }
    }

    fn keys(&self) -> Vec<String> {
        self.countable.order_keys.iter().map(ToString::to_string).collect()
    }
}
