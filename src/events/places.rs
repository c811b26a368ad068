//! How many may listen at once, in all and for one key holder.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use thiserror::Error;
use tokio::sync::Notify;

use super::feed::Bounds;
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
    /// The key holder asks for as many pages as one may.
    #[error("this key holder asks for {0} pages already; wait for one of them first")]
    Pages(usize),
}

/// What a place is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// To listen.
    Listening,
    /// To be given a page at once: nothing is followed for it.
    Page,
    /// To be given a page, when there is one.
    WaitingPage,
}

impl Room {
    const fn listens(self) -> bool {
        !matches!(self, Self::Page)
    }

    const fn is_page(self) -> bool {
        !matches!(self, Self::Listening)
    }
}

/// What one key holder has.
#[derive(Debug, Default)]
struct Of {
    listening: usize,
    pages: usize,
}

#[derive(Debug, Default)]
struct Taken {
    listening: usize,
    of: HashMap<AccountId, Of>,
}

/// The places of those who listen, and of those who ask for a page.
#[derive(Debug)]
pub(super) struct Places {
    taken: Mutex<Taken>,
    changed: Notify,
    all_max: usize,
    one_max: usize,
    pages_max: usize,
}

/// A place; free again when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    account: AccountId,
    room: Room,
}

impl Places {
    pub(super) fn new(bounds: &Bounds) -> Self {
        Self {
            taken: Mutex::default(),
            changed: Notify::new(),
            all_max: bounds.streams_max,
            one_max: bounds.streams_of_one_max,
            pages_max: bounds.pages_of_one_max,
        }
    }

    /// Takes a place for a key holder.
    pub(super) fn take(self: &Arc<Self>, account: AccountId, room: Room) -> Result<Place, Full> {
        let mut taken = self.lock();
        let is_full = room.listens() && taken.listening >= self.all_max;
        if is_full {
            return Err(Full::All);
        }
        let of = taken.of.entry(account).or_default();
        if room.listens() && of.listening >= self.one_max {
            return Err(Full::One(self.one_max));
        }
        if room.is_page() && of.pages >= self.pages_max {
            return Err(Full::Pages(self.pages_max));
        }
        of.listening += usize::from(room.listens());
        of.pages += usize::from(room.is_page());
        taken.listening += usize::from(room.listens());
        drop(taken);
        self.changed.notify_waiters();
        Ok(Place { places: Arc::clone(self), account, room })
    }

    /// How many listen.
    pub(super) fn count(&self) -> usize {
        self.lock().listening
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
        let (listening, pages) =
            (usize::from(self.room.listens()), usize::from(self.room.is_page()));
        let mut taken = self.places.lock();
        taken.listening = taken.listening.saturating_sub(listening);
        if let Some(of) = taken.of.get_mut(&self.account) {
            of.listening = of.listening.saturating_sub(listening);
            of.pages = of.pages.saturating_sub(pages);
            if of.listening + of.pages == 0 {
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

    const BOUNDS: Bounds = Bounds {
        events_max: 1,
        bytes_max: 1,
        streams_max: 3,
        streams_of_one_max: 2,
        pages_of_one_max: 2,
        heartbeat: std::time::Duration::from_secs(1),
    };

    #[test]
    fn places_are_bounded_in_all_and_for_each_and_come_back() {
        let places = Arc::new(Places::new(&BOUNDS));
        let (one, other) = (AccountId::new(1), AccountId::new(2));
        let first = places.take(one, Room::Listening).unwrap();
        let _second = places.take(one, Room::Listening).unwrap();
        assert_eq!(places.take(one, Room::Listening).unwrap_err(), Full::One(2));
        assert_eq!(places.take(one, Room::WaitingPage).unwrap_err(), Full::One(2));
        let _third = places.take(other, Room::Listening).unwrap();
        assert_eq!(places.take(other, Room::Listening).unwrap_err(), Full::All);
        drop(first);
        assert_eq!(places.count(), 2);
        places.take(one, Room::Listening).unwrap();
    }

    #[test]
    fn a_page_at_once_needs_no_place_to_listen_and_pages_are_bounded_for_each() {
        let places = Arc::new(Places::new(&BOUNDS));
        let (one, other) = (AccountId::new(1), AccountId::new(2));
        let listening: Vec<_> =
            [one, one, other].map(|who| places.take(who, Room::Listening).unwrap()).into();
        let page = places.take(one, Room::Page).unwrap();
        let _page = places.take(one, Room::Page).unwrap();
        assert_eq!(places.take(one, Room::Page).unwrap_err(), Full::Pages(2));
        places.take(other, Room::Page).unwrap();
        drop((listening, page));
        assert_eq!(places.count(), 0);
        let _waits = places.take(one, Room::WaitingPage).unwrap();
        assert_eq!(places.take(one, Room::Page).unwrap_err(), Full::Pages(2));
        assert_eq!(places.count(), 1);
    }
}
