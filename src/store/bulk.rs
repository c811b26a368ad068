//! Writing many rows on SQLite.
//!
//! SQLite has no arrays. A document taken apart by its JSON functions costs
//! about twice what it costs to bind each cell, and a batch writes hundreds of
//! wide rows. So the statements of the hot path name a place for rows, which is
//! filled with placeholders for a fixed number of them: few texts, each prepared
//! once. Rows that are not there are bound as nulls and left out by the statement.

use std::sync::OnceLock;

use sqlx::sqlite::SqliteArguments;
use sqlx::{Arguments as _, Sqlite};

use super::statement::{Rows, encode_error};
use super::{Conn, StoreError};

/// Rows of the short text: an order or two, without much padding.
const FEW: usize = 8;
/// Rows of the middle text: what a batch of some sixty orders writes of each table.
const SOME: usize = 64;
/// Rows of the long text: 25 columns of them stay far below the 32 766 values
/// that a statement may have.
const MANY: usize = 256;

/// A statement that writes rows, where SQLite is to be fast at it.
#[derive(Debug)]
pub(crate) struct Bulk {
    /// Its name in errors and tests.
    pub(crate) name: &'static str,
    /// The text, with `{rows}` for the rows. A row whose first column is null is not one.
    pub(crate) sqlite: &'static str,
    /// Columns of a row.
    pub(crate) columns: usize,
    /// The texts for few, some and many rows.
    pub(crate) texts: OnceLock<[&'static str; 3]>,
}

/// Defines a [`Bulk`].
macro_rules! bulk {
    ($name:ident, $columns:literal, $text:expr) => {
        static $name: $crate::store::bulk::Bulk = $crate::store::bulk::Bulk {
            name: stringify!($name),
            sqlite: $text,
            columns: $columns,
            texts: std::sync::OnceLock::new(),
        };
    };
}
pub(crate) use bulk;

impl Bulk {
    /// The texts for few, some and many rows; they live as long as the program.
    fn texts(&self) -> &[&'static str; 3] {
        self.texts.get_or_init(|| [FEW, SOME, MANY].map(|rows| &*self.text(rows).leak()))
    }

    fn text(&self, rows: usize) -> String {
        let row = format!("({})", vec!["?"; self.columns].join(","));
        self.sqlite.replace("{rows}", &format!("values {}", vec![row; rows].join(",")))
    }

    /// Prepares the texts without running them.
    pub(super) async fn prepare(&self, conn: &mut Conn<'_>) -> Result<(), StoreError> {
        if let Conn::Sqlite(conn) = conn {
            for text in self.texts() {
                sqlx::Executor::prepare(&mut **conn, sqlx::SqlSafeStr::into_sql_str(*text)).await?;
            }
        }
        Ok(())
    }
}

/// Runs a text; how many rows it changed.
async fn run(
    conn: &mut sqlx::SqliteConnection,
    text: &'static str,
    arguments: SqliteArguments,
) -> Result<u64, StoreError> {
    let query = sqlx::query_with::<Sqlite, _>(text, arguments);
    Ok(query.execute(conn).await?.rows_affected())
}

fn add(
    rows: &mut Rows,
    range: std::ops::Range<usize>,
    arguments: &mut SqliteArguments,
) -> Result<(), StoreError> {
    arguments.reserve(range.len() * rows.width(), 0);
    range.into_iter().try_for_each(|row| rows.add_row(row, arguments)).map_err(encode_error)
}

/// Writes rows; how many were written. While some are written, the next are bound.
pub(super) async fn write(
    conn: &mut sqlx::SqliteConnection,
    bulk: &'static Bulk,
    mut rows: Rows,
) -> Result<u64, StoreError> {
    let [few, some, many] = bulk.texts();
    let mut first = 0;
    let mut next = || {
        let left = rows.len().saturating_sub(first);
        let (text, size) = if left <= FEW {
            (*few, FEW)
        } else if left <= SOME {
            (*some, SOME)
        } else {
            (*many, MANY)
        };
        let range = first..first + size;
        first += size;
        let mut arguments = SqliteArguments::default();
        (left > 0).then(|| add(&mut rows, range, &mut arguments).map(|()| (text, arguments)))
    };
    let mut written = 0;
    let mut bound = next().transpose()?;
    while let Some((text, arguments)) = bound {
        let (changed, more) = tokio::join!(run(conn, text, arguments), async { next() });
        written += changed?;
        bound = more.transpose()?;
    }
    Ok(written)
}

/// Statements that are run one after the other in one go while their rows are few.
#[derive(Debug)]
pub(super) struct Chain<const BULKS: usize> {
    pub(super) bulks: [&'static Bulk; BULKS],
    pub(super) text: OnceLock<&'static str>,
}

impl<const BULKS: usize> Chain<BULKS> {
    /// Statements in their order.
    pub(super) const fn of(bulks: [&'static Bulk; BULKS]) -> Self {
        Self { bulks, text: OnceLock::new() }
    }

    /// Writes rows with each; how many were written.
    pub(super) async fn write(
        &'static self,
        conn: &mut sqlx::SqliteConnection,
        mut rows: [Rows; BULKS],
    ) -> Result<u64, StoreError> {
        if rows.iter().all(|rows| rows.len() <= FEW) {
            let texts = || self.bulks.map(|bulk| bulk.texts()[0]).join(";").leak();
            let text = self.text.get_or_init(|| &*texts());
            let mut arguments = SqliteArguments::default();
            for rows in &mut rows {
                add(rows, 0..FEW, &mut arguments)?;
            }
            return run(conn, text, arguments).await;
        }
        let mut written = 0;
        for (bulk, rows) in self.bulks.into_iter().zip(rows) {
            written += write(conn, bulk, rows).await?;
        }
        Ok(written)
    }
}
