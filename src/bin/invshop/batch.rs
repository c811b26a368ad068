//! `batch …`: imports that were made, going on with one, taking one back.

use std::path::PathBuf;

use clap::Subcommand;
use invshop::clock::Timestamp;
use invshop::domain::BatchId;
use invshop::import::{self, BatchRecord, RevertLevel, RevertPlan};
use invshop::shop::Shop;
use serde_json::{Value, json};

use crate::app::App;
use crate::failure::Failure;
use crate::import::{applied_reply, open, watch};
use crate::output::{Reply, Table, Text};

/// What can be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Imports, the newest first
    List {
        /// How many
        #[arg(long, value_name = "N", default_value_t = 50,
              value_parser = clap::value_parser!(u16).range(1..=500))]
        limit: u16,
        /// Only those older than this one
        #[arg(long, value_name = "ID", value_parser = batch_id)]
        before: Option<BatchId>,
    },
    /// One import
    Show {
        /// Its id
        #[arg(value_parser = batch_id)]
        id: BatchId,
    },
    /// Go on with an interrupted import, exactly where it stopped
    Resume {
        /// Its id
        #[arg(value_parser = batch_id)]
        id: BatchId,
        /// The very file it was begun with; `-` reads standard input
        file: PathBuf,
    },
    /// Take a stock import back by compensating entries
    Revert {
        /// Its id
        #[arg(value_parser = batch_id)]
        id: BatchId,
        /// Leave what cannot be taken back, instead of refusing it all
        #[arg(long)]
        skip_blocked: bool,
        /// Print what would be done, write nothing
        #[arg(long)]
        dry_run: bool,
    },
}

fn batch_id(text: &str) -> Result<BatchId, String> {
    let number: i64 = text.parse().map_err(|_| "expected the number of a batch".to_owned())?;
    Ok(BatchId::new(number))
}

/// Does one verb.
pub(crate) async fn run(app: &App<'_>, shop: &Shop, verb: Verb) -> Result<Reply, Failure> {
    match verb {
        Verb::List { limit, before } => {
            let batches = import::list(shop, before, usize::from(limit)).await?;
            let data: Vec<Value> = batches.iter().map(document).collect();
            Ok(Reply::list(table(&batches), &data))
        }
        Verb::Show { id } => {
            let batch = import::find(shop, id).await?;
            let document = document(&batch);
            Ok(Reply::one(Text::Both(options(&batch), table(&[batch])), document))
        }
        Verb::Resume { id, file } => {
            let source = open(&file).await?;
            let rows = import::find(shop, id).await?.rows_total;
            let bar = app.output.progress(u64::try_from(rows).unwrap_or(0), "writing");
            let applied = import::resume(shop, id, &source, &watch(app, &bar)).await;
            bar.finish_and_clear();
            Ok(applied_reply(&applied?))
        }
        Verb::Revert { id, skip_blocked, dry_run } => {
            let plan = import::plan_revert(shop, id).await?;
            if dry_run {
                let refused = plan.blocked_levels > 0 && !skip_blocked;
                return Ok(planned(&plan).with_findings(refused));
            }
            if plan.blocked_levels == 0 || skip_blocked {
                app.confirm(&format!("take batch {id} back, {} levels", plan.levels)).await?;
            }
            revert(app, shop, id, skip_blocked).await
        }
    }
}

async fn revert(
    app: &App<'_>,
    shop: &Shop,
    id: BatchId,
    skip_blocked: bool,
) -> Result<Reply, Failure> {
    let bar = app.output.progress(0, "taking back");
    let reverted = import::revert(shop, id, skip_blocked, &watch(app, &bar)).await;
    bar.finish_and_clear();
    let reverted = reverted?;
    let mut text = format!("batch {id}: {} movements taken back", reverted.movements);
    if reverted.blocked_movements > 0 {
        let left = format!("{} left as they are:", reverted.blocked_movements);
        text = [&[text, left], reverted.blocked.as_slice()].concat().join("\n");
    }
    let document = json!({
        "batch": id.get(),
        "movements": reverted.movements,
        "blocked": reverted.blocked,
        "blocked_movements": reverted.blocked_movements,
    });
    Ok(Reply::one(text, document))
}

fn planned(plan: &RevertPlan) -> Reply {
    let blocked: Vec<String> = plan.blocked.iter().map(RevertLevel::obstacle).collect();
    let text = format!(
        "{} units on {} levels, {} levels blocked",
        plan.units, plan.levels, plan.blocked_levels
    );
    let end = ["nothing was written".to_owned()];
    let text = [&[text], blocked.as_slice(), &end].concat().join("\n");
    let document = json!({
        "dry_run": true,
        "levels": plan.levels,
        "units": plan.units,
        "blocked": blocked,
        "blocked_levels": plan.blocked_levels,
    });
    Reply::one(text, document)
}

fn table(batches: &[BatchRecord]) -> Table {
    let names = ["#id", "kind", "status", "#done", "#rows", "begun", "file"];
    let mut table = Table::new(&names, "no imports");
    for batch in batches {
        table.row(vec![
            batch.id.to_string(),
            batch.kind.clone(),
            batch.status.clone(),
            batch.rows_done.to_string(),
            batch.rows_total.to_string(),
            time(Some(batch.created_at)).unwrap_or_default(),
            batch.file_name.clone(),
        ]);
    }
    table
}

fn options(batch: &BatchRecord) -> String {
    let next = match batch.status.as_str() {
        "open" => "interrupted, or still running: `invshop batch resume` goes on",
        "reverting" => "being taken back: `invshop batch revert` goes on",
        _ => "",
    };
    let end = if next.is_empty() { String::new() } else { format!("\n{next}") };
    format!("options {}{end}", batch.options)
}

fn time(millis: Option<i64>) -> Option<String> {
    millis.and_then(|millis| Timestamp::from_millis(millis).ok()).map(|time| time.to_string())
}

fn document(batch: &BatchRecord) -> Value {
    let options: Value = serde_json::from_str(&batch.options).unwrap_or(Value::Null);
    json!({
        "id": batch.id.get(),
        "kind": batch.kind,
        "status": batch.status,
        "file_name": batch.file_name,
        "options": options,
        "rows_total": batch.rows_total,
        "rows_done": batch.rows_done,
        "created_at": time(Some(batch.created_at)),
        "finished_at": time(batch.finished_at),
    })
}
