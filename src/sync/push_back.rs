//! A channel is told what became of its orders here: what left, and what will not.
//!
//! The journal says what is to be told; telling twice is telling once, because a parcel
//! has a name. What the channel does not take is kept for a person.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::ingest::{is_its_own, retry_of};
use super::retry::{ATTEMPTS_MAX, pause};
use super::{Lane, SyncError};
use crate::config::ChannelMode;
use crate::connectors::{
    Answer, ChannelError, ErrorKind, Fulfilment, FulfilmentRules, LineUnits, Parcel, Told, Tracking,
};
use crate::domain::{FactId, Order, Quantity, RemoteId};
use crate::orders::LEFT_UNMAPPED;
use crate::shop::Shop;
use crate::store::push_backs::{self, About, Goods, PushBack};
use crate::store::remote_lines::Spot;
use crate::store::{self, StoreError, remote_lines};

/// What the data of a cancellation says that the channel itself made: by a state of the
/// order, and by having it no more.
pub(super) const THEIRS: [&str; 2] =
    [r#"{"reason":"changed at the source"}"#, r#"{"reason":"gone at its channel"}"#];

/// Things that are told in one step.
const TOGETHER_MAX: i64 = 20;
/// Entries of one shipment at most.
const ENTRIES_MAX: i64 = 2_000;

/// How long telling one thing may take, milliseconds: whoever has the channel next must not
/// tell it meanwhile.
const TELL_MS: i64 = 20_000;
const _: () = assert!(TELL_MS < super::lane::LEASE_MS, "telling may outlive its lease");
/// After how long it is asked whether what the channel has under way is done, and how long the
/// numbers of an order wait for it at most, milliseconds.
const UNDER_WAY_MS: i64 = 1_000;
const REST_MS: i64 = 60_000;
/// Why a channel of whole orders cannot be told of one.
const PART_CANCELLED: &str = "some of the order was cancelled here and the rest of it left, and \
     the channel knows only whole orders: refund there what was cancelled, then complete it there";

/// What there is to say.
enum Saying {
    Ship(Parcel),
    Cancel(RemoteId, Option<String>),
    /// Nothing, and why.
    Nothing(String),
    /// What cannot be said, and why.
    Cannot(String),
}

/// How saying something ended.
struct Said {
    told: push_backs::Told,
    /// A failure that is not about it alone.
    failed: Option<SyncError>,
    /// The channel's id of the order it was about.
    order: Option<RemoteId>,
    is_under_way: bool,
}

impl Said {
    fn of(told: push_backs::Told) -> Self {
        Self { told, failed: None, order: None, is_under_way: false }
    }
}

/// Numbers that are left alone, and until when at most, milliseconds.
#[derive(Debug)]
pub(super) struct Resting {
    spots: Vec<Spot>,
    until: i64,
}

/// An order with what is known of it outside.
struct Subject {
    order: Order,
    id: RemoteId,
    rules: FulfilmentRules,
    /// The channel's ids of its lines, by their numbers.
    lines: BTreeMap<i64, RemoteId>,
    /// Whether some of it was cancelled here, and not by the channel.
    cancelled_here: bool,
}

impl Lane {
    /// Tells the channel some of what it is to be told; whether that may have moved its
    /// numbers. A failure keeps nobody from the numbers: only this is waited with.
    pub(super) async fn push_back(&mut self) -> Result<bool, SyncError> {
        if self.telling.lasts() {
            return Ok(false);
        }
        let now = self.now().as_millis();
        let mut reader = self.channel.shop.db.read().await?;
        let due = push_backs::due(&mut reader.conn(), self.channel.id, now, TOGETHER_MAX).await?;
        drop(reader);
        if due.is_empty() {
            return Ok(false);
        }
        let mode = self.channel.mode().await?;
        if mode == ChannelMode::Paused {
            return Ok(false);
        }
        let connector = Arc::clone(&self.channel.connector);
        let mut moved = false;
        for one in due {
            let (told, failed) = match connector.fulfilment() {
                _ if mode == ChannelMode::Shadow => (nothing("the channel was in shadow"), None),
                None => (nothing("its kind is told nothing"), None),
                Some(fulfilment) => {
                    if !self.turn.is_ours_for(TELL_MS).await? {
                        return Ok(moved);
                    }
                    moved |= one.about == About::Cancelled;
                    let said = self.tell(fulfilment, &one).await?;
                    self.rest(&said).await?;
                    (said.told, said.failed)
                }
            };
            let now = self.now().as_millis();
            let written = self.channel.shop.db.write(move |mut conn| {
                Box::pin(async move { push_backs::told(&mut conn, &one, told, now).await })
            });
            written.await?;
            if let Some(error) = failed {
                self.note_untold(error).await;
                return Ok(moved);
            }
            self.telling.worked();
        }
        Ok(moved)
    }

    /// Telling failed for a reason that is not about one order.
    async fn note_untold(&mut self, error: SyncError) {
        let pause = self.telling.failed(retry_of(&error));
        let (channel, seconds) = (self.channel.name(), pause.as_secs());
        tracing::warn!(channel, error = %error, seconds, "a channel cannot be told of its orders");
        self.channel.note_failure(&error).await;
    }

    /// Says one thing; how it ended.
    async fn tell(&self, fulfilment: &dyn Fulfilment, one: &PushBack) -> Result<Said, StoreError> {
        let (answer, known, order): (_, fn(Option<String>) -> push_backs::Told, _) =
            match self.saying(one).await? {
                Saying::Nothing(why) => return Ok(Said::of(nothing(&why))),
                Saying::Cannot(why) => return Ok(Said::of(push_backs::Told::Refused(why))),
                Saying::Ship(parcel) => {
                    let told = in_time(fulfilment.ship(&parcel)).await;
                    (told, push_backs::Told::Done, parcel.order)
                }
                Saying::Cancel(order, reason) => {
                    let told = in_time(fulfilment.cancel(&order, reason.as_deref())).await;
                    (told, push_backs::Told::Cancelled, order)
                }
            };
        let said = Said { order: Some(order), ..Said::of(known(None)) };
        Ok(match answer {
            Ok(Told::Done) => said,
            Ok(Told::Already) => Said { told: known(Some("the channel knew".to_owned())), ..said },
            Ok(Told::UnderWay) => {
                let at = self.now().as_millis() + UNDER_WAY_MS;
                let why = "the channel has it under way".to_owned();
                Said { told: push_backs::Told::Later(why, at), is_under_way: true, ..said }
            }
            Ok(Told::Refused { code, detail }) => {
                Said { told: push_backs::Told::Refused(format!("{code}: {detail}")), ..said }
            }
            Err(error) => {
                let (why, error) = (error.to_string(), SyncError::Channel(error));
                let is_own = is_its_own(&error);
                if is_own && one.attempts + 1 >= ATTEMPTS_MAX {
                    return Ok(Said { told: push_backs::Told::Refused(why), ..said });
                }
                let wait = pause(one.attempts + 1, retry_of(&error)).as_millis();
                let at = self.now().as_millis() + i64::try_from(wait).unwrap_or(0);
                let told = push_backs::Told::Later(why, at);
                Said { told, failed: (!is_own).then_some(error), ..said }
            }
        })
    }

    /// Leaves the numbers of an order alone while the channel has something under way that
    /// will move them: what is written now would have that on top.
    async fn rest(&mut self, said: &Said) -> Result<(), StoreError> {
        let Some(order) = said.order.as_ref().map(ToString::to_string) else { return Ok(()) };
        if !said.is_under_way {
            self.resting.remove(&order);
        } else if !self.resting.contains_key(&order) {
            let mut reader = self.channel.shop.db.read().await?;
            let id = self.channel.id;
            let spots = remote_lines::spots_of(&mut reader.conn(), id, &order).await?;
            let now = self.now().as_millis();
            self.resting.retain(|_, one| now < one.until);
            let until = now + REST_MS;
            self.resting.insert(order, Resting { spots, until });
        }
        Ok(())
    }

    /// Whether a number is left alone for now.
    pub(super) fn rests(&self, holder: &str, place: &str) -> bool {
        let now = self.now().as_millis();
        let mut all = self.resting.values().filter(|one| now < one.until);
        all.any(|one| one.spots.iter().any(|(h, p)| h == holder && p == place))
    }

    /// What there is to say, as everything stands now.
    async fn saying(&self, one: &PushBack) -> Result<Saying, StoreError> {
        let mut reader = self.channel.shop.db.snapshot().await?;
        let mut conn = reader.conn();
        let order = store::orders::load(&mut conn, &[one.order]).await?.pop();
        let rules = self.channel.connector.capability().fulfilment;
        let (Some(order), Some(rules)) = (order, rules) else {
            return Ok(Saying::Nothing("its kind is told nothing".to_owned()));
        };
        let key = order.reference.external_id.as_str();
        let Ok(id) = RemoteId::new(key) else {
            return Ok(Saying::Nothing("the order is not one of the channel's".to_owned()));
        };
        let known = remote_lines::of_order(&mut conn, self.channel.id, key).await?;
        if known.is_empty() {
            return Ok(Saying::Nothing("the order did not come from the channel".to_owned()));
        }
        let line = |(line, number): (String, i64)| Some((number, RemoteId::new(&line).ok()?));
        let lines = known.into_iter().filter_map(line).collect();
        let cancelled_here = push_backs::cancelled_here(&mut conn, one.order, THEIRS).await?;
        let subject = Subject { order, id, rules, lines, cancelled_here };
        let has_next = push_backs::has_next(&mut conn, one.order, one.seq).await?;
        match one.about {
            About::Shipped => {
                let goods = push_backs::goods(&mut conn, one.order, one.seq, ENTRIES_MAX).await?;
                let of = (one.order, one.seq);
                let before = push_backs::left_before(&mut conn, of, LEFT_UNMAPPED).await?;
                Ok(subject.shipped((&goods, &before), has_next))
            }
            About::Cancelled => {
                let entry = push_backs::goods(&mut conn, one.order, one.seq, 1).await?;
                Ok(subject.cancelled(&data_of(&entry), has_next))
            }
        }
    }
}

impl Subject {
    fn is_over(&self) -> bool {
        self.order.counts().open() == 0
    }

    /// A shipment of ours, of which the first of the entries tells.
    fn shipped(&self, (goods, before): (&[Goods], &Units), has_next: bool) -> Saying {
        let is_last = self.is_over() && !has_next;
        if !self.rules.ships_parts && !is_last {
            let why = "it knows only whole orders: it is told with the last parcel";
            return Saying::Nothing(why.to_owned());
        }
        if !self.rules.ships_parts && self.cancelled_here {
            // It would say of what was cancelled that it left, and so would come back here.
            return Saying::Cannot(PART_CANCELLED.to_owned());
        }
        self.parcel(goods, before, is_last)
    }

    /// What is cancelled: all of the order, or the rest of one of which goods left.
    fn cancelled(&self, data: &serde_json::Value, has_next: bool) -> Saying {
        if !self.is_over() {
            let why = "some of the order was cancelled here, and the channel can only be told \
                       of the whole: change the order there";
            return Saying::Cannot(why.to_owned());
        }
        match (self.order.counts().shipped > 0, self.rules.ships_parts) {
            (false, _) if self.rules.cancels => {
                let reason = data["reason"].as_str().map(ToOwned::to_owned);
                Saying::Cancel(self.id.clone(), reason)
            }
            (false, _) => {
                let why = "the order was cancelled here, and the channel cannot be told: \
                           cancel it there";
                Saying::Cannot(why.to_owned())
            }
            // The last parcel will say that nothing follows.
            (true, true) if has_next => {
                Saying::Nothing("it is told with the last parcel".to_owned())
            }
            (true, false) => Saying::Cannot(PART_CANCELLED.to_owned()),
            (true, true) => {
                let why = "the rest of the order was cancelled here after goods had left: \
                           cancel it there";
                Saying::Cannot(why.to_owned())
            }
        }
    }

    /// The parcel of a shipment's entries. Of a bundle whole units only are told: with the
    /// parcel that has the last part of one.
    fn parcel(&self, goods: &[Goods], before: &Units, is_last: bool) -> Saying {
        let data = data_of(goods);
        let Some(shipment) = data["shipment_id"].as_str().and_then(|id| FactId::new(id).ok())
        else {
            return Saying::Nothing("the shipment has no name".to_owned());
        };
        let units = units_of(goods);
        let mut lines = Vec::new();
        for line in &self.order.lines {
            let of = |all: &Units, part: i64| all.get(&(line.number, part)).copied().unwrap_or(0);
            let whole = |left: &dyn Fn(i64) -> i64| {
                let parts = line.parts.iter().map(|part| left(part.number) / part.per_unit);
                // What left before anybody knew that it has parts left whole.
                let unparted = if line.bundle { left(0) } else { 0 };
                parts.min().unwrap_or(0) + unparted
            };
            let all = whole(&|part| of(before, part) + of(&units, part));
            let quantity = all - whole(&|part| of(before, part));
            // What left before its item was known is told of by two entries.
            let left = all.min(line.counts().shipped).max(quantity);
            let units = Quantity::positive(quantity).ok().zip(Quantity::positive(left).ok());
            if let (Some((quantity, left)), Some(id)) = (units, self.lines.get(&line.number)) {
                lines.push(LineUnits { line: id.clone(), quantity, left });
            }
        }
        if lines.is_empty() && !is_last {
            return Saying::Nothing("no whole unit of a line left".to_owned());
        }
        let number = data["tracking"].as_str();
        let tracking = number.map(|number| Tracking { number: number.to_owned(), carrier: None });
        Saying::Ship(Parcel { order: self.id.clone(), shipment, lines, is_last, tracking })
    }
}

/// What the first of some entries says beside its columns.
fn data_of(goods: &[Goods]) -> serde_json::Value {
    let data = goods.first().and_then(|entry| entry.data.as_deref()).unwrap_or_default();
    serde_json::from_str(data).unwrap_or_default()
}

/// Units by (line, part).
type Units = BTreeMap<(i64, i64), i64>;

/// Units of each (line, part) that left with the shipment that the first of the entries
/// tells of: its movements follow it.
fn units_of(goods: &[Goods]) -> Units {
    let mut units = Units::new();
    let mut left = goods.first().map_or(0, |entry| entry.quantity);
    for entry in goods.iter().skip(1) {
        let is_unmapped = entry.data.as_deref() == Some(LEFT_UNMAPPED);
        let is_parcel = entry.kind == "ship" || is_unmapped;
        if left <= 0 || entry.kind == "order.shipped" || entry.kind == "order.imported" {
            break;
        }
        if let Some(line) = entry.line.filter(|_| is_parcel) {
            *units.entry((line, entry.part.unwrap_or(0))).or_default() += entry.quantity;
            left -= entry.quantity;
        }
    }
    units
}

/// An answer, or that there was none in time.
async fn in_time(answer: Answer<'_, Told>) -> Result<Told, ChannelError> {
    let most = Duration::from_millis(TELL_MS.unsigned_abs());
    match tokio::time::timeout(most, answer).await {
        Ok(answer) => answer,
        Err(_) => Err(ChannelError::new("tell of an order", ErrorKind::Timeout)),
    }
}

fn nothing(why: &str) -> push_backs::Told {
    push_backs::Told::Done(Some(why.to_owned()))
}

/// What a channel did not take is told once more, of one order or of all; how much.
pub async fn tell_again(shop: &Shop, channel: &str, order: &str) -> Result<u64, StoreError> {
    let (channel, order) = (channel.to_owned(), order.to_owned());
    let written = shop.db.write(move |mut conn| {
        Box::pin(async move { push_backs::again(&mut conn, &channel, &order).await })
    });
    written.await
}

/// What a channel did not take was told there by hand; how much.
pub async fn told_by_hand(shop: &Shop, channel: &str, order: &str) -> Result<u64, StoreError> {
    let (channel, order) = (channel.to_owned(), order.to_owned());
    let now = shop.clock.now().as_millis();
    let written = shop.db.write(move |mut conn| {
        Box::pin(async move { push_backs::by_hand(&mut conn, &channel, &order, now).await })
    });
    written.await
}
