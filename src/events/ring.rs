//! The newest events, kept once for all who listen. Pure: it waits for nothing.

use std::collections::VecDeque;
use std::sync::Arc;

use super::event::Event;

/// Events that are taken at once.
pub(super) const CHUNK_MAX: usize = 64;

/// What follows a position.
#[derive(Debug)]
pub(super) enum After {
    /// The next events, at most [`CHUNK_MAX`].
    Events(Vec<Arc<Event>>),
    /// Nothing yet, as far as the ring knows.
    Nothing,
    /// Events that are not here any more: the journal has them.
    Behind,
}

/// The newest events, one for each seq without a gap.
#[derive(Debug)]
pub(super) struct Ring {
    events: VecDeque<Arc<Event>>,
    bytes: usize,
    events_max: usize,
    bytes_max: usize,
    newest: i64,
}

impl Ring {
    /// An empty one that begins after nothing.
    pub(super) const fn new(events_max: usize, bytes_max: usize) -> Self {
        Self { events: VecDeque::new(), bytes: 0, events_max, bytes_max, newest: 0 }
    }

    /// Forgets everything and goes on after a seq.
    pub(super) fn begin(&mut self, newest: i64) {
        (self.events, self.bytes, self.newest) = (VecDeque::new(), 0, newest);
    }

    /// The seq after which the next event comes.
    pub(super) const fn newest(&self) -> i64 {
        self.newest
    }

    /// How many events it holds, and how long they are.
    pub(super) fn size(&self) -> (usize, usize) {
        (self.events.len(), self.bytes)
    }

    /// Adds the next event; the oldest go to keep the bounds.
    pub(super) fn push(&mut self, event: Arc<Event>) {
        if event.seq() != self.newest + 1 {
            // The journal is dense, so this is a bug of whoever fills the ring: what it
            // held leads nowhere any more, and streams read on in pages.
            tracing::error!(newest = self.newest, seq = event.seq(), "events do not follow");
            self.begin(event.seq() - 1);
        }
        self.newest = event.seq();
        self.bytes += event.bytes();
        self.events.push_back(event);
        while self.events.len() > self.events_max || self.bytes > self.bytes_max {
            let Some(oldest) = self.events.pop_front() else { break };
            self.bytes -= oldest.bytes();
        }
    }

    /// What follows a position. One that is ahead of the ring waits for it: whoever has
    /// it read the journal later than the ring did.
    pub(super) fn after(&self, position: i64) -> After {
        if position >= self.newest {
            return After::Nothing;
        }
        let oldest = self.events.front().map_or(self.newest + 1, |event| event.seq());
        let Ok(skip) = usize::try_from(position + 1 - oldest) else {
            return After::Behind;
        };
        if skip >= self.events.len() {
            return After::Behind;
        }
        After::Events(self.events.iter().skip(skip).take(CHUNK_MAX).map(Arc::clone).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::ops::RangeInclusive;

    use super::*;
    use crate::domain::Kind;
    use crate::events::event::record;
    use crate::store::journal_reads::EntryRecord;

    fn event(seq: i64) -> Arc<Event> {
        Arc::new(Event::of(Ok(EntryRecord { seq, ..record(Kind::ItemCreated) })).0)
    }

    fn fill(ring: &mut Ring, seqs: RangeInclusive<i64>) {
        for seq in seqs {
            ring.push(event(seq));
        }
    }

    fn seqs(after: &After) -> Option<Vec<i64>> {
        match after {
            After::Events(events) => Some(events.iter().map(|event| event.seq()).collect()),
            After::Nothing => Some(Vec::new()),
            After::Behind => None,
        }
    }

    #[test]
    fn a_position_is_behind_exactly_when_its_next_event_is_gone() {
        let mut ring = Ring::new(3, usize::MAX);
        ring.begin(10);
        assert_eq!(seqs(&ring.after(9)), None, "11 is not here, and neither is 10");
        assert_eq!(seqs(&ring.after(10)).unwrap(), [] as [i64; 0]);
        assert_eq!(
            seqs(&ring.after(12)).unwrap(),
            [] as [i64; 0],
            "read later than the ring was filled"
        );
        fill(&mut ring, 11..=15);
        assert_eq!((ring.size().0, ring.newest()), (3, 15));
        assert_eq!(seqs(&ring.after(11)), None, "12 is gone");
        assert_eq!(seqs(&ring.after(12)).unwrap(), [13, 14, 15]);
        assert_eq!(seqs(&ring.after(14)).unwrap(), [15]);
        assert_eq!(seqs(&ring.after(15)).unwrap(), [] as [i64; 0]);
    }

    #[test]
    fn it_is_bounded_in_bytes_too() {
        let one = event(1).bytes();
        let mut ring = Ring::new(usize::MAX, 2 * one + one / 2);
        fill(&mut ring, 1..=9);
        assert_eq!(ring.size(), (2, 2 * one));
        let mut none = Ring::new(usize::MAX, one / 2);
        none.push(event(1));
        assert_eq!(none.size(), (0, 0));
        assert_eq!(seqs(&none.after(0)), None, "what is too large is read from the journal");
    }

    #[test]
    fn what_does_not_follow_begins_anew() {
        let mut ring = Ring::new(8, usize::MAX);
        fill(&mut ring, 1..=3);
        ring.push(event(7));
        assert_eq!(seqs(&ring.after(3)), None);
        assert_eq!(seqs(&ring.after(6)).unwrap(), [7]);
    }
}
