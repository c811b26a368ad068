//! `listing rules`: how one listing is shown, other than its channel's others.

use std::sync::Arc;

use clap::Args;
use invshop::domain::QUANTITY_MAX;
use invshop::sync::{self, Channel, ListingWish, RuleChange, RuleView};
use serde_json::json;

use crate::app::App;
use crate::failure::Failure;
use crate::import::too_large;
use crate::output::{Reply, Table};

/// Which listing, and what becomes of its rules; without any they are shown.
#[derive(Clone, Debug, Args)]
pub(crate) struct Rules {
    /// The channel's name
    pub(super) channel: String,
    /// The channel's id of the listing
    listing: String,
    /// Units held back; `channel` leaves it to the channel's rule
    #[arg(long, value_name = "N", value_parser = units)]
    buffer: Option<RuleChange>,
    /// Of the rest, so many hundredths; `channel` leaves it to the channel's rule
    #[arg(long, value_name = "N", value_parser = share)]
    share_percent: Option<RuleChange>,
    /// Never more than this; `channel` leaves it to the channel's rule
    #[arg(long, value_name = "N", value_parser = units)]
    max_quantity: Option<RuleChange>,
    /// Less than this is shown as 0; `channel` leaves it to the channel's rule
    #[arg(long, value_name = "N", value_parser = units)]
    min_quantity: Option<RuleChange>,
    /// Leave all of them to the channel's rules
    #[arg(long, conflicts_with_all = ["buffer", "share_percent", "max_quantity", "min_quantity"])]
    clear: bool,
    /// Show what would change and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Change it although more than a tenth of a live channel's numbers would change
    #[arg(long)]
    yes_large: bool,
}

fn units(text: &str) -> Result<RuleChange, String> {
    rule(text, QUANTITY_MAX)
}

fn share(text: &str) -> Result<RuleChange, String> {
    rule(text, 100)
}

fn rule(text: &str, most: i64) -> Result<RuleChange, String> {
    if text == "channel" {
        return Ok(RuleChange::Clear);
    }
    let number = text.parse().ok().filter(|number| (0..=most).contains(number));
    number.map(RuleChange::Set).ok_or_else(|| format!("expected 0 to {most}, or channel"))
}

/// Shows or changes the rules of a listing.
pub(super) async fn run(
    app: &App<'_>,
    channel: &Arc<Channel>,
    given: Rules,
) -> Result<Reply, Failure> {
    let (listing, place) = given.listing.split_once('@').unwrap_or((&given.listing, ""));
    let field = |change: Option<RuleChange>| match change {
        Some(change) => change,
        None if given.clear => RuleChange::Clear,
        None => RuleChange::Keep,
    };
    let wish = ListingWish {
        listing: listing.to_owned(),
        place: place.to_owned(),
        buffer: field(given.buffer),
        share_percent: field(given.share_percent),
        max_quantity: field(given.max_quantity),
        min_quantity: field(given.min_quantity),
        ..ListingWish::default()
    };
    let plan = sync::plan_listings(channel, &[wish]).await?;
    if let Some(problem) = plan.problems.first() {
        return Err(Failure::refused("unknown_listing", problem.message.clone()));
    }
    let numbers = plan.numbers.clone();
    if given.dry_run || plan.figures.rules == 0 {
        return shown(channel, (listing, place), &numbers).await;
    }
    if plan.is_large() && !given.yes_large {
        return Err(too_large(&plan));
    }
    if plan.is_live
        && let Some(one) = numbers.first()
    {
        let before = one.before.map_or("unknown".to_owned(), |before| before.to_string());
        let question = format!("publish {} of {} instead of {before}", one.after, one.sku);
        app.confirm(&question).await?;
    }
    sync::apply_listings(vec![plan]).await?;
    shown(channel, (listing, place), &numbers).await
}

/// The rules in force, each with whose it is, and the numbers that change.
async fn shown(
    channel: &Channel,
    (listing, place): (&str, &str),
    numbers: &[sync::NumberChange],
) -> Result<Reply, Failure> {
    let rules = sync::listing_rules(channel, listing, place).await?;
    let mut table = Table::new(&["rule", "#value", "from"], "");
    for RuleView { rule, value, from } in &rules {
        let value = value.map_or("no bound".to_owned(), |value| value.to_string());
        table.row(vec![(*rule).to_owned(), value, (*from).to_owned()]);
    }
    for one in numbers {
        let before = one.before.map_or("unknown".to_owned(), |before| before.to_string());
        let row = [format!("published of {}", one.sku), one.after.to_string(), before];
        table.row(row.to_vec());
    }
    let document = json!({ "listing": listing, "place": place, "data": rules, "numbers": numbers });
    Ok(Reply::one(table, document))
}
