//! `order …`: placing orders and recording what happens to them.

mod allocate;
mod forget;
mod show;
mod write;

use clap::{Args, Subcommand};
use invshop::clock::Timestamp;
use invshop::domain::{FactId, LocationCode, OrderStatus, Reason, Sku, UserId};
use invshop::shop::Shop;

use crate::app::App;
use crate::arguments::{
    KeyArgument, LineUnits, PageArguments, SkuPrice, SkuUnits, line_units, moment, sku_price,
    sku_units,
};
use crate::failure::Failure;
use crate::output::Reply;

/// What can be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Orders, newest first
    List(List),
    /// One order with its lines
    Show {
        /// Its id, or SOURCE:ID
        order: String,
    },
    /// All that was recorded of an order, the oldest first
    History {
        /// Its id, or SOURCE:ID
        order: String,
        #[command(flatten)]
        page: PageArguments,
    },
    /// Place an order: hold its stock, or refuse it whole
    Place(Place),
    /// Record a payment; late ones reopen the order or are to be refunded
    Pay(Pay),
    /// Say that fulfilment has begun: nothing takes its stock or lets it expire any more
    Accept {
        /// Its id, or SOURCE:ID
        order: String,
        #[command(flatten)]
        key: KeyArgument,
    },
    /// Record a shipment
    Ship(Ship),
    /// Cancel what was not shipped, or named lines
    Cancel(Cancel),
    /// Record goods that came back
    Return(Return),
    /// Record money that went back; it moves no stock
    Refund(Refund),
    /// Say which item a line is whose SKU nobody knew
    Map {
        /// The order's id, or SOURCE:ID
        order: String,
        /// Its number within the order
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(1..))]
        line: i64,
        /// The item's SKU
        sku: Sku,
        #[command(flatten)]
        key: KeyArgument,
    },
    /// Erase who placed orders that are of no user; the orders stay
    ForgetCustomer(Forget),
    /// Fill what an order is owed, or move its holds to another location
    Allocate(Allocate),
}

/// Which orders.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only orders of this status
    #[arg(long, value_name = "STATUS", value_parser = status)]
    status: Option<OrderStatus>,
    /// Only orders of this source: a channel, an account, or cli
    #[arg(long, value_name = "SOURCE")]
    source: Option<String>,
    /// Only orders placed at or after
    #[arg(long, value_name = "T", value_parser = moment)]
    placed_since: Option<Timestamp>,
    /// Only orders that changed at or after
    #[arg(long, value_name = "T", value_parser = moment)]
    updated_since: Option<Timestamp>,
    /// Only orders of this user
    #[arg(long, value_name = "USER_ID")]
    user: Option<UserId>,
    #[command(flatten)]
    page: PageArguments,
}

fn status(text: &str) -> Result<OrderStatus, String> {
    let names = OrderStatus::ALL.iter().map(|status| status.as_str());
    let names: Vec<&str> = names.collect();
    OrderStatus::parse(text).ok_or_else(|| format!("expected one of {}", names.join(", ")))
}

/// Whether an order waits for its payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum PaymentArgument {
    /// Its stock is let go unless it is paid in time
    Required,
    /// No payment is waited for
    None,
}

/// A new order.
#[derive(Debug, Args)]
pub(crate) struct Place {
    /// Its id, unique for ever; without a colon
    id: String,
    /// What is ordered; the last colon splits
    #[arg(required = true, value_name = "SKU:UNITS", value_parser = sku_units)]
    lines: Vec<SkuUnits>,
    /// The only location it may use [default: any that serves orders]
    #[arg(long, value_name = "L")]
    location: Option<LocationCode>,
    /// Accept it beyond what is available; the rest is owed
    #[arg(long)]
    allow_backorder: bool,
    /// Whether its payment is waited for
    #[arg(long, value_enum, default_value_t = PaymentArgument::None)]
    payment: PaymentArgument,
    /// How long its stock is held, in seconds [default: by payment]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=2_592_000))]
    reserve_for: Option<u32>,
    /// Price of one unit (repeatable)
    #[arg(long = "price", value_name = "SKU:AMOUNT", value_parser = sku_price, requires = "currency")]
    prices: Vec<SkuPrice>,
    /// Currency of its prices, as EUR
    #[arg(long, value_name = "CODE")]
    currency: Option<String>,
    /// The customer's e-mail address; stored sealed
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
    /// Whose it is: a user that was registered here
    #[arg(long, value_name = "USER_ID")]
    user: Option<UserId>,
    /// When it was placed [default: now]
    #[arg(long, value_name = "T", value_parser = moment)]
    placed_at: Option<Timestamp>,
    #[command(flatten)]
    key: KeyArgument,
}

/// A payment.
#[derive(Debug, Args)]
pub(crate) struct Pay {
    /// The order's id, or SOURCE:ID
    order: String,
    /// Your id of the payment; the same id again is a replay [default: the key, or a new one]
    #[arg(long, value_name = "ID")]
    payment_id: Option<FactId>,
    /// How much, as 12.90
    #[arg(long, value_name = "AMOUNT")]
    amount: Option<String>,
    /// Currency of the amount [default: the order's]
    #[arg(long, value_name = "CODE", requires = "amount")]
    currency: Option<String>,
    #[command(flatten)]
    key: KeyArgument,
}

