//! How soon the daemon is ready on a shop that exists, and what it needs when nothing
//! happens.

use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::arguments::Arguments;
use crate::drive::float;
use crate::machine;
use crate::report::{Goal, Line, Report};
use crate::served::Server;
use crate::shops::Bed;

/// How long nothing happens before its memory is looked at.
const STILL: Duration = Duration::from_secs(3);
/// Starts of each database; the median is reported.
const STARTS: usize = 5;

/// Measures both databases.
pub(crate) async fn measure(
    arguments: &Arguments,
    bed: &Bed,
    report: &mut Report,
) -> anyhow::Result<()> {
    for &kind in &arguments.database {
        let (made, shop) = bed.stocked(kind).await?;
        shop.close().await;
        let mut starts = Vec::with_capacity(STARTS);
        let mut resident = 0;
        for start in 1..=STARTS {
            let begun = Instant::now();
            let server = Server::daemon(&made)?;
            server.ready().await?;
            starts.push(begun.elapsed().as_secs_f64() * 1000.0);
            if start == STARTS {
                tokio::time::sleep(STILL).await;
                resident = machine::resident_kib(&server.process()).context("it is gone")?;
            }
            server.end()?;
        }
        starts.sort_by(f64::total_cmp);
        let median = starts.get(STARTS / 2).copied().unwrap_or_default();
        let line = |what: &str, figure: f64, unit: &'static str, goal| Line {
            what: format!("{}, {what}", kind.name()),
            ours: format!("{figure:.1} {unit}"),
            beside: String::new(),
            figure,
            unit,
            goal,
            detail: Default::default(),
        };
        let soon = Goal::AtMost { floor: 300.0, aim: 150.0 };
        report.add(line("the daemon is ready, from its start", median, "ms", soon));
        let little = Goal::AtMost { floor: 40.0, aim: 30.0 };
        let megabytes = float(resident) / 1024.0;
        report.add(line("the idle daemon's memory", megabytes, "MB", little));
        bed.remove(&made).await?;
    }
    Ok(())
}
