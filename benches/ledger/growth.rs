//! How the time of a stock import grows with its file (R65).

use crate::arguments::{Arguments, FileKind};
use crate::import::{in_process, items_file, stock_file};
use crate::report::{Goal, Line, Report};
use crate::shops::{Bed, Kind};

/// Imports half of the file and then all of it, on SQLite.
pub(crate) async fn measure(
    arguments: &Arguments,
    bed: &Bed,
    report: &mut Report,
) -> anyhow::Result<()> {
    let rows = arguments.stock_rows;
    let (items, stock) = (bed.folder().join("items.csv"), bed.folder().join("stock.csv"));
    items_file(&items, arguments.seed, 0..u64::try_from(rows)?)?;
    let mut seconds = Vec::new();
    for rows in [rows / 2, rows] {
        let (made, shop) = bed.empty(Kind::Sqlite).await?;
        shop.close().await;
        in_process(&made, FileKind::Items, &items).await?;
        stock_file(&stock, arguments.seed, rows)?;
        seconds.push(in_process(&made, FileKind::Stock, &stock).await?.seconds);
        bed.remove(&made).await?;
    }
    let [half, whole] = seconds.as_slice() else { anyhow::bail!("two imports were measured") };
    report.add(Line {
        what: format!("SQLite, stock import of {rows} rows"),
        ours: format!("{whole:.1} s"),
        beside: String::new(),
        figure: *whole,
        unit: "s",
        goal: Goal::AtMost { floor: 30.0, aim: 15.0 },
        detail: [String::new(), String::new()],
    });
    report.add(Line {
        what: format!("SQLite, stock import: {rows} rows against {}", rows / 2),
        ours: format!("{whole:.1} s"),
        beside: format!("{half:.1} s"),
        figure: whole / half,
        unit: "x time",
        goal: Goal::AtMost { floor: 2.3, aim: 2.1 },
        detail: [String::new(), String::new()],
    });
    Ok(())
}
