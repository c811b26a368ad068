//! The one reader of the journal for all who listen in this process.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use thiserror::Error;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

use super::audience::Selection;
use super::event::Event;
use super::pages::{Coming, Pages};
use super::places::{Full, Place, Places, Room};
use super::ring::{After, Ring};
use super::stream::{HEARTBEAT, Stream, Transport};
use crate::domain::AccountId;
use crate::shop::Shop;
use crate::store::journal_reads::{self, Unreadable};
use crate::store::{self, StoreError};

/// How long an entry of another process waits at most before it is seen. Those of this
/// process are seen when they are committed.
const EVERY: Duration = Duration::from_millis(100);
/// The pause between two looks while one entry follows the other: what comes meanwhile
/// is read together.
const PAUSE: Duration = Duration::from_millis(5);
/// The pause after the journal could not be read.
const FAILED_PAUSE: Duration = Duration::from_secs(1);
/// Entries of one look.
const LOOK_MAX: usize = 500;
/// Pages that are read at the same time, for those who are behind and those who ask for one
/// together: half of what SQLite reads with, so that whoever reads stock finds a connection.
const TURNS_MAX: usize = 2;
/// Entries that cannot be read of which it is known that they were told of.
const NOTICED_MAX: usize = 1_000;
/// How long those who listen may take to go when the feed ends.
const LEAVE_MAX: Duration = Duration::from_secs(5);

/// How much a feed keeps, for how many, and how often it says that it lives.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Events that are kept.
    pub events_max: usize,
    /// How much memory they may take in all, about.
    pub bytes_max: usize,
    /// Those who may listen at the same time.
    pub streams_max: usize,
    /// Those of them that may be of one key holder.
    pub streams_of_one_max: usize,
    /// Pages that one key holder may ask for at the same time, those that wait among them.
    pub pages_of_one_max: usize,
    /// How long nothing may be said.
    pub heartbeat: Duration,
}

impl Default for Bounds {
    /// What a busy shop does in some seconds; half of the connections the daemon takes,
    /// and half of those for one key; of the requests that are worked on at the same time an
    /// eighth, because a page may have to wait for its turn.
    fn default() -> Self {
        Self {
            events_max: 4_096,
            bytes_max: 16 << 20,
            streams_max: 2_000,
            streams_of_one_max: 1_000,
            pages_of_one_max: 128,
            heartbeat: HEARTBEAT,
        }
    }
}

/// Somebody who wants to listen.
#[derive(Clone, Debug)]
pub struct Opening {
    /// The key holder.
    pub account: AccountId,
    /// How.
    pub transport: Transport,
    /// What for.
    pub room: Room,
    /// To what.
    pub selection: Selection,
    /// After which entry; from now on where it is not said.
    pub after: Option<i64>,
}

/// Why somebody cannot listen.
#[derive(Debug, Error)]
pub enum OpenError {
    /// There is no place.
    #[error(transparent)]
    Full(#[from] Full),
    /// The position is of another journal: this one is not that long.
    #[error(
        "the journal ends at {newest} and was never at {after}: the position is of another \
         database, or of one that was restored from a backup since"
    )]
    Ahead {
        /// The position.
        after: i64,
        /// The newest entry.
        newest: i64,
    },
    /// The process ends.
    #[error("the daemon ends; try again in a moment")]
    Closing,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The journal, as it grows, for all who listen.
#[derive(Debug)]
pub struct Feed {
    shop: Arc<Shop>,
    ring: Mutex<Ring>,
    moved: watch::Sender<()>,
    pages: Pages,
    /// Turns to read a page, for whomever.
    turns: Semaphore,
    /// Entries that cannot be read and were told of.
    noticed: Mutex<BTreeSet<i64>>,
    closing: CancellationToken,
    places: Arc<Places>,
    heartbeat: Duration,
}

impl Feed {
    /// Of an opened shop. Nothing is read before [`run`](Self::run).
    pub fn new(shop: Arc<Shop>, bounds: Bounds) -> Self {
        Self {
            shop,
            ring: Mutex::new(Ring::new(bounds.events_max, bounds.bytes_max)),
            moved: watch::Sender::new(()),
            pages: Pages::new(),
            turns: Semaphore::new(TURNS_MAX),
            noticed: Mutex::default(),
            closing: CancellationToken::new(),
            places: Arc::new(Places::new(&bounds)),
            heartbeat: bounds.heartbeat,
        }
    }

    /// The shop whose journal it is.
    pub const fn shop(&self) -> &Arc<Shop> {
        &self.shop
    }

    /// How many listen.
    pub fn listeners(&self) -> usize {
        self.places.count()
    }

    /// How many events are kept, and how long they are.
    pub fn kept(&self) -> (usize, usize) {
        self.ring().size()
    }

    /// Listens from a position on.
    pub async fn open(self: &Arc<Self>, opening: Opening) -> Result<Stream, OpenError> {
        if self.closing.is_cancelled() {
            return Err(OpenError::Closing);
        }
        let place = self.places.take(opening.account, opening.room)?;
        let newest = self.newest().await?;
        let position = match opening.after {
            Some(after) if after > newest => return Err(OpenError::Ahead { after, newest }),
            Some(after) => after,
            None => newest,
        };
        Ok(self.stream(opening, position, place))
    }

