//! `import listings`: what channels sell, and by which rules, from a file.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use clap::Args;
use invshop::import::{self, Finding, ListingRow, RuleCell};
use invshop::sync::{self, Channel, ListingPlan, ListingWish, RuleChange};
use serde_json::{Value, json};

use super::{From, PRINTED_MAX, open, watch};
use crate::app::App;
use crate::failure::Failure;
use crate::output::Reply;

/// A listings file.
#[derive(Debug, Args)]
pub(crate) struct Listings {
    #[command(flatten)]
    from: From,
    /// Write it although more than a tenth of a live channel's numbers would change
    #[arg(long)]
    yes_large: bool,
}

/// A file with what it would do.
struct Planned {
    rows: u64,
    bad_rows: u64,
    findings: Vec<Finding>,
    plans: Vec<ListingPlan>,
}

/// Imports a file, or says what that would do. It is written whole or not at all.
pub(crate) async fn run(
    app: &App<'_>,
    channels: &[Arc<Channel>],
    given: Listings,
) -> Result<Reply, Failure> {
    let source = open(&given.from.file).await?;
    let bar = app.output.progress(source.bytes(), "checking");
    let file = import::read_listings(&source, &watch(app, &bar)).await;
    bar.finish_and_clear();
    let file = file?;
    file.warnings.iter().for_each(|warning| app.output.warn(warning));
    let mut planned = Planned {
        rows: file.total,
        bad_rows: file.bad_rows,
        findings: file.findings.kept().to_vec(),
        plans: Vec::new(),
    };
    planned.plan(channels, file.rows).await?;
    if given.from.dry_run {
        let refused = planned.bad_rows > 0 && !given.from.skip_bad;
        let text = format!("{}\nnothing was written", planned.text());
        return Ok(Reply::one(text, planned.document(true)).with_findings(refused));
    }
    if planned.bad_rows > 0 && !given.from.skip_bad {
        return Err(planned.refused());
    }
    app.output.note(&planned.text());
    if let Some(plan) = planned.plans.iter().find(|plan| plan.is_large())
        && !given.yes_large
    {
        return Err(too_large(plan));
    }
    if planned.plans.iter().any(|plan| plan.is_live && !plan.numbers.is_empty()) {
        app.confirm(&format!("change {} numbers of live channels", planned.changes())).await?;
    }
    let document = planned.document(false);
    let changed = sync::apply_listings(planned.plans).await?;
    Ok(Reply::one(format!("{changed} listings are changed"), document))
}

/// A plan that needs a special yes.
pub(crate) fn too_large(plan: &ListingPlan) -> Failure {
    let (figures, name) = (plan.figures, plan.channel().name());
    let changes = figures.new + figures.changes;
    let (all, zeros) = (figures.numbers, figures.zeros);
    let message =
        format!("{changes} of {all} numbers of {name} would change, {zeros} of them to 0");
    Failure::refused("large_change", message)
        .field("channel", json!(name))
        .field("changes", json!(changes))
        .field("zeros", json!(zeros))
        .hint("--dry-run shows what would change; --yes-large does it")
}

impl Planned {
    /// Looks at all rows, channel by channel; what is wrong with a row is added.
    async fn plan(
        &mut self,
        channels: &[Arc<Channel>],
        rows: Vec<ListingRow>,
    ) -> Result<(), Failure> {
        let mut of: BTreeMap<String, Vec<ListingWish>> = BTreeMap::new();
        let mut bad: HashSet<u64> = HashSet::new();
        for row in rows {
            if !channels.iter().any(|channel| channel.name() == row.channel) {
                let message = format!("there is no channel '{}'", row.channel);
                self.wrong(&mut bad, row.line, "channel", message);
                continue;
            }
            of.entry(row.channel.clone()).or_default().push(wish(row));
        }
        for channel in channels {
            let Some(wishes) = of.get(channel.name()) else { continue };
            let plan = sync::plan_listings(channel, wishes).await?;
            for problem in &plan.problems {
                self.wrong(&mut bad, problem.line, problem.column, problem.message.clone());
            }
            self.plans.push(plan);
        }
        self.bad_rows += bad.len() as u64;
        self.findings.sort_by_key(|finding| finding.line);
        Ok(())
    }

    fn wrong(&mut self, bad: &mut HashSet<u64>, line: u64, column: &'static str, message: String) {
        bad.insert(line);
        if self.findings.len() < import::FINDINGS_MAX {
            self.findings.push(Finding { line, column: Some(column), message });
        }
    }

    fn changes(&self) -> usize {
        self.plans.iter().map(|plan| plan.numbers.len()).sum()
    }

    fn told(&self) -> String {
        let lines = self.findings.iter().take(PRINTED_MAX).map(ToString::to_string);
        lines.collect::<Vec<_>>().join("\n")
    }

    fn text(&self) -> String {
        let mut lines = vec![format!("{} rows, {} bad", self.rows, self.bad_rows)];
        for plan in &self.plans {
            let figures = plan.figures;
            lines.push(format!(
                "{}: {} listings become an item, rules of {} change, {} stay as they are",
                plan.channel().name(),
                figures.mapped,
                figures.rules,
                figures.unchanged
            ));
            lines.push(format!(
                "{}: {} numbers are new and {} change, {} of them to 0, of {} in all",
                plan.channel().name(),
                figures.new,
                figures.changes,
                figures.zeros,
                figures.numbers
            ));
        }
        if !self.findings.is_empty() {
            lines.push(self.told());
        }
        lines.join("\n")
    }

    fn document(&self, dry_run: bool) -> Value {
        let plan = |plan: &ListingPlan| {
            let mut document = json!(plan.figures);
            document["channel"] = json!(plan.channel().name());
            document["is_live"] = json!(plan.is_live);
            document["changed_numbers"] = json!(plan.numbers);
            document
        };
        let finding = |one: &Finding| json!({ "line": one.line, "column": one.column, "message": one.message });
        json!({
            "dry_run": dry_run,
            "rows": self.rows,
            "bad_rows": self.bad_rows,
            "channels": self.plans.iter().map(plan).collect::<Vec<_>>(),
            "findings": self.findings.iter().map(finding).collect::<Vec<_>>(),
        })
    }

    fn refused(&self) -> Failure {
        let (bad, rows) = (self.bad_rows, self.rows);
        let message = format!("{bad} of {rows} rows are bad; nothing was written\n{}", self.told());
        Failure::refused("bad_rows", message)
            .field("rows", json!(rows))
            .field("bad_rows", json!(bad))
            .field("findings", self.document(true)["findings"].clone())
            .hint("--skip-bad imports the others")
    }
}

fn wish(row: ListingRow) -> ListingWish {
    let rule = |given: RuleCell| match given {
        RuleCell::Absent => RuleChange::Keep,
        RuleCell::Empty => RuleChange::Clear,
        RuleCell::Is(value) => RuleChange::Set(value),
    };
    ListingWish {
        line: row.line,
        listing: row.external_id,
        place: row.external_location,
        sku: row.sku,
        sku_text: row.external_sku,
        buffer: rule(row.buffer),
        share_percent: rule(row.share_percent),
        max_quantity: rule(row.max_quantity),
        min_quantity: RuleChange::Keep,
    }
}
