//! Channels that fall behind: for long more of their numbers become due than are settled.
//!
//! Of a number one change waits at most, so what became due less what was settled is by how
//! much more numbers wait now than before. The lane keeps how many waited in the last minutes
//! in memory: whoever takes the channel over counts anew. What failed on its own, or is held
//! back on purpose, is not counted: `push` tries it later, and it is told as its own problem.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{Channel, Lane};
use crate::config::ChannelMode;
use crate::store::channels::{self, FALLS_BEHIND};
use crate::store::push_state::Waiting;
use crate::store::{StoreError, push_state};

/// More that becomes due than is settled is said after so long, milliseconds; what is
/// settled sooner was a burst.
const FOR_MS: i64 = 5 * 60 * 1000;
/// How often the numbers that wait are counted, milliseconds.
const EVERY_MS: i64 = 15_000;
/// Counts that are kept: those of the time above, the one before it, and the last.
const COUNTS_MAX: usize = 22;
const _: () = assert!(FOR_MS / EVERY_MS + 2 == 22, "what is kept is too short, or too long");

/// Whether a channel falls behind.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    /// When numbers were counted, and how many waited, the oldest first.
    counts: VecDeque<(i64, i64)>,
    /// When they were last counted or could have been.
    looked_at: Option<i64>,
    /// Numbers that were dirty then, and those settled by this node until then.
    balance: Option<(i64, i64)>,
    /// Since when it falls behind.
    since: Option<i64>,
}

impl Backlog {
    /// Whether numbers are to be counted now.
    fn is_due(&self, now: i64) -> bool {
        self.looked_at.is_none_or(|at| now < at || now - at >= EVERY_MS)
    }

    /// Nothing is known of before now.
    fn forget(&mut self, now: Option<i64>) {
        *self = Self { looked_at: now, ..Self::default() };
    }

    /// So many numbers are dirty, and so many were settled in all; how many became due.
    fn became_due(&mut self, dirty: i64, settled: i64) -> i64 {
        let before = self.balance.replace((dirty, settled));
        // What was unmapped was not settled, and waits no longer.
        before.map_or(0, |(was, then)| (dirty - was + settled - then).max(0))
    }

    /// Numbers were counted. It falls behind where as many wait as never in five minutes,
    /// more than at their beginning, and one waits longer than that; until one of the last
    /// two is over.
    fn counted(&mut self, now: i64, waiting: &Waiting) {
        self.looked_at = Some(now);
        // A clock may be put back.
        self.counts.retain(|(at, _)| *at < now);
        while self.counts.get(1).is_some_and(|(at, _)| now - at >= FOR_MS)
            || self.counts.len() >= COUNTS_MAX
        {
            self.counts.pop_front();
        }
        let before = self.counts.front().filter(|(at, _)| now - at >= FOR_MS);
        let is_old = waiting.oldest_at.is_some_and(|at| now - at > FOR_MS);
        let is_most = self.counts.iter().all(|(_, count)| (1..=waiting.count).contains(count));
        self.since = match (self.since, before) {
            _ if !is_old => None,
            (Some(_), Some((_, count))) if waiting.count < *count => None,
            (None, Some((_, count))) if is_most && waiting.count > *count => Some(now),
            (since, _) => since,
        };
        self.counts.push_back((now, waiting.count));
    }
}

impl Lane {
    /// Looks now and then whether the channel falls behind, and says so once, and once that
    /// it does not any more. Called between two calls too: a lane that falls behind may not
    /// come to the end of a step.
    pub(super) async fn watch_backlog(&mut self) -> Result<(), StoreError> {
        let (channel, now) = (Arc::clone(&self.channel), self.now().as_millis());
        let counters = &channel.shop.counters;
        if !self.was_ours {
            // It is another node's to say.
            self.backlog.forget(None);
            counters.behind(channel.name(), false);
            return Ok(());
        }
        if !self.backlog.is_due(now) {
            return Ok(());
        }
        let was_behind = self.backlog.since.is_some();
        if channel.mode().await? == ChannelMode::Live {
            let waiting =
                push_state::waiting(&mut channel.shop.db.read().await?.conn(), channel.id, now)
                    .await?;
            let settled = counters.settled_so_far(channel.name());
            counters.became_due(channel.name(), self.backlog.became_due(waiting.dirty, settled));
            self.backlog.counted(now, &waiting);
            if !was_behind && self.backlog.since.is_some() {
                let (channel, numbers) = (channel.name(), waiting.count);
                tracing::warn!(channel, numbers, "a channel falls behind: {FALLS_BEHIND}");
            }
        } else {
            self.backlog.forget(Some(now));
        }
        counters.behind(channel.name(), self.backlog.since.is_some());
        let since = self.backlog.since;
        if was_behind && since.is_none() {
            tracing::info!(channel = channel.name(), "a channel falls behind no more");
        }
        // Whoever had the channel before may have said so.
        if channel.stored().await?.behind_at != since {
            channel.note_backlog(since).await?;
        }
        Ok(())
    }
}

