//! `stock …`: levels, their history, and what moves them.

use clap::{Args, Subcommand};
use invshop::clock::Timestamp;
use invshop::domain::{Delta, LocationCode, Quantity, Reason, Sku};
use invshop::ledger::stock::{Basis, Change, Place, StockCommand};
use invshop::shop::Shop;
use invshop::writer::Command;

use crate::app::App;
use crate::arguments::{KeyArgument, LocationArgument, delta, moment, quantity};
use crate::failure::Failure;
use crate::output::Reply;

/// What can be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// The levels of one item
    Show {
        /// The item
        sku: Sku,
    },
    /// The levels of all items
    List(List),
    /// Correct a level by some units; bounded by what no order has a claim to
    Adjust {
        #[command(flatten)]
        at: Level,
        /// Units to add, or to take away when negative
        #[arg(long, value_name = "N", value_parser = delta, allow_negative_numbers = true)]
        by: Delta,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: Reason,
        #[command(flatten)]
        terms: Terms,
    },
    /// Record a physical count: on_hand is N from then on
    Count {
        #[command(flatten)]
        at: Level,
        /// Units counted
        #[arg(value_parser = quantity)]
        units: Quantity,
        /// When it was counted; what moved since is added [default: now]
        #[arg(long, value_name = "T", value_parser = moment)]
        observed_at: Option<Timestamp>,
        /// What was counted: all units, or only those no open order has a claim to
        #[arg(long, value_enum, default_value_t = BasisArgument::Physical)]
        basis: BasisArgument,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: Option<Reason>,
        #[command(flatten)]
        terms: Terms,
    },
    /// Record goods that came in; they fill what is owed to orders first
    Receive {
        #[command(flatten)]
        at: Level,
        /// Units
        #[arg(value_parser = quantity)]
        units: Quantity,
        #[command(flatten)]
        moved: Moved,
        #[command(flatten)]
        terms: Terms,
    },
    /// Move units to another location
    Transfer {
        /// The item
        sku: Sku,
        /// Units
        #[arg(value_parser = quantity)]
        units: Quantity,
        /// Where they are
        #[arg(long, value_name = "L")]
        from: LocationCode,
        /// Where they go
        #[arg(long, value_name = "L")]
        to: LocationCode,
        #[command(flatten)]
        moved: Moved,
        #[command(flatten)]
        terms: Terms,
    },
    /// Record goods that were lost or broken
    WriteOff {
        #[command(flatten)]
        at: Level,
        /// Units
        #[arg(value_parser = quantity)]
        units: Quantity,
        #[command(flatten)]
        moved: Moved,
        #[command(flatten)]
        terms: Terms,
    },
    /// Withhold units from sale from now on
    Safety {
        #[command(flatten)]
        at: Level,
        /// Units to withhold
        #[arg(value_parser = quantity)]
        units: Quantity,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: Option<Reason>,
        #[command(flatten)]
        terms: Terms,
    },
}

/// Which items.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only this location
    #[arg(long, value_name = "L")]
    location: Option<LocationCode>,
}

/// One level.
#[derive(Debug, Args)]
pub(crate) struct Level {
    /// The item
    sku: Sku,
    #[command(flatten)]
    at: LocationArgument,
}

/// When and why something moved.
#[derive(Debug, Args)]
pub(crate) struct Moved {
    /// When it happened [default: now]
    #[arg(long, value_name = "T", value_parser = moment)]
    at: Option<Timestamp>,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: Option<Reason>,
}

/// On what terms a level is written.
#[derive(Debug, Args)]
pub(crate) struct Terms {
    /// Refuse when the level is not at this version
    #[arg(long, value_name = "V")]
    if_version: Option<i64>,
    #[command(flatten)]
    key: KeyArgument,
}

/// What a counted number means.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum BasisArgument {
    /// Units on the shelf
    Physical,
    /// Units on the shelf that no open order has a claim to
    Available,
}

impl From<BasisArgument> for Basis {
    fn from(basis: BasisArgument) -> Self {
        match basis {
            BasisArgument::Physical => Self::Physical,
            BasisArgument::Available => Self::Available,
        }
    }
}

/// A movement as it was asked for.
struct Asked {
    at: Level,
    change: Change,
    moved: Moved,
    terms: Terms,
}

impl Asked {
    fn new(at: Level, change: Change, moved: Moved, terms: Terms) -> Self {
        Self {
            at,
            change,
            moved,
            terms,
        }
    }
}

/// Does one verb.
pub(crate) async fn run(app: &App<'_>, shop: &Shop, verb: Verb) -> Result<Reply, Failure> {
    let reasoned = |reason| Moved { at: None, reason };
    let asked = match verb {
        Verb::Show { sku } => return show(shop, &sku).await,
        Verb::List(list) => return list_levels(shop, &list).await,
        Verb::Adjust {
            at,
            by,
            reason,
            terms,
        } => Asked::new(at, Change::Adjust(by), reasoned(Some(reason)), terms),
        Verb::Count {
            at,
            units,
            observed_at,
            basis,
            reason,
            terms,
        } => {
            let change = Change::Count {
                quantity: units,
                basis: basis.into(),
                observer: None,
            };
            Asked::new(
                at,
                change,
                Moved {
                    at: observed_at,
                    reason,
                },
                terms,
            )
        }
        Verb::Receive {
            at,
            units,
            moved,
            terms,
        } => Asked::new(at, Change::Receive(units), moved, terms),
        Verb::Transfer {
            sku,
            units,
            from,
            to,
            moved,
            terms,
        } => {
            let at = Level {
                sku,
                at: LocationArgument {
                    location: Some(from),
                },
            };
            Asked::new(
                at,
                Change::Transfer {
                    quantity: units,
                    to,
                },
                moved,
                terms,
            )
        }
        Verb::WriteOff {
            at,
            units,
            moved,
            terms,
        } => Asked::new(at, Change::WriteOff(units), moved, terms),
        Verb::Safety {
            at,
            units,
            reason,
            terms,
        } => Asked::new(at, Change::Safety(units), reasoned(reason), terms),
    };
    movement(app, shop, asked).await
}

/// Has one movement done and shows the item after it.
async fn movement(_app: &App<'_>, shop: &Shop, asked: Asked) -> Result<Reply, Failure> {
    let Asked {
        at,
        change,
        moved,
        terms,
    } = asked;
    let command = Command::Stock(StockCommand {
        place: Place {
            sku: at.sku.clone(),
            location: at.at.location,
        },
        change,
        reason: moved.reason,
        effective_at: moved.at.map(Timestamp::as_millis),
        if_version: terms.if_version,
    });
    let did = command.name();
    let answer = shop.submit(command, terms.key.key).await?;
    let _ = (did, answer);
    show(shop, &at.sku).await
}

async fn show(_shop: &Shop, sku: &Sku) -> Result<Reply, Failure> {
    Ok(Reply::one(sku.to_string(), serde_json::json!({})))
}
async fn list_levels(_shop: &Shop, list: &List) -> Result<Reply, Failure> {
    Ok(Reply::one(format!("{list:?}"), serde_json::json!({})))
}
