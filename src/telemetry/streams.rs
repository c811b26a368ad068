//! What is counted of those who listen to the journal.

use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

use super::metrics::{counters, keep};

/// How events can be listened to.
const TRANSPORTS: [&str; 3] = ["page", "sse", "websocket"];
/// How listening ends.
const ENDS: [&str; 5] = ["closing", "key", "left", "misused", "slow"];

/// What is counted of live streams, each name there from the beginning.
#[derive(Debug)]
pub struct OfStreams {
    open: IntGaugeVec,
    sent: IntCounterVec,
    ended: IntCounterVec,
    pages: IntCounter,
    unreadable: IntCounter,
    kept: IntGauge,
    kept_bytes: IntGauge,
}

impl OfStreams {
    pub(super) fn new(at: &Registry) -> Result<Self, prometheus::Error> {
        let open = IntGaugeVec::new(
            Opts::new("invshop_event_streams", "Those who listen to events, by how."),
            &["transport"],
        )?;
        let of = Self {
            open: keep(at, open)?,
            sent: counters(
                at,
                "invshop_events_sent_total",
                "Events handed to those who listen, by how they listen.",
                &["transport"],
            )?,
            ended: counters(
                at,
                "invshop_event_streams_ended_total",
                "Streams of events that ended, by why.",
                &["reason"],
            )?,
            pages: keep(
                at,
                IntCounter::new(
                    "invshop_event_pages_total",
                    "Pages of the journal read for streams that were behind.",
                )?,
            )?,
            unreadable: keep(
                at,
                IntCounter::new(
                    "invshop_events_unreadable_total",
                    "Entries of the journal that cannot be read, each counted once.",
                )?,
            )?,
            kept: keep(
                at,
                IntGauge::new(
                    "invshop_events_kept",
                    "Events in memory, once for all who listen together.",
                )?,
            )?,
            kept_bytes: keep(
                at,
                IntGauge::new("invshop_events_kept_bytes", "How long those are in all.")?,
            )?,
        };
        for transport in TRANSPORTS {
            of.open.with_label_values(&[transport]).set(0);
            of.sent.with_label_values(&[transport]).reset();
        }
        for reason in ENDS {
            of.ended.with_label_values(&[reason]).reset();
        }
        Ok(of)
    }

    /// Somebody listens from now on.
    pub fn opened(&self, transport: &str) {
        self.open.with_label_values(&[transport]).inc();
    }

    /// Somebody listens no more.
    pub fn ended(&self, transport: &str, reason: &str) {
        self.open.with_label_values(&[transport]).dec();
        self.ended.with_label_values(&[reason]).inc();
    }

    /// An event was handed to somebody.
    pub fn sent(&self, transport: &str) {
        self.sent.with_label_values(&[transport]).inc();
    }

    /// A page of the journal was read for a stream that was behind.
    pub fn paged(&self) {
        self.pages.inc();
    }

    /// How many pages were read so far.
    pub fn pages(&self) -> u64 {
        self.pages.get()
    }

    /// An entry of the journal cannot be read.
    pub fn unreadable(&self) {
        self.unreadable.inc();
    }

    /// How many events are in memory, and how long they are.
    pub fn keeps(&self, events: usize, bytes: usize) {
        self.kept.set(i64::try_from(events).unwrap_or(i64::MAX));
        self.kept_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }
}
