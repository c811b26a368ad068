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

/// Rows of the shortest text: an order or two, without much padding.
const FEW: usize = 8;
/// Rows of the texts. Close enough that little of a full batch is padding; 25 columns
/// of the longest stay far below the 32 766 values that a statement may have.
const SIZES: [usize; 6] = [FEW, 32, 64, 128, 192, 256];

/// Texts of a statement.
pub(crate) const TEXTS: usize = SIZES.len();

/// A statement that writes rows, where SQLite is to be fast at it.
#[derive(Debug)]
pub(crate) struct Bulk {
    /// Its name in errors and tests.
    pub(crate) name: &'static str,
    /// The text, with `{rows}` for the rows. A row whose first column is null is not one.
    pub(crate) sqlite: &'static str,
    /// Columns of a row.
    pub(crate) columns: usize,
    /// The texts by their number of rows, made when first needed.
    pub(crate) texts: [OnceLock<&'static str>; TEXTS],
}

/// Defines a [`Bulk`].
macro_rules! bulk {
    ($name:ident, $columns:literal, $text:expr) => {
        static $name: $crate::store::bulk::Bulk = $crate::store::bulk::Bulk {
            name: stringify!($name),
            sqlite: $text,
            columns: $columns,
            texts: [const { std::sync::OnceLock::new() }; $crate::store::bulk::TEXTS],
        };
    };
}
pub(crate) use bulk;

impl Bulk {
    /// The shortest text for so many rows, or else the longest, and its rows. It
    /// lives as long as the program.
    fn text_for(&self, rows: usize) -> (&'static str, usize) {
        let index = SIZES.iter().position(|&size| rows <= size).unwrap_or(TEXTS - 1);
        (self.texts[index].get_or_init(|| &*self.text(SIZES[index]).leak()), SIZES[index])
    }

    fn text(&self, rows: usize) -> String {
        let row = format!("({})", vec!["?"; self.columns].join(","));
        self.sqlite.replace("{rows}", &format!("values {}", vec![row; rows].join(",")))
    }

    /// Prepares the texts without running them.
    pub(super) async fn prepare(&self, conn: &mut Conn<'_>) -> Result<(), StoreError> {
        if let Conn::Sqlite(conn) = conn {
            for size in SIZES {
                let text = sqlx::SqlSafeStr::into_sql_str(self.text_for(size).0);
                sqlx::Executor::prepare(&mut **conn, text).await?;
            }
        }
        Ok(())
    }
}

/// Runs a text; how many rows it changed.
async fn run(
    conn: &mut sqlx::SqliteConnection,
    Bound { text, arguments }: Bound,
) -> Result<u64, StoreError> {
    let query = sqlx::query_with::<Sqlite, _>(text, arguments);
    Ok(query.execute(conn).await?.rows_affected())
}

/// A text with its values.
#[derive(Debug)]
struct Bound {
    text: &'static str,
    arguments: SqliteArguments,
}

/// Rows that become bound texts, one after the other.
#[derive(Debug)]
struct Texts<I> {
    left: I,
    current: Option<(&'static Bulk, Rows, usize)>,
}

impl<I: Iterator<Item = (&'static Bulk, Rows)>> Iterator for Texts<I> {
    type Item = Result<Bound, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((bulk, rows, first)) = &mut self.current
                && *first < rows.len()
            {
                let (text, size) = bulk.text_for(rows.len() - *first);
                let mut arguments = SqliteArguments::default();
                let added = add(rows, *first..*first + size, &mut arguments);
                *first += size;
                return Some(added.map(|()| Bound { text, arguments }));
            }
            let (bulk, rows) = self.left.next()?;
            self.current = Some((bulk, rows, 0));
        }
    }
}

fn add(
    rows: &mut Rows,
    range: std::ops::Range<usize>,
    arguments: &mut SqliteArguments,
) -> Result<(), StoreError> {
    arguments.reserve(range.len() * rows.width(), 0);
    range.into_iter().try_for_each(|row| rows.add_row(row, arguments)).map_err(encode_error)
}

/// Rows to write with each of some statements in turn, the first of them bound.
#[derive(Debug)]
pub(super) struct Ready<I> {
    texts: Texts<I>,
    bound: Option<Bound>,
}

impl<I: Iterator<Item = (&'static Bulk, Rows)>> Ready<I> {
    /// Binds the first rows: work that can be done while something else is written.
    pub(super) fn of(all: impl IntoIterator<IntoIter = I>) -> Result<Self, StoreError> {
        let mut texts = Texts { left: all.into_iter(), current: None };
        let bound = texts.next().transpose()?;
        Ok(Self { texts, bound })
    }

    /// Writes the rows; how many were written. While some are written, the next are bound.
    pub(super) async fn write(
        mut self,
        conn: &mut sqlx::SqliteConnection,
    ) -> Result<u64, StoreError> {
        let mut written = 0;
        while let Some(bound) = self.bound.take() {
            let (changed, next) = tokio::join!(run(conn, bound), async { self.texts.next() });
            written += changed?;
            self.bound = next.transpose()?;
        }
        Ok(written)
    }
}

/// Writes rows with each statement in turn; how many were written.
pub(super) async fn write(
    conn: &mut sqlx::SqliteConnection,
    all: impl IntoIterator<Item = (&'static Bulk, Rows)>,
) -> Result<u64, StoreError> {
    Ready::of(all)?.write(conn).await
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
        if rows.iter().any(|rows| rows.len() > FEW) {
            return write(conn, self.bulks.into_iter().zip(rows)).await;
        }
        let texts = || self.bulks.map(|bulk| bulk.text_for(FEW).0).join(";").leak();
        let text = self.text.get_or_init(|| &*texts());
        let mut arguments = SqliteArguments::default();
        for rows in &mut rows {
            add(rows, 0..FEW, &mut arguments)?;
        }
        run(conn, Bound { text, arguments }).await
    }
}
