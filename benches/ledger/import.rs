//! A large import against plain SQL that loads the same rows.
//!
//! The import runs in a process of its own: the program's command line, reading
//! a file from the disk. Its memory is the most it ever had.

use std::fmt::Write as _;
use std::io::{BufWriter, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use invshop::domain::{LocationCode, Quantity, Sku, Title};
use invshop::ledger::catalogue::ItemRow;
use invshop::ledger::stock::{Basis, ImportMode, Place, StockRow};
use invshop::secret::SeededRandom;
use invshop::shop::{FIRST_LOCATION, Shop};
use invshop::writer::{CHUNK_ROWS_MAX, Command};
use tokio::process::Child;

use crate::arguments::{Arguments, FileKind, ImportArguments, ShopArguments};
use crate::check;
use crate::drive::float;
use crate::machine;
use crate::plain;
use crate::report::{Goal, Line, Report, note};
use crate::shops::{Bed, Made, chunk_of, open_batch, opening};
use crate::wanted::sku;

/// The program.
const COMMAND_LINE: &str = env!("CARGO_BIN_EXE_invshop");
/// How often the memory of the importing process is looked at; the kernel keeps the peak.
const LOOK: Duration = Duration::from_millis(20);
/// Units of an item's opening stock, at most.
const UNITS_MAX: u64 = 1000;

/// One row of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileRow {
    pub(crate) sku: String,
    pub(crate) title: String,
    pub(crate) on_hand: i64,
    pub(crate) cost: i64,
    pub(crate) price: i64,
}

/// The row of a number; every variant loads the same ones.
pub(crate) fn row(seed: u64, number: u64) -> FileRow {
    let random = SeededRandom::new(seed ^ number.wrapping_mul(0x2545_f491_4f6c_dd1d));
    let drawn = random.next_u64();
    let small = |bits: u32, below: u64| i64::try_from((drawn >> bits) % below).unwrap_or(0);
    let cost = 100 + small(20, 5000);
    FileRow {
        sku: sku(number),
        title: format!("Kitchen helper number {number} in colour {}", drawn % 12),
        on_hand: small(4, UNITS_MAX),
        cost,
        price: cost * 2,
    }
}

/// A process that imports a file through the library, for a program whose
/// command line cannot yet.
pub(crate) async fn child(arguments: ImportArguments) -> anyhow::Result<()> {
    let shop = Shop::open(opening(&arguments.shop)).await?;
    import(&shop, arguments.kind, &arguments.file).await?;
    shop.close().await;
    Ok(())
}

/// Imports a file in chunks under one batch, as the command line does.
pub(crate) async fn import(shop: &Shop, kind: FileKind, file: &Path) -> anyhow::Result<()> {
    let total = csv::Reader::from_path(file)?.byte_records().count();
    let batch = open_batch(shop, kind.name(), total).await?;
    let mut records = csv::Reader::from_path(file)?.into_records();
    let mut done = 0;
    loop {
        let rows = records.by_ref().take(CHUNK_ROWS_MAX).collect::<Result<Vec<_>, _>>()?;
        if rows.is_empty() {
            break;
        }
        let chunk = chunk_of(batch, &mut done, rows.len())?;
        let command = match kind {
            FileKind::Items => {
                let rows = rows.iter().map(item_row).collect::<anyhow::Result<_>>()?;
                Command::ItemRows { chunk, rows }
            }
            FileKind::Stock => {
                let rows = rows.iter().map(stock_row).collect::<anyhow::Result<_>>()?;
                let mode = ImportMode::Set(Basis::Physical);
                Command::StockRows { chunk, rows, mode, observed_at: None }
            }
        };
        shop.submit(command, None).await?;
    }
    shop.submit(Command::BatchApplied(batch), None).await?;
    Ok(())
}

fn item_row(record: &csv::StringRecord) -> anyhow::Result<(Sku, ItemRow)> {
    let field = |index: usize| record.get(index).context("a field is missing");
    let row = ItemRow {
        title: Some(Title::new(field(1)?)?),
        location: Some(LocationCode::new(field(2)?)?),
        on_hand: Some(Quantity::new(field(3)?.parse()?)?),
        cost: Some(minor(field(4)?)?),
        price: Some(minor(field(5)?)?),
        currency: Some(field(6)?.to_owned()),
        ..ItemRow::default()
    };
    Ok((Sku::new(field(0)?)?, row))
}

fn stock_row(record: &csv::StringRecord) -> anyhow::Result<StockRow> {
    let field = |index: usize| record.get(index).context("a field is missing");
    let location = Some(LocationCode::new(field(1)?)?);
    let place = Place { sku: Sku::new(field(0)?)?, location };
    Ok(StockRow { place, quantity: Quantity::new(field(2)?.parse()?)? })
}

fn minor(money: &str) -> anyhow::Result<i64> {
    let (units, cents) = money.split_once('.').context("money without cents")?;
    Ok(units.parse::<i64>()? * 100 + cents.parse::<i64>()?)
}

