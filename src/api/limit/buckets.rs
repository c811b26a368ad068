//! Buckets that requests are taken out of, by a rule that needs one number for each (GCRA):
//! when the bucket would be full again.
//!
//! A full bucket need not be remembered. So the memory is fixed, and where a flood of clients
//! wants more of it, those that used the least lose what is known of them.

use std::hash::{BuildHasher as _, Hash, RandomState};
use std::sync::{Mutex, PoisonError};

/// Nanoseconds.
pub(crate) const SECOND: u64 = 1_000_000_000;
/// Clients that share a place; each is looked at in turn.
const WAYS: usize = 8;
/// Places: with the ways 65 536 clients in a megabyte.
const PLACES: usize = 8_192;

/// So many requests a second, and so many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quota {
    pub(crate) per_second: u32,
    pub(crate) burst: u32,
}

impl Quota {
    /// Nanoseconds in which one request flows in.
    fn interval(self) -> u64 {
        SECOND.div_ceil(u64::from(self.per_second.max(1)))
    }

    /// Nanoseconds in which an empty bucket is full.
    fn full_after(self) -> u64 {
        self.interval() * u64::from(self.burst.max(1))
    }
}

/// What is left after a request was taken, or was not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Left {
    /// Whether there was enough.
    pub(crate) granted: bool,
    /// Requests that may be sent now.
    pub(crate) remaining: u64,
    /// Nanoseconds until all of them may be sent again.
    pub(crate) full_in: u64,
    /// Nanoseconds until what was refused would be granted.
    pub(crate) retry_in: u64,
}

/// A client, as a hash of its own, and when its bucket is full again in nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    client: u64,
    full_at: u64,
}

/// The buckets of all clients.
#[derive(Debug)]
pub(crate) struct Buckets {
    places: Vec<Mutex<[Bucket; WAYS]>>,
    /// Nobody outside can choose clients that share a place.
    hasher: RandomState,
}

impl Buckets {
    pub(crate) fn new() -> Self {
        let places = (0..PLACES).map(|_| Mutex::default()).collect();
        Self { places, hasher: RandomState::new() }
    }

    /// Takes so many requests out of a client's bucket, `now` nanoseconds after some start.
    pub(crate) fn take(&self, client: impl Hash, quota: Quota, cost: u32, now: u64) -> Left {
        self.change(client, quota, now, |was_full_at| {
            let full_at = was_full_at.saturating_add(quota.interval() * u64::from(cost));
            let room_until = now.saturating_add(quota.full_after());
            if full_at <= room_until {
                (full_at, None)
            } else {
                (was_full_at, Some(full_at - room_until))
            }
        })
    }

    /// Takes requests away that were granted already: a bucket may be overdrawn by as much as
    /// it holds.
    pub(crate) fn charge(&self, client: impl Hash, quota: Quota, cost: u32, now: u64) -> Left {
        self.change(client, quota, now, |was_full_at| {
            let full_at = was_full_at.saturating_add(quota.interval() * u64::from(cost));
            (full_at.min(now.saturating_add(quota.full_after().saturating_mul(2))), None)
        })
    }

    /// Changes when a client's bucket is full again; why not, where it is refused: in how long
    /// it would be granted.
    fn change(
        &self,
        client: impl Hash,
        quota: Quota,
        now: u64,
        to: impl FnOnce(u64) -> (u64, Option<u64>),
    ) -> Left {
        let client = self.hasher.hash_one(client);
        let index = usize::try_from(client % PLACES as u64).unwrap_or(0);
        let mut place = self.places[index].lock().unwrap_or_else(PoisonError::into_inner);
        let way = way(&place, client);
        let bucket = &mut place[way];
        let was_full_at = if bucket.client == client { bucket.full_at.max(now) } else { now };
        let (full_at, retry_in) = to(was_full_at);
        *bucket = Bucket { client, full_at };
        let room_until = now.saturating_add(quota.full_after());
        Left {
            granted: retry_in.is_none(),
            remaining: room_until.saturating_sub(full_at) / quota.interval(),
            full_in: full_at - now,
            retry_in: retry_in.unwrap_or(0),
        }
    }
}

/// Where a client is, or the bucket that is the first to be full.
fn way(place: &[Bucket; WAYS], client: u64) -> usize {
    if let Some(way) = place.iter().position(|bucket| bucket.client == client) {
        return way;
    }
    let fullest = place.iter().enumerate().min_by_key(|(_, bucket)| bucket.full_at);
    fullest.map_or(0, |(way, _)| way)
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUOTA: Quota = Quota { per_second: 10, burst: 5 };

    #[test]
    fn a_burst_is_granted_then_the_rate_and_never_more() {
        let buckets = Buckets::new();
        let granted_in = |from: u64, until: u64| {
            let moments = (from..until).step_by(1_000_000);
            moments.filter(|&now| buckets.take("web", QUOTA, 1, now).granted).count()
        };
        assert_eq!(granted_in(0, SECOND), 5 + 9);
        assert_eq!(granted_in(SECOND, 11 * SECOND), 100);
        // After a pause the burst is there again, and not what the pause was long.
        assert_eq!(granted_in(100 * SECOND, 100 * SECOND + 1_000_000), 1);
        assert_eq!(buckets.take("web", QUOTA, 1, 100 * SECOND + 1_000_000).remaining, 3);
    }

    #[test]
    fn what_is_left_says_when_to_come_again() {
        let buckets = Buckets::new();
        let first = buckets.take("web", QUOTA, 1, 7);
        assert_eq!(first, Left { granted: true, remaining: 4, full_in: SECOND / 10, retry_in: 0 });
        let rest = buckets.take("web", QUOTA, 4, 7);
        assert_eq!((rest.granted, rest.remaining, rest.full_in), (true, 0, SECOND / 2));
        let refused = buckets.take("web", QUOTA, 1, 7);
        assert_eq!((refused.granted, refused.retry_in), (false, SECOND / 10));
        // What was refused costs nothing.
        assert!(buckets.take("web", QUOTA, 1, 7 + refused.retry_in).granted);
        assert!(buckets.take("till", QUOTA, 5, 7).granted, "another client has its own");
    }

    #[test]
    fn a_high_rate_is_no_higher_than_was_said() {
        let quota = Quota { per_second: 700_000, burst: 1 };
        let buckets = Buckets::new();
        let moments = (0..SECOND / 100).step_by(100);
        let granted = moments.filter(|&now| buckets.take("web", quota, 1, now).granted).count();
        assert!((6_000..=7_001).contains(&granted), "{granted}");
    }

    #[test]
    fn a_charge_may_overdraw_but_not_for_ever() {
        let buckets = Buckets::new();
        for _ in 0..1_000 {
            buckets.charge("web", QUOTA, 20, 0);
        }
        assert!(!buckets.take("web", QUOTA, 1, 0).granted);
        assert!(buckets.take("web", QUOTA, 1, SECOND).granted);
    }

    #[test]
    fn a_flood_of_clients_forgets_those_that_used_least() {
        let buckets = Buckets::new();
        while buckets.take("greedy", QUOTA, 1, 0).granted {}
        for flood in 0..1_000_000_u32 {
            assert!(buckets.take(flood, QUOTA, 1, 0).granted, "a client that is new has a burst");
        }
        assert!(!buckets.take("greedy", QUOTA, 1, 0).granted, "it is still known");
        assert_eq!(buckets.places.len() * size_of::<[Bucket; WAYS]>(), 1 << 20);
    }
}
