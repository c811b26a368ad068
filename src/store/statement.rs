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

/// Defines a statement: one text for both databases, or one for each.
macro_rules! statement {
    ($name:ident, $both:expr) => {
        const $name: $crate::store::Statement =
            $crate::store::Statement { name: stringify!($name), sqlite: $both, postgres: $both };
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

/// One column of [`Rows`].
#[derive(Clone, Debug)]
enum Column {
    Int(Vec<Option<i64>>),
    Text(Vec<Option<String>>),
    Bytes(Vec<Option<Vec<u8>>>),
}

/// The type of a column of [`Rows`].
#[derive(Clone, Copy, Debug)]
pub(crate) enum Type {
    /// Whole numbers.
    Int,
    /// Texts.
    Text,
    /// Bytes; in the JSON document of SQLite they stand as hexadecimal text.
    Bytes,
}

/// Many rows written by one statement.
#[derive(Clone, Debug)]
pub(crate) struct Rows {
    columns: Vec<Column>,
    count: usize,
}

impl Rows {
    /// No rows yet, of the given column types.
    pub(crate) fn new(types: &[Type]) -> Self {
        let column = |kind: &Type| match kind {
            Type::Int => Column::Int(Vec::new()),
            Type::Text => Column::Text(Vec::new()),
            Type::Bytes => Column::Bytes(Vec::new()),
        };
        Self { columns: types.iter().map(column).collect(), count: 0 }
    }

    /// Appends one row; its cells have the types of the columns, in order.
    pub(crate) fn push(&mut self, cells: Vec<Arg>) {
        debug_assert_eq!(cells.len(), self.columns.len(), "a row has a cell for each column");
        for (column, cell) in self.columns.iter_mut().zip(cells) {
            match (column, cell) {
                (Column::Int(values), Arg::Int(value)) => values.push(value),
                (Column::Text(values), Arg::Text(value)) => values.push(value),
                (Column::Bytes(values), Arg::Bytes(value)) => values.push(value),
                (column, cell) => unreachable!("a cell {cell:?} in a column {column:?}"),
            }
        }
        self.count += 1;
    }

    /// How many rows there are.
    pub(crate) const fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    pub(crate) const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The rows as a JSON array of arrays.
    fn to_json(&self) -> String {
        let mut json = String::with_capacity(self.count * self.columns.len() * 6 + 2);
        json.push('[');
        for row in 0..self.count {
            json.push_str(if row == 0 { "[" } else { ",[" });
            for (index, column) in self.columns.iter().enumerate() {
                if index > 0 {
                    json.push(',');
                }
                push_cell(&mut json, column, row);
            }
            json.push(']');
        }
        json.push(']');
        json
    }
}

fn push_cell(json: &mut String, column: &Column, row: usize) {
    match column {
        Column::Int(values) => match values[row] {
            Some(value) => push_int(json, value),
            None => json.push_str("null"),
        },
        Column::Text(values) => match &values[row] {
            Some(text) => push_text(json, text),
            None => json.push_str("null"),
        },
        Column::Bytes(values) => match &values[row] {
            Some(bytes) => push_hex(json, bytes),
            None => json.push_str("null"),
        },
    }
}

fn push_int(json: &mut String, value: i64) {
    use std::fmt::Write as _;
    // Writing to a String cannot fail.
    let _infallible: std::fmt::Result = write!(json, "{value}");
}

fn push_text(json: &mut String, text: &str) {
    json.push('"');
    for character in text.chars() {
        match character {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            control if control < ' ' => {
                use std::fmt::Write as _;
                let _infallible: std::fmt::Result = write!(json, "\\u{:04x}", u32::from(control));
            }
            other => json.push(other),
        }
    }
    json.push('"');
}

fn push_hex(json: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    json.push('"');
    for byte in bytes {
        json.push(char::from(DIGITS[usize::from(byte >> 4)]));
        json.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    json.push('"');
}

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
    read!(bytes_opt, Option<Vec<u8>>);

    /// A number that is 0 or 1.
    pub(crate) fn flag(&self, index: usize) -> Result<bool, StoreError> {
        Ok(self.int(index)? != 0)
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

fn encode_error(error: sqlx::error::BoxDynError) -> StoreError {
    StoreError::Statement(sqlx::Error::Encode(error))
}

fn sqlite_arguments(args: Vec<Arg>) -> Result<SqliteArguments, StoreError> {
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

fn postgres_arguments(args: Vec<Arg>) -> Result<PgArguments, StoreError> {
    let mut arguments = PgArguments::default();
    for arg in args {
        match arg {
            Arg::Int(value) => arguments.add(value),
            Arg::Text(value) => arguments.add(value),
            Arg::Bytes(value) => arguments.add(value),
            Arg::Ints(values) => arguments.add(values),
            Arg::Texts(values) => arguments.add(values),
            Arg::Rows(rows) => add_columns(&mut arguments, rows.columns),
        }
        .map_err(encode_error)?;
    }
    Ok(arguments)
}

fn add_columns(
    arguments: &mut PgArguments,
    columns: Vec<Column>,
) -> Result<(), sqlx::error::BoxDynError> {
    for column in columns {
        match column {
            Column::Int(values) => arguments.add(values)?,
            Column::Text(values) => arguments.add(values)?,
            Column::Bytes(values) => arguments.add(values)?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_json_that_reads_back() {
        let mut rows = Rows::new(&[Type::Int, Type::Text, Type::Bytes]);
        rows.push(args![-5_i64, "a\"b\\c\u{1}é", vec![0_u8, 255]]);
        rows.push(args![None::<i64>, None::<String>, Arg::Bytes(None)]);
        let json: serde_json::Value = serde_json::from_str(&rows.to_json()).unwrap();
        assert_eq!(json, serde_json::json!([[-5, "a\"b\\c\u{1}é", "00ff"], [null, null, null]]));
    }
}
