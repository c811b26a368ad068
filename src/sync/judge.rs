//! What a number on a channel says: whether it is explained, and may be written over.
//!
//! Without compare every number in the range of what is explained may be written over: the
//! orders are read after the write. With compare the write itself is refused when something
//! was sold meanwhile, so what it is compared with must be a number whose every sale is in:
//! the exact one that is expected, or one that was read before the orders were and that
//! nothing moved since.

use std::collections::HashMap;

use super::expect::Expected;
use super::pull::MOMENT_MS;
use super::push::Batch;
use super::target::Targets;
use super::{Channel, Lane, SyncError};
use crate::connectors::Compare;
use crate::domain::{Kind, Quantity, RemoteQuantity};
use crate::store::inbox;
use crate::store::pushes::{self, Flow, Known, PushRow};

/// Why a number that is too low is left alone.
const UNREAD: &str = "the channel has an order that cannot be read, which may have taken this: \
                      see `invshop inbox dead`";

/// A number with what it should be.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) row: PushRow,
    pub(super) target: Quantity,
    /// What a write is to find there, where the channel compares.
    pub(super) compare: Option<i64>,
    /// Whether every order is in that could be in that.
    pub(super) is_settled: bool,
}

/// What is to be done about a number that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is what it should be.
    Right,
    /// It may be written over.
    Write,
    /// Nothing explains it yet, or not to the unit where that is needed.
    Unexplained(i64),
    /// A write may still arrive.
    Wait,
    /// All of it is done once more.
    Again,
    /// The same, not before a moment: what explains it may not be listed yet.
    Later(i64),
    /// It is no number, or there is nothing that carries it.
    NoNumber(&'static str),
}

/// A number as it was read, and what had come in by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Looked {
    number: i64,
    flow: Flow,
}

/// A number that the orders do not explain.
#[derive(Clone, Copy, Debug)]
pub(super) struct Doubt {
    looked: Looked,
    /// Since when it was so, milliseconds.
    since: i64,
    /// By how much it was off when it was last looked at, and since when, where that is known.
    off: Option<(i64, i64)>,
}

/// Whether something of a channel could not be read that may be of orders.
#[derive(Clone, Copy, Debug)]
struct Unread {
    /// So far, or for good.
    any: bool,
    /// So far: it is tried again.
    still: bool,
}

impl Channel {
    /// How long after a change an order may not be listed yet, milliseconds.
    pub(super) fn lag_ms(&self) -> i64 {
        let orders = self.connector.capability().orders.as_ref();
        orders.map_or(0, |orders| i64::try_from(orders.lag.as_millis()).unwrap_or(i64::MAX))
    }
}

impl Lane {
    /// Whether a number may be written over, by all that is known of it.
    pub(super) fn judge(&self, wanted: &mut Wanted, number: Option<RemoteQuantity>) -> Verdict {
        let number = match number {
            None => return Verdict::NoNumber("the channel has it no more"),
            Some(RemoteQuantity::Untracked) => {
                return Verdict::NoNumber("the channel does not count it");
            }
            Some(RemoteQuantity::Unreadable) => {
                return Verdict::NoNumber("what the channel shows is no whole number");
            }
            Some(RemoteQuantity::Known(number)) => number,
        };
        let row = &mut wanted.row;
        row.seen_at = Some(self.now().as_millis());
        // That a lost write arrived may only look so: a sale can have left the same number.
        let is_guess = row.sending.is_some();
        if let Some(sending) = row.sending {
            let arrived = Known {
                baseline: sending.quantity,
                from: sending.from,
                until: None,
                confirmed_at: self.now().as_millis(),
            };
            if Expected::of(&arrived, row.flow).has(number) {
                row.known = Some(arrived);
                row.sending = None;
            } else if self.now().as_millis() < sending.until {
                return Verdict::Wait;
            } else {
                row.sending = None;
            }
        }
        let expected = row.known.map(|known| Expected::of(&known, row.flow));
        if number == wanted.target.get() {
            // Where only one number could be there, that it is says nothing new.
            if !expected.is_some_and(|expected| expected.is_exact() && expected.has(number)) {
                row.known = Some(self.confirmed(row, number));
            }
            return Verdict::Right;
        }
        match expected {
            Some(expected) if expected.has(number) && !self.compares() => Verdict::Write,
            Some(expected) if expected.has(number) && expected.is_exact() && !is_guess => {
                // Never what was just read: a sale may be in that which is not in here.
                wanted.compare = Some(expected.high);
                wanted.is_settled = row.known.is_some_and(|known| known.until.is_some());
                Verdict::Write
            }
            _ => Verdict::Unexplained(number),
        }
    }

