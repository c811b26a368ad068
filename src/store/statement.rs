//! Statements, their arguments and their rows, on either database.
//!
//! Every statement of the program is a constant made by [`statement!`], so a
//! test can prepare each one on both databases. Arguments and rows know three
//! types: whole numbers, text and bytes. That is all the schema uses, and it
//! keeps the two drivers' types out of the rest of the program.

use sqlx::postgres::{PgArguments, PgConnection, PgRow};
use sqlx::sqlite::{SqliteArguments, SqliteConnection, SqliteRow};
use sqlx::{Arguments as _, Postgres, Row as _, Sqlite};

use super::StoreError;
use super::bulk::Bulk;

/// One statement with its text for each database.
#[derive(Clone, Copy, Debug)]
pub struct Statement {
    /// Its name in errors and tests.
    pub name: &'static str,
    /// The text for SQLite.
    pub sqlite: &'static str,
    /// The text for PostgreSQL.
    pub postgres: &'static str,
}

/// Defines a statement: one text for both databases, one for each, or one for
/// PostgreSQL alone, where SQLite has another way and never runs it.
macro_rules! statement {
    ($name:ident, $both:expr) => {
        const $name: $crate::store::Statement =
            $crate::store::Statement { name: stringify!($name), sqlite: $both, postgres: $both };
    };
    ($name:ident, postgres $postgres:expr) => {
        $crate::store::statement::statement!(
            $name,
            sqlite "select 1 where 0",
            postgres $postgres
        );
    };
    ($name:ident, sqlite $sqlite:expr, postgres $postgres:expr) => {
        const $name: $crate::store::Statement = $crate::store::Statement {
            name: stringify!($name),
            sqlite: $sqlite,
            postgres: $postgres,
        };
    };
}
pub(crate) use statement;

pub(crate) use super::rows::{Rows, Type};
use super::rows::{push_int, push_text};

/// One argument of a statement.
#[derive(Clone, Debug)]
pub(crate) enum Arg {
    /// A whole number or null.
    Int(Option<i64>),
    /// A text or null.
    Text(Option<String>),
    /// Bytes or null.
    Bytes(Option<Vec<u8>>),
    /// A list of numbers: an array on PostgreSQL, a JSON array on SQLite.
    Ints(Vec<i64>),
    /// A list of texts: an array on PostgreSQL, a JSON array on SQLite.
    Texts(Vec<String>),
    /// Rows to write: one array a column on PostgreSQL, one JSON document on SQLite.
    Rows(Rows),
}

impl Arg {
    /// How long its text or bytes are.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Text(Some(text)) => text.len(),
            Self::Bytes(Some(bytes)) => bytes.len(),
            _ => 0,
        }
    }
}

macro_rules! from {
    ($($given:ty => |$value:ident| $arg:expr;)*) => { $(
        impl From<$given> for Arg {
            fn from($value: $given) -> Self {
                $arg
            }
        }
    )* };
}

from! {
    i64 => |value| Self::Int(Some(value));
    Option<i64> => |value| Self::Int(value);
    &str => |value| Self::Text(Some(value.to_owned()));
    String => |value| Self::Text(Some(value));
    Option<String> => |value| Self::Text(value);
    Vec<u8> => |value| Self::Bytes(Some(value));
    [u8; 32] => |value| Self::Bytes(Some(value.to_vec()));
    Option<[u8; 32]> => |value| Self::Bytes(value.map(|bytes| bytes.to_vec()));
    Vec<i64> => |value| Self::Ints(value);
    Vec<String> => |value| Self::Texts(value);
    Rows => |value| Self::Rows(value);
}

/// Builds the argument list of a statement.
macro_rules! args {
    ($($value:expr),* $(,)?) => { vec![$($crate::store::statement::Arg::from($value)),*] };
}
pub(crate) use args;

/// Builds the cells of a row.
macro_rules! cells {
    ($($value:expr),* $(,)?) => { [$($crate::store::statement::Arg::from($value)),*] };
}
pub(crate) use cells;

