//! How long orders wait while an import runs.
//!
//! On SQLite the import is another process, as an owner would start it beside
//! the daemon; both take turns at the file. On PostgreSQL likewise.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tokio::process::Child;

use crate::arguments::{Arguments, FileKind};
use crate::check::{self, Numbers};
use crate::drive::{Load, Placer, Sample, drive, medians};
use crate::import::{items_file, start};
use crate::report::{Goal, Line, Report};
use crate::shops::{Bed, Made, Plain};
use crate::wanted::Pattern;

/// Callers that place orders meanwhile.
const CALLERS: usize = 64;

/// Measures both databases.
pub(crate) async fn measure(
    arguments: &Arguments,
    bed: &Bed,
    report: &mut Report,
) -> anyhow::Result<()> {
    let file = bed.folder().join("items.csv");
    let rows = u64::try_from(arguments.rows)?;
    for &kind in &arguments.database {
        let (made, shop) = bed.stocked(kind).await?;
        let shop = Arc::new(shop);
        let placer = Placer::Writer(Arc::clone(&shop));
        let next = Arc::new(AtomicU64::new(0));
        let load = Load {
            callers: CALLERS,
            pattern: Pattern::Spread,
            seconds: arguments.seconds,
            seed: arguments.seed,
        };
        let (mut alone, mut beside): (Vec<Sample>, Vec<Sample>) = (Vec::new(), Vec::new());
        for repetition in 1..=u64::try_from(arguments.repetitions)? {
            // New items every time: known ones would be looked at, not written.
            items_file(&file, arguments.seed, repetition * rows..(repetition + 1) * rows)?;
            alone.push(drive(&placer, load, &next).await?);
            let mut import = start(&made, FileKind::Items, &file)?;
            wait_until_it_writes(&made, &mut import).await?;
            beside.push(drive(&placer, load, &next).await?);
            // It is not meant to end: what it has written so far stays.
            ensure!(
                import.try_wait()?.is_none(),
                "the import ended before the orders: more --rows"
            );
            import.kill().await?;
        }
        drop(placer);
        Arc::into_inner(shop).context("a caller still has the shop")?.close().await;
        let accepted = alone.iter().chain(&beside).map(|sample| sample.accepted).sum();
        check::orders(&made, accepted, Numbers::Dense).await?;
        bed.remove(&made).await?;
        let (alone, beside) = (medians(&alone), medians(&beside));
        let mut line = Line::of_rates(
            format!("{}, {CALLERS} callers during an import, p99 against without", kind.name()),
            &beside,
            &alone,
            Goal::None,
        );
        line.figure = beside.p99_ms / alone.p99_ms;
        report.add(line);
    }
    std::fs::remove_file(file)?;
    Ok(())
}

/// The importing process first looks at its whole file.
async fn wait_until_it_writes(made: &Made, import: &mut Child) -> anyhow::Result<()> {
    const ITEMS: &str = "select count(*) from item";
    const LOOK: Duration = Duration::from_millis(20);
    let mut plain = Plain::open(made).await?;
    let before = plain.number(ITEMS).await?;
    while plain.number(ITEMS).await? == before {
        ensure!(import.try_wait()?.is_none(), "the import wrote nothing");
        tokio::time::sleep(LOOK).await;
    }
    plain.close().await
}
