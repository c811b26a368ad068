//! One who listens: a position in the journal, and what follows it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::audience::Selection;
use super::event::{Event, Frame};
use super::feed::Feed;
use super::pages::Coming;
use super::places::Place;
use super::ring::{After, CHUNK_MAX};
use crate::store::StoreError;

/// How long nothing may be said, outside tests: proxies cut off what is silent for a
/// minute, some for half of one.
pub const HEARTBEAT: Duration = Duration::from_secs(15);
/// Entries that may be passed over before the position is told.
const PASSED_OVER_MAX: i64 = 1_000;
/// How often it is asked whether a listener still may.
const CHECK_EVERY: Duration = Duration::from_secs(2);
/// The pause after the journal could not be read.
const FAILED_PAUSE: Duration = Duration::from_secs(1);
/// Whoever leaves with something waiting for it since so long was too slow.
const SLOW: Duration = Duration::from_secs(10);
/// Entries that are looked at for one page: a filter may let none of them through.
const LOOKED_AT_MAX: usize = 10_000;

/// How somebody listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// One page at a time.
    Page,
    /// Server-sent events.
    Sse,
    /// WebSocket.
    WebSocket,
}

impl Transport {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Sse => "sse",
            Self::WebSocket => "websocket",
        }
    }
}

/// Why listening ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The process ends: whoever comes back loses nothing.
    Closing,
    /// The key is not valid any more, or may not do this any more.
    Key,
    /// The listener left.
    Left,
    /// The listener did what it must not.
    Misused,
    /// The listener did not take what was there for it.
    Slow,
}

impl End {
    /// As it is counted and told.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closing => "closing",
            Self::Key => "key",
            Self::Left => "left",
            Self::Misused => "misused",
            Self::Slow => "slow",
        }
    }
}

/// What is to be done for a listener.
#[derive(Debug)]
pub enum Step {
    /// An event is to be sent.
    Event(Frame),
    /// Everything up to here was sent or is not for it: to be told as its position.
    Position(i64),
    /// Whether it still may listen is to be found out, and then said with
    /// [`Stream::checked`].
    Check,
    /// The process ends.
    Closing,
}

/// Events that were asked for at once.
#[derive(Debug)]
pub struct Page {
    /// The events.
    pub events: Vec<Frame>,
    /// The position after them.
    pub next: i64,
}

/// One who listens.
#[derive(Debug)]
pub struct Stream {
    feed: Arc<Feed>,
    transport: Transport,
    selection: Selection,
    /// Up to here everything was looked at.
    position: i64,
    /// The position the listener knows.
    told: i64,
    /// What is to be sent, all of it up to the position.
    ready: VecDeque<(i64, Frame)>,
    moved: watch::Receiver<()>,
    /// The page that it waits for while it is behind, and its position then. It comes though
    /// this is given up and asked again.
    coming: Option<(i64, Coming)>,
    heartbeat_at: Instant,
    check_at: Instant,
    /// When it was last asked for something.
    asked_at: Instant,
    end: Option<End>,
    // Dropped last: whoever waits for all places to be free may close the shop then.
    _place: Place,
}

impl Stream {
    pub(super) fn new(
        feed: Arc<Feed>,
        (transport, selection): (Transport, Selection),
        position: i64,
        place: Place,
    ) -> Self {
        let (now, moved) = (Instant::now(), feed.moved());
        feed.shop().counters.streams.opened(transport.as_str());
        let heartbeat_at = now + feed.heartbeat();
        Self {
            feed,
            transport,
            selection,
            position,
            told: position,
            ready: VecDeque::new(),
            moved,
            coming: None,
            heartbeat_at,
            check_at: now + CHECK_EVERY,
            asked_at: now,
            end: None,
            _place: place,
        }
    }

    /// The position the listener knows: it loses nothing when it goes on after it.
    pub const fn told(&self) -> i64 {
        self.told
    }

    /// The next event that is there already.
    pub fn ready(&mut self) -> Option<Frame> {
        let (seq, frame) = self.ready.pop_front()?;
        self.tell(seq);
        self.feed.shop().counters.streams.sent(self.transport.as_str());
        Some(frame)
    }

    /// What is to be done next. May be given up and asked again: nothing is lost.
    pub async fn next(&mut self) -> Step {
        loop {
            self.asked_at = Instant::now();
            if self.feed.closing().is_cancelled() {
                return Step::Closing;
            }
            if self.asked_at >= self.check_at {
                return Step::Check;
            }
            if let Some(frame) = self.ready() {
                return Step::Event(frame);
            }
            let is_far = self.position - self.told >= PASSED_OVER_MAX;
            if is_far || self.asked_at >= self.heartbeat_at {
                self.tell(self.position);
                return Step::Position(self.position);
            }
            self.go_on().await;
        }
    }

