//! How fast a channel may be asked: buckets that fill at a rate, lowered by what the
//! channel says, with a part that only urgent calls may touch.
//!
//! One bucket counts requests, another the channel's own cost points; a call needs
//! room in all of them. What is left is what the channel last said or what we count,
//! whichever is less: other programs of the seller drink from the same bucket.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// Thousandths of a token: rates are often far below one a second.
const MILLI: u64 = 1_000;
/// The longest a channel is believed that it wants to be left alone: longer is a mistake.
pub(super) const PAUSE_MAX: Duration = Duration::from_hours(1);
/// How long after a refusal without a time nothing is asked, at first.
const PAUSE_FIRST: Duration = Duration::from_secs(2);
/// The least part of its rate a bucket falls to after refusals, as a divisor.
const SLOWER_MAX: u64 = 16;
/// How long without a refusal makes it twice as fast again.
const FASTER_AFTER: Duration = Duration::from_mins(1);

/// What a bucket counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Each request is one.
    Requests,
    /// The channel's own points: a call has a cost.
    Points,
}

/// A bucket as the channel documents it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// What it counts.
    pub measure: Measure,
    /// What it holds when full; at least 1.
    pub capacity: u32,
    /// In how long an empty one is full again; more than nothing.
    pub fills_in: Duration,
    /// What of the capacity only urgent calls may take; less than the capacity.
    pub reserve: u32,
}

/// Which part of a budget a call may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// Whatever can wait: orders are pulled, numbers are pushed.
    Ordinary,
    /// A push to zero: what is sold out must not be sold again.
    Urgent,
}

/// What a reply said of a bucket; what it did not say is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// What is left in it.
    pub left: Option<u32>,
    /// What it holds when full.
    pub capacity: Option<u32>,
    /// In how long an empty one is full again.
    pub fills_in: Option<Duration>,
}

/// When a call left, by what was given back until then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark(u64);

/// What an answer says of the points of its call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bill {
    /// Points that were taken for it.
    pub taken: u32,
    /// Points that it cost after all.
    pub cost: u32,
    /// When it left.
    pub left_at: Mark,
    /// What the bucket has now.
    pub said: Said,
}

/// The budget of one channel; clones share it.
#[derive(Clone, Debug)]
pub struct Budget(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Whoever waits looks again when points were given back.
    given_back: Notify,
}

#[derive(Debug)]
struct State {
    buckets: Vec<Bucket>,
    /// Nothing is asked before.
    paused_until: Option<Instant>,
    /// Refusals without a time, one after another.
    refusals: u32,
    /// By how much slower than documented, and since when.
    slower: u64,
    slower_since: Instant,
    /// Thousandths of points that were given back, ever.
    returned: u64,
}

#[derive(Debug)]
struct Bucket {
    quota: Quota,
    milli: u64,
    at: Instant,
}

impl Budget {
    /// A budget with full buckets; without any, nothing but pauses limits it.
    pub fn new(quotas: &[Quota]) -> Self {
        let at = Instant::now();
        let full =
            |quota: &Quota| Bucket { quota: *quota, milli: u64::from(quota.capacity) * MILLI, at };
        let buckets = quotas.iter().map(full).collect();
        let state = State {
            buckets,
            paused_until: None,
            refusals: 0,
            slower: 1,
            slower_since: at,
            returned: 0,
        };
        Self(Arc::new(Shared { state: Mutex::new(state), given_back: Notify::new() }))
    }

    /// Takes what a call of a cost in points needs, and waits until that is there. A
    /// cost above the capacity waits for a full bucket. Dropped while it waits it has
    /// taken nothing.
    pub async fn take(&self, cost: u32, urgency: Urgency) {
        loop {
            let mut given_back = std::pin::pin!(self.0.given_back.notified());
            // From here on none is missed.
            given_back.as_mut().enable();
            match self.try_take(cost, urgency) {
                Ok(()) => return,
                // Either way it looks again.
                Err(at) => drop(timeout_at(at, given_back).await),
            }
        }
    }

    /// Takes what a call needs, or says when that may be there.
    pub fn try_take(&self, cost: u32, urgency: Urgency) -> Result<(), Instant> {
        let now = Instant::now();
        let mut state = self.lock();
        if let Some(until) = state.paused_until.filter(|until| *until > now) {
            return Err(until);
        }
        let slower = state.slower(now);
        let wait = state.buckets.iter_mut().map(|bucket| {
            bucket.fill(now, slower);
            bucket.missing_for(cost, urgency, slower)
        });
        if let Some(wait) = wait.max().filter(|wait| !wait.is_zero()) {
            // Never at once again: what is missing may be less than a timer can tell.
            return Err(now + wait.max(Duration::from_millis(1)));
        }
        for bucket in &mut state.buckets {
            bucket.milli = bucket.milli.saturating_sub(bucket.needs(cost));
        }
        Ok(())
    }

