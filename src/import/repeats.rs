//! What one row cannot tell: whether another row names the same thing, and
//! whether the parts of a bundle are there.
//!
//! The first pass keeps one number of 64 bits a row: an exact one for what the
//! database knows, else a keyed hash. Only where two are equal, or where there
//! are bundles, is the file read again, and the texts themselves are compared.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher as _};

use super::check::{Checker, Known, Line, Read, parse};
use super::finding::{Finding, quoted};
use super::options::Kind;
use super::plan::Pass;
use super::table::Source;
use super::{CHUNK, ImportError, Progress, Watch, go_on, orders};
use crate::domain::Sku;
use crate::ledger::stock::ImportMode;
use crate::secret::Random;

/// Names that may be repeated in a file before it is given up as a whole.
const REPEATED_MAX: usize = 100_000;
/// A row is rarely shorter, in bytes: so much room is asked for beforehand, because a
/// list that grows is in memory twice. Room that is not used is no memory.
const ROW_BYTES: u64 = 24;
/// Rows that room is asked for beforehand at most: 128 MiB.
const ROOM_ROWS_MAX: u64 = 1 << 24;
/// Marks numbers that are ids and not hashes.
const EXACT: u64 = 1 << 63;

/// The numbers of rows.
#[derive(Debug)]
pub(super) struct Keys {
    salt: [u8; 16],
    all: Vec<u64>,
    bundles: Vec<u64>,
}

impl Keys {
    /// For a file of so many bytes.
    pub(super) fn new(random: &dyn Random, bytes: u64) -> Self {
        let mut salt = [0; 16];
        random.fill(&mut salt);
        let rows = (bytes / ROW_BYTES).min(ROOM_ROWS_MAX);
        let all = Vec::with_capacity(usize::try_from(rows).unwrap_or(0));
        Self { salt, all, bundles: Vec::new() }
    }

    fn hash(&self, text: &str) -> u64 {
        // SipHash with a fixed key; the salt before the text takes the key's place.
        let mut hasher = DefaultHasher::new();
        hasher.write(&self.salt);
        hasher.write(text.as_bytes());
        hasher.finish() & !EXACT
    }

    fn item(&self, sku: &Sku, known: &Known) -> u64 {
        match known.skus.get(sku) {
            Some(id) => id.get().unsigned_abs() | EXACT,
            None => self.hash(sku.as_str()),
        }
    }

    /// The number of what a row may name only once; `None` where it may repeat.
    pub(super) fn of(&self, line: &Line, known: &Known, checker: &Checker<'_>) -> Option<u64> {
        match &line.read {
            Read::Item(item) => Some(self.item(&item.sku, known)),
            Read::Stock(_) if checker.adds() => None,
            Read::Stock(row) => {
                let item = known.skus.get(&row.place.sku)?;
                let location = checker.location(line.begins, row.place.location.as_ref()).ok()?;
                let place = checker.place_of(location)?;
                let key = item.get().checked_mul(checker.locations())?.checked_add(place)?;
                Some(key.unsigned_abs() | EXACT)
            }
            Read::Order(_) => None,
        }
    }

    pub(super) fn push(&mut self, key: u64, bundle: bool) {
        self.all.push(key);
        if bundle {
            self.bundles.push(key);
        }
    }

    /// A name that is compared as it stands: an order's.
    pub(super) fn push_text(&mut self, text: &str) {
        self.all.push(self.hash(text));
    }

    /// Sorts the numbers; those that come more than once.
    fn repeated(&mut self) -> Vec<u64> {
        self.all.sort_unstable();
        self.bundles.sort_unstable();
        let mut repeated: Vec<u64> = self
            .all
            .windows(2)
            .filter(|pair| pair[0] == pair[1])
            .map(|pair| pair[0])
            .take(REPEATED_MAX * 16)
            .collect();
        repeated.dedup();
        repeated
    }
}

/// The first row of a name that seems to come again.
struct First {
    text: String,
    line: u64,
    rows: (u32, u32),
}

