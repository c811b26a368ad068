//! Refusals: answers to requests that ask for what cannot be done.
//!
//! A refusal is not a failure. It writes nothing, has a stable code, and names
//! what is at fault.

use std::fmt;

use super::Sku;

/// One SKU of which there is not enough.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shortage {
    /// The SKU as asked for.
    pub sku: Sku,
    /// Units asked for, summed over the lines.
    pub requested: i64,
    /// Units that could be had.
    pub available: i64,
}

/// Why a request was not done. Nothing was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Not enough stock to hold.
    InsufficientStock {
        /// What is short, by SKU.
        shortages: Vec<Shortage>,
    },
    /// Fewer units are free at a location than the request would take away.
    InsufficientUnreserved {
        /// The item.
        sku: Sku,
        /// The location's code.
        location: String,
        /// Units asked for.
        requested: i64,
        /// Units that are free to leave.
        available: i64,
    },
    /// The key or id was used before with other content.
    IdempotencyMismatch {
        /// The key or order id.
        key: String,
    },
    /// No item has this SKU, now or before.
    UnknownSku {
        /// The SKU.
        sku: Sku,
    },
    /// No location has this code.
    UnknownLocation {
        /// The code.
        location: String,
    },
    /// No order is known by this id.
    UnknownOrder {
        /// The id.
        order: String,
    },
    /// Nobody is known by this id: never registered, erased, or another key holder's.
    UnknownUser {
        /// The id.
        user: String,
    },
    /// No such line, part or bundle component.
    UnknownLine {
        /// What was named.
        line: String,
    },
    /// No batch or key of this name.
    UnknownName {
        /// What it is: `batch`, `account`, `key`.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// The name is taken.
    AlreadyExists {
        /// What it is: `item`, `location`, `account`.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// Nothing is left to cancel: all that was ordered has left.
    AlreadyShipped {
        /// The order.
        order: String,
    },
    /// Somebody changed it since it was read.
    VersionConflict {
        /// What it is about.
        what: String,
        /// The version the caller read.
        expected: i64,
        /// The version now.
        actual: i64,
        /// Units on hand now, where it is a level.
        on_hand: Option<i64>,
    },
    /// More than one location exists, and none was named (R64).
    LocationRequired {
        /// The codes to choose from.
        locations: Vec<String>,
    },
    /// The item still has units promised to orders.
    HasOpenReservations {
        /// The item.
        sku: Sku,
        /// Units held or owed.
        units: i64,
    },
    /// The location's numbers belong to a channel.
    MirroredLocation {
        /// The location.
        location: String,
        /// The channel.
        authority: String,
    },
    /// A bundle has no stock of its own.
    BundleHasNoStock {
        /// The bundle.
        sku: Sku,
    },
    /// Lines of an import cannot be taken back.
    BatchBlocked {
        /// What blocks, one line each.
        blocked: Vec<String>,
    },
    /// Too many orders wait for their decision.
    QueueFull {
        /// How many.
        waiting: i64,
    },
    /// It was taken back before.
    AlreadyReverted {
        /// The batch.
        batch: String,
    },
    /// A value is out of bounds or makes no sense here.
    Invalid {
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        message: String,
    },
}

impl Refusal {
    /// The stable code that scripts match on.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::InsufficientStock { .. } | Self::InsufficientUnreserved { .. } => {
                "insufficient_stock"
            }
            Self::IdempotencyMismatch { .. } => "idempotency_mismatch",
            Self::UnknownSku { .. } => "unknown_sku",
            Self::UnknownLocation { .. } => "unknown_location",
            Self::UnknownOrder { .. } => "unknown_order",
            Self::UnknownUser { .. } => "unknown_user",
            Self::UnknownLine { .. } => "unknown_line",
            Self::UnknownName { .. } => "unknown_name",
            Self::AlreadyExists { .. } => "already_exists",
            Self::AlreadyShipped { .. } => "already_shipped",
            Self::VersionConflict { .. } => "version_conflict",
            Self::LocationRequired { .. } => "location_required",
            Self::HasOpenReservations { .. } => "has_open_reservations",
            Self::MirroredLocation { .. } => "mirrored_location",
            Self::BundleHasNoStock { .. } => "bundle_has_no_stock",
            Self::BatchBlocked { .. } => "batch_blocked",
            Self::QueueFull { .. } => "queue_full",
            Self::AlreadyReverted { .. } => "already_reverted",
            Self::Invalid { .. } => "invalid",
        }
    }

    /// A value that is out of bounds or makes no sense.
    pub fn invalid(field: &'static str, message: impl Into<String>) -> Self {
        Self::Invalid { field, message: message.into() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InsufficientStock { shortages } => write_shortages(f, shortages),
            Self::InsufficientUnreserved { sku, location, requested, available } => write!(
                f,
                "{sku} at {location}: {requested} asked for, {available} free of open orders"
            ),
            Self::IdempotencyMismatch { key } => {
                write!(f, "'{key}' was used before with other content")
            }
            Self::UnknownSku { sku } => write!(f, "no item has the SKU '{sku}'"),
            Self::UnknownLocation { location } => write!(f, "no location is called '{location}'"),
            Self::UnknownOrder { order } => write!(f, "no order is known as '{order}'"),
            Self::UnknownUser { user } => write!(f, "no user is known as '{user}'"),
            Self::UnknownLine { line } => write!(f, "the order has no {line}"),
            Self::UnknownName { what, name } => write!(f, "no {what} is called '{name}'"),
            Self::AlreadyExists { what, name } => write!(f, "the {what} '{name}' exists already"),
            Self::AlreadyShipped { order } => {
                write!(f, "order '{order}' was shipped; nothing is left to cancel")
            }
            Self::VersionConflict { what, expected, actual, on_hand } => {
                write!(f, "{what} is at version {actual}, not {expected}")?;
                on_hand.map_or(Ok(()), |units| write!(f, "; {units} on hand now"))
            }
            Self::LocationRequired { locations } => {
                write!(f, "more than one location exists; name one of {}", locations.join(", "))
            }
            Self::HasOpenReservations { sku, units } => {
                write!(f, "{units} units of {sku} are promised to open orders")
            }
            Self::MirroredLocation { location, authority } => {
                write!(f, "the numbers of {location} belong to the channel {authority}")
            }
            Self::BundleHasNoStock { sku } => {
                write!(f, "{sku} is a bundle: its stock is that of its components")
            }
            Self::BatchBlocked { blocked } => {
                write!(f, "the batch cannot be taken back: {}", blocked.join("; "))
            }
            Self::QueueFull { waiting } => {
                write!(f, "{waiting} orders wait to be decided; try again in a moment")
            }
            Self::AlreadyReverted { batch } => write!(f, "batch {batch} was taken back before"),
            Self::Invalid { field, message } => write!(f, "{field}: {message}"),
        }
    }
}

fn write_shortages(f: &mut fmt::Formatter<'_>, shortages: &[Shortage]) -> fmt::Result {
    f.write_str("not enough stock: ")?;
    for (index, shortage) in shortages.iter().enumerate() {
        let comma = if index == 0 { "" } else { ", " };
        let Shortage { sku, requested, available } = shortage;
        write!(f, "{comma}{sku} ({requested} asked for, {available} available)")?;
    }
    Ok(())
}

impl std::error::Error for Refusal {}
