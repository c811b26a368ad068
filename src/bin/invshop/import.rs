//! `import …`: files that say what there is, what came in and what was sold.

mod listings;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use clap::{Args, Subcommand, ValueEnum};
use indicatif::ProgressBar;
use invshop::clock::Timestamp;
use invshop::domain::LocationCode;
use invshop::import::{self, Applied, ImportError, Job, Kind, Plan, Progress, Source};
use invshop::ledger::stock::{Basis, ImportMode};
use invshop::shop::Shop;
use serde_json::{Value, json};

use crate::app::App;
use crate::arguments::moment;
use crate::failure::{Exit, Failure};
use crate::output::Reply;

/// Bad rows that are printed; with `--json` all that are kept are there.
const PRINTED_MAX: usize = 100;

/// What can be imported.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// The catalogue, with opening stock: sku,title and more
    Items {
        #[command(flatten)]
        from: From,
    },
    /// Counts or receipts: sku,quantity[,location]
    Stock(Stock),
    /// What channels sell, and by which rules: `channel,sku,external_id` and more
    Listings(listings::Listings),
    /// Orders that were taken elsewhere, a row a line: `order_id`,sku,quantity and more
    Orders {
        #[command(flatten)]
        from: From,
        /// Import the file although it was imported before
        #[arg(long)]
        again: bool,
    },
}

/// The file and what to do with bad rows.
#[derive(Debug, Args)]
pub(crate) struct From {
    /// CSV in UTF-8 with a header; `-` reads standard input
    file: PathBuf,
    /// Look at the whole file, print what it would do, write nothing
    #[arg(long)]
    dry_run: bool,
    /// Leave bad rows out instead of refusing the file
    #[arg(long)]
    skip_bad: bool,
}