    /// Takes over what a reply said of a bucket.
    pub fn said(&self, measure: Measure, said: Said) {
        let now = Instant::now();
        let mut state = self.lock();
        let slower = state.slower(now);
        for bucket in state.buckets.iter_mut().filter(|bucket| bucket.quota.measure == measure) {
            bucket.fill(now, slower);
            bucket.hear(said, 0);
        }
    }

    /// When a call leaves that is sent now: its [`Bill`] names it.
    pub fn mark(&self) -> Mark {
        Mark(self.lock().returned)
    }

    /// Gives back what was taken too much for a call, and takes over what its answer said
    /// of the points that are left. The answer does not count what others gave back that were
    /// under way beside it: they were answered later there, though they may be known here
    /// already.
    pub fn settle(&self, bill: Bill) {
        let now = Instant::now();
        let mut state = self.lock();
        let slower = state.slower(now);
        let uncounted = state.returned.saturating_sub(bill.left_at.0);
        let back = u64::from(bill.taken.saturating_sub(bill.cost)) * MILLI;
        state.returned = state.returned.saturating_add(back);
        let buckets = state.buckets.iter_mut();
        for bucket in buckets.filter(|bucket| bucket.quota.measure == Measure::Points) {
            bucket.fill(now, slower);
            bucket.milli = (bucket.milli + back).min(bucket.capacity_milli());
            bucket.hear(bill.said, uncounted);
        }
        drop(state);
        self.0.given_back.notify_waiters();
    }

    /// The channel refused a call for being one too many. It says when to come again,
    /// or is left alone for longer each time; its buckets fill more slowly for a while.
    pub fn refused(&self, retry_after: Option<Duration>) {
        let now = Instant::now();
        let mut state = self.lock();
        let slower = state.slower(now);
        for bucket in &mut state.buckets {
            bucket.fill(now, slower);
        }
        let grown = PAUSE_FIRST.saturating_mul(1 << state.refusals.min(10));
        state.refusals = if retry_after.is_some() { 0 } else { state.refusals.saturating_add(1) };
        let until = now + retry_after.unwrap_or(grown).min(PAUSE_MAX);
        state.paused_until = state.paused_until.max(Some(until));
        state.slower = (slower * 2).min(SLOWER_MAX);
        state.slower_since = now;
    }

    /// A call was answered and not refused.
    pub fn answered(&self) {
        self.lock().refusals = 0;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A thread that panicked with it left whole numbers behind.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// By how much slower than documented now: half of it is forgotten each minute.
    fn slower(&mut self, now: Instant) -> u64 {
        while self.slower > 1 && now.duration_since(self.slower_since) >= FASTER_AFTER {
            self.slower /= 2;
            self.slower_since += FASTER_AFTER;
        }
        self.slower
    }
}

impl Bucket {
    fn capacity_milli(&self) -> u64 {
        u64::from(self.quota.capacity) * MILLI
    }

    /// What a call of a cost in points takes of it.
    fn needs(&self, cost: u32) -> u64 {
        match self.quota.measure {
            Measure::Requests => MILLI,
            Measure::Points => u64::from(cost) * MILLI,
        }
    }

    fn fill(&mut self, now: Instant, slower: u64) {
        let passed = now.saturating_duration_since(self.at);
        let full = u128::from(self.capacity_milli());
        let all = self.quota.fills_in.as_nanos().max(1) * u128::from(slower);
        let gained = full * passed.as_nanos() / all;
        if gained == 0 {
            return; // Nothing is lost of the time that passed.
        }
        let milli = (u128::from(self.milli) + gained).min(full);
        self.milli = u64::try_from(milli).unwrap_or(u64::MAX);
        self.at = now;
    }

