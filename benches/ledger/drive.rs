//! Callers in a closed loop: each places its next order when the last is answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use invshop::domain::{ExternalId, Key, OrderRef, Quantity, Refusal, Sku};
use invshop::orders::{LineRequest, Place};
use invshop::shop::{CLI_ACCOUNT, Shop};
use invshop::writer::{Command, WriteError};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use crate::machine;
use crate::naive::Naive;
use crate::wanted::{Pattern, Wanted, sku};

/// Who places the orders.
#[derive(Clone, Debug)]
pub(crate) enum Placer {
    Writer(Arc<Shop>),
    Naive(Arc<Naive>),
}

/// What became of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Accepted,
    Refused,
}

/// What to drive, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) callers: usize,
    pub(crate) pattern: Pattern,
    pub(crate) seconds: f64,
    pub(crate) seed: u64,
}

/// What was measured.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Sample {
    pub(crate) accepted: u64,
    pub(crate) refused: u64,
    /// Orders a second, refused ones too.
    pub(crate) rate: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    /// Processor time of this process per order, in microseconds.
    pub(crate) cpu_us: f64,
}

impl Placer {
    async fn place(&self, wanted: &Wanted) -> anyhow::Result<Outcome> {
        match self {
            Self::Writer(shop) => place(shop, wanted).await,
            Self::Naive(naive) => naive.place(wanted).await,
        }
    }
}

/// Places one order in this process.
pub(crate) async fn place(shop: &Shop, wanted: &Wanted) -> anyhow::Result<Outcome> {
    let id = wanted.id();
    let mut lines = Vec::with_capacity(wanted.lines.len());
    for &(item, units) in &wanted.lines {
        let sku = Sku::new(&sku(item))?;
        lines.push(LineRequest { sku, quantity: Quantity::new(units)?, unit_price: None });
    }
    let external_id = ExternalId::new(&id)?;
    let command = Command::Place(Place {
        reference: OrderRef { source: CLI_ACCOUNT.to_owned(), external_id },
        lines,
        location: None,
        payment_required: false,
        allow_backorder: false,
        hold_ms: None,
        currency: None,
        placed_at: None,
        personal: None,
        user: None,
    });
    match shop.submit(command, Some(Key::new(&id)?)).await {
        Ok(_) => Ok(Outcome::Accepted),
        Err(WriteError::Refused(Refusal::InsufficientStock { .. })) => Ok(Outcome::Refused),
        Err(error) => Err(error.into()),
    }
}

/// Drives callers for as long as the load says. `next` counts the orders on.
pub(crate) async fn drive(
    placer: &Placer,
    load: Load,
    next: &Arc<AtomicU64>,
) -> anyhow::Result<Sample> {
    let cpu_before = machine::cpu_us()?;
    let begun = Instant::now();
    let end = begun + Duration::from_secs_f64(load.seconds);
    let mut callers = JoinSet::new();
    for _ in 0..load.callers {
        callers.spawn(call(placer.clone(), load, Arc::clone(next), end));
    }
    let mut all = Answers::default();
    while let Some(answers) = callers.join_next().await {
        all.add(answers??);
    }
    let seconds = begun.elapsed().as_secs_f64();
    let cpu = machine::cpu_us()? - cpu_before;
    Ok(all.sample(seconds, cpu))
}

async fn call(
    placer: Placer,
    load: Load,
    next: Arc<AtomicU64>,
    end: Instant,
) -> anyhow::Result<Answers> {
    let mut answers = Answers::default();
    while Instant::now() < end {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let wanted = Wanted::of(load.seed, load.pattern, number);
        let begun = Instant::now();
        if placer.place(&wanted).await? == Outcome::Accepted {
            answers.accepted += 1;
        }
        answers.times_us.push(u32::try_from(begun.elapsed().as_micros())?);
    }
    Ok(answers)
}

/// What callers were told, and how long each answer took.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    pub(crate) accepted: u64,
    pub(crate) times_us: Vec<u32>,
}

impl Answers {
    /// Adds those of another caller.
    pub(crate) fn add(&mut self, other: Self) {
        self.accepted += other.accepted;
        self.times_us.extend(other.times_us);
    }

    /// The figures of a run.
    pub(crate) fn sample(mut self, seconds: f64, cpu_us: u64) -> Sample {
        self.times_us.sort_unstable();
        let orders = self.times_us.len();
        let at = |per_cent: usize| {
            let index = (orders * per_cent / 100).min(orders.saturating_sub(1));
            self.times_us.get(index).map_or(0.0, |&us| f64::from(us) / 1000.0)
        };
        let orders = orders as u64;
        Sample {
            accepted: self.accepted,
            refused: orders - self.accepted,
            rate: float(orders) / seconds,
            p50_ms: at(50),
            p99_ms: at(99),
            cpu_us: float(cpu_us) / float(orders.max(1)),
        }
    }
}

/// Counts of a bench are far below 2^52.
#[expect(clippy::cast_precision_loss, reason = "counts of a bench are far below 2^52")]
pub(crate) const fn float(number: u64) -> f64 {
    number as f64
}

/// The median of each figure; sums of the counts.
pub(crate) fn medians(samples: &[Sample]) -> Sample {
    let median = |figure: fn(&Sample) -> f64| {
        let mut figures: Vec<f64> = samples.iter().map(figure).collect();
        figures.sort_by(f64::total_cmp);
        figures.get(figures.len() / 2).copied().unwrap_or_default()
    };
    Sample {
        accepted: samples.iter().map(|sample| sample.accepted).sum(),
        refused: samples.iter().map(|sample| sample.refused).sum(),
        rate: median(|sample| sample.rate),
        p50_ms: median(|sample| sample.p50_ms),
        p99_ms: median(|sample| sample.p99_ms),
        cpu_us: median(|sample| sample.cpu_us),
    }
}
