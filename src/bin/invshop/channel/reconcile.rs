//! `reconcile`: what channels show against the ledger, and which of the two is put right.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use clap::{Args, ValueEnum};
use invshop::clock::Timestamp;
use invshop::domain::LocationCode;
use invshop::import::{self, Job, Kind, Source, StockOptions};
use invshop::ledger::stock::{Basis, ImportMode};
use invshop::shop::Shop;
use invshop::sync::{self, Adoptions, Believed, Channel, Difference, Look, Reconciled};
use serde_json::{Value, json};

use super::{LARGE_PERCENT, find};
use crate::app::App;
use crate::arguments::Format;
use crate::failure::Failure;
use crate::import::watch;
use crate::output::{Reply, Table, Text};

/// What to compare.
#[derive(Clone, Debug, Args)]
pub(crate) struct Reconcile {
    /// One channel [default: all]
    #[arg(long)]
    channel: Option<String>,
    /// Which side is put right where they differ
    #[arg(long, value_enum)]
    fix: Option<Fix>,
    /// What the shop's numbers are taken for, with --fix adopt
    #[arg(long, value_enum)]
    basis: Option<BasisArgument>,
    /// Where the units are, with --fix adopt, where the channel sells from several places
    #[arg(long, value_name = "L")]
    location: Option<LocationCode>,
    /// Show what --fix adopt would count, and count nothing
    #[arg(long)]
    dry_run: bool,
    /// Adopt although more than a tenth of the numbers would be counted
    #[arg(long)]
    yes_large: bool,
    /// How it is written
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

/// Which side is put right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Fix {
    /// The channel: it is told what the ledger has
    Push,
    /// The ledger: what the channel shows is counted, as one batch that can be reverted
    Adopt,
}

/// What the numbers of a shop are taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum BasisArgument {
    /// Units on the shelf
    Physical,
    /// Units on the shelf that no open order has a claim to
    Available,
    /// What our own rules would publish: the default
    Published,
}

impl From<BasisArgument> for Believed {
    fn from(basis: BasisArgument) -> Self {
        match basis {
            BasisArgument::Physical => Self::Physical,
            BasisArgument::Available => Self::Available,
            BasisArgument::Published => Self::Published,
        }
    }
}

/// Compares channels with the ledger.
pub(crate) async fn reconcile(
    app: &App<'_>,
    shop: &Shop,
    channels: &[Arc<Channel>],
    given: &Reconcile,
) -> Result<Reply, Failure> {
    let one = given.channel.as_deref().map(|name| find(channels, name)).transpose()?;
    if given.fix == Some(Fix::Adopt) {
        let usage = || Failure::usage("--fix adopt believes one channel: name it");
        return adopt(app, shop, one.ok_or_else(usage)?, given).await;
    }
    if given.location.is_some() || given.basis.is_some() || given.dry_run || given.yes_large {
        let message = "--location, --basis, --dry-run and --yes-large are for --fix adopt";
        return Err(Failure::usage(message));
    }
    let mut all = Vec::new();
    for channel in channels.iter().filter(|channel| one.is_none_or(|one| Arc::ptr_eq(one, channel)))
    {
        all.push(compare(app, channel, given.fix.is_some()).await?);
    }
    Ok(differences(&all, given.format))
}