/// A stock file and how it is meant.
#[derive(Debug, Args)]
pub(crate) struct Stock {
    #[command(flatten)]
    from: From,
    /// Where rows without a location are meant
    #[arg(long, value_name = "L")]
    location: Option<LocationCode>,
    /// Whether each row is what is there now, or what came in
    #[arg(long, value_enum, default_value_t = ModeArgument::Set)]
    mode: ModeArgument,
    /// What a counted number means: all units, or only those no open order has a claim to
    #[arg(long, value_enum, default_value_t = BasisArgument::Physical)]
    basis: BasisArgument,
    /// When it was observed; what moved since is added [default: now]
    #[arg(long, value_name = "T", value_parser = moment)]
    observed_at: Option<Timestamp>,
    /// Add the file although it was added before
    #[arg(long)]
    again: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ModeArgument {
    /// Each row is a count
    Set,
    /// Each row is a receipt
    Add,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum BasisArgument {
    /// Units on the shelf
    Physical,
    /// Units on the shelf that no open order has a claim to
    Available,
}

pub(crate) use listings::{run as run_listings, too_large};

/// Imports a file, or says what that would do.
pub(crate) async fn run(app: &App<'_>, shop: &Shop, verb: Verb) -> Result<Reply, Failure> {
    let (from, job) = job(verb)?;
    let source = open(&from.file).await?;
    let plan = {
        let bar = app.output.progress(source.bytes(), "checking");
        let plan = import::plan(shop, &source, &job, &watch(app, &bar)).await;
        bar.finish_and_clear();
        plan?
    };
    for warning in &plan.warnings {
        app.output.warn(warning);
    }
    if plan.more_warnings > 0 {
        app.output.warn(&format!("{} more warnings", plan.more_warnings));
    }
    if from.dry_run {
        let refused = plan.bad_rows > 0 && !plan.job.skip_bad;
        return Ok(Reply::one(planned(&plan), plan_document(&plan)).with_findings(refused));
    }
    if plan.bad_rows > 0 && plan.job.skip_bad {
        app.output.note(&findings(&plan));
    }
    let bar = app.output.progress(plan.rows, "writing");
    let applied = import::apply(shop, &source, plan, &watch(app, &bar)).await;
    bar.finish_and_clear();
    Ok(applied_reply(&applied?))
}

fn job(verb: Verb) -> Result<(From, Job), Failure> {
    let (from, mut job) = match verb {
        Verb::Items { from } => (from, Job::new(Kind::Items)),
        // It is done with the channels open, before it comes here.
        Verb::Listings(_) => return Err(Failure::usage("listings need their channels")),
        Verb::Orders { from, again } => (from, Job { again, ..Job::new(Kind::Orders) }),
        Verb::Stock(stock) => {
            let mut job = Job { again: stock.again, ..Job::new(Kind::Stock) };
            job.stock.location = stock.location;
            job.stock.observed_at = stock.observed_at;
            job.stock.mode = match (stock.mode, stock.basis) {
                (ModeArgument::Add, BasisArgument::Physical) => ImportMode::Add,
                (ModeArgument::Add, BasisArgument::Available) => {
                    return Err(Failure::usage(
                        "--basis says what a count means; --mode add counts nothing",
                    ));
                }
                (ModeArgument::Set, BasisArgument::Physical) => ImportMode::Set(Basis::Physical),
                (ModeArgument::Set, BasisArgument::Available) => ImportMode::Set(Basis::Available),
            };
            (stock.from, job)
        }
    };
    job.skip_bad = from.skip_bad;
    Ok((from, job))
}

/// Opens a file where blocking is allowed: a pipe may keep us waiting.
pub(crate) async fn open(file: &Path) -> Result<Source, Failure> {
    let file = file.to_owned();
    let opened = tokio::task::spawn_blocking(move || {
        if file.as_os_str() == "-" {
            Source::spool("standard input", std::io::stdin().lock())
        } else {
            Source::open(&file)
        }
    });
    let opened = opened.await.map_err(|error| Failure::failed("io", error.to_string()))?;
    Ok(opened?)
}

/// Moves a bar, and stops between two steps once Ctrl-C was pressed.
pub(crate) fn watch<'a>(
    app: &App<'a>,
    bar: &ProgressBar,
) -> impl Fn(Progress) -> ControlFlow<()> + Sync + use<'a> {
    let interrupted = app.interruption();
    let bar = bar.clone();
    move |progress| {
        let (Progress::Checking(done, _) | Progress::Writing(done, _)) = progress;
        bar.set_position(done);
        if interrupted.load(Ordering::Relaxed) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}

fn planned(plan: &Plan) -> String {
    let figures = plan.figures;
    let mut lines = vec![format!("{} rows, {} bad", plan.rows, plan.bad_rows)];
    match plan.job.kind {
        Kind::Items => {
            lines.push(format!(
                "{} new items, {} changed, {} levels opened, opening stock of {} levels ignored",
                figures.new_items, figures.updated_items, figures.levels, figures.opening_ignored
            ));
        }
        Kind::Stock => lines.push(format!("{} levels", figures.levels)),
        Kind::Orders => lines.push(format!("{} orders", figures.orders)),
    }
    if plan.bad_rows > 0 {
        lines.push(findings(plan));
    }
    lines.push("nothing was written".to_owned());
    lines.join("\n")
}

fn findings(plan: &Plan) -> String {
    let kept = plan.findings.kept();
    let mut lines: Vec<String> = kept.iter().take(PRINTED_MAX).map(ToString::to_string).collect();
    let more = plan.findings.count().saturating_sub(lines.len() as u64);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    lines.join("\n")
}

fn findings_document(plan: &Plan) -> Value {
    let finding = |one: &import::Finding| json!({ "line": one.line, "column": one.column, "message": one.message });
    plan.findings.kept().iter().map(finding).collect()
}

fn plan_document(plan: &Plan) -> Value {
    json!({
        "dry_run": true,
        "rows": plan.rows,
        "bad_rows": plan.bad_rows,
        "new_items": plan.figures.new_items,
        "updated_items": plan.figures.updated_items,
        "levels": plan.figures.levels,
        "opening_ignored": plan.figures.opening_ignored,
        "orders": plan.figures.orders,
        "findings": findings_document(plan),
        "findings_total": plan.findings.count(),
        "warnings": plan.warnings,
    })
}

/// What an import, or the rest of one, has written.
pub(crate) fn applied_reply(applied: &Applied) -> Reply {
    let first = match applied.batch {
        Some(batch) => format!("batch {batch}: {} rows", applied.rows),
        None => format!("{} rows, nothing to import", applied.rows),
    };
    let mut lines = vec![first];
    for (count, what) in [
        (applied.created, "items created"),
        (applied.updated, "items changed"),
        (applied.skipped, "bad rows left out"),
        (
            applied.opening_ignored,
            "levels kept their stock: opening stock is for levels that never moved",
        ),
    ] {
        if count > 0 {
            lines.push(format!("{count} {what}"));
        }
    }
    let document = json!({
        "batch": applied.batch.map(invshop::domain::BatchId::get),
        "rows": applied.rows,
        "skipped": applied.skipped,
        "created": applied.created,
        "updated": applied.updated,
        "opening_ignored": applied.opening_ignored,
    });
    Reply::one(lines.join("\n"), document)
}

impl std::convert::From<ImportError> for Failure {
    fn from(error: ImportError) -> Self {
        let text = error.to_string();
        match error {
            ImportError::BadRows(plan) => {
                let (message, hint) = text.split_once('\n').unwrap_or((&text, ""));
                Self::refused("bad_rows", format!("{message}\n{}\n{hint}", findings(&plan)))
                    .field("rows", json!(plan.rows))
                    .field("bad_rows", json!(plan.bad_rows))
                    .field("findings", findings_document(&plan))
            }
            ImportError::File { .. } => Self::refused("bad_file", text),
            ImportError::AppliedBefore(batch) => {
                Self::refused("applied_before", text).field("batch", json!(batch.get()))
            }
            ImportError::Unfinished(batch) => {
                Self::refused("unfinished", text).field("batch", json!(batch.get()))
            }
            ImportError::Batch { batch, .. } => {
                Self::refused("batch", text).field("batch", json!(batch.get()))
            }
            ImportError::Stopped { batch, row, error } => {
                let exit = Self::from(error).exit;
                let failure = Self::failed("stopped", text);
                Self { exit, ..failure }
                    .field("batch", json!(batch.get()))
                    .field("rows_done", json!(row))
            }
            ImportError::Interrupted(_) => {
                Self { exit: Exit::Interrupted, ..Self::failed("interrupted", text) }
            }
            ImportError::Io { .. } => Self::failed("io", text),
            ImportError::Write(error) => Self::of_step(error),
            ImportError::Store(error) => error.into(),
        }
    }
}
