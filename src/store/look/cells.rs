//! A row of the look, as either database brings it.

use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};

use crate::store::StoreError;
use crate::store::statement::Row;

/// A row, read by the number of its whole number or text.
#[derive(Debug)]
pub(super) struct Cells {
    row: Source,
    /// Where its whole numbers begin, its texts, and the one value that is bytes.
    numbers: usize,
    texts: usize,
    bytes: usize,
}

#[derive(Debug)]
enum Source {
    /// Of a JSON document, in which bytes are hexadecimal text.
    Document(&'static str, Vec<Cell>),
    Row(Row),
}

/// A value of a JSON document.
#[derive(Debug)]
enum Cell {
    Null,
    Int(i64),
    Text(String),
}

impl<'de> Deserialize<'de> for Cell {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OfValue;

        impl Visitor<'_> for OfValue {
            type Value = Cell;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number, a text or null")
            }

            fn visit_unit<E: de::Error>(self) -> Result<Cell, E> {
                Ok(Cell::Null)
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Cell, E> {
                Ok(Cell::Int(value))
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Cell, E> {
                i64::try_from(value).map(Cell::Int).map_err(E::custom)
            }

            fn visit_str<E: de::Error>(self, value: &str) -> Result<Cell, E> {
                Ok(Cell::Text(value.to_owned()))
            }
        }

        deserializer.deserialize_any(OfValue)
    }
}

impl Cells {
    /// The rows of a JSON document: an array of arrays whose texts follow so many
    /// numbers; bytes follow one text.
    pub(super) fn of_document(
        statement: &'static str,
        document: &str,
        texts: usize,
    ) -> Result<Vec<Self>, StoreError> {
        let rows: Vec<Vec<Cell>> = serde_json::from_str(document)
            .map_err(|error| StoreError::Decode { statement, message: error.to_string() })?;
        let cells = |row| Self {
            row: Source::Document(statement, row),
            numbers: 0,
            texts,
            bytes: texts + 1,
        };
        Ok(rows.into_iter().map(cells).collect())
    }

    /// A row whose numbers begin at a column; so many texts follow so many numbers,
    /// and then bytes.
    pub(super) const fn of_row(row: Row, first: usize, numbers: usize, texts: usize) -> Self {
        let begin = first + numbers;
        Self { row: Source::Row(row), numbers: first, texts: begin, bytes: begin + texts }
    }

    pub(super) fn number(&self, index: usize) -> Result<i64, StoreError> {
        self.number_opt(index)?.ok_or_else(|| self.decode_error("a number is missing"))
    }

    pub(super) fn number_opt(&self, index: usize) -> Result<Option<i64>, StoreError> {
        let column = self.numbers + index;
        match &self.row {
            Source::Row(row) => row.int_opt(column),
            Source::Document(_, row) => match row.get(column) {
                Some(Cell::Int(value)) => Ok(Some(*value)),
                Some(Cell::Null) => Ok(None),
                Some(Cell::Text(_)) | None => Err(self.decode_error("not a whole number")),
            },
        }
    }

    pub(super) fn text(&self, index: usize) -> Result<String, StoreError> {
        self.text_opt(index)?.ok_or_else(|| self.decode_error("a text is missing"))
    }

    pub(super) fn text_opt(&self, index: usize) -> Result<Option<String>, StoreError> {
        let column = self.texts + index;
        match &self.row {
            Source::Row(row) => row.text_opt(column),
            Source::Document(_, row) => match row.get(column) {
                Some(Cell::Text(value)) => Ok(Some(value.clone())),
                Some(Cell::Null) => Ok(None),
                Some(Cell::Int(_)) | None => Err(self.decode_error("not a text")),
            },
        }
    }

    /// The 32 bytes of a hash.
    pub(super) fn hash_opt(&self) -> Result<Option<[u8; 32]>, StoreError> {
        match &self.row {
            Source::Row(row) => row.hash_opt(self.bytes),
            Source::Document(_, row) => match row.get(self.bytes) {
                Some(Cell::Text(hex)) => of_hex(hex)
                    .map(Some)
                    .ok_or_else(|| self.decode_error("a hash has not 32 bytes")),
                Some(Cell::Null) => Ok(None),
                Some(Cell::Int(_)) | None => Err(self.decode_error("not a hash")),
            },
        }
    }

    /// A text that must satisfy a domain type.
    pub(super) fn parsed<T, E: fmt::Display>(
        &self,
        index: usize,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, StoreError> {
        let text = match &self.row {
            Source::Document(_, row) => match row.get(self.texts + index) {
                Some(Cell::Text(text)) => parse(text),
                _ => return Err(self.decode_error("a text is missing")),
            },
            Source::Row(row) => return row.parsed(self.texts + index, parse),
        };
        text.map_err(|error| self.decode_error(error.to_string()))
    }

    /// A value that the program's types do not allow.
    pub(super) fn decode_error(&self, message: impl Into<String>) -> StoreError {
        match &self.row {
            Source::Row(row) => row.decode_error(message),
            Source::Document(statement, _) => {
                StoreError::Decode { statement, message: message.into() }
            }
        }
    }
}

fn of_hex(hex: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    let digits = hex.as_bytes();
    if digits.len() != 2 * bytes.len() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_read_by_numbers_texts_and_bytes() {
        let hash = "0f".repeat(32);
        let document = format!(r#"[[7,null,"a\"b",null],[-1,2,"c","{hash}"]]"#);
        let rows = Cells::of_document("LOOK", &document, 2).unwrap();
        let [first, second] = rows.as_slice() else {
            panic!("two rows");
        };
        assert_eq!((first.number(0).unwrap(), first.number_opt(1).unwrap()), (7, None));
        assert_eq!(first.text(0).unwrap(), "a\"b");
        assert_eq!(first.hash_opt().unwrap(), None);
        assert!(first.number(1).is_err() && first.number(2).is_err() && first.text(3).is_err());
        assert_eq!(second.number(0).unwrap(), -1);
        assert_eq!(second.hash_opt().unwrap(), Some([0x0f; 32]));
    }

    #[test]
    fn a_hash_of_another_length_is_refused() {
        let rows = Cells::of_document("LOOK", r#"[[1,"k","0f"]]"#, 1).unwrap();
        assert!(rows[0].hash_opt().is_err());
    }
}