/// Reads the file again where the first pass left a question.
pub(super) async fn look_again(
    source: &Source,
    pass: &mut Pass<'_>,
    watch: Watch<'_>,
) -> Result<(), ImportError> {
    let repeated = pass.keys.repeated();
    if repeated.len() > REPEATED_MAX {
        let message = format!("names more than {REPEATED_MAX} things twice");
        return Err(ImportError::File { file: source.name().to_owned(), message });
    }
    if repeated.is_empty() && !pass.has_bundles() {
        return Ok(());
    }
    let mut firsts: HashMap<u64, First> = HashMap::new();
    let mut table = source.table_again(pass.job.kind.columns())?;
    loop {
        let (back, rows) = table.rows(CHUNK).await?;
        table = back;
        if rows.is_empty() {
            return Ok(());
        }
        let mut ignored = Vec::new();
        if pass.job.kind == Kind::Orders {
            for row in &rows {
                if let Some(reference) = orders::reference(row) {
                    let name = reference.to_string();
                    let key = pass.keys.hash(&name);
                    let place = (row.number, row.line);
                    again(pass, &repeated, &mut firsts, (key, name, place));
                }
            }
        } else {
            let lines: Vec<Line> =
                rows.iter().filter_map(|row| parse(pass.job, row, &mut ignored)).collect();
            let known = pass.checker.look(&lines).await?;
            for line in lines {
                // What is bad by itself was told in the first pass.
                if pass.checker.judge(&line, &known).is_ok() {
                    look_at(pass, &repeated, &mut firsts, (&line, &known));
                }
            }
        }
        go_on(watch, Progress::Checking(table.delivered(), source.bytes()), None)?;
    }
}

fn look_at(
    pass: &mut Pass<'_>,
    repeated: &[u64],
    firsts: &mut HashMap<u64, First>,
    (line, known): (&Line, &Known),
) {
    if let Some(key) = pass.keys.of(line, known, pass.checker) {
        // An exact number is the same thing, whatever it is called.
        let name = if key & EXACT == 0 { line.read.sku().to_string() } else { String::new() };
        again(pass, repeated, firsts, (key, name, (line.number, line.begins)));
    }
    if let Some(finding) = missing_part(&pass.keys, line, known) {
        pass.findings.add(finding);
        pass.mark_bad(line.number);
    }
}

/// Tells a row whose name an earlier row had. An order that goes on elsewhere is
/// bad in both places.
fn again(
    pass: &mut Pass<'_>,
    repeated: &[u64],
    firsts: &mut HashMap<u64, First>,
    (key, name, (number, line)): (u64, String, (u32, u64)),
) {
    if repeated.binary_search(&key).is_err() {
        return;
    }
    let orders = pass.job.kind == Kind::Orders;
    let Some(first) = firsts.get_mut(&key) else {
        firsts.insert(key, First { text: name, line, rows: (number, number) });
        return;
    };
    if first.text != name {
        return;
    }
    if !orders {
        let earlier = first.line;
        pass.mark_bad(number);
        pass.findings.add(Finding::at(line, "sku", format!("line {earlier} is about the same")));
        return;
    }
    if number == first.rows.1 + 1 {
        first.rows.1 = number;
        return;
    }
    let (from, to) = first.rows;
    let earlier = first.line;
    // From here on the order goes on where it was found again.
    first.rows = (number, number);
    (from..=to).chain([number]).for_each(|row| pass.mark_bad(row));
    let message =
        format!("the order began at line {earlier}; the rows of an order must stand together");
    pass.findings.add(Finding::at(line, "order_id", message));
}

/// What is wrong with the parts of a bundle.
fn missing_part(keys: &Keys, line: &Line, known: &Known) -> Option<Finding> {
    let Read::Item(item) = &line.read else {
        return None;
    };
    for (part, _) in item.row.components.iter().flatten() {
        let key = keys.item(part, known);
        let here = known.skus.get(part);
        let name = quoted(part.as_str());
        let is_bundle = here.and_then(|id| known.items.get(id)).is_some_and(|item| item.bundle)
            || keys.bundles.binary_search(&key).is_ok();
        let wrong = if *part == item.sku {
            format!("{name} cannot contain itself")
        } else if is_bundle {
            format!("{name} is a bundle; a bundle of bundles is not possible")
        } else if here.is_none() && keys.all.binary_search(&key).is_err() {
            format!("no item has the SKU {name}, here or in the shop")
        } else {
            continue;
        };
        return Some(Finding::at(line.begins, "components", wrong));
    }
    None
}

impl Checker<'_> {
    /// Whether rows add to levels, and so may name one twice.
    fn adds(&self) -> bool {
        self.job().kind == Kind::Stock && self.job().stock.mode == ImportMode::Add
    }
}
