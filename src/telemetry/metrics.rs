//! What the program counts and measures, under the names that `/metrics` shows.
//!
//! One set for each shop that is opened, with a registry of its own: tests see only
//! their own numbers. The text is Prometheus' own format (0.0.4), which every
//! scraper reads.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use prometheus::core::Collector;
use prometheus::{
    Encoder as _, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry, TextEncoder,
};

use super::streams::OfStreams;

/// Bounds of durations in seconds: from what a fast disk takes to what a client
/// still waits for.
const SECONDS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Bounds of the commands of a batch, up to the most there can be.
const SIZES: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

/// Bounds of how long sales wait for a channel, in seconds: up to an outage of hours.
const WAITS: [f64; 14] =
    [0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0];

/// A number that only grows; it starts at 0 with the process.
#[derive(Clone, Debug)]
pub struct Counter(IntCounter);

impl Counter {
    /// Counts so many more.
    pub fn add(&self, count: u64) {
        self.0.inc_by(count);
    }

    /// The count so far.
    pub fn get(&self) -> u64 {
        self.0.get()
    }
}

/// What the program counts and measures.
#[derive(Debug)]
pub struct Counters {
    registry: Registry,
    /// Broken invariants that were noticed: `invshop_invariant_violations_total`.
    /// Anything but 0 is a bug and wakes someone.
    pub invariant_violations: Counter,
    /// Transactions begun again after a deadlock or a serialisation failure:
    /// `invshop_deadlock_retries_total`.
    pub deadlock_retries: Counter,
    /// Batches decided again because a need lay outside the locked set:
    /// `invshop_batch_redos_total`.
    pub batch_redos: Counter,
    /// Batches committed.
    pub batches: Counter,
    /// Commands that were decided, those of batches decided again too.
    pub commands: Counter,
    ledger_commands: IntCounterVec,
    commit_seconds: Histogram,
    batch_size: Histogram,
    http_requests: IntCounterVec,
    http_seconds: Histogram,
    job_runs: IntCounterVec,
    channels: OfChannels,
    /// Those who listen to events.
    pub streams: OfStreams,
    begun: Instant,
    /// Since when a batch is worked on, in milliseconds after [`Self::begun`]; 0 when none is.
    batch_since: AtomicU64,
}

/// What is counted of channels.
#[derive(Debug)]
struct OfChannels {
    webhook_deliveries: IntCounterVec,
    inbox_pending: IntGauge,
    dirty_listings: IntGaugeVec,
    oldest_dirty: IntGaugeVec,
    pace: Pace,
    requests: IntCounterVec,
    sale_to_push: HistogramVec,
    drift: IntGaugeVec,
}

/// Whether the numbers of channels are settled as fast as they become due.
#[derive(Debug)]
struct Pace {
    due: IntCounterVec,
    settled: IntCounterVec,
    behind: IntGaugeVec,
}

impl Pace {
    fn new(at: &Registry) -> Result<Self, prometheus::Error> {
        Ok(Self {
            due: counters(
                at,
                "invshop_channel_due_total",
                "Numbers of a channel that became due, each once until it is settled.",
                &["channel"],
            )?,
            settled: counters(
                at,
                "invshop_channel_settled_total",
                "Numbers of a channel that were found or made right.",
                &["channel"],
            )?,
            behind: gauges(
                at,
                "invshop_channel_behind",
                "1 while for five minutes more numbers became due than were settled.",
            )?,
        })
    }
}

impl OfChannels {
    fn new(at: &Registry) -> Result<Self, prometheus::Error> {
        Ok(Self {
            webhook_deliveries: counters(
                at,
                "invshop_webhook_deliveries_total",
                "Calls of channels, by what became of them.",
                &["channel", "outcome"],
            )?,
            inbox_pending: keep(
                at,
                IntGauge::new(
                    "invshop_inbox_pending",
                    "What came in from channels and was not dealt with yet.",
                )?,
            )?,
            dirty_listings: gauges(
                at,
                "invshop_channel_dirty_listings",
                "Numbers of a channel that are not known to be right.",
            )?,
            oldest_dirty: gauges(
                at,
                "invshop_channel_oldest_dirty_seconds",
                "How long the number waits that waits longest.",
            )?,
            pace: Pace::new(at)?,
            requests: counters(
                at,
                "invshop_channel_requests_total",
                "Calls made to channels, by what was asked for and how they ended.",
                &["channel", "operation", "outcome"],
            )?,
            sale_to_push: keep(
                at,
                HistogramVec::new(
                    HistogramOpts::new(
                        "invshop_sale_to_push_seconds",
                        "From a sale's commit to the channel's acknowledgement of the number.",
                    )
                    .buckets(WAITS.to_vec()),
                    &["channel"],
                )?,
            )?,
            drift: keep(
                at,
                IntGaugeVec::new(
                    Opts::new(
                        "invshop_drift_listings",
                        "Numbers that were off when the channel was last compared.",
                    ),
                    &["channel", "cause"],
                )?,
            )?,
        })
    }
}

