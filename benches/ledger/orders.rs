//! The writer against a transaction per request, and hot against spread.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use anyhow::Context as _;

use crate::arguments::Arguments;
use crate::check::{self, Numbers};
use crate::drive::{Load, Placer, Sample, drive, medians};
use crate::naive::Naive;
use crate::naive::Statements::{self, EachRow, SeveralRows};
use crate::report::{Goal, Line, Report};
use crate::shops::{Bed, Kind, Made};
use crate::wanted::Pattern;

/// Callers from which hot and spread are compared.
const MANY: usize = 64;

/// One variant on a database of its own.
#[derive(Debug)]
struct Runner {
    placer: Placer,
    made: Made,
    next: Arc<AtomicU64>,
    accepted: u64,
}

impl Runner {
    async fn run(&mut self, load: Load) -> anyhow::Result<Sample> {
        let sample = drive(&self.placer, load, &self.next).await?;
        self.accepted += sample.accepted;
        Ok(sample)
    }

    /// Closes the database, checks it and removes it.
    async fn end(self, bed: &Bed) -> anyhow::Result<()> {
        let numbers = match self.placer {
            Placer::Writer(shop) => {
                let shop = Arc::into_inner(shop).context("a caller still has the shop")?;
                anyhow::ensure!(shop.counters.invariant_violations.get() == 0, "broken invariants");
                shop.close().await;
                Numbers::Dense
            }
            Placer::Naive(naive) => {
                naive.close().await;
                Numbers::Any
            }
        };
        check::orders(&self.made, self.accepted, numbers).await?;
        bed.remove(&self.made).await
    }
}

/// Measures both databases.
pub(crate) async fn measure(
    arguments: &Arguments,
    bed: &Bed,
    report: &mut Report,
) -> anyhow::Result<()> {
    for &kind in &arguments.database {
        for &callers in &arguments.callers {
            let hot = fresh(arguments, bed, kind, (callers, Pattern::Hot)).await?;
            let spread = fresh(arguments, bed, kind, (callers, Pattern::Spread)).await?;
            for (pattern, [ours, naive, careful]) in
                [(Pattern::Hot, hot), (Pattern::Spread, spread)]
            {
                let what = format!("{}, {callers} callers, {}", kind.name(), pattern.name());
                let goal = goal(kind, callers, pattern);
                report.add(Line::of_rates(what.clone(), &ours, &naive, goal));
                let what = format!("{what}, beside several rows a statement");
                report.add(Line::of_rates(what, &ours, &careful, Goal::None));
            }
            if callers >= MANY {
                let what = format!("{}, {callers} callers, hot against spread", kind.name());
                let goal = match kind {
                    Kind::Sqlite => Goal::AtLeast { floor: 0.8, aim: 1.0 },
                    Kind::Postgres => Goal::None,
                };
                report.add(Line::of_rates(what, &hot[0], &spread[0], goal));
            }
        }
    }
    Ok(())
}

/// One load on all variants, each on a new shop: in one that is used for all
/// loads whoever is faster works on the larger tables.
async fn fresh(
    arguments: &Arguments,
    bed: &Bed,
    kind: Kind,
    (callers, pattern): (usize, Pattern),
) -> anyhow::Result<[Sample; 3]> {
    let (made, shop) = bed.stocked(kind).await?;
    let writer = runner(Placer::Writer(Arc::new(shop)), made);
    let mut trio = [writer, plain(bed, kind, EachRow).await?, plain(bed, kind, SeveralRows).await?];
    let samples = together(arguments, (callers, pattern), &mut trio).await?;
    for runner in trio {
        runner.end(bed).await?;
    }
    Ok(samples)
}

/// A plain program on a shop of its own.
async fn plain(bed: &Bed, kind: Kind, statements: Statements) -> anyhow::Result<Runner> {
    let (made, shop) = bed.stocked(kind).await?;
    shop.close().await;
    let naive = Naive::open(&made, statements).await?;
    Ok(runner(Placer::Naive(Arc::new(naive)), made))
}

fn runner(placer: Placer, made: Made) -> Runner {
    Runner { placer, made, next: Arc::new(AtomicU64::new(0)), accepted: 0 }
}

/// One load on all variants, in turn, each time another one first.
async fn together<const VARIANTS: usize>(
    arguments: &Arguments,
    (callers, pattern): (usize, Pattern),
    variants: &mut [Runner; VARIANTS],
) -> anyhow::Result<[Sample; VARIANTS]> {
    let load = Load { callers, pattern, seconds: arguments.seconds, seed: arguments.seed };
    let mut samples: [Vec<Sample>; VARIANTS] = std::array::from_fn(|_| Vec::new());
    for repetition in 0..arguments.repetitions {
        for turn in 0..VARIANTS {
            let variant = (repetition + turn) % VARIANTS;
            samples[variant].push(variants[variant].run(load).await?);
        }
    }
    Ok(samples.map(|samples| medians(&samples)))
}

/// The ratios to reach.
const fn goal(kind: Kind, callers: usize, pattern: Pattern) -> Goal {
    match (kind, callers, pattern) {
        (_, 1, _) => Goal::AtLeast { floor: 0.9, aim: 1.5 },
        (Kind::Sqlite, 64, Pattern::Hot) => Goal::AtLeast { floor: 10.0, aim: 20.0 },
        (Kind::Sqlite, 256, Pattern::Hot) => Goal::AtLeast { floor: 10.0, aim: 25.0 },
        (Kind::Postgres, 64, Pattern::Hot) => Goal::AtLeast { floor: 15.0, aim: 30.0 },
        (Kind::Postgres, 64, Pattern::Spread) => Goal::AtLeast { floor: 3.0, aim: 6.0 },
        _ => Goal::None,
    }
}