/// Money that went back.
#[derive(Debug, Args)]
pub(crate) struct Refund {
    /// The order's id, or SOURCE:ID
    order: String,
    /// Your id of the refund; the same id again is a replay [default: the key, or a new one]
    #[arg(long = "refund-id", value_name = "ID")]
    id: Option<FactId>,
    /// The payment that is given back, where it is known
    #[arg(long, value_name = "ID")]
    payment_id: Option<FactId>,
    /// How much, as 12.90
    #[arg(long, value_name = "AMOUNT")]
    amount: Option<String>,
    /// Currency of the amount [default: the order's]
    #[arg(long, value_name = "CODE", requires = "amount")]
    currency: Option<String>,
    #[command(flatten)]
    key: KeyArgument,
}

/// A shipment.
#[derive(Debug, Args)]
pub(crate) struct Ship {
    /// The order's id, or SOURCE:ID
    order: String,
    /// What left (repeatable) [default: all that is held]
    #[arg(long = "line", value_name = "LINE[.PART]:UNITS", value_parser = line_units)]
    lines: Vec<LineUnits>,
    /// Where it left from [default: where it is held]
    #[arg(long, value_name = "L")]
    location: Option<LocationCode>,
    /// Your id of the shipment; the same id again is a replay [default: the key, or a new one]
    #[arg(long, value_name = "ID")]
    shipment_id: Option<FactId>,
    /// Carrier and tracking number
    #[arg(long, value_name = "TEXT")]
    tracking: Option<String>,
    /// When it left [default: now]
    #[arg(long, value_name = "T", value_parser = moment)]
    at: Option<Timestamp>,
    #[command(flatten)]
    key: KeyArgument,
}

/// A cancellation.
#[derive(Debug, Args)]
pub(crate) struct Cancel {
    /// The order's id, or SOURCE:ID
    order: String,
    /// Units of a line (repeatable) [default: all that was not shipped]
    #[arg(long = "line", value_name = "LINE:UNITS", value_parser = line_units)]
    lines: Vec<LineUnits>,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: Option<Reason>,
    /// Only say what would be cancelled
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    key: KeyArgument,
}

/// What becomes of goods that come back.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum DispositionArgument {
    /// Back on the shelf, for sale
    Restock,
    /// Set aside for inspection
    Quarantine,
    /// Thrown away
    WriteOff,
}

/// Goods that came back.
#[derive(Debug, Args)]
pub(crate) struct Return {
    /// The order's id, or SOURCE:ID
    order: String,
    /// What came back (repeatable)
    #[arg(long = "line", required = true, value_name = "LINE[.PART]:UNITS", value_parser = line_units)]
    lines: Vec<LineUnits>,
    /// What becomes of it
    #[arg(long, value_enum)]
    disposition: DispositionArgument,
    /// Where it came to [default: where it left from]
    #[arg(long, value_name = "L")]
    location: Option<LocationCode>,
    /// Your id of the return; the same id again is a replay [default: the key, or a new one]
    #[arg(long = "return-id", value_name = "ID")]
    id: Option<FactId>,
    /// When it came [default: now]
    #[arg(long, value_name = "T", value_parser = moment)]
    at: Option<Timestamp>,
    #[command(flatten)]
    key: KeyArgument,
}

/// Whose customer is forgotten.
#[derive(Debug, Args)]
pub(crate) struct Forget {
    /// Ids of orders, or SOURCE:ID
    #[arg(required = true, value_name = "ORDER")]
    orders: Vec<String>,
    /// Only say of which orders something is known
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    key: KeyArgument,
}

/// What is allocated.
#[derive(Debug, Args)]
pub(crate) struct Allocate {
    /// The order's id, or SOURCE:ID
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    order: Option<String>,
    /// Every order that is owed units, oldest first
    #[arg(long, conflicts_with_all = ["from", "to", "line", "key"])]
    all: bool,
    /// Move its holds away from this location
    #[arg(long, value_name = "L", requires = "to")]
    from: Option<LocationCode>,
    /// … to this one
    #[arg(long, value_name = "L", requires = "from")]
    to: Option<LocationCode>,
    /// Only this line
    #[arg(long, value_name = "LINE", requires = "from")]
    line: Option<u16>,
    /// Only say what would be tried
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    key: KeyArgument,
}

/// Does one verb.
pub(crate) async fn run(app: &App<'_>, shop: &Shop, verb: Verb) -> Result<Reply, Failure> {
    match verb {
        Verb::List(list) => show::list(app, shop, &list).await,
        Verb::Show { order } => show::one(shop, &order).await,
        Verb::History { order, page } => show::history(app, shop, &order, &page).await,
        Verb::Place(place) => write::place(shop, place).await,
        Verb::Pay(pay) => write::pay(shop, pay).await,
        Verb::Accept { order, key } => write::accept(shop, &order, key).await,
        Verb::Ship(ship) => write::ship(shop, ship).await,
        Verb::Cancel(cancel) => write::cancel(shop, cancel).await,
        Verb::Return(back) => write::take_back(shop, back).await,
        Verb::Refund(refund) => write::refund(shop, refund).await,
        Verb::Map { order, line, sku, key } => write::map(shop, &order, (line, sku), key).await,
        Verb::ForgetCustomer(forget) => forget::run(app, shop, forget).await,
        Verb::Allocate(allocate) => allocate::run(app, shop, allocate).await,
    }
}
