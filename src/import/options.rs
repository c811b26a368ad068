//! What a file is and how it is meant.

use serde_json::{Value, json};

use super::table::Columns;
use super::{items, orders, stock};
use crate::clock::Timestamp;
use crate::domain::LocationCode;
use crate::ledger::stock::{Basis, ImportMode};

/// What the rows of a file are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Catalogue entries, with opening stock.
    Items,
    /// Numbers of levels.
    Stock,
    /// Lines of orders.
    Orders,
}

impl Kind {
    /// The name stored with a batch.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Items => "items",
            Self::Stock => "stock",
            Self::Orders => "orders",
        }
    }

    pub(super) fn columns(self) -> &'static Columns {
        match self {
            Self::Items => &items::COLUMNS,
            Self::Stock => &stock::COLUMNS,
            Self::Orders => &orders::COLUMNS,
        }
    }
}

/// How the rows of a stock file are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StockOptions {
    /// Where rows without a location of their own are meant.
    pub location: Option<LocationCode>,
    /// Whether each row is a count or a receipt.
    pub mode: ImportMode,
    /// When it was observed; when it is written, if left out.
    pub observed_at: Option<Timestamp>,
}

impl Default for StockOptions {
    fn default() -> Self {
        Self { location: None, mode: ImportMode::Set(Basis::Physical), observed_at: None }
    }
}

/// One import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// What the file is.
    pub kind: Kind,
    /// How stock is meant; it says nothing for other kinds.
    pub stock: StockOptions,
    /// Whether bad rows are left out rather than refused with the whole file.
    pub skip_bad: bool,
    /// Whether a file that was applied may be applied once more.
    pub again: bool,
}

impl Job {
    /// An import of a kind with the usual options.
    pub fn new(kind: Kind) -> Self {
        Self { kind, stock: StockOptions::default(), skip_bad: false, again: false }
    }

    /// What changes the meaning of the file; part of its content hash.
    pub(super) fn meaning(&self) -> Value {
        match self.kind {
            Kind::Items | Kind::Orders => json!({ "kind": self.kind.as_str() }),
            Kind::Stock => {
                let (mode, basis) = match self.stock.mode {
                    ImportMode::Add => ("add", None),
                    ImportMode::Set(Basis::Physical) => ("set", Some("physical")),
                    ImportMode::Set(Basis::Available) => ("set", Some("available")),
                };
                json!({
                    "kind": "stock",
                    "location": self.stock.location.as_ref().map(LocationCode::as_str),
                    "mode": mode,
                    "basis": basis,
                    "observed_at": self.stock.observed_at.map(Timestamp::as_millis),
                })
            }
        }
    }

    /// All options, as they are stored with the batch.
    pub(super) fn to_json(&self) -> String {
        let mut options = self.meaning();
        options["skip_bad"] = json!(self.skip_bad);
        options.to_string()
    }

    /// Reads the options of a batch; `None` when this program did not write them.
    pub(super) fn from_json(text: &str) -> Option<Self> {
        let options: Value = serde_json::from_str(text).ok()?;
        let kind = match options["kind"].as_str()? {
            "items" => Kind::Items,
            "stock" => Kind::Stock,
            "orders" => Kind::Orders,
            _ => return None,
        };
        let mut job = Self::new(kind);
        job.skip_bad = options["skip_bad"].as_bool()?;
        if kind == Kind::Stock {
            job.stock.mode = match (options["mode"].as_str()?, options["basis"].as_str()) {
                ("add", _) => ImportMode::Add,
                ("set", Some("physical")) => ImportMode::Set(Basis::Physical),
                ("set", Some("available")) => ImportMode::Set(Basis::Available),
                _ => return None,
            };
            let location = options["location"].as_str().map(LocationCode::new);
            job.stock.location = location.transpose().ok()?;
            let observed_at = options["observed_at"].as_i64().map(Timestamp::from_millis);
            job.stock.observed_at = observed_at.transpose().ok()?;
        }
        Some(job)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_read_back_as_they_were_written() {
        let mut job = Job::new(Kind::Stock);
        job.skip_bad = true;
        job.stock = StockOptions {
            location: Some(LocationCode::new("store").unwrap()),
            mode: ImportMode::Set(Basis::Available),
            observed_at: Some(Timestamp::from_millis(5).unwrap()),
        };
        assert_eq!(Job::from_json(&job.to_json()), Some(job));
        let items = Job::new(Kind::Items);
        assert_eq!(Job::from_json(&items.to_json()), Some(items));
    }
}