    /// What is known of a number once the channel has said it.
    fn confirmed(&self, row: &PushRow, number: i64) -> Known {
        let confirmed_at = self.now().as_millis();
        Known { baseline: number, from: row.flow, until: None, confirmed_at }
    }

    /// What is known of a number that was written. Where the write was compared with one in
    /// which every order was that is in, all that comes in from now on came after it.
    pub(super) fn written(&self, row: &PushRow, number: i64, is_settled: bool) -> Known {
        let until = (self.compares() && is_settled).then_some(row.flow);
        Known { until, ..self.confirmed(row, number) }
    }

    /// Whether the channel refuses a write that finds another number than expected.
    pub(super) fn compares(&self) -> bool {
        let rules = self.channel.connector.capability().write.as_ref();
        rules.is_some_and(|rules| rules.compare == Compare::Number)
    }

    /// The channel's orders are read; what nothing explains then was somebody's hand, or
    /// is seen for the first time. Each comes with the number that was read before.
    pub(super) async fn second_look(
        &mut self,
        doubtful: Vec<(Wanted, i64)>,
        batch: &mut Batch,
    ) -> Result<(), SyncError> {
        let first_seen = self.now().as_millis();
        self.catch_up().await?;
        let (mut rows, mut before) = (Vec::new(), HashMap::new());
        for (wanted, number) in doubtful {
            let row = &wanted.row;
            let mut reader = self.channel.shop.db.read().await?;
            let at = (row.channel_id, row.holder.as_str(), row.place.as_str());
            rows.extend(pushes::find(&mut reader.conn(), at).await?);
            before.insert(key(row), Looked { number, flow: row.flow });
        }
        let Targets { seq, quantities } =
            self.channel.targets(rows.iter().map(PushRow::number)).await?;
        let wanted = self.fed(rows, quantities).await?;
        let mut reader = self.channel.shop.db.read().await?;
        let id = self.channel.id;
        let unread = Unread {
            any: inbox::count_unread(&mut reader.conn(), id).await? > 0,
            still: inbox::count_failing(&mut reader.conn(), id).await? > 0,
        };
        drop(reader);
        let read = self.read(&wanted).await?;
        for (mut wanted, number) in wanted.into_iter().zip(read) {
            let key = key(&wanted.row);
            let verdict = match self.judge(&mut wanted, number) {
                Verdict::Unexplained(number) => {
                    let before = before.get(&key).copied();
                    match self.unlisted_until(key, (number, wanted.row.flow), first_seen) {
                        Some(at) => Verdict::Later(at),
                        None => self.doubt(batch, &mut wanted, (number, before), unread),
                    }
                }
                verdict => {
                    self.doubts.remove(&key);
                    verdict
                }
            };
            self.take(batch, wanted, verdict, seq);
        }
        Ok(())
    }

