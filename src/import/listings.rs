//! Rows of a listings file, in and out. What they mean is for whoever knows the channels.

use std::io::Write;

use super::export::Sheet;
use super::finding::{Finding, Findings};
use super::table::{Columns, Row, Source};
use super::{CHUNK, Exported, ImportError, Progress, Watch, go_on};
use crate::domain::{QUANTITY_MAX, Sku};
use crate::shop::Shop;
use crate::store;

/// The most rows of a file: they are looked at, and written, together.
pub const LISTING_ROWS_MAX: usize = 200_000;
/// Rows read at a time.
const PAGE: i64 = 1000;

pub(super) const COLUMNS: Columns = Columns {
    required: &["channel", "sku", "external_id"],
    optional: &["external_location", "external_sku", "buffer", "share_percent", "max_quantity"],
};

/// What a row says of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleCell {
    /// Nothing: the file has no such column.
    Absent,
    /// The listing has none of its own.
    Empty,
    /// The listing's own.
    Is(i64),
}

/// One row: what it says of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListingRow {
    /// The line of the file it begins at, from 1.
    pub line: u64,
    /// The channel's name.
    pub channel: String,
    /// The item; none where the row names none.
    pub sku: Option<Sku>,
    /// The channel's id of the listing.
    pub external_id: String,
    /// The channel's place of it; empty where it has none.
    pub external_location: String,
    /// The text that stands for a SKU there, where the row says.
    pub external_sku: Option<String>,
    /// Units held back.
    pub buffer: RuleCell,
    /// Of the rest, so many hundredths.
    pub share_percent: RuleCell,
    /// Never more than this.
    pub max_quantity: RuleCell,
}

/// A file that was read whole.
#[derive(Debug, Default)]
pub struct ListingFile {
    /// The rows that read well.
    pub rows: Vec<ListingRow>,
    /// All rows.
    pub total: u64,
    /// What is wrong with the others.
    pub findings: Findings,
    /// Rows that are wrong.
    pub bad_rows: u64,
    /// What is only strange.
    pub warnings: Vec<String>,
}

/// Reads a listings file.
pub async fn read_listings(source: &Source, watch: Watch<'_>) -> Result<ListingFile, ImportError> {
    let table = source.table(&COLUMNS)?;
    let mut file = ListingFile::default();
    if !table.unknown().is_empty() {
        let unknown = table.unknown().join(", ");
        file.warnings.push(format!("columns that mean nothing here: {unknown}"));
    }
    let (mut table, mut rows) = table.rows(CHUNK).await?;
    while !rows.is_empty() {
        for row in &rows {
            file.total += 1;
            let mut wrong = Vec::new();
            match parse(row, &mut wrong).filter(|_| wrong.is_empty()) {
                Some(row) => file.rows.push(row),
                None => file.bad_rows += 1,
            }
            for finding in wrong {
                file.findings.add(finding);
            }
        }
        if file.rows.len() > LISTING_ROWS_MAX {
            let message = format!("has more than {LISTING_ROWS_MAX} rows\nhint: divide it");
            return Err(ImportError::File { file: source.name().to_owned(), message });
        }
        let delivered = table.delivered();
        go_on(watch, Progress::Checking(delivered, source.bytes()), None)?;
        (table, rows) = table.rows(CHUNK).await?;
    }
    Ok(file)
}

/// Reads a row; every column that is wrong is told.
fn parse(row: &Row, wrong: &mut Vec<Finding>) -> Option<ListingRow> {
    if let Some(broken) = row.broken() {
        wrong.push(broken);
        return None;
    }
    let text = |text: &str| Ok::<_, String>(text.to_owned());
    let units = |text: &str| number(text, QUANTITY_MAX);
    let mut keep = |finding| wrong.push(finding);
    let channel = row.required("channel", text).map_err(&mut keep).ok();
    let external_id = row.required("external_id", text).map_err(&mut keep).ok();
    let sku = row.read("sku", Sku::new).map_err(&mut keep).ok();
    let place = row.read("external_location", text).map_err(&mut keep).ok();
    let external_sku = row.read("external_sku", text).map_err(&mut keep).ok();
    let buffer = rule(row, "buffer", units).map_err(&mut keep).ok();
    let share = rule(row, "share_percent", |text| number(text, 100)).map_err(&mut keep).ok();
    let most = rule(row, "max_quantity", units).map_err(&mut keep).ok();
    Some(ListingRow {
        line: row.line,
        channel: channel?,
        sku: sku?,
        external_id: external_id?,
        external_location: place?.unwrap_or_default(),
        external_sku: external_sku?,
        buffer: buffer?,
        share_percent: share?,
        max_quantity: most?,
    })
}

/// A rule: left alone where its column is not there, cleared where its cell is empty.
fn rule(
    row: &Row,
    column: &'static str,
    parse: impl FnOnce(&str) -> Result<i64, String>,
) -> Result<RuleCell, Finding> {
    if !row.has_column(column) {
        return Ok(RuleCell::Absent);
    }
    Ok(row.read(column, parse)?.map_or(RuleCell::Empty, RuleCell::Is))
}

fn number(text: &str, most: i64) -> Result<i64, String> {
    let expected = || format!("expected a whole number, 0 to {most}, found '{text}'");
    let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|number| is_plain && *number <= most);
    number.ok_or_else(expected)
}

/// Writes all listings of all channels, those that are no item too: by channel, then id
/// and place, in byte order. `defuse` as with the other exports.
pub async fn export_listings(
    shop: &Shop,
    out: impl Write,
    defuse: bool,
    watch: Watch<'_>,
) -> Result<Exported, ImportError> {
    let mut sheet = Sheet::new(out, defuse, &COLUMNS)?;
    let mut after = (String::new(), String::new(), String::new());
    loop {
        let mut reader = shop.db.read().await?;
        let page = store::exports::listings(&mut reader.conn(), &after, PAGE).await?;
        drop(reader);
        let Some(last) = page.last() else { break };
        after = (last.channel.clone(), last.external_id.clone(), last.place.clone());
        for row in page {
            let number = |rule: Option<i64>| rule.map(|rule| rule.to_string()).unwrap_or_default();
            sheet.row(&[
                row.channel,
                row.sku.unwrap_or_default(),
                row.external_id,
                row.place,
                row.sku_text,
                number(row.buffer),
                number(row.share_percent),
                number(row.max_quantity),
            ])?;
        }
        sheet.told(watch)?;
    }
    sheet.end()
}
