//! The writer against a transaction per request, and hot against spread.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use anyhow::Context as _;

use crate::arguments::Arguments;
use crate::check::{self, Numbers};
use crate::drive::{Load, Placer, Sample, drive, medians};
use crate::naive::Naive;
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
        let (made, shop) = bed.stocked(kind).await?;
        let mut writer = runner(Placer::Writer(Arc::new(shop)), made);
        let (made, shop) = bed.stocked(kind).await?;
        shop.close().await;
        let naive = Naive::open(&made).await?;
        let mut naive = runner(Placer::Naive(Arc::new(naive)), made);
        for &callers in &arguments.callers {
            let hot = pair(arguments, (callers, Pattern::Hot), &mut writer, &mut naive).await?;
            let spread =
                pair(arguments, (callers, Pattern::Spread), &mut writer, &mut naive).await?;
            for (pattern, [ours, plain]) in [(Pattern::Hot, hot), (Pattern::Spread, spread)] {
                let what = format!("{}, {callers} callers, {}", kind.name(), pattern.name());
                let goal = goal(kind, callers, pattern);
                report.add(Line::of_rates(what, &ours, &plain, goal));
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
        writer.end(bed).await?;
        naive.end(bed).await?;
    }
    Ok(())
}

fn runner(placer: Placer, made: Made) -> Runner {
    Runner { placer, made, next: Arc::new(AtomicU64::new(0)), accepted: 0 }
}

/// One load on both variants, in turn, each first every other time.
async fn pair(
    arguments: &Arguments,
    (callers, pattern): (usize, Pattern),
    writer: &mut Runner,
    naive: &mut Runner,
) -> anyhow::Result<[Sample; 2]> {
    let load = Load { callers, pattern, seconds: arguments.seconds, seed: arguments.seed };
    let (mut ours, mut plain) = (Vec::new(), Vec::new());
    for repetition in 0..arguments.repetitions {
        if repetition % 2 == 0 {
            ours.push(writer.run(load).await?);
            plain.push(naive.run(load).await?);
        } else {
            plain.push(naive.run(load).await?);
            ours.push(writer.run(load).await?);
        }
    }
    Ok([medians(&ours), medians(&plain)])
}

/// The ratios to reach.
const fn goal(kind: Kind, callers: usize, pattern: Pattern) -> Goal {
    match (kind, callers, pattern) {
        (_, 1, _) => Goal::AtLeast { floor: 0.9, aim: 1.5 },
        (Kind::Sqlite, 64, Pattern::Hot) => Goal::AtLeast { floor: 10.0, aim: 20.0 },
        (Kind::Sqlite, 256, _) => Goal::AtLeast { floor: 10.0, aim: 25.0 },
        (Kind::Postgres, 64, Pattern::Hot) => Goal::AtLeast { floor: 15.0, aim: 30.0 },
        (Kind::Postgres, 64, Pattern::Spread) => Goal::AtLeast { floor: 3.0, aim: 6.0 },
        _ => Goal::None,
    }
}
