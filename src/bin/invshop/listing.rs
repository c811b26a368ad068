//! `listing …`, `inbox …`: what channels sell, and what came in from them.

mod exact;
mod rules;
mod stock;

use std::fmt::Write as _;
use std::sync::Arc;

use clap::{Args, Subcommand};
use invshop::domain::Sku;
use invshop::shop::Shop;
use invshop::sync::{self, Channel};
use serde_json::json;

use crate::app::App;
use crate::channel::find;
use crate::failure::Failure;
use crate::output::{Reply, Table};

/// Rows of a list.
const LIMIT: i64 = 1_000;

/// What can be done.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Verb {
    /// The listings of a channel, and which item each is
    List(List),
    /// Read what a channel sells
    Discover(Named),
    /// Say which item a listing is; --exact maps all whose SKU is an item's, byte for byte
    Map(Map),
    /// Say that a listing is no item any more
    Unmap(Unmap),
    /// Show or change by which rules one listing is shown
    Rules(rules::Rules),
    /// Have a channel keep listings at one of its places, where it keeps none of them yet
    Stock(stock::Stock),
}

/// Which listings.
#[derive(Clone, Debug, Args)]
pub(crate) struct List {
    /// The channel's name
    channel: String,
    /// Only those that are no item
    #[arg(long)]
    unmapped: bool,
}

/// A channel.
#[derive(Clone, Debug, Args)]
pub(crate) struct Named {
    /// The channel's name
    channel: String,
}

/// Which listing, and which item.
#[derive(Clone, Debug, Args)]
pub(crate) struct Map {
    /// The channel's name
    channel: String,
    /// The channel's id of the listing
    #[arg(required_unless_present = "exact", requires = "sku")]
    listing: Option<String>,
    /// The item
    sku: Option<Sku>,
    /// All listings with exactly the SKU of an item, after a yes
    #[arg(long, conflicts_with_all = ["listing", "sku"])]
    exact: bool,
    /// Show what --exact would map and change, and write nothing
    #[arg(long, requires = "exact")]
    dry_run: bool,
    /// Map them although more than a tenth of a live channel's numbers would change
    #[arg(long, requires = "exact")]
    yes_large: bool,
}

/// Which listing.
#[derive(Clone, Debug, Args)]
pub(crate) struct Unmap {
    /// The channel's name
    channel: String,
    /// The channel's id of the listing
    listing: String,
}

/// Does one verb.
pub(crate) async fn run(
    app: &App<'_>,
    channels: &[Arc<Channel>],
    verb: Verb,
) -> Result<Reply, Failure> {
    match verb {
        Verb::List(list) => show(find(channels, &list.channel)?, list.unmapped).await,
        Verb::Discover(named) => {
            let found = sync::discover(find(channels, &named.channel)?).await?;
            let mut line = format!(
                "{} listings on {}, {} of them are not counted there",
                found.listings, named.channel, found.uncounted
            );
            for place in &found.places {
                let fed = if found.unfed.contains(place) { "no location feeds it" } else { "fed" };
                let _infallible = write!(line, "\nplace {place}: {fed}");
            }
            Ok(Reply::one(line, json!(found)))
        }
        Verb::Map(map) => match (&map.listing, &map.sku) {
            (Some(listing), Some(sku)) => {
                let lines = sync::map(find(channels, &map.channel)?, listing, sku).await?;
                let mut line = format!("listing {listing} of {} is {sku}", map.channel);
                if lines > 0 {
                    line = format!("{line}, and so are {lines} lines of orders that waited for it");
                }
                let document = json!({ "listing": listing, "sku": sku.as_str(), "lines": lines });
                Ok(Reply::one(line, document))
            }
            _ => exact::run(app, find(channels, &map.channel)?, &map).await,
        },
        Verb::Rules(given) => rules::run(app, find(channels, &given.channel)?, given).await,
        Verb::Stock(given) => stock::run(app, find(channels, &given.channel)?, &given).await,
        Verb::Unmap(unmap) => {
            sync::unmap(find(channels, &unmap.channel)?, &unmap.listing).await?;
            let line = format!("listing {} of {} is no item", unmap.listing, unmap.channel);
            Ok(Reply::one(line, json!({ "listing": unmap.listing, "sku": null })))
        }
    }
}

async fn all(channel: &Channel) -> Result<Vec<sync::ListingView>, Failure> {
    let (mut all, mut after) = (Vec::new(), Some(0));
    while let Some(from) = after {
        let (page, next) = channel.listings(from, LIMIT).await?;
        all.extend(page);
        after = next;
    }
    Ok(all)
}

async fn show(channel: &Channel, unmapped: bool) -> Result<Reply, Failure> {
    let mut listings = all(channel).await?;
    listings.retain(|one| !unmapped || one.sku.is_none());
    let names = ["listing", "sku there", "title", "item", "proposed", "counted"];
    let mut table = Table::new(&names, "no listings: `invshop listing discover` reads them");
    for one in &listings {
        table.row(vec![
            one.listing.clone(),
            one.sku_text.clone(),
            one.title.clone(),
            one.sku.clone().unwrap_or_default(),
            one.proposed.clone().unwrap_or_default(),
            if one.counted { "yes" } else { "no" }.to_owned(),
        ]);
    }
    Ok(Reply::list(table, &listings))
}

/// What can be done with what came in.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Inbox {
    /// What came in, newest first
    List,
    /// What cannot be used, and why
    Dead,
    /// What one delivery or order says; it may hold a customer's address
    Show(Numbered),
    /// Deal with it again
    Replay(Numbered),
}

/// One thing that came in.
#[derive(Clone, Debug, Args)]
pub(crate) struct Numbered {
    /// Its number
    id: i64,
}

/// Does one verb with what came in.
pub(crate) async fn inbox(
    shop: &Shop,
    channels: &[Arc<Channel>],
    verb: Inbox,
) -> Result<Reply, Failure> {
    let unknown = |id: i64| Failure::refused("unknown_inbox", format!("there is no {id} to see"));
    match verb {
        Inbox::List => inbox_table(shop, "").await,
        Inbox::Dead => inbox_table(shop, "dead").await,
        Inbox::Show(one) => {
            for channel in channels {
                if let Some(text) = channel.inbox_show(one.id).await? {
                    return Ok(Reply::one(text.clone(), json!({ "id": one.id, "text": text })));
                }
            }
            Err(unknown(one.id))
        }
        Inbox::Replay(one) => {
            if !sync::inbox_replay(&shop.db, one.id).await? {
                return Err(unknown(one.id));
            }
            Ok(Reply::one(format!("{} is dealt with again", one.id), json!({ "id": one.id })))
        }
    }
}

async fn inbox_table(shop: &Shop, state: &str) -> Result<Reply, Failure> {
    let listed = sync::inbox_list(&shop.db, state, LIMIT).await?;
    let names = ["#id", "channel", "kind", "state", "received", "#attempts", "event", "reason"];
    let mut table = Table::new(&names, "nothing came in");
    for one in &listed {
        table.row(vec![
            one.id.to_string(),
            one.channel.clone(),
            one.kind.clone(),
            one.state.clone(),
            one.received_at.map(|at| at.to_string()).unwrap_or_default(),
            one.attempts.to_string(),
            one.event.clone().unwrap_or_default(),
            one.reason.clone().unwrap_or_default(),
        ]);
    }
    let found = state == "dead" && !listed.is_empty();
    Ok(Reply::list(table, &listed).with_findings(found))
}