/// Writes a file of numbered items; units of all its rows.
pub(crate) fn items_file(path: &Path, seed: u64, numbers: Range<u64>) -> anyhow::Result<i64> {
    let mut file = BufWriter::new(std::fs::File::create(path)?);
    writeln!(file, "sku,title,location,on_hand,cost,price,currency")?;
    let mut units = 0;
    for number in numbers {
        let FileRow { sku, title, on_hand, cost, price } = row(seed, number);
        units += on_hand;
        let mut line = format!("{sku},{title},{FIRST_LOCATION},{on_hand},");
        write!(line, "{}.{:02},{}.{:02},EUR", cost / 100, cost % 100, price / 100, price % 100)?;
        writeln!(file, "{line}")?;
    }
    file.flush()?;
    Ok(units)
}

/// Writes a stock file: a count of every item.
pub(crate) fn stock_file(path: &Path, seed: u64, rows: usize) -> anyhow::Result<()> {
    let mut file = BufWriter::new(std::fs::File::create(path)?);
    writeln!(file, "sku,location,quantity")?;
    for number in 0..u64::try_from(rows)? {
        let FileRow { sku, on_hand, .. } = row(seed, number);
        writeln!(file, "{sku},{FIRST_LOCATION},{}", on_hand + 1)?;
    }
    file.flush()?;
    Ok(())
}

/// What an import took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Took {
    pub(crate) seconds: f64,
    pub(crate) peak_mb: f64,
}

/// Imports a file in a process of its own.
pub(crate) async fn in_process(made: &Made, kind: FileKind, file: &Path) -> anyhow::Result<Took> {
    let begun = Instant::now();
    let mut child = start(made, kind, file)?;
    let process = child.id().context("a process without an id")?.to_string();
    let mut peak_kib = 0;
    let status = loop {
        peak_kib = machine::peak_kib(&process).unwrap_or(0).max(peak_kib);
        if let Ok(status) = tokio::time::timeout(LOOK, child.wait()).await {
            break status?;
        }
    };
    ensure!(status.success(), "the import failed: {status}");
    Ok(Took { seconds: begun.elapsed().as_secs_f64(), peak_mb: float(peak_kib) / 1024.0 })
}

/// Starts a process that imports a file: the command line where it knows the
/// verb, else this program.
pub(crate) fn start(made: &Made, kind: FileKind, file: &Path) -> anyhow::Result<Child> {
    let ShopArguments { place, key } = &made.arguments;
    let mut command = if knows_import()? {
        let mut command = tokio::process::Command::new(COMMAND_LINE);
        let url = match &made.opening.place {
            invshop::store::Place::Sqlite(_) => format!("sqlite:{place}"),
            invshop::store::Place::Postgres(_) => place.clone(),
        };
        command
            .env("INVSHOP__DATABASE__URL", url)
            .env("INVSHOP__DATABASE__KEY", format!("file:{}", key.display()))
            .args(["import", kind.name()])
            .arg(file)
            .arg("--yes");
        command
    } else {
        let mut command = tokio::process::Command::new(std::env::current_exe()?);
        command
            .args(["import", "--place", place, "--kind", kind.name()])
            .arg("--key")
            .arg(key)
            .arg("--file")
            .arg(file);
        command
    };
    let child = command
        .current_dir(file.parent().context("a file without a folder")?)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .spawn()?;
    Ok(child)
}

fn knows_import() -> anyhow::Result<bool> {
    let help =
        std::process::Command::new(COMMAND_LINE).args(["import", "items", "--help"]).output()?;
    Ok(help.status.success() && !help.stdout.is_empty())
}

/// Measures both databases.
pub(crate) async fn measure(
    arguments: &Arguments,
    bed: &Bed,
    report: &mut Report,
) -> anyhow::Result<()> {
    let file: PathBuf = bed.folder().join("items.csv");
    let units = items_file(&file, arguments.seed, 0..u64::try_from(arguments.rows)?)?;
    for &kind in &arguments.database {
        let (made, shop) = bed.empty(kind).await?;
        shop.close().await;
        let ours = in_process(&made, FileKind::Items, &file).await?;
        note(&format!("{}: imported in {:.1} s", kind.name(), ours.seconds));
        check::items(&made, arguments.rows, units).await?;
        bed.remove(&made).await?;

        let (made, shop) = bed.empty(kind).await?;
        shop.close().await;
        let plain = plain::load(&made, arguments.seed, arguments.rows).await?;
        check::items(&made, arguments.rows, units).await?;
        bed.remove(&made).await?;

        let rows = arguments.rows;
        report.add(Line {
            what: format!("{}, import of {rows} items with stock", kind.name()),
            ours: format!("{:.1} s", ours.seconds),
            beside: format!("{plain:.1} s"),
            figure: ours.seconds / plain,
            unit: "x time",
            goal: Goal::AtMost { floor: 2.0, aim: 1.3 },
            detail: [String::new(), String::new()],
        });
        report.add(Line {
            what: format!("{}, peak memory of that import", kind.name()),
            ours: format!("{:.0} MB", ours.peak_mb),
            beside: String::new(),
            figure: ours.peak_mb,
            unit: "MB",
            goal: Goal::AtMost { floor: 64.0, aim: 32.0 },
            detail: [String::new(), String::new()],
        });
    }
    std::fs::remove_file(file)?;
    Ok(())
}