    /// Until when an order that explains a number may not be listed yet: it is believed only
    /// after a list that was begun so long after the number was first seen. Orders were read
    /// from `begun` on.
    fn unlisted_until(
        &mut self,
        key: (String, String),
        (number, flow): (i64, Flow),
        begun: i64,
    ) -> Option<i64> {
        let (lag, now) = (self.channel.lag_ms(), self.now().as_millis());
        let looked = Looked { number, flow };
        let doubt = self.doubts.entry(key).or_insert(Doubt { looked, since: now, off: None });
        if doubt.looked != looked {
            *doubt = Doubt { looked, since: now, off: None };
        }
        let until = doubt.since.saturating_add(lag);
        (lag > 0 && begun < until).then_some(until)
    }

    /// What to do about a number that the orders do not explain. Something may have been
    /// sold between their reading and the number's: only what stays off by as much when
    /// all is done again was somebody's hand.
    fn doubt(
        &mut self,
        batch: &mut Batch,
        wanted: &mut Wanted,
        (number, before): (i64, Option<Looked>),
        unread: Unread,
    ) -> Verdict {
        if self.compares() {
            if before != Some(Looked { number, flow: wanted.row.flow }) {
                return Verdict::Again; // It moved, and may still.
            }
            // It was read before the orders were, and none of them is new.
            (wanted.compare, wanted.is_settled) = (Some(number), !unread.still);
        }
        let Some(known) = wanted.row.known else {
            return Verdict::Write; // It is seen for the first time.
        };
        let expected = Expected::of(&known, wanted.row.flow);
        if expected.has(number) {
            return Verdict::Write; // Explained, though not to the unit.
        }
        let off = number - expected.high;
        if let Some(verdict) = self.is_off(&key(&wanted.row), off) {
            return verdict;
        }
        if unread.any && off < 0 && number < wanted.target.get() {
            return Verdict::NoNumber(UNREAD);
        }
        self.doubts.remove(&key(&wanted.row));
        // What is not written yet is found again when it is; and what may be explained by what
        // is still to be read was nobody's hand as far as anybody knows.
        if self.may_write(wanted) && !unread.still {
            self.note_drift(batch, wanted, number);
        }
        Verdict::Write
    }

    /// What is to be done first about a number that is off by so much; nothing where it was so
    /// before. Where lists of orders follow later, an order may be listed for the first time with
    /// a state in which it was read before, and one of the same moment is read a moment later.
    fn is_off(&mut self, key: &(String, String), off: i64) -> Option<Verdict> {
        let now = self.now().as_millis();
        let moment = if self.channel.lag_ms() > 0 { MOMENT_MS } else { 0 };
        let doubt = self.doubts.get_mut(key);
        let before = doubt.as_ref().and_then(|doubt| doubt.off).filter(|(was, _)| *was == off);
        let (_, since) = before.unwrap_or((off, now));
        if let Some(doubt) = doubt {
            doubt.off = Some((off, since));
        }
        match (before, since + moment) {
            (Some(_), until) if now >= until => None,
            (None, _) if moment == 0 => Some(Verdict::Again),
            (_, until) => Some(Verdict::Later(until)),
        }
    }

    fn note_drift(&self, batch: &mut Batch, wanted: &Wanted, number: i64) {
        let row = &wanted.row;
        let Some(known) = row.known else { return };
        let expected = Expected::of(&known, row.flow);
        let (channel, holder) = (self.channel.name(), row.holder.as_str());
        tracing::warn!(
            channel,
            holder,
            shown = number,
            expected = expected.high,
            "a number was changed by hand: it is written over"
        );
        let mut entry = super::entry(Kind::ChannelDrift, channel, self.now());
        entry.item = Some(row.item);
        entry.quantity = Some(number.max(0));
        entry.data = Some(
            serde_json::json!({
                "channel": channel, "holder": holder, "place": row.place, "cause": "manual_edit",
                "shown": number, "expected": [expected.low, expected.high],
                "wanted": wanted.target.get(),
            })
            .to_string(),
        );
        batch.drifts.push(entry);
    }
}

/// What carries a number, as one key.
pub(super) fn key(row: &PushRow) -> (String, String) {
    (row.holder.clone(), row.place.clone())
}
