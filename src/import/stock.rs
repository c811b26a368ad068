//! Rows of a stock file.

use super::StockOptions;
use super::finding::Finding;
use super::table::{Columns, Row};
use crate::domain::{LocationCode, Quantity, Sku};
use crate::ledger::stock::{Place, StockRow};

pub(super) const COLUMNS: Columns =
    Columns { required: &["sku", "quantity"], optional: &["location"] };

/// Reads a row; a row without a location is meant for the one of the options.
pub(super) fn parse(
    row: &Row,
    options: &StockOptions,
    wrong: &mut Vec<Finding>,
) -> Option<StockRow> {
    let mut keep = |finding| wrong.push(finding);
    let sku = row.required("sku", Sku::new).map_err(&mut keep).ok();
    let quantity = row.required("quantity", Quantity::parse).map_err(&mut keep).ok();
    let location = row.read("location", LocationCode::new).map_err(&mut keep).ok()?;
    let location = location.or_else(|| options.location.clone());
    Some(StockRow { place: Place { sku: sku?, location }, quantity: quantity? })
}
