//! Exports: the columns of the imports, SKUs byte for byte.

use std::collections::HashMap;
use std::io::Write;

use super::options::Kind;
use super::table::Columns;
use super::{ImportError, Progress, Watch, go_on};
use crate::clock::Timestamp;
use crate::domain::{Currency, ExternalId, Money, OrderRef};
use crate::orders::Personal;
use crate::shop::Shop;
use crate::store;
use crate::store::exports::OrderLineRow;

/// Rows read at a time.
const PAGE: i64 = 1000;

/// What was exported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// Rows, without the header.
    pub rows: u64,
}

/// Writes rows of one kind in byte order of their SKUs, or of source and id for orders.
///
/// With `defuse`, cells that a spreadsheet would take for a formula get a `'` in
/// front; without it the file imports again byte for byte. The stock of an item
/// with one level stands in the items file too; of the others in the stock file.
pub async fn export(
    shop: &Shop,
    kind: Kind,
    out: impl Write,
    defuse: bool,
    watch: Watch<'_>,
) -> Result<Exported, ImportError> {
    let mut sheet = Sheet::new(out, defuse, kind.columns())?;
    match kind {
        Kind::Items => items(shop, &mut sheet, watch).await?,
        Kind::Stock => stock(shop, &mut sheet, watch).await?,
        Kind::Orders => orders(shop, &mut sheet, watch).await?,
    }
    sheet.end()
}

fn failed(error: csv::Error) -> ImportError {
    let error = match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => std::io::Error::other(format!("{other:?}")),
    };
    ImportError::Io { file: "the export".to_owned(), error }
}

pub(super) struct Sheet<W: Write> {
    writer: csv::Writer<W>,
    defuse: bool,
    rows: u64,
}

impl<W: Write> Sheet<W> {
    /// Begins with the header.
    pub(super) fn new(out: W, defuse: bool, columns: &Columns) -> Result<Self, ImportError> {
        let mut sheet = Self { writer: csv::Writer::from_writer(out), defuse, rows: 0 };
        let columns: Vec<&str> = columns.all().collect();
        sheet.writer.write_record(&columns).map_err(failed)?;
        Ok(sheet)
    }

    /// Has all of it written.
    pub(super) fn end(mut self) -> Result<Exported, ImportError> {
        self.writer.flush().map_err(|error| failed(error.into()))?;
        Ok(Exported { rows: self.rows })
    }

    pub(super) fn row(&mut self, cells: &[String]) -> Result<(), ImportError> {
        for cell in cells {
            let dangerous = cell.starts_with(['=', '+', '-', '@', '\t']);
            if self.defuse && dangerous {
                self.writer.write_field(format!("'{cell}")).map_err(failed)?;
            } else {
                self.writer.write_field(cell).map_err(failed)?;
            }
        }
        self.writer.write_record(None::<&[u8]>).map_err(failed)?;
        self.rows += 1;
        Ok(())
    }

    pub(super) fn told(&self, watch: Watch<'_>) -> Result<(), ImportError> {
        go_on(watch, Progress::Writing(self.rows, 0), None)
    }
}

