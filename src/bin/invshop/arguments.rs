//! Words of the command line that several verbs understand, and how they are read.

use clap::Args;
use invshop::clock::{Timestamp, TimestampError};
use invshop::domain::{Delta, Key, LocationCode, Quantity, QuantityError, Sku};

use invshop::reports::{LIMIT_MAX, Page};

use crate::app::App;
use crate::failure::Failure;

/// The idempotency key of a verb that writes.
#[derive(Clone, Debug, Args)]
pub(crate) struct KeyArgument {
    /// Idempotency key: the same command under the same key is done once
    #[arg(long, value_name = "K")]
    pub(crate) key: Option<Key>,
}

/// The location of a verb that touches one level.
#[derive(Clone, Debug, Args)]
pub(crate) struct LocationArgument {
    /// Which location; needed where more than one exists
    #[arg(long, value_name = "L")]
    pub(crate) location: Option<LocationCode>,
}

/// How much of a list.
#[derive(Clone, Debug, Args)]
pub(crate) struct PageArguments {
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// All of them
    #[arg(long, conflicts_with = "limit")]
    all: bool,
    /// Start where the list that gave this ended
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
}

impl PageArguments {
    /// Reads page after page until there is as much as was asked for.
    pub(crate) async fn gather<T, E>(
        &self,
        app: &App<'_>,
        mut read: impl AsyncFnMut(Option<&str>, usize) -> Result<Page<T>, E>,
    ) -> Result<Page<T>, Failure>
    where
        Failure: From<E>,
    {
        let limit = if self.all { usize::MAX } else { self.limit as usize };
        let mut whole = Page { data: Vec::new(), next_cursor: self.cursor.clone() };
        loop {
            let wanted = LIMIT_MAX.min(limit - whole.data.len());
            let page = read(whole.next_cursor.as_deref(), wanted).await?;
            whole.data.extend(page.data);
            whole.next_cursor = page.next_cursor;
            if whole.next_cursor.is_none() || whole.data.len() >= limit || app.is_interrupted() {
                break;
            }
        }
        if let Some(cursor) = &whole.next_cursor {
            app.output.note(&format!("there is more: --all, or --cursor '{cursor}'"));
        }
        Ok(whole)
    }
}

/// How a table is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// Columns for people
    Table,
    /// Comma-separated values with a header
    Csv,
    /// The JSON document of --json
    Json,
}

/// A SKU with units of it: `SKU:UNITS`, split at the last colon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SkuUnits {
    pub(crate) sku: Sku,
    pub(crate) units: Quantity,
}

/// A SKU with the price of a unit: `SKU:12.90`, split at the last colon. The
/// text is money once the currency is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SkuPrice {
    pub(crate) sku: Sku,
    pub(crate) price: String,
}

/// Units of an order line, or of a part of it: `LINE[.PART]:UNITS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LineUnits {
    pub(crate) line: i64,
    pub(crate) part: Option<i64>,
    pub(crate) units: Quantity,
}

/// Reads a quantity, 0 or more.
pub(crate) fn quantity(text: &str) -> Result<Quantity, QuantityError> {
    Quantity::parse(text)
}

/// Reads a change of units, not 0.
pub(crate) fn delta(text: &str) -> Result<Delta, QuantityError> {
    Delta::parse(text)
}

/// Reads a moment: RFC 3339, or a date as midnight UTC.
pub(crate) fn moment(text: &str) -> Result<Timestamp, TimestampError> {
    Timestamp::parse(text)
}

/// Reads `SKU:UNITS`.
pub(crate) fn sku_units(text: &str) -> Result<SkuUnits, String> {
    let (sku, units) = text.rsplit_once(':').ok_or("expected SKU:UNITS")?;
    let sku = Sku::new(sku).map_err(|error| error.to_string())?;
    let units = Quantity::parse(units).and_then(|units| Quantity::positive(units.get()));
    Ok(SkuUnits { sku, units: units.map_err(|error| error.to_string())? })
}

/// Reads `SKU:PRICE`.
pub(crate) fn sku_price(text: &str) -> Result<SkuPrice, String> {
    let (sku, price) = text.rsplit_once(':').ok_or("expected SKU:PRICE, as MUG:12.90")?;
    let sku = Sku::new(sku).map_err(|error| error.to_string())?;
    Ok(SkuPrice { sku, price: price.to_owned() })
}

/// Reads `LINE[.PART]:UNITS`.
pub(crate) fn line_units(text: &str) -> Result<LineUnits, String> {
    const EXPECTED: &str = "expected LINE:UNITS or LINE.PART:UNITS, as 1:2 or 3.1:1";
    let (place, units) = text.rsplit_once(':').ok_or(EXPECTED)?;
    let number = |text: &str| -> Result<i64, String> {
        let number: u16 = text.parse().map_err(|_| EXPECTED.to_owned())?;
        Ok(i64::from(number))
    };
    let (line, part) = match place.split_once('.') {
        Some((line, part)) => (number(line)?, Some(number(part)?)),
        None => (number(place)?, None),
    };
    let units = Quantity::parse(units).and_then(|units| Quantity::positive(units.get()));
    Ok(LineUnits { line, part, units: units.map_err(|error| error.to_string())? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_colon_splits_a_sku_from_its_units() {
        let read = sku_units("a:b:3").unwrap();
        assert_eq!((read.sku.as_str(), read.units.get()), ("a:b", 3));
        for bad in ["MUG", "MUG:", ":3", "MUG:0", "MUG:-1", "MUG:1.5"] {
            sku_units(bad).unwrap_err();
        }
    }

    #[test]
    fn a_line_may_name_a_part() {
        let units = Quantity::new(2).unwrap();
        assert_eq!(line_units("3:2"), Ok(LineUnits { line: 3, part: None, units }));
        assert_eq!(line_units("3.1:2"), Ok(LineUnits { line: 3, part: Some(1), units }));
        for bad in ["3", "3:", "x:1", "3.:1", "3:0", "-1:1"] {
            line_units(bad).unwrap_err();
        }
    }
}