/// Compares one channel, with a bar; Ctrl-C stops between two pages.
pub(super) async fn compare(
    app: &App<'_>,
    channel: &Channel,
    fix: bool,
) -> Result<Reconciled, Failure> {
    let numbers = u64::try_from(channel.status().await?.numbers).unwrap_or(0);
    let bar = app.output.progress(numbers, "comparing");
    let interrupted = app.interruption();
    let watch = |looked: usize| {
        bar.set_position(looked as u64);
        if interrupted.load(Ordering::Relaxed) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    let found = sync::reconcile(channel, Look { fix, watch: &watch, ..Look::only() }).await;
    bar.finish_and_clear();
    Ok(found?)
}

/// What differs, and why.
pub(super) fn differences(all: &[Reconciled], format: Format) -> Reply {
    let rows: Vec<&Difference> = all.iter().flat_map(|one| &one.differences).collect();
    let right: usize = all.iter().map(|one| one.right).sum();
    let names = ["channel", "holder", "#wanted", "#confirmed", "#shown", "cause"];
    let mut table = Table::new(&names, "");
    let number = |number: Option<i64>| number.map(|number| number.to_string()).unwrap_or_default();
    for one in &rows {
        let place = if one.place.is_empty() { String::new() } else { format!("@{}", one.place) };
        table.row(vec![
            one.channel.clone(),
            format!("{}{place}", one.holder),
            number(one.wanted),
            number(one.confirmed),
            number(one.shown),
            one.cause.as_str().to_owned(),
        ]);
    }
    let drift: usize = all.iter().map(Reconciled::off).sum();
    let line = format!("{right} numbers are right, {drift} are not");
    let document = json!({ "right": right, "data": rows });
    let text = match format {
        Format::Table => Text::Both(line, table),
        Format::Csv => Text::Csv(table),
        Format::Json => Text::Json,
    };
    Reply::one(text, document).with_findings(drift > 0)
}

/// Believes a channel: its numbers become counts, once all its orders are recorded.
async fn adopt(
    app: &App<'_>,
    shop: &Shop,
    channel: &Arc<Channel>,
    given: &Reconcile,
) -> Result<Reply, Failure> {
    channel.record_orders().await?;
    let observed_at = shop.clock.now();
    let found = compare(app, channel, false).await?;
    // A sale that is in a number that was read is recorded before it is counted.
    channel.record_orders().await?;
    let believed = given.basis.map(Believed::from).unwrap_or_default();
    let how = (believed, given.location.as_ref());
    let adoptions = channel.adoptions(&found.differences, how).await?;
    let all = found.right + found.differences.iter().filter(|one| one.wanted.is_some()).count();
    let counts = adoptions.counts.len();
    if given.dry_run || counts == 0 {
        return Ok(adopted(&adoptions, None, given.format));
    }
    if counts * 100 > all * LARGE_PERCENT && !given.yes_large {
        let message = format!("{counts} of {all} numbers of {} would be counted", channel.name());
        return Err(Failure::refused("large_change", message)
            .field("changes", json!(counts))
            .hint("--dry-run lists them; --yes-large counts them"));
    }
    app.confirm(&format!("count what {} shows of {counts} items", channel.name())).await?;
    let batch = count(app, shop, (channel, believed), &adoptions, observed_at).await?;
    channel.note_believed(observed_at, believed).await?;
    Ok(adopted(&adoptions, batch, given.format))
}

/// Counts as one batch, as a file of counts would be.
async fn count(
    app: &App<'_>,
    shop: &Shop,
    (channel, believed): (&Channel, Believed),
    adoptions: &Adoptions,
    observed_at: Timestamp,
) -> Result<Option<i64>, Failure> {
    let broken = |error: csv::Error| Failure::failed("io", error.to_string());
    let mut file = csv::Writer::from_writer(Vec::new());
    file.write_record(["sku", "quantity", "location"]).map_err(broken)?;
    for one in &adoptions.counts {
        let quantity = one.quantity.to_string();
        file.write_record([&one.sku, &quantity, &one.location]).map_err(broken)?;
    }
    let bytes = file.into_inner().map_err(|error| broken(error.into_error().into()))?;
    let source = Source::spool(&format!("what {} shows", channel.name()), bytes.as_slice())?;
    let mut job = Job::new(Kind::Stock);
    job.stock = StockOptions {
        location: None,
        mode: ImportMode::Set(match believed {
            Believed::Physical => Basis::Physical,
            Believed::Available | Believed::Published => Basis::Available,
        }),
        observed_at: Some(observed_at),
    };
    let bar = app.output.progress(source.bytes(), "counting");
    let plan = import::plan(shop, &source, &job, &watch(app, &bar)).await?;
    let applied = import::apply(shop, &source, plan, &watch(app, &bar)).await;
    bar.finish_and_clear();
    Ok(applied?.batch.map(invshop::domain::BatchId::get))
}

/// What was counted, or would be, and what was left alone. Left-over numbers are findings.
fn adopted(adoptions: &Adoptions, batch: Option<i64>, format: Format) -> Reply {
    let names = ["sku", "location", "#counted", "#shown", "holder", "left because"];
    let mut table = Table::new(&names, "");
    for one in &adoptions.counts {
        table.row(vec![
            one.sku.clone(),
            one.location.clone(),
            one.quantity.to_string(),
            one.shown.to_string(),
            one.holder.clone(),
            String::new(),
        ]);
    }
    for one in &adoptions.left {
        let mut cells = vec![String::new(); 4];
        cells.extend([one.holder.clone(), one.why.clone()]);
        table.row(cells);
    }
    let (counts, left) = (adoptions.counts.len(), adoptions.left.len());
    let head = match batch {
        Some(batch) => format!("batch {batch}: {counts} items are counted, {left} numbers left"),
        None => {
            format!("{counts} items would be counted, {left} numbers left; nothing was written")
        }
    };
    let document: Value =
        json!({ "batch": batch, "data": adoptions.counts, "left": adoptions.left });
    let text = match format {
        Format::Table => Text::Both(head, table),
        Format::Csv => Text::Csv(table),
        Format::Json => Text::Json,
    };
    Reply::one(text, document).with_findings(left > 0)
}
