//! Rows to write with one statement, column by column.

use sqlx::Arguments as _;
use sqlx::error::BoxDynError;
use sqlx::postgres::PgArguments;
use sqlx::sqlite::SqliteArguments;

use super::statement::Arg;

/// One column of [`Rows`].
#[derive(Clone, Debug)]
enum Column {
    Int(Vec<Option<i64>>),
    Text(Vec<Option<String>>),
    Bytes(Vec<Option<Vec<u8>>>),
}

impl Column {
    fn is_some(&self, row: usize) -> bool {
        match self {
            Self::Int(values) => values[row].is_some(),
            Self::Text(values) => values[row].is_some(),
            Self::Bytes(values) => values[row].is_some(),
        }
    }
}

/// The type of a column of [`Rows`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    /// Whole numbers.
    Int,
    /// Texts.
    Text,
    /// Bytes; in the JSON document of SQLite they stand as hexadecimal text.
    Bytes,
}

impl Type {
    /// What PostgreSQL calls it.
    pub(super) const fn postgres(self) -> &'static str {
        match self {
            Self::Int => "bigint",
            Self::Text => "text",
            Self::Bytes => "bytea",
        }
    }
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
        Self::with_capacity(types, 0)
    }

    /// No rows yet, with room for some.
    pub(crate) fn with_capacity(types: &[Type], rows: usize) -> Self {
        let column = |kind: &Type| match kind {
            Type::Int => Column::Int(Vec::with_capacity(rows)),
            Type::Text => Column::Text(Vec::with_capacity(rows)),
            Type::Bytes => Column::Bytes(Vec::with_capacity(rows)),
        };
        Self { columns: types.iter().map(column).collect(), count: 0 }
    }

    /// Appends one row; its cells have the types of the columns, in order.
    pub(crate) fn push<const CELLS: usize>(&mut self, cells: [Arg; CELLS]) {
        debug_assert_eq!(CELLS, self.columns.len(), "a row has a cell for each column");
        self.push_cells(cells);
    }

    /// The same for rows whose columns are known at run time.
    pub(crate) fn push_cells(&mut self, cells: impl IntoIterator<Item = Arg>) {
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

    /// How many columns they have.
    pub(super) const fn width(&self) -> usize {
        self.columns.len()
    }

    /// Whether there are none.
    pub(crate) const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Adds one array a column.
    pub(super) fn add_columns(self, arguments: &mut PgArguments) -> Result<(), BoxDynError> {
        for column in self.columns {
            match column {
                Column::Int(values) => arguments.add(values)?,
                Column::Text(values) => arguments.add(values)?,
                Column::Bytes(values) => arguments.add(values)?,
            }
        }
        Ok(())
    }

    /// Adds the cells of one row, or as many nulls where there is no such row.
    pub(super) fn add_row(
        &mut self,
        row: usize,
        arguments: &mut SqliteArguments,
    ) -> Result<(), BoxDynError> {
        for column in &mut self.columns {
            match column {
                Column::Int(values) => arguments.add(values.get(row).copied().flatten())?,
                Column::Text(values) => {
                    arguments.add(values.get_mut(row).and_then(Option::take))?;
                }
                Column::Bytes(values) => {
                    arguments.add(values.get_mut(row).and_then(Option::take))?;
                }
            }
        }
        Ok(())
    }

    /// The rows as a JSON array of arrays; nulls at the end of a row are left out.
    pub(super) fn to_json(&self) -> String {
        let mut json = String::with_capacity(self.count * self.columns.len() * 6 + 2);
        json.push('[');
        for row in 0..self.count {
            json.push_str(if row == 0 { "[" } else { ",[" });
            // A cell that is not there reads as null.
            let used = self.columns.iter().rposition(|column| column.is_some(row));
            let used = used.map_or(0, |last| last + 1);
            for (index, column) in self.columns.iter().take(used).enumerate() {
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

pub(super) fn push_int(json: &mut String, value: i64) {
    use std::fmt::Write as _;
    // Writing to a String cannot fail.
    let _infallible: std::fmt::Result = write!(json, "{value}");
}

pub(super) fn push_text(json: &mut String, text: &str) {
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

#[cfg(test)]
mod tests {
    use super::super::statement::cells;
    use super::*;

    #[test]
    fn rows_become_json_that_reads_back() {
        let mut rows = Rows::new(&[Type::Int, Type::Text, Type::Bytes]);
        rows.push(cells![-5_i64, "a\"b\\c\u{1}é", vec![0_u8, 255]]);
        rows.push(cells![None::<i64>, None::<String>, Arg::Bytes(None)]);
        rows.push(cells![None::<i64>, "jug", Arg::Bytes(None)]);
        let json: serde_json::Value = serde_json::from_str(&rows.to_json()).unwrap();
        let wanted = serde_json::json!([[-5, "a\"b\\c\u{1}é", "00ff"], [], [null, "jug"]]);
        assert_eq!(json, wanted);
    }
}
