//! Pages of the journal for those who are behind: read by one task, and once for all who
//! want the same one.
//!
//! Pages begin at fixed places, whoever wants them, so that a thousand who come back after
//! a restart want the same ones. Whoever waits for one may go at any time: it has no part in
//! reading it, and so holds nobody up.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{Mutex, mpsc, oneshot};

use super::event::Event;
use super::ring::CHUNK_MAX;

/// Pages that are asked for of the journal at the same time; each waits for its turn to be read.
const READS_MAX: usize = 2;
/// Pages that are kept for those who want them next.
const KEPT_MAX: usize = 32;
/// How much memory a page may take that is kept, about.
const KEPT_BYTES_MAX: usize = 1 << 19;

/// The events of a page, as far as the journal had them.
pub(super) type Events = Arc<[Arc<Event>]>;
/// Where a page comes; closed where it could not be read.
pub(super) type Coming = oneshot::Receiver<Events>;

/// Of which page the entry after a position is.
const fn page_after(position: i64) -> i64 {
    position - position % PAGE
}

/// Entries of a page. A page is known by the seq before its first.
#[expect(clippy::cast_possible_wrap, reason = "it is 64")]
const PAGE: i64 = CHUNK_MAX as i64;

struct Wanted {
    after: i64,
    reply: oneshot::Sender<Events>,
}

/// Where pages are asked for, and where they are read.
#[derive(Debug)]
pub(super) struct Pages {
    asked: mpsc::UnboundedSender<Wanted>,
    asking: Mutex<mpsc::UnboundedReceiver<Wanted>>,
}

/// What is read, and for whom.
#[derive(Default)]
struct Desk {
    waiting: HashMap<i64, Vec<oneshot::Sender<Events>>>,
    queue: VecDeque<i64>,
    kept: VecDeque<(i64, Events)>,
}

impl Pages {
    pub(super) fn new() -> Self {
        // No more wait than may listen, and each for one page.
        let (asked, asking) = mpsc::unbounded_channel();
        Self { asked, asking: Mutex::new(asking) }
    }

    /// Asks for the page that goes on after a position; it may begin before that.
    pub(super) fn want(&self, after: i64) -> Coming {
        let (reply, coming) = oneshot::channel();
        // Nobody reads any more: the same as a page that cannot be read.
        self.asked.send(Wanted { after, reply }).unwrap_or_default();
        coming
    }

    /// Reads what is asked for, until it is given up. What cannot be read is told by `read`.
    pub(super) async fn serve<F>(&self, read: impl Fn(i64, usize) -> F) -> Infallible
    where
        F: Future<Output = Option<Vec<Arc<Event>>>>,
    {
        let (mut asking, mut desk) = (self.asking.lock().await, Desk::default());
        let mut reads = FuturesUnordered::new();
        loop {
            while reads.len() < READS_MAX
                && let Some(page) = desk.next()
            {
                let events = read(page, CHUNK_MAX);
                reads.push(async move { (page, events.await) });
            }
            let done = async {
                match reads.next().await {
                    Some(done) => done,
                    None => pending().await,
                }
            };
            tokio::select! {
                Some(wanted) = asking.recv() => desk.take(wanted),
                (page, events) = done => desk.give(page, events),
            }
        }
    }
}

impl Desk {
    /// The page that is read next: one that somebody waits for still.
    fn next(&mut self) -> Option<i64> {
        while let Some(page) = self.queue.pop_front() {
            if let Some(waiting) = self.waiting.get_mut(&page) {
                waiting.retain(|reply| !reply.is_closed());
                if !waiting.is_empty() {
                    return Some(page);
                }
                self.waiting.remove(&page);
            }
        }
        None
    }

    fn take(&mut self, Wanted { after, reply }: Wanted) {
        let page = page_after(after);
        // Entries of a page never change, though the SKU of an item that is renamed may be the
        // one of when it was read; the last page grows.
        let goes_on = |events: &Events| events.last().is_some_and(|last| last.seq() > after);
        let kept = self.kept.iter().find(|(kept, events)| *kept == page && goes_on(events));
        if let Some((_, events)) = kept {
            reply.send(Arc::clone(events)).unwrap_or_default();
            return;
        }
        let waiting = self.waiting.entry(page).or_default();
        if waiting.is_empty() {
            self.queue.push_back(page);
        }
        waiting.push(reply);
    }

    /// Gives a page to those who wait for it, and keeps it for a while.
    fn give(&mut self, page: i64, events: Option<Vec<Arc<Event>>>) {
        let waiting = self.waiting.remove(&page).unwrap_or_default();
        let Some(events) = events.map(Events::from) else { return };
        for reply in waiting {
            reply.send(Arc::clone(&events)).unwrap_or_default();
        }
        let bytes: usize = events.iter().map(|event| event.bytes()).sum();
        if bytes <= KEPT_BYTES_MAX {
            self.kept.retain(|(kept, _)| *kept != page);
            self.kept.push_back((page, events));
        }
        if self.kept.len() > KEPT_MAX {
            self.kept.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_in_the_page_that_has_the_entry_after_it() {
        for (position, page) in [(0, 0), (1, 0), (63, 0), (64, 64), (65, 64), (128, 128)] {
            assert_eq!(page_after(position), page);
        }
    }
}
