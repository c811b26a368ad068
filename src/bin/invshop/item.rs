//! `item …`: the catalogue.

use clap::{Args, Subcommand};
use invshop::domain::{Barcode, LocationCode, Quantity, Sku, Title};
use invshop::shop::Shop;

use crate::app::App;
use crate::arguments::{KeyArgument, SkuUnits, quantity, sku_units};
use crate::failure::Failure;
use crate::output::Reply;

/// What can be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// One item with its levels
    Show {
        /// Its SKU, or one it had before
        sku: Sku,
    },
    /// All items
    List(List),
    /// Add an item
    Create(Box<Write>),
    /// Change what is named of an item; all else stays
    Update(Box<Write>),
    /// Take an item out of sale; refused while units are promised to orders
    Discontinue {
        /// Its SKU
        sku: Sku,
        /// Only say what would happen
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        key: KeyArgument,
    },
    /// Give an item another SKU; the old one keeps leading to it
    Rename {
        /// The SKU it has
        old: Sku,
        /// The SKU it gets
        new: Sku,
        #[command(flatten)]
        key: KeyArgument,
    },
}

/// Which items.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only items whose SKU or title contains this
    #[arg(long, value_name = "TEXT")]
    q: Option<String>,
}

/// An item and what is said of it.
#[derive(Debug, Args)]
pub(crate) struct Write {
    /// Its SKU, kept byte for byte
    sku: Sku,
    /// What it is called [default for a new item: its SKU]
    #[arg(long, value_name = "TEXT")]
    title: Option<Title>,
    /// Its barcode
    #[arg(long, value_name = "CODE")]
    barcode: Option<Barcode>,
    /// Selling price, as 12.90
    #[arg(long, value_name = "AMOUNT", requires = "currency")]
    price: Option<String>,
    /// What it costs, as 4.10
    #[arg(long, value_name = "AMOUNT", requires = "currency")]
    cost: Option<String>,
    /// Currency of price and cost, as EUR
    #[arg(long, value_name = "CODE")]
    currency: Option<String>,
    /// Where --on-hand and --safety are meant; needed where more than one location exists
    #[arg(long, value_name = "L")]
    location: Option<LocationCode>,
    /// Opening stock: used only while the level has no movement
    #[arg(long, value_name = "N", value_parser = quantity)]
    on_hand: Option<Quantity>,
    /// Units to withhold from sale
    #[arg(long, value_name = "N", value_parser = quantity)]
    safety: Option<Quantity>,
    /// At or below this available-to-promise the item is low
    #[arg(long, value_name = "N", value_parser = quantity)]
    reorder_point: Option<Quantity>,
    /// Further fields, a JSON object
    #[arg(long, value_name = "JSON")]
    attributes: Option<String>,
    /// A component of a bundle with its units in one bundle (repeatable)
    #[arg(long = "component", value_name = "SKU:N", value_parser = sku_units)]
    components: Vec<SkuUnits>,
    #[command(flatten)]
    key: KeyArgument,
}

/// Does one verb.
pub(crate) async fn run(app: &App<'_>, shop: &Shop, verb: Verb) -> Result<Reply, Failure> {
    let _ = (app, shop);
    Ok(Reply::one(format!("{verb:?}"), serde_json::json!({})))
}