impl Default for Counters {
    fn default() -> Self {
        // The library refuses only malformed names and one name twice: constants of
        // this file, which every test registers.
        Self::new(Registry::new()).unwrap_or_else(|error| wrong_name(&error))
    }
}

fn wrong_name(error: &prometheus::Error) -> Counters {
    panic!("a metric cannot be registered: {error}")
}

impl Counters {
    /// The writer works on a batch from now on.
    pub fn batch_begins(&self) {
        self.batch_since.store(self.since_begun().max(1), Ordering::Relaxed);
    }

    /// The writer is done with its batch.
    pub fn batch_ends(&self) {
        self.batch_since.store(0, Ordering::Relaxed);
    }

    /// How long the writer has worked on its batch; none when it has none.
    pub fn batch_age(&self) -> Duration {
        match self.batch_since.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            since => Duration::from_millis(self.since_begun().saturating_sub(since)),
        }
    }

    fn since_begun(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn new(registry: Registry) -> Result<Self, prometheus::Error> {
        let at = &registry;
        let build = IntGaugeVec::new(
            Opts::new("invshop_build_info", "The program that runs: always 1."),
            &["version"],
        )?;
        keep(at, build.clone())?.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        Ok(Self {
            invariant_violations: counter(
                at,
                "invshop_invariant_violations_total",
                "Broken invariants that were noticed; anything but 0 is a bug.",
            )?,
            deadlock_retries: counter(
                at,
                "invshop_deadlock_retries_total",
                "Transactions begun again after a deadlock or a serialisation failure.",
            )?,
            batch_redos: counter(
                at,
                "invshop_batch_redos_total",
                "Batches decided again with more rows or a new connection.",
            )?,
            batches: Counter(IntCounter::new("batches", "not shown")?),
            commands: Counter(IntCounter::new("commands", "not shown")?),
            ledger_commands: counters(
                at,
                "invshop_ledger_commands_total",
                "Commands answered, by what they were and how they ended.",
                &["command", "outcome"],
            )?,
            commit_seconds: histogram(
                at,
                "invshop_ledger_commit_seconds",
                "How long the database took to commit a batch.",
                &SECONDS,
            )?,
            batch_size: histogram(
                at,
                "invshop_ledger_batch_size",
                "Commands committed together.",
                &SIZES,
            )?,
            http_requests: counters(
                at,
                "invshop_http_requests_total",
                "Requests answered, by route, method and status.",
                &["route", "method", "status"],
            )?,
            http_seconds: histogram(
                at,
                "invshop_http_request_seconds",
                "From the headers of a request to those of its answer.",
                &SECONDS,
            )?,
            job_runs: counters(
                at,
                "invshop_job_runs_total",
                "Runs of scheduled jobs on this node, by how they ended.",
                &["job", "outcome"],
            )?,
            channels: OfChannels::new(at)?,
            streams: OfStreams::new(at)?,
            begun: Instant::now(),
            batch_since: AtomicU64::new(0),
            registry,
        })
    }

    /// A channel called.
    pub fn delivered(&self, channel: &str, outcome: &str) {
        self.channels.webhook_deliveries.with_label_values(&[channel, outcome]).inc();
    }

    /// How the numbers of a channel stand: how many are dirty, and for how many seconds
    /// the longest is.
    pub fn dirty(&self, channel: &str, listings: i64, oldest_seconds: i64) {
        self.channels.dirty_listings.with_label_values(&[channel]).set(listings);
        self.channels.oldest_dirty.with_label_values(&[channel]).set(oldest_seconds);
    }

    /// So many more numbers of a channel became due.
    pub fn became_due(&self, channel: &str, numbers: i64) {
        let numbers = u64::try_from(numbers).unwrap_or(0);
        self.channels.pace.due.with_label_values(&[channel]).inc_by(numbers);
    }

    /// So many more numbers of a channel are known to be right.
    pub fn settled(&self, channel: &str, numbers: usize) {
        let numbers = u64::try_from(numbers).unwrap_or(u64::MAX);
        self.channels.pace.settled.with_label_values(&[channel]).inc_by(numbers);
    }

    /// How many numbers of a channel were settled so far.
    pub(crate) fn settled_so_far(&self, channel: &str) -> i64 {
        let settled = self.channels.pace.settled.with_label_values(&[channel]).get();
        i64::try_from(settled).unwrap_or(i64::MAX)
    }

    /// Whether for long more numbers of a channel became due than were settled.
    pub fn behind(&self, channel: &str, is_behind: bool) {
        self.channels.pace.behind.with_label_values(&[channel]).set(i64::from(is_behind));
    }

    /// A call to a channel was made, or could not be. Both words are the program's own.
    pub fn asked(&self, channel: &str, operation: &str, outcome: &str) {
        let operation = operation.replace(' ', "_");
        self.channels.requests.with_label_values(&[channel, &operation, outcome]).inc();
    }

    /// A sale reached a channel so many milliseconds after its commit.
    pub fn reached(&self, channel: &str, millis: i64) {
        let waited = Duration::from_millis(u64::try_from(millis).unwrap_or(0));
        self.channels.sale_to_push.with_label_values(&[channel]).observe(waited.as_secs_f64());
    }

    /// What the last comparisons of channels found: channel, cause, numbers. What is not
    /// among them is over.
    pub fn drifted(&self, found: &[(String, String, i64)]) {
        self.channels.drift.reset();
        for (channel, cause, listings) in found {
            self.channels.drift.with_label_values(&[channel, cause]).set(*listings);
        }
    }

    /// How much came in that waits.
    pub fn waiting(&self, things: i64) {
        self.channels.inbox_pending.set(things);
    }

    /// A batch was committed: so many commands, in so much time.
    pub(crate) fn committed(&self, commands: usize, took: Duration) {
        self.batches.add(1);
        #[expect(clippy::cast_precision_loss, reason = "a batch has 256 commands at most")]
        self.batch_size.observe(commands as f64);
        self.commit_seconds.observe(took.as_secs_f64());
    }

    /// A command was answered.
    pub(crate) fn answered(&self, command: &str, outcome: &str) {
        self.ledger_commands.with_label_values(&[command, outcome]).inc();
    }

    /// A request was answered. The route is the pattern it matched, never the path:
    /// what clients make up must not become names of numbers.
    pub(crate) fn requested(&self, route: &str, method: &str, status: &str, took: Duration) {
        self.http_requests.with_label_values(&[route, method, status]).inc();
        self.http_seconds.observe(took.as_secs_f64());
    }

    /// A run of a job has ended.
    pub fn job_ended(&self, job: &str, outcome: &str) {
        self.job_runs.with_label_values(&[job, outcome]).inc();
    }

    /// All of them, in Prometheus' text format.
    pub fn text(&self) -> Result<String, prometheus::Error> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        String::from_utf8(text).map_err(|error| prometheus::Error::Msg(error.to_string()))
    }
}

