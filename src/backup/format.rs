//! The file of a backup: gzip, and in it one JSON document a line.
//!
//! The first line says what it is: format, schema, newest entry, instance key, and each
//! table with its columns and number of rows. Then come the rows, table after table,
//! each as an array: numbers, texts, null, and bytes as hexadecimal text. The last line
//! has the SHA-256 of all lines before it. Anything that reads JSON can read it.

use std::io::{BufRead, BufReader, Read, Write};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::store::dump::{TABLES, Table};
use crate::store::statement::{Arg, Type};

/// The format of this program.
pub(super) const VERSION: i64 = 1;
/// The name of the format.
pub(super) const NAME: &str = "invshop-backup";
/// The longest line that is read: far above the largest row, in bytes.
const LINE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Always [`NAME`].
    pub(super) format: String,
    /// The version of the format.
    pub version: i64,
    /// The schema version of the tables.
    pub schema: i64,
    /// The version of the program that wrote it.
    pub program: String,
    /// When it was begun, UTC milliseconds.
    pub at: i64,
    /// The newest entry of the journal in it; 0 where there is none.
    pub seq: i64,
    /// Public id of the instance key that personal data is sealed with.
    pub key_id: String,
    /// What follows.
    pub(super) tables: Vec<TableHeader>,
}

/// A table of the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TableHeader {
    pub(super) name: String,
    pub(super) columns: Vec<String>,
    pub(super) rows: u64,
}

impl Header {
    /// Rows of all tables.
    pub fn rows(&self) -> u64 {
        self.tables.iter().map(|table| table.rows).sum()
    }

    /// Whether the tables are those of this program, in their order.
    pub(super) fn has_our_tables(&self) -> bool {
        self.tables.len() == TABLES.len()
            && self.tables.iter().zip(&TABLES).all(|(theirs, ours)| {
                theirs.name == ours.name
                    && theirs.columns.iter().eq(ours.columns.iter().map(|(name, _)| name))
            })
    }
}

/// The last line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Trailer {
    sha256: String,
}

/// Writes a file line by line.
#[derive(Debug)]
pub(super) struct Lines<W: Write> {
    out: GzEncoder<W>,
    digest: Sha256,
    line: Vec<u8>,
}

impl<W: Write> Lines<W> {
    pub(super) fn new(out: W) -> Self {
        // Rows are alike: more effort gains little.
        let out = GzEncoder::new(out, Compression::fast());
        Self { out, digest: Sha256::new(), line: Vec::new() }
    }

    pub(super) fn header(&mut self, header: &Header) -> std::io::Result<()> {
        self.line = serde_json::to_vec(header)?;
        self.end_line()
    }

    pub(super) fn row(&mut self, cells: &[Arg]) -> std::io::Result<()> {
        self.line.push(b'[');
        for (index, cell) in cells.iter().enumerate() {
            if index > 0 {
                self.line.push(b',');
            }
            match cell {
                Arg::Int(Some(number)) => serde_json::to_writer(&mut self.line, number)?,
                Arg::Text(Some(text)) => serde_json::to_writer(&mut self.line, text)?,
                Arg::Bytes(Some(bytes)) => {
                    self.line.push(b'"');
                    push_hex(&mut self.line, bytes);
                    self.line.push(b'"');
                }
                _ => self.line.extend_from_slice(b"null"),
            }
        }
        self.line.push(b']');
        self.end_line()
    }

    fn end_line(&mut self) -> std::io::Result<()> {
        self.line.push(b'\n');
        self.digest.update(&self.line);
        self.out.write_all(&self.line)?;
        self.line.clear();
        Ok(())
    }

    /// The checksum, and the end of the file.
    pub(super) fn finish(mut self) -> std::io::Result<(W, String)> {
        let mut hex = Vec::new();
        push_hex(&mut hex, &self.digest.clone().finalize());
        let sha256 = String::from_utf8_lossy(&hex).into_owned();
        let trailer = Trailer { sha256: sha256.clone() };
        self.out.write_all(&serde_json::to_vec(&trailer)?)?;
        self.out.write_all(b"\n")?;
        Ok((self.out.finish()?, sha256))
    }
}

