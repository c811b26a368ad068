//! `listing map --exact`: every listing whose SKU is an item's, as a plan.

use std::sync::Arc;

use invshop::domain::Sku;
use invshop::sync::{self, Channel, ListingPlan, ListingWish};
use serde_json::json;

use super::{Map, all};
use crate::app::App;
use crate::failure::Failure;
use crate::import::too_large;
use crate::output::Reply;

/// Listings that are mapped in one transaction.
const TOGETHER: usize = 500;

/// Maps them, or says what that would do. Each stands for itself: what is refused keeps no
/// other from it.
pub(super) async fn run(
    app: &App<'_>,
    channel: &Arc<Channel>,
    given: &Map,
) -> Result<Reply, Failure> {
    let wishes = wishes(channel).await?;
    if wishes.is_empty() {
        return Ok(Reply::one("no listing has the SKU of an item", json!({ "mapped": 0 })));
    }
    let plan = sync::plan_listings(channel, &wishes).await?;
    if given.dry_run {
        let text = format!("{}\nnothing was written", told(&plan));
        return Ok(Reply::one(text, document(&plan, &wishes, true)));
    }
    if plan.is_large() && !given.yes_large {
        return Err(too_large(&plan));
    }
    app.confirm(&told(&plan)).await?;
    let mut document = document(&plan, &wishes, false);
    let refused: Vec<String> = refused(&plan, &wishes).collect();
    let is_sound = |wish: &ListingWish| plan.problems.iter().all(|one| one.line != wish.line);
    let sound: Vec<ListingWish> = wishes.into_iter().filter(is_sound).collect();
    let bar = app.output.progress(sound.len() as u64, "mapping");
    let mut mapped = 0;
    for some in sound.chunks(TOGETHER) {
        mapped += sync::apply_listings(vec![sync::plan_listings(channel, some).await?]).await?;
        bar.inc(some.len() as u64);
    }
    bar.finish_and_clear();
    document["mapped"] = json!(mapped);
    let mut text = format!("{mapped} listings are mapped");
    for one in &refused {
        text = format!("{text}\n{one}");
    }
    Ok(Reply::one(text, document).with_findings(!refused.is_empty()))
}

/// Every listing that is counted and has the SKU of an item, byte for byte.
async fn wishes(channel: &Channel) -> Result<Vec<ListingWish>, Failure> {
    let proposed = all(channel).await?.into_iter().filter(|one| one.counted);
    let wish = |(line, one): (usize, sync::ListingView)| {
        let sku = Sku::new(one.proposed.as_deref()?).ok()?;
        let (listing, place) = one.listing.split_once('@').unwrap_or((&one.listing, ""));
        Some(ListingWish {
            line: line as u64,
            listing: listing.to_owned(),
            place: place.to_owned(),
            sku: Some(sku),
            ..ListingWish::default()
        })
    };
    Ok(proposed.enumerate().filter_map(wish).collect())
}

fn told(plan: &ListingPlan) -> String {
    let (figures, name) = (plan.figures, plan.channel().name());
    let mapped = format!("map {} listings of {name}", figures.mapped);
    if !plan.is_live {
        return mapped;
    }
    let changes = figures.new + figures.changes;
    format!("{mapped} and write {changes} numbers there, {} of them 0", figures.zeros)
}

/// What is wrong with single listings.
fn refused<'p>(plan: &'p ListingPlan, wishes: &'p [ListingWish]) -> impl Iterator<Item = String> {
    plan.problems.iter().map(|problem| {
        let wish = wishes.iter().find(|wish| wish.line == problem.line);
        let listing = wish.map_or("a listing", |wish| wish.listing.as_str());
        format!("{listing}: {}", problem.message)
    })
}

fn document(plan: &ListingPlan, wishes: &[ListingWish], dry_run: bool) -> serde_json::Value {
    json!({
        "dry_run": dry_run,
        "mapped": plan.figures.mapped,
        "is_live": plan.is_live,
        "new": plan.figures.new,
        "changes": plan.figures.changes,
        "zeros": plan.figures.zeros,
        "changed_numbers": plan.numbers,
        "refused": refused(plan, wishes).collect::<Vec<_>>(),
    })
}
