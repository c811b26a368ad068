//! Rows of an items file.

use super::finding::{Finding, quoted};
use super::table::{Columns, Row};
use crate::domain::{
    ATTRIBUTES_BYTES_MAX, Barcode, Currency, LocationCode, Money, Quantity, Sku, Title,
    attributes_have_card_number,
};
use crate::ledger::catalogue::ItemRow;

/// The most components of a bundle.
const COMPONENTS_MAX: usize = 100;

pub(super) const COLUMNS: Columns = Columns {
    required: &["sku", "title"],
    optional: &[
        "barcode",
        "price",
        "cost",
        "currency",
        "location",
        "on_hand",
        "safety",
        "reorder_point",
        "attributes",
        "components",
    ],
};

/// One item as the file has it.
#[derive(Clone, Debug)]
pub(super) struct ItemLine {
    pub(super) sku: Sku,
    pub(super) row: ItemRow,
}

/// Whether a row is a bundle's. Bundles are written after everything else, so
/// that a file may name their parts before or after them.
pub(super) fn is_bundle(row: &Row) -> bool {
    row.broken().is_none() && row.has("components")
}

/// Reads a row; every column that is wrong is told.
pub(super) fn parse(row: &Row, wrong: &mut Vec<Finding>) -> Option<ItemLine> {
    let before = wrong.len();
    let sku = told(wrong, row.required("sku", Sku::new));
    let mut item = ItemRow {
        title: told(wrong, row.required("title", Title::new)),
        barcode: told(wrong, row.read("barcode", Barcode::new)).flatten(),
        location: told(wrong, row.read("location", LocationCode::new)).flatten(),
        on_hand: told(wrong, row.read("on_hand", Quantity::parse)).flatten(),
        safety: told(wrong, row.read("safety", Quantity::parse)).flatten(),
        reorder_point: told(wrong, row.read("reorder_point", Quantity::parse)).flatten(),
        attributes: told(wrong, row.read("attributes", attributes)).flatten(),
        components: told(wrong, row.read("components", components)).flatten(),
        ..ItemRow::default()
    };
    // Without its currency an amount has no meaning; a bad currency is told once.
    if let Some(currency) = told(wrong, row.read("currency", Currency::parse)) {
        item.price = told(wrong, amount(row, "price", currency)).flatten();
        item.cost = told(wrong, amount(row, "cost", currency)).flatten();
        item.currency = currency.map(|currency| currency.code().to_owned());
    }
    if item.components.is_some() && item.on_hand.or(item.safety).is_some() {
        let column = if item.on_hand.is_some() { "on_hand" } else { "safety" };
        wrong.push(Finding::at(row.line, column, "a bundle has no stock of its own"));
    }
    if wrong.len() > before {
        return None;
    }
    sku.map(|sku| ItemLine { sku, row: item })
}

/// What was read, or nothing and a finding more.
fn told<T>(wrong: &mut Vec<Finding>, read: Result<T, Finding>) -> Option<T> {
    read.map_err(|finding| wrong.push(finding)).ok()
}

/// An amount in the row's own currency.
pub(super) fn amount(
    row: &Row,
    column: &'static str,
    currency: Option<Currency>,
) -> Result<Option<i64>, Finding> {
    match currency {
        Some(currency) => row.read(column, |text| Money::parse(text, currency).map(Money::amount)),
        None if row.has(column) => {
            Err(Finding::at(row.line, "currency", format!("is empty; {column} needs one")))
        }
        None => Ok(None),
    }
}

fn attributes(text: &str) -> Result<String, String> {
    if text.len() > ATTRIBUTES_BYTES_MAX {
        return Err(format!(
            "has {} bytes; at most {ATTRIBUTES_BYTES_MAX} are allowed",
            text.len()
        ));
    }
    if text.contains('\0') {
        return Err("contains '\\0', which is not allowed".to_owned());
    }
    if attributes_have_card_number(text) {
        let message = "has what looks like the number of a payment card; these are never kept";
        return Err(message.to_owned());
    }
    match serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!("is not a JSON object: {error}")),
    }
}

/// Reads `SKU:QTY;SKU:QTY`; the last colon of each part splits it.
fn components(text: &str) -> Result<Vec<(Sku, Quantity)>, String> {
    let mut parts: Vec<(Sku, Quantity)> = Vec::new();
    for part in text.split(';') {
        let (sku, units) =
            part.rsplit_once(':').ok_or_else(|| format!("{} is not SKU:QUANTITY", quoted(part)))?;
        let sku = Sku::new(sku).map_err(|error| error.to_string())?;
        let units = Quantity::parse(units)
            .and_then(|units| Quantity::positive(units.get()))
            .map_err(|error| format!("{sku}: {error}"))?;
        if parts.iter().any(|(known, _)| *known == sku) {
            return Err(format!("names {} twice", quoted(sku.as_str())));
        }
        if parts.len() == COMPONENTS_MAX {
            return Err(format!("has more than {COMPONENTS_MAX} parts"));
        }
        parts.push((sku, units));
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_colon_of_a_part_splits_it() {
        let parts = components("a:b:2;MUG:1").unwrap();
        let parts: Vec<_> = parts.iter().map(|(sku, units)| (sku.as_str(), units.get())).collect();
        assert_eq!(parts, [("a:b", 2), ("MUG", 1)]);
        for bad in ["MUG", "MUG:0", "MUG:1;", "MUG:1;MUG:2", ":1", "MUG:x"] {
            assert!(components(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn attributes_are_an_object_and_kept_as_they_are() {
        assert_eq!(attributes(r#"{ "a":1 }"#).as_deref(), Ok(r#"{ "a":1 }"#));
        for bad in ["[]", "1", "{", "null"] {
            assert!(attributes(bad).is_err(), "{bad}");
        }
    }
}