pub(super) fn keep<C: Collector + Clone + 'static>(
    at: &Registry,
    one: C,
) -> Result<C, prometheus::Error> {
    at.register(Box::new(one.clone()))?;
    Ok(one)
}

fn counter(at: &Registry, name: &str, help: &str) -> Result<Counter, prometheus::Error> {
    Ok(Counter(keep(at, IntCounter::new(name, help)?)?))
}

pub(super) fn counters(
    at: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> Result<IntCounterVec, prometheus::Error> {
    keep(at, IntCounterVec::new(Opts::new(name, help), labels)?)
}

fn gauges(at: &Registry, name: &str, help: &str) -> Result<IntGaugeVec, prometheus::Error> {
    keep(at, IntGaugeVec::new(Opts::new(name, help), &["channel"])?)
}

fn histogram(
    at: &Registry,
    name: &str,
    help: &str,
    bounds: &[f64],
) -> Result<Histogram, prometheus::Error> {
    let opts = HistogramOpts::new(name, help).buckets(bounds.to_vec());
    keep(at, Histogram::with_opts(opts)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_count_on_their_own() {
        let counters = Counters::default();
        counters.batches.add(1);
        counters.batches.add(2);
        assert_eq!(counters.batches.get(), 3);
        assert_eq!(counters.commands.get(), 0);
        assert_eq!(Counters::default().batches.get(), 0);
    }

    #[test]
    fn what_was_counted_is_in_the_text() {
        let counters = Counters::default();
        counters.invariant_violations.add(2);
        counters.committed(64, Duration::from_millis(4));
        counters.answered("place", "done");
        counters.requested("/v1/orders", "POST", "201", Duration::from_millis(5));
        let text = counters.text().unwrap();
        for line in [
            "# TYPE invshop_invariant_violations_total counter",
            "invshop_invariant_violations_total 2",
            "invshop_ledger_batch_size_bucket{le=\"32\"} 0",
            "invshop_ledger_batch_size_bucket{le=\"64\"} 1",
            "invshop_ledger_commit_seconds_sum 0.004",
            "invshop_ledger_commands_total{command=\"place\",outcome=\"done\"} 1",
            "invshop_http_requests_total{method=\"POST\",route=\"/v1/orders\",status=\"201\"} 1",
        ] {
            assert!(text.lines().any(|one| one == line), "{line}\n{text}");
        }
        assert!(!text.contains("not shown"), "{text}");
    }
}
