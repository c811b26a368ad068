//! `listing stock`: listings that a channel does not keep at a place are kept there.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use clap::Args;
use indicatif::ProgressBar;
use invshop::sync::{self, Channel, Stocked, StockingPlan};
use serde_json::json;

use crate::app::App;
use crate::failure::Failure;
use crate::output::{Reply, Table, Text};

/// Which listings, and where.
#[derive(Clone, Debug, Args)]
pub(crate) struct Stock {
    /// The channel's name
    pub(super) channel: String,
    /// The channel's id of the place; [channel.places] says what feeds it
    #[arg(long)]
    place: String,
    /// The channel's ids of listings [default: all that it counts]
    #[arg(value_name = "LISTING")]
    listings: Vec<String>,
    /// Show what would be kept there and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Have them kept although they are more than a tenth of the listings
    #[arg(long)]
    yes_large: bool,
}

/// Has them kept, or says which would be. Each begins with 0 units, and is the item there that
/// it is at the channel's other places: its number is written by the daemon then.
pub(super) async fn run(
    app: &App<'_>,
    channel: &Arc<Channel>,
    given: &Stock,
) -> Result<Reply, Failure> {
    if !given.dry_run {
        channel.must_stock().await?;
    }
    let bar = app.output.progress(0, "reading listings");
    let place = (given.place.as_str(), given.listings.as_slice());
    let plan = sync::plan_stocking(channel, place, &watch(app, &bar)).await;
    bar.finish_and_clear();
    let plan = plan?;
    if given.dry_run || plan.steps.is_empty() {
        let head = format!("{}\nnothing was written", told(&plan));
        let document = document(&plan, given.dry_run);
        return Ok(Reply::one(Text::Both(head, steps(&plan)), document));
    }
    if plan.is_large() && !given.yes_large {
        return Err(too_large(&plan));
    }
    app.confirm(&told(&plan)).await?;
    let document = document(&plan, false);
    let bar = app.output.progress(plan.steps.len() as u64, "stocking");
    let stocked = sync::apply_stocking(plan, &watch(app, &bar)).await;
    bar.finish_and_clear();
    Ok(done(&stocked?, given, document))
}

/// Shows how far it is; Ctrl-C stops between two calls.
fn watch<'w>(app: &App<'w>, bar: &'w ProgressBar) -> impl Fn(usize) -> ControlFlow<()> + Sync + 'w {
    let interrupted = app.interruption();
    move |done| {
        bar.set_position(done as u64);
        if interrupted.load(Ordering::Relaxed) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}

fn told(plan: &StockingPlan) -> String {
    let (steps, counted, mapped) = (plan.steps.len(), plan.counted, plan.mapped());
    let name = plan.channel().name();
    format!(
        "keep {steps} of the {counted} listings of {name} at {}, beginning with 0 units, and write \
         the numbers of {mapped} that are items",
        plan.place
    )
}

fn steps(plan: &StockingPlan) -> Table {
    let names = ["listing", "sku there", "title", "item"];
    let mut table = Table::new(&names, "all of them are kept there");
    for step in &plan.steps {
        let item = step.sku.clone().unwrap_or_default();
        table.row(vec![step.listing.clone(), step.sku_text.clone(), step.title.clone(), item]);
    }
    table
}

fn too_large(plan: &StockingPlan) -> Failure {
    let (steps, counted, name) = (plan.steps.len(), plan.counted, plan.channel().name());
    let message =
        format!("{steps} of {counted} listings of {name} would be kept at {} too", plan.place);
    Failure::refused("large_change", message)
        .field("channel", json!(name))
        .field("changes", json!(steps))
        .hint("--dry-run lists them; --yes-large has them kept")
}

fn document(plan: &StockingPlan, dry_run: bool) -> serde_json::Value {
    json!({
        "place": plan.place,
        "dry_run": dry_run,
        "counted": plan.counted,
        "kept": plan.kept,
        "mapped": plan.mapped(),
        "data": plan.steps,
    })
}

/// What was done. What was refused, or not come to, is a finding.
fn done(stocked: &Stocked, given: &Stock, mut document: serde_json::Value) -> Reply {
    let Stocked { begun, mapped, already, refused, left, lines } = stocked;
    let name = &given.channel;
    let mut text = format!(
        "{begun} listings of {name} are kept at {} now; the numbers of {mapped} are written next",
        given.place
    );
    let more = [
        (*already, "were kept there already, by somebody else, and are left as they are"),
        (*lines, "lines of orders that waited are mapped"),
        (*left, "were not come to: the same again goes on with them"),
    ];
    for (count, what) in more.into_iter().filter(|(count, _)| *count > 0) {
        text = format!("{text}\n{count} {what}");
    }
    for one in refused {
        text = format!("{text}\n{}: {}", one.listing, one.why);
    }
    document["done"] = json!(stocked);
    Reply::one(text, document).with_findings(!refused.is_empty() || *left > 0)
}