impl Channel {
    /// Writes down since when it falls behind, or that it does not.
    async fn note_backlog(&self, since: Option<i64>) -> Result<(), StoreError> {
        let id = self.id;
        let written = self.shop.db.write(move |mut conn| {
            Box::pin(async move { channels::set_behind(&mut conn, id, since).await })
        });
        written.await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;

    /// Counts of numbers at minutes, each with the minute since when one waits; the minutes
    /// at which it fell behind and did so no more.
    fn told(counts: &[(i64, i64, i64)]) -> Vec<i64> {
        let (mut backlog, mut told) = (Backlog::default(), Vec::new());
        for (minute, count, oldest) in counts {
            let was = backlog.since.is_some();
            let oldest_at = (*count > 0).then_some(oldest * MINUTE);
            backlog.counted(minute * MINUTE, &Waiting { dirty: *count, count: *count, oldest_at });
            if was != backlog.since.is_some() {
                told.push(*minute);
            }
        }
        told
    }

    #[test]
    fn what_grows_for_longer_than_five_minutes_is_told_once_and_its_end_too() {
        let growing = (0..12).map(|minute| (minute, 10 + minute, minute / 3));
        let going = (12..20).map(|minute| (minute, 22 - 2 * (minute - 11), 4));
        let counts: Vec<_> = growing.chain(going).collect();
        // At 7 none waits for longer than five minutes; at 14 fewer wait than five minutes before.
        assert_eq!(told(&counts), [8, 14]);
        assert_eq!(told(&counts[..5]), [0; 0], "it is too early to say");
    }

    #[test]
    fn a_burst_is_not_told_while_it_goes_down() {
        let burst: Vec<_> = (0..30).map(|minute| (minute, 100 - 3 * minute, 0)).collect();
        assert_eq!(told(&burst), [0; 0]);
        // Nothing waited before it, then as many as never, and then fewer.
        let late: Vec<_> = (0..5).map(|minute| (minute, 0, 0)).collect();
        let late: Vec<_> =
            late.into_iter().chain((5..30).map(|minute| (minute, 100 - minute, 4))).collect();
        assert_eq!(told(&late), [0; 0]);
    }

    #[test]
    fn what_waits_shortly_each_time_is_not_told() {
        let soon: Vec<_> = (0..30).map(|minute| (minute, 10 + minute, minute - 4)).collect();
        assert_eq!(told(&soon), [0; 0]);
    }

    #[test]
    fn what_stays_as_it_is_is_not_told() {
        let stuck: Vec<_> = (0..30).map(|minute| (minute, 3, 0)).collect();
        assert_eq!(told(&stuck), [0; 0]);
        // Something new waits for a moment beside it, as at any sale.
        let sale: Vec<_> = (0..30).map(|minute| (minute, i64::from(minute % 7 == 0), 0)).collect();
        assert_eq!(told(&sale), [0; 0]);
    }

    #[test]
    fn a_clock_that_is_put_back_begins_anew() {
        let mut counts: Vec<_> = (0..12).map(|minute| (minute, 10 + minute, 0)).collect();
        counts.extend([(2, 30, 0), (3, 31, 0)]);
        assert_eq!(told(&counts), [6, 2]);
        assert!(Backlog { looked_at: Some(9), ..Backlog::default() }.is_due(8));
    }

    #[test]
    fn what_became_due_is_what_was_settled_and_what_waits_more() {
        let mut backlog = Backlog::default();
        assert_eq!(backlog.became_due(7, 100), 0, "nobody knows when");
        assert_eq!(backlog.became_due(9, 105), 7);
        assert_eq!(backlog.became_due(4, 110), 0);
        assert_eq!(backlog.became_due(1, 110), 0, "three are not ours any more");
    }
}