    /// How long until there is room for a call; nothing when there is.
    fn missing_for(&self, cost: u32, urgency: Urgency, slower: u64) -> Duration {
        let kept = match urgency {
            Urgency::Ordinary => u64::from(self.quota.reserve) * MILLI,
            Urgency::Urgent => 0,
        };
        let wanted = self.needs(cost).saturating_add(kept).min(self.capacity_milli());
        let missing = u128::from(wanted.saturating_sub(self.milli));
        let all = self.quota.fills_in.as_nanos() * u128::from(slower);
        let nanos = (missing * all).div_ceil(u128::from(self.capacity_milli().max(1)));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// Takes over what was said, which does not count what was given back meanwhile.
    fn hear(&mut self, said: Said, uncounted: u64) {
        if let Some(capacity) = said.capacity.filter(|capacity| *capacity > 0) {
            self.quota.capacity = capacity;
            self.quota.reserve = self.quota.reserve.min(capacity - 1);
        }
        if let Some(fills_in) = said.fills_in.filter(|time| !time.is_zero()) {
            self.quota.fills_in = fills_in;
        }
        let counted = |left: u32| (u64::from(left) * MILLI).saturating_add(uncounted);
        let left = said.left.map_or(self.milli, counted);
        // Calls of ours may be under way that the reply did not count yet.
        self.milli = self.milli.min(left).min(self.capacity_milli());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten requests, one a second, two of them for urgent calls.
    const TEN: Quota = Quota {
        measure: Measure::Requests,
        capacity: 10,
        fills_in: Duration::from_secs(10),
        reserve: 2,
    };

    fn take_all(budget: &Budget, urgency: Urgency) -> u32 {
        let mut taken = 0;
        while budget.try_take(1, urgency).is_ok() {
            taken += 1;
        }
        taken
    }

    const POINTS: Quota = Quota { measure: Measure::Points, capacity: 100, reserve: 0, ..TEN };

    /// An answer to a call that 50 points were taken for, and that cost 10.
    fn bill(left_at: Mark, left: u32) -> Bill {
        Bill { taken: 50, cost: 10, left_at, said: Said { left: Some(left), ..Said::default() } }
    }

    #[tokio::test(start_paused = true)]
    async fn points_that_were_taken_too_many_are_given_back_up_to_a_full_bucket() {
        let budget = Budget::new(&[POINTS, TEN]);
        budget.try_take(90, Urgency::Ordinary).unwrap();
        budget.try_take(20, Urgency::Ordinary).unwrap_err();
        budget.settle(bill(budget.mark(), 60));
        budget.try_take(51, Urgency::Ordinary).unwrap_err();
        budget.try_take(50, Urgency::Ordinary).unwrap();
        for _ in 0..3 {
            budget.settle(bill(budget.mark(), 100));
        }
        budget.try_take(101, Urgency::Ordinary).unwrap();
        budget.try_take(1, Urgency::Ordinary).unwrap_err();
    }

    // Two calls are under way, and the answer that was made first is read last: it says that
    // the other still holds all its points.
    #[tokio::test(start_paused = true)]
    async fn points_that_came_back_beside_a_call_are_not_lost_to_its_answer() {
        let budget = Budget::new(&[POINTS]);
        budget.try_take(50, Urgency::Ordinary).unwrap();
        let first = budget.mark();
        budget.try_take(50, Urgency::Ordinary).unwrap();
        let second = budget.mark();
        budget.settle(bill(second, 80));
        budget.settle(bill(first, 40));
        budget.try_take(81, Urgency::Ordinary).unwrap_err();
        budget.try_take(80, Urgency::Ordinary).unwrap();
        // Where nothing is under way beside it an answer is believed.
        budget.settle(bill(budget.mark(), 15));
        budget.try_take(16, Urgency::Ordinary).unwrap_err();
        budget.try_take(15, Urgency::Ordinary).unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_waits_has_what_is_given_back_meanwhile() {
        let budget = Budget::new(&[POINTS]);
        budget.try_take(100, Urgency::Ordinary).unwrap();
        let (waits, answered, began) = (budget.clone(), budget.clone(), Instant::now());
        tokio::join!(waits.take(40, Urgency::Ordinary), async move {
            tokio::time::sleep(Duration::from_millis(1)).await;
            answered.settle(bill(answered.mark(), 40));
        });
        assert!(began.elapsed() < Duration::from_millis(10), "{:?}", began.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_bucket_is_taken_at_once_and_then_at_its_rate() {
        let budget = Budget::new(&[TEN]);
        assert_eq!(take_all(&budget, Urgency::Urgent), 10);
        let began = Instant::now();
        for _ in 0..5 {
            budget.take(1, Urgency::Urgent).await;
        }
        let took = began.elapsed().as_millis();
        assert!((5_000..5_010).contains(&took), "{took} ms");
        tokio::time::advance(Duration::from_hours(1)).await;
        assert_eq!(take_all(&budget, Urgency::Urgent), 10, "it holds no more than that");
    }

    #[tokio::test(start_paused = true)]
    async fn r70_the_reserve_is_for_urgent_calls() {
        let budget = Budget::new(&[TEN]);
        assert_eq!(take_all(&budget, Urgency::Ordinary), 8);
        assert_eq!(take_all(&budget, Urgency::Urgent), 2);
        tokio::time::advance(Duration::from_secs(2)).await;
        assert!(budget.try_take(1, Urgency::Ordinary).is_err(), "the reserve fills first");
        budget.try_take(1, Urgency::Urgent).unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_needs_room_in_every_bucket() {
        let points = Quota {
            measure: Measure::Points,
            capacity: 100,
            fills_in: Duration::from_secs(50),
            reserve: 0,
        };
        let budget = Budget::new(&[TEN, points]);
        budget.try_take(60, Urgency::Ordinary).unwrap();
        let at = budget.try_take(60, Urgency::Ordinary).unwrap_err();
        assert_eq!(at - Instant::now(), Duration::from_secs(10), "20 points at 2 a second");
        assert_eq!(take_all(&budget, Urgency::Ordinary), 7, "what was refused took nothing");
        // More than it ever holds waits for a full one.
        let began = Instant::now();
        budget.take(1_000, Urgency::Ordinary).await;
        assert!(began.elapsed() <= Duration::from_secs(51), "{:?}", began.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_channel_says_counts_when_it_is_less() {
        let budget = Budget::new(&[TEN]);
        budget.said(Measure::Points, Said { left: Some(0), ..Said::default() });
        budget.said(Measure::Requests, Said { left: Some(100), ..Said::default() });
        budget.said(Measure::Requests, Said { left: Some(4), ..Said::default() });
        assert_eq!(take_all(&budget, Urgency::Urgent), 4, "somebody else took the others");
        let fills_in = Some(Duration::from_secs(1));
        budget.said(Measure::Requests, Said { left: None, capacity: Some(40), fills_in });
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(take_all(&budget, Urgency::Urgent), 40);
        let nonsense = Said { left: None, capacity: Some(0), fills_in: Some(Duration::ZERO) };
        budget.said(Measure::Requests, nonsense);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(take_all(&budget, Urgency::Urgent), 40, "a bucket of nothing is not believed");
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_pauses_and_slows_down_for_a_while() {
        let budget = Budget::new(&[TEN]);
        budget.refused(Some(Duration::from_secs(7)));
        let until = budget.try_take(1, Urgency::Urgent).unwrap_err();
        assert_eq!(until - Instant::now(), Duration::from_secs(7), "urgent calls wait too");
        tokio::time::advance(Duration::from_secs(7)).await;
        assert_eq!(take_all(&budget, Urgency::Urgent), 10);
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(take_all(&budget, Urgency::Urgent), 5, "half as fast");
        tokio::time::advance(Duration::from_mins(2)).await;
        take_all(&budget, Urgency::Urgent);
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(take_all(&budget, Urgency::Urgent), 10, "as fast as before");
    }

    #[tokio::test(start_paused = true)]
    async fn refusals_without_a_time_pause_for_longer_each_time() {
        let budget = Budget::new(&[TEN]);
        let mut pauses = Vec::new();
        for _ in 0..4 {
            budget.refused(None);
            let until = budget.try_take(1, Urgency::Urgent).unwrap_err();
            pauses.push((until - Instant::now()).as_secs());
            tokio::time::advance(until - Instant::now()).await;
        }
        assert_eq!(pauses, [2, 4, 8, 16]);
        budget.answered();
        budget.refused(None);
        let until = budget.try_take(1, Urgency::Urgent).unwrap_err();
        assert_eq!((until - Instant::now()).as_secs(), 2, "an answer begins anew");
        budget.refused(Some(Duration::from_hours(9_999)));
        let until = budget.try_take(1, Urgency::Urgent).unwrap_err();
        assert!(until - Instant::now() <= PAUSE_MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn an_urgent_call_overtakes_those_that_wait() {
        let budget = Budget::new(&[Quota { reserve: 1, ..TEN }]);
        assert_eq!(take_all(&budget, Urgency::Urgent), 10);
        let (ordinary, urgent) = (budget.clone(), budget.clone());
        let began = Instant::now();
        let times = tokio::join!(
            async move {
                ordinary.take(1, Urgency::Ordinary).await;
                began.elapsed()
            },
            async move {
                urgent.take(1, Urgency::Urgent).await;
                began.elapsed()
            }
        );
        assert!(times.1 < times.0, "{times:?}");
    }
}
