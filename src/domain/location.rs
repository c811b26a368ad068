//! Places that hold stock.

use std::fmt;
use std::str::FromStr;

use super::{LocationCode, LocationId};

/// What kind of place a location is; it decides whether its stock is sold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LocationKind {
    /// A warehouse: sellable.
    Warehouse,
    /// A physical store: sellable.
    Store,
    /// Somebody else's warehouse: sellable when configured.
    ThirdParty,
    /// On the road: never sellable.
    Transit,
    /// Set aside for inspection: never sellable.
    Quarantine,
}

impl LocationKind {
    /// Every kind, in the order they are documented.
    pub const ALL: [Self; 5] =
        [Self::Warehouse, Self::Store, Self::ThirdParty, Self::Transit, Self::Quarantine];

    /// The name used in the database, in files and in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Warehouse => "warehouse",
            Self::Store => "store",
            Self::ThirdParty => "third_party",
            Self::Transit => "transit",
            Self::Quarantine => "quarantine",
        }
    }

    /// Whether stock of such a place is sold unless configured otherwise.
    pub const fn sellable_by_default(self) -> bool {
        matches!(self, Self::Warehouse | Self::Store)
    }

    /// Whether stock of such a place may ever be sold.
    pub const fn may_sell(self) -> bool {
        !matches!(self, Self::Transit | Self::Quarantine)
    }
}

impl fmt::Display for LocationKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for LocationKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| {
            format!("'{text}' is not a kind of location (warehouse, store, third_party, transit, quarantine)")
        })
    }
}

/// The authority over a location whose numbers are the ledger's own.
pub const AUTHORITY_LEDGER: &str = "ledger";

/// One place that holds stock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// Its id.
    pub id: LocationId,
    /// Its short name.
    pub code: LocationCode,
    /// What people call it.
    pub name: String,
    /// What kind of place it is.
    pub kind: LocationKind,
    /// `ledger`, or the channel whose count it mirrors.
    pub authority: String,
    /// Whether its stock is offered for sale.
    pub sellable: bool,
    /// Allocation prefers the lower number, then the code.
    pub priority: i64,
}

impl Location {
    /// A mirrored location changes only by its channel's observations.
    pub fn is_mirrored(&self) -> bool {
        self.authority != AUTHORITY_LEDGER
    }

    /// Whether orders may take stock here.
    pub fn serves_orders(&self) -> bool {
        self.sellable && self.kind.may_sell() && !self.is_mirrored()
    }
}