    /// The listener may go on: it is asked about again after a while.
    pub fn checked(&mut self) {
        self.check_at = Instant::now() + CHECK_EVERY;
    }

    /// Waits until the process ends.
    pub fn closing(&self) -> impl Future<Output = ()> + Send + use<> {
        self.feed.closing().clone().cancelled_owned()
    }

    /// Says why it ends, where it is not the listener who leaves.
    pub const fn ends(&mut self, end: End) {
        self.end = Some(end);
    }

    /// Looks at the next entries, or waits for them or for what else is due.
    async fn go_on(&mut self) {
        // What comes after this look is noticed, also if it comes before the wait.
        self.moved.borrow_and_update();
        let due = self.heartbeat_at.min(self.check_at);
        match self.feed.after(self.position) {
            After::Events(events) => self.take(&events),
            After::Nothing => {
                tokio::select! {
                    () = self.feed.closing().cancelled() => {}
                    _ = self.moved.changed() => {}
                    () = tokio::time::sleep_until(due) => {}
                }
            }
            After::Behind => self.catch_up(due).await,
        }
    }

    /// Takes the page of the journal that its position is in, or waits for it or for what
    /// else is due.
    async fn catch_up(&mut self, due: Instant) {
        if self.coming.as_ref().is_none_or(|(after, _)| *after != self.position) {
            self.coming = Some((self.position, self.feed.want(self.position)));
        }
        let Some((_, coming)) = &mut self.coming else { return };
        let read = tokio::select! {
            biased;
            read = coming => read,
            () = self.feed.closing().cancelled() => return,
            () = tokio::time::sleep_until(due) => return,
        };
        self.coming = None;
        let before = self.position;
        if let Ok(events) = read {
            let skip = events.iter().take_while(|event| event.seq() <= before).count();
            self.take(events.get(skip..).unwrap_or_default());
        }
        if self.position == before {
            // Whoever read it says why. It may come back, and the listener stays.
            tokio::select! {
                () = self.feed.closing().cancelled() => {}
                () = tokio::time::sleep(FAILED_PAUSE) => {}
            }
        }
    }

    fn take(&mut self, events: &[Arc<Event>]) {
        for event in events {
            self.position = event.seq();
            if let Some(frame) = self.selection.pick(event) {
                self.ready.push_back((event.seq(), frame.clone()));
            }
        }
    }

    fn tell(&mut self, position: i64) {
        self.told = position;
        self.heartbeat_at = self.asked_at + self.feed.heartbeat();
    }

    /// What is in the journal after the position, up to so many events.
    pub async fn page(&mut self, limit: usize) -> Result<Page, StoreError> {
        let (mut events, mut looked_at) = (Vec::new(), 0);
        let at_once = limit.max(CHUNK_MAX);
        loop {
            let page = self.feed.page(self.position, at_once).await?;
            looked_at += page.len();
            self.take(&page);
            self.fill(&mut events, limit);
            let is_end = page.len() < at_once;
            if is_end || events.len() == limit || looked_at >= LOOKED_AT_MAX {
                return Ok(self.ended(events));
            }
        }
    }

    /// A page that begins with an event that was waited for, or is empty where none came.
    pub fn page_from(&mut self, first: Option<Frame>, limit: usize) -> Page {
        let mut events: Vec<Frame> = first.into_iter().collect();
        if !events.is_empty() {
            self.fill(&mut events, limit);
        }
        self.ended(events)
    }

    /// Takes what is there already, as far as it fits.
    fn fill(&mut self, events: &mut Vec<Frame>, limit: usize) {
        while events.len() < limit
            && let Some(frame) = self.ready()
        {
            events.push(frame);
        }
    }

    /// The page of some events: what was passed over after them is behind it too.
    fn ended(&mut self, events: Vec<Frame>) -> Page {
        if self.ready.is_empty() {
            self.tell(self.position);
        }
        Page { events, next: self.told }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let end = self.end.unwrap_or_else(|| {
            let waits = !self.ready.is_empty() || self.feed.has_after(self.position);
            if waits && self.asked_at.elapsed() >= SLOW { End::Slow } else { End::Left }
        });
        self.feed.shop().counters.streams.ended(self.transport.as_str(), end.as_str());
    }
}