    fn stream(self: &Arc<Self>, opening: Opening, position: i64, place: Place) -> Stream {
        let Opening { transport, selection, .. } = opening;
        Stream::new(Arc::clone(self), (transport, selection), position, place)
    }

    /// Reads the journal while somebody listens, until it is stopped; then everybody is
    /// told to come back.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let followed = async {
            loop {
                self.places.until(|count| count > 0).await;
                tokio::select! {
                    () = self.follow() => {}
                    never = self.pages.serve(|after, limit| self.read_or_tell(after, limit)) => {
                        match never {}
                    }
                }
                self.ring().begin(0);
                self.count_kept();
            }
        };
        stop.run_until_cancelled(followed).await;
        self.closing.cancel();
        let gone = self.places.until(|count| count == 0);
        if tokio::time::timeout(LEAVE_MAX, gone).await.is_err() {
            tracing::warn!(listeners = self.listeners(), "cut off: they listen still");
        }
    }

    /// Reads the journal from its end until nobody listens.
    async fn follow(&self) {
        let mut commits = self.shop.writer.commits();
        let mut is_begun = false;
        while self.places.count() > 0 {
            commits.borrow_and_update();
            let more = if is_begun { self.read_on().await } else { self.begin().await };
            match more {
                Ok(more) => {
                    is_begun = true;
                    if more {
                        continue;
                    }
                }
                Err(error) => {
                    tracing::warn!(error = %error, "the journal cannot be followed");
                    tokio::time::sleep(FAILED_PAUSE).await;
                }
            }
            tokio::time::sleep(PAUSE).await;
            tokio::select! {
                Ok(()) = commits.changed() => {}
                () = tokio::time::sleep(EVERY) => {}
            }
        }
    }

    /// Goes on after the newest entry: whoever is before it reads pages up to there.
    async fn begin(&self) -> Result<bool, StoreError> {
        let newest = self.newest().await?;
        self.ring().begin(newest);
        self.moved.send_replace(());
        Ok(false)
    }

    /// Takes in what was written since; whether there may be more.
    async fn read_on(&self) -> Result<bool, StoreError> {
        let after = self.ring().newest();
        let events = self.read(after, LOOK_MAX).await?;
        if events.is_empty() {
            return Ok(false);
        }
        let more = events.len() == LOOK_MAX;
        let mut ring = self.ring();
        for event in events {
            ring.push(event);
        }
        drop(ring);
        self.count_kept();
        self.moved.send_replace(());
        Ok(more)
    }

    async fn newest(&self) -> Result<i64, StoreError> {
        let mut reader = self.shop.db.read().await?;
        store::journal::newest(&mut reader.conn()).await.map(|(seq, _)| seq)
    }

    async fn read(&self, after: i64, limit: usize) -> Result<Vec<Arc<Event>>, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut reader = self.shop.db.read().await?;
        let records = journal_reads::entries(&mut reader.conn(), after, limit).await?;
        drop(reader);
        let event = |read| {
            let (event, unreadable) = Event::of(read);
            if let Some(unreadable) = unreadable {
                self.notice(&unreadable);
            }
            Arc::new(event)
        };
        Ok(records.into_iter().map(event).collect())
    }

    /// The same for those who come back where there is none.
    async fn read_or_tell(&self, after: i64, limit: usize) -> Option<Vec<Arc<Event>>> {
        let read = self.page(after, limit).await;
        read.inspect_err(|error| tracing::warn!(error = %error, "a page cannot be read")).ok()
    }

    /// Tells of an entry that cannot be read, once however often it is read: nobody who
    /// listens can do anything about it.
    fn notice(&self, Unreadable { seq, why }: &Unreadable) {
        let mut noticed = self.noticed.lock().unwrap_or_else(PoisonError::into_inner);
        if noticed.len() < NOTICED_MAX && noticed.insert(*seq) {
            tracing::error!(
                seq,
                error = %why,
                "an entry of the journal cannot be read; `invshop db verify` says more"
            );
            self.shop.counters.streams.unreadable();
        }
    }

    /// What follows a position, as far as it is kept.
    pub(super) fn after(&self, position: i64) -> After {
        self.ring().after(position)
    }

    /// Whether something follows a position, as far as is known.
    pub(super) fn has_after(&self, position: i64) -> bool {
        position < self.ring().newest()
    }

    /// The page of the journal that goes on after a position, when it was read.
    pub(super) fn want(&self, after: i64) -> Coming {
        self.pages.want(after)
    }

    /// What follows a position, from the journal, when it is this reader's turn.
    pub(super) async fn page(
        &self,
        after: i64,
        limit: usize,
    ) -> Result<Vec<Arc<Event>>, StoreError> {
        let _turn = self.turns.acquire().await.map_err(|_| StoreError::Closed)?;
        self.shop.counters.streams.paged();
        self.read(after, limit).await
    }

    /// Told when there is more after a position, or may be.
    pub(super) fn moved(&self) -> watch::Receiver<()> {
        self.moved.subscribe()
    }

    /// How long a listener may be told nothing.
    pub(super) const fn heartbeat(&self) -> Duration {
        self.heartbeat
    }

    /// Told when the feed ends.
    pub(super) const fn closing(&self) -> &CancellationToken {
        &self.closing
    }

    fn count_kept(&self) {
        let (events, bytes) = self.kept();
        self.shop.counters.streams.keeps(events, bytes);
    }

    /// A thread that panicked with it may have left half a step behind: streams read on
    /// in pages where it does not fit.
    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