fn text<T: ToString>(value: Option<T>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

/// An amount as a decimal of its currency.
fn amount(minor: Option<i64>, currency: Option<&str>) -> String {
    let money = minor.zip(currency).and_then(|(minor, code)| {
        Currency::parse(code).and_then(|currency| Money::new(minor, currency)).ok()
    });
    text(money)
}

async fn items<W: Write>(
    shop: &Shop,
    sheet: &mut Sheet<W>,
    watch: Watch<'_>,
) -> Result<(), ImportError> {
    let mut after = String::new();
    loop {
        let mut reader = shop.db.read().await?;
        let page = store::exports::items(&mut reader.conn(), &after, PAGE).await?;
        let Some((_, last, _)) = page.last() else {
            return Ok(());
        };
        after.clone_from(last);
        let ids: Vec<i64> = page.iter().map(|(id, ..)| *id).collect();
        let mut recipes: HashMap<i64, Vec<String>> = HashMap::new();
        for (bundle, sku, units) in store::exports::parts(&mut reader.conn(), ids.clone()).await? {
            recipes.entry(bundle).or_default().push(format!("{sku}:{units}"));
        }
        let mut levels: HashMap<i64, Vec<(String, i64, i64)>> = HashMap::new();
        for (item, code, on_hand, safety) in store::exports::levels(&mut reader.conn(), ids).await?
        {
            levels.entry(item).or_default().push((code, on_hand, safety));
        }
        drop(reader);
        for (id, sku, fields) in page {
            let only = levels.get(&id).filter(|levels| levels.len() == 1);
            let only = only.and_then(|levels| levels.first());
            let currency = fields.currency.as_deref();
            sheet.row(&[
                sku,
                fields.title.to_string(),
                text(fields.barcode.as_ref()),
                amount(fields.price, currency),
                amount(fields.cost, currency),
                text(currency),
                text(only.map(|(code, ..)| code)),
                text(only.map(|(_, on_hand, _)| on_hand)),
                text(only.map(|(.., safety)| safety)),
                text(fields.reorder_point),
                text(fields.attributes.as_ref()),
                recipes.remove(&id).unwrap_or_default().join(";"),
            ])?;
        }
        sheet.told(watch)?;
    }
}

async fn stock<W: Write>(
    shop: &Shop,
    sheet: &mut Sheet<W>,
    watch: Watch<'_>,
) -> Result<(), ImportError> {
    let mut after = (String::new(), String::new());
    loop {
        let mut reader = shop.db.read().await?;
        let place = (after.0.as_str(), after.1.as_str());
        let page = store::exports::stock(&mut reader.conn(), place, PAGE).await?;
        drop(reader);
        let Some((sku, code, _)) = page.last() else {
            return Ok(());
        };
        after = (sku.clone(), code.clone());
        for (sku, code, on_hand) in page {
            sheet.row(&[sku, on_hand.to_string(), code])?;
        }
        sheet.told(watch)?;
    }
}

async fn orders<W: Write>(
    shop: &Shop,
    sheet: &mut Sheet<W>,
    watch: Watch<'_>,
) -> Result<(), ImportError> {
    let mut after = (String::new(), String::new(), 0);
    loop {
        let mut reader = shop.db.read().await?;
        let place = (after.0.as_str(), after.1.as_str(), after.2);
        let page = store::exports::orders(&mut reader.conn(), place, PAGE).await?;
        drop(reader);
        let Some(last) = page.last() else {
            return Ok(());
        };
        after = (last.source.clone(), last.external_id.clone(), last.line);
        for row in page {
            let email = email(shop, &row)?;
            let currency = row.currency.as_deref();
            let placed_at = Timestamp::from_millis(row.placed_at).ok();
            sheet.row(&[
                row.external_id.clone(),
                row.sku.clone(),
                row.units.to_string(),
                row.source.clone(),
                amount(row.unit_price, currency),
                text(currency),
                text(placed_at),
                email,
            ])?;
        }
        sheet.told(watch)?;
    }
}

fn email(shop: &Shop, row: &OrderLineRow) -> Result<String, ImportError> {
    let Some(sealed) = &row.sealed else {
        return Ok(String::new());
    };
    let broken = |message: String| ImportError::File {
        file: format!("order {}:{}", row.source, row.external_id),
        message: format!("has personal data that cannot be opened: {message}"),
    };
    let external_id =
        ExternalId::new(&row.external_id).map_err(|error| broken(error.to_string()))?;
    let reference = OrderRef { source: row.source.clone(), external_id };
    let plain =
        Personal::open(&shop.key, &reference, sealed).map_err(|error| broken(error.to_string()))?;
    Ok(plain["email"].as_str().unwrap_or_default().to_owned())
}