fn push_hex(out: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        out.push(DIGITS[usize::from(byte >> 4)]);
        out.push(DIGITS[usize::from(byte & 15)]);
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

/// What is wrong with a file, in words.
pub(super) type Wrong = String;

/// Reads a file line by line, and its checksum at the end.
#[derive(Debug)]
pub(super) struct Reading<R> {
    input: BufReader<GzDecoder<R>>,
    digest: Sha256,
    line: Vec<u8>,
    number: u64,
}

impl<R: Read> Reading<R> {
    pub(super) fn new(input: R) -> Self {
        let input = BufReader::new(GzDecoder::new(input));
        Self { input, digest: Sha256::new(), line: Vec::new(), number: 0 }
    }

    /// The next line without its end.
    fn next_line(&mut self) -> Result<&[u8], Wrong> {
        self.line.clear();
        self.number += 1;
        let mut input = (&mut self.input).take(LINE_BYTES_MAX);
        let read = input.read_until(b'\n', &mut self.line).map_err(|error| error.to_string())?;
        if read == 0 || self.line.pop() != Some(b'\n') {
            return Err(format!("it breaks off in line {}", self.number));
        }
        Ok(&self.line)
    }

    /// The first line; `None` when it is not that of a backup.
    pub(super) fn header(&mut self) -> Option<Header> {
        let line = self.next_line().ok()?;
        let header: Header = serde_json::from_slice(line).ok()?;
        self.hash_line();
        (header.format == NAME).then_some(header)
    }

    /// The next row of a table.
    pub(super) fn row(&mut self, table: &Table) -> Result<Vec<Arg>, Wrong> {
        self.next_line()?;
        self.hash_line();
        let wrong = |number: u64| format!("line {number} is no row of {}", table.name);
        let cells: Vec<Value> =
            serde_json::from_slice(&self.line).map_err(|_| wrong(self.number))?;
        if cells.len() != table.columns.len() {
            return Err(wrong(self.number));
        }
        let cells = cells.into_iter().zip(table.columns);
        let cells = cells.map(|(cell, (_, kind))| read_cell(cell, *kind));
        let cells: Option<Vec<Arg>> = cells.collect();
        cells
            .filter(|cells| {
                !matches!(cells[0], Arg::Int(None) | Arg::Text(None) | Arg::Bytes(None))
            })
            .ok_or_else(|| wrong(self.number))
    }

    fn hash_line(&mut self) {
        self.digest.update(&self.line);
        self.digest.update(b"\n");
    }

    /// The end: the checksum is that of all lines, and nothing follows.
    pub(super) fn finish(mut self) -> Result<(), Wrong> {
        let mut hex = Vec::new();
        push_hex(&mut hex, &self.digest.clone().finalize());
        let line = self.next_line()?;
        let trailer: Trailer =
            serde_json::from_slice(line).map_err(|_| "its last line is no checksum".to_owned())?;
        if trailer.sha256.as_bytes() != hex {
            return Err("its checksum is another".to_owned());
        }
        let mut rest = [0; 1];
        match self.input.read(&mut rest) {
            Ok(0) => Ok(()),
            Ok(_) => Err("something follows its end".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }
}

fn read_cell(cell: Value, kind: Type) -> Option<Arg> {
    Some(match (kind, cell) {
        (Type::Int, Value::Null) => Arg::Int(None),
        (Type::Text, Value::Null) => Arg::Text(None),
        (Type::Bytes, Value::Null) => Arg::Bytes(None),
        (Type::Int, Value::Number(number)) => Arg::Int(Some(number.as_i64()?)),
        (Type::Text, Value::String(text)) => Arg::Text(Some(text)),
        (Type::Bytes, Value::String(text)) => Arg::Bytes(Some(from_hex(&text)?)),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_stand_as_hexadecimal_text() {
        let mut hex = Vec::new();
        push_hex(&mut hex, &[0, 15, 255]);
        assert_eq!(hex, b"000fff");
        assert_eq!(from_hex("000fFf").unwrap(), [0, 15, 255]);
        assert_eq!(from_hex("").unwrap(), [0_u8; 0]);
        for wrong in ["0", "0g", "+1", "ä"] {
            assert_eq!(from_hex(wrong), None, "{wrong}");
        }
    }
}