/// A row of either database, read by column number.
#[derive(Debug)]
pub(crate) enum Row {
    /// Of SQLite.
    Sqlite(&'static str, SqliteRow),
    /// Of PostgreSQL.
    Postgres(&'static str, PgRow),
}

macro_rules! read {
    ($name:ident, $kind:ty) => {
        pub(crate) fn $name(&self, index: usize) -> Result<$kind, StoreError> {
            let (statement, value) = match self {
                Self::Sqlite(name, row) => (name, row.try_get::<$kind, _>(index)),
                Self::Postgres(name, row) => (name, row.try_get::<$kind, _>(index)),
            };
            value.map_err(|error| StoreError::Decode { statement, message: error.to_string() })
        }
    };
}

impl Row {
    read!(int, i64);
    read!(int_opt, Option<i64>);
    read!(text, String);
    read!(text_opt, Option<String>);
    read!(bytes, Vec<u8>);
    read!(bytes_opt, Option<Vec<u8>>);

    /// A cell of a type.
    pub(super) fn cell(&self, index: usize, kind: Type) -> Result<Arg, StoreError> {
        Ok(match kind {
            Type::Int => Arg::Int(self.int_opt(index)?),
            Type::Text => Arg::Text(self.text_opt(index)?),
            Type::Bytes => Arg::Bytes(self.bytes_opt(index)?),
        })
    }

    /// A number that is 0 or 1.
    pub(crate) fn flag(&self, index: usize) -> Result<bool, StoreError> {
        Ok(self.int(index)? != 0)
    }

    /// A 32-byte hash.
    pub(crate) fn hash(&self, index: usize) -> Result<[u8; 32], StoreError> {
        self.hash_opt(index)?.ok_or_else(|| self.decode_error("a hash is missing"))
    }

    /// A 32-byte hash or null.
    pub(crate) fn hash_opt(&self, index: usize) -> Result<Option<[u8; 32]>, StoreError> {
        let Some(bytes) = self.bytes_opt(index)? else {
            return Ok(None);
        };
        bytes.try_into().map(Some).map_err(|_| self.decode_error("a hash has not 32 bytes"))
    }

    /// A value that the program's types do not allow.
    pub(crate) fn decode_error(&self, message: impl Into<String>) -> StoreError {
        let (Self::Sqlite(statement, _) | Self::Postgres(statement, _)) = self;
        StoreError::Decode { statement, message: message.into() }
    }

    /// A text that must satisfy a domain type.
    pub(crate) fn parsed<T, E: std::fmt::Display>(
        &self,
        index: usize,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, StoreError> {
        let text = self.text(index)?;
        parse(&text).map_err(|error| self.decode_error(error.to_string()))
    }
}

/// A connection of either database, borrowed for some statements.
#[derive(Debug)]
pub(crate) enum Conn<'c> {
    /// To SQLite.
    Sqlite(&'c mut SqliteConnection),
    /// To PostgreSQL.
    Postgres(&'c mut PgConnection),
}

/// Runs one body with the connection's own driver, query and text: the only
/// place where the two databases fork for statements.
macro_rules! dispatch {
    ($self:ident, $statement:ident, $args:ident, |$query:ident, $conn:ident, $wrap:ident| $body:expr) => {
        match $self {
            Conn::Sqlite($conn) => {
                let arguments = sqlite_arguments($args)?;
                let $query = sqlx::query_with::<Sqlite, _>($statement.sqlite, arguments);
                let $wrap = Row::Sqlite;
                $body
            }
            Conn::Postgres($conn) => {
                let arguments = postgres_arguments($args)?;
                let $query = sqlx::query_with::<Postgres, _>($statement.postgres, arguments);
                let $wrap = Row::Postgres;
                $body
            }
        }
    };
}

impl Conn<'_> {
    /// All rows of a statement.
    pub(crate) async fn all(
        &mut self,
        statement: &'static Statement,
        args: Vec<Arg>,
    ) -> Result<Vec<Row>, StoreError> {
        dispatch!(self, statement, args, |query, conn, wrap| {
            let rows = query.fetch_all(&mut **conn).await?;
            Ok(rows.into_iter().map(|row| wrap(statement.name, row)).collect())
        })
    }

    /// The first row of a statement, if it has one.
    pub(crate) async fn optional(
        &mut self,
        statement: &'static Statement,
        args: Vec<Arg>,
    ) -> Result<Option<Row>, StoreError> {
        dispatch!(self, statement, args, |query, conn, wrap| {
            Ok(query.fetch_optional(&mut **conn).await?.map(|row| wrap(statement.name, row)))
        })
    }

    /// The one row of a statement that always has one.
    pub(crate) async fn one(
        &mut self,
        statement: &'static Statement,
        args: Vec<Arg>,
    ) -> Result<Row, StoreError> {
        dispatch!(self, statement, args, |query, conn, wrap| {
            Ok(wrap(statement.name, query.fetch_one(&mut **conn).await?))
        })
    }

    /// Runs a statement; the number of rows it changed.
    pub(crate) async fn execute(
        &mut self,
        statement: &'static Statement,
        args: Vec<Arg>,
    ) -> Result<u64, StoreError> {
        dispatch!(self, statement, args, |query, conn, _wrap| {
            Ok(query.execute(&mut **conn).await?.rows_affected())
        })
    }

    /// Runs a statement that must change exactly one row.
    pub(crate) async fn execute_one(
        &mut self,
        statement: &'static Statement,
        args: Vec<Arg>,
    ) -> Result<(), StoreError> {
        match self.execute(statement, args).await? {
            1 => Ok(()),
            changed => {
                Err(StoreError::RowsAffected { statement: statement.name, changed, expected: 1 })
            }
        }
    }

    /// Writes rows with one statement and checks that each was written. No rows, no statement.
    pub(crate) async fn write(
        &mut self,
        statement: &'static Statement,
        rows: Rows,
    ) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        let expected = rows.len() as u64;
        let changed = self.execute(statement, args![rows]).await?;
        if changed == expected {
            Ok(())
        } else {
            Err(StoreError::RowsAffected { statement: statement.name, changed, expected })
        }
    }

    /// The same with some statements in turn, where SQLite has texts of their own for rows.
    pub(crate) async fn write_rows<const STATEMENTS: usize>(
        &mut self,
        all: [(&'static Statement, &'static Bulk, Rows); STATEMENTS],
    ) -> Result<(), StoreError> {
        let Self::Sqlite(conn) = self else {
            for (statement, _, rows) in all {
                self.write(statement, rows).await?;
            }
            return Ok(());
        };
        let expected = all.iter().map(|(_, _, rows)| rows.len() as u64).sum();
        // Summed: which of them it was is not known, and no statement writes too many.
        let statement = all.last().map_or("no statement", |(_, bulk, _)| bulk.name);
        let rows = all.map(|(_, bulk, rows)| (bulk, rows));
        let changed = super::bulk::write(conn, rows).await?;
        if changed == expected {
            Ok(())
        } else {
            Err(StoreError::RowsAffected { statement, changed, expected })
        }
    }

    /// Prepares a statement without running it.
    pub(crate) async fn prepare(
        &mut self,
        statement: &'static Statement,
    ) -> Result<(), StoreError> {
        use sqlx::Executor as _;
        use sqlx::SqlSafeStr as _;
        match self {
            Self::Sqlite(conn) => {
                conn.prepare(statement.sqlite.into_sql_str()).await?;
            }
            Self::Postgres(conn) => {
                conn.prepare(statement.postgres.into_sql_str()).await?;
            }
        }
        Ok(())
    }
}

pub(super) fn encode_error(error: sqlx::error::BoxDynError) -> StoreError {
    StoreError::Statement(sqlx::Error::Encode(error))
}

pub(super) fn sqlite_arguments(args: Vec<Arg>) -> Result<SqliteArguments, StoreError> {
    let mut arguments = SqliteArguments::default();
    for arg in args {
        match arg {
            Arg::Int(value) => arguments.add(value),
            Arg::Text(value) => arguments.add(value),
            Arg::Bytes(value) => arguments.add(value),
            Arg::Ints(values) => arguments.add(json_list(values, push_int)),
            Arg::Texts(values) => {
                arguments.add(json_list(values, |json, text| push_text(json, &text)))
            }
            Arg::Rows(rows) => arguments.add(rows.to_json()),
        }
        .map_err(encode_error)?;
    }
    Ok(arguments)
}

fn json_list<T>(values: Vec<T>, push: fn(&mut String, T)) -> String {
    let mut json = String::with_capacity(values.len() * 8 + 2);
    json.push('[');
    for (index, value) in values.into_iter().enumerate() {
        if index > 0 {
            json.push(',');
        }
        push(&mut json, value);
    }
    json.push(']');
    json
}

pub(super) fn postgres_arguments(args: Vec<Arg>) -> Result<PgArguments, StoreError> {
    let mut arguments = PgArguments::default();
    for arg in args {
        match arg {
            Arg::Int(value) => arguments.add(value),
            Arg::Text(value) => arguments.add(value),
            Arg::Bytes(value) => arguments.add(value),
            Arg::Ints(values) => arguments.add(values),
            Arg::Texts(values) => arguments.add(values),
            Arg::Rows(rows) => rows.add_columns(&mut arguments),
        }
        .map_err(encode_error)?;
    }
    Ok(arguments)
}
