//! How many may listen at once, in all and for one key holder.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use thiserror::Error;
use tokio::sync::Notify;

use crate::domain::AccountId;

/// Why there is no place.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Full {
    /// There is none left in this process.
    #[error("too many listen to events; try again later")]
    All,
    /// The key holder has all that one may have.
    #[error("this key holder listens {0} times already; end one of them first")]
    One(usize),
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    of: HashMap<AccountId, usize>,
}

/// The places of those who listen.
#[derive(Debug)]
pub(super) struct Places {
    taken: Mutex<Taken>,
    changed: Notify,
    all_max: usize,
    one_max: usize,
}

/// A place; free again when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    account: AccountId,
}

impl Places {
    pub(super) fn new(all_max: usize, one_max: usize) -> Self {
        Self { taken: Mutex::default(), changed: Notify::new(), all_max, one_max }
    }

    /// Takes a place for a key holder.
    pub(super) fn take(self: &Arc<Self>, account: AccountId) -> Result<Place, Full> {
        let mut taken = self.lock();
        if taken.all >= self.all_max {
            return Err(Full::All);
        }
        let of = taken.of.entry(account).or_default();
        if *of >= self.one_max {
            return Err(Full::One(self.one_max));
        }
        *of += 1;
        taken.all += 1;
        drop(taken);
        self.changed.notify_waiters();
        Ok(Place { places: Arc::clone(self), account })
    }

    /// How many are taken.
    pub(super) fn count(&self) -> usize {
        self.lock().all
    }

    /// Waits until there is somebody, or nobody any more.
    pub(super) async fn until(&self, wanted: impl Fn(usize) -> bool) {
        loop {
            let changed = self.changed.notified();
            if wanted(self.count()) {
                return;
            }
            changed.await;
        }
    }

    /// A thread that panicked with it left whole counts behind.
    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        taken.all = taken.all.saturating_sub(1);
        if let Some(of) = taken.of.get_mut(&self.account) {
            *of = of.saturating_sub(1);
            if *of == 0 {
                taken.of.remove(&self.account);
            }
        }
        drop(taken);
        self.places.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_bounded_in_all_and_for_each_and_come_back() {
        let places = Arc::new(Places::new(3, 2));
        let (one, other) = (AccountId::new(1), AccountId::new(2));
        let first = places.take(one).unwrap();
        let _second = places.take(one).unwrap();
        assert_eq!(places.take(one).unwrap_err(), Full::One(2));
        let _third = places.take(other).unwrap();
        assert_eq!(places.take(other).unwrap_err(), Full::All);
        drop(first);
        assert_eq!(places.count(), 2);
        places.take(one).unwrap();
    }
}
