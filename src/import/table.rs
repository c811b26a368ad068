//! The file as rows under named columns.

use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;

use csv::ByteRecord;
use sha2::Sha256;

use super::ImportError;
use super::finding::{Finding, quoted};
use super::guard::{BUFFER_BYTES, Guard, RECORD_BYTES_MAX};

/// The most columns a file may have.
const COLUMNS_MAX: usize = 1000;

/// A file to import: it is read more than once, so standard input is kept in a
/// temporary file first.
#[derive(Debug)]
pub struct Source {
    file: File,
    name: String,
    bytes: u64,
}

impl Source {
    /// Opens a file.
    pub fn open(path: &Path) -> Result<Self, ImportError> {
        let io = |error| ImportError::Io { file: path.display().to_string(), error };
        let file = File::open(path).map_err(io)?;
        let about = file.metadata().map_err(io)?;
        if about.is_dir() {
            return Err(io(io::Error::from(io::ErrorKind::IsADirectory)));
        }
        if !about.is_file() {
            return Self::spool(&path.display().to_string(), file);
        }
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        Ok(Self { file, name, bytes: about.len() })
    }

    /// Keeps a stream in a temporary file that nobody else can see.
    pub fn spool(name: &str, mut stream: impl Read) -> Result<Self, ImportError> {
        let failed = |error| ImportError::Io { file: name.to_owned(), error };
        let mut file = tempfile::tempfile().map_err(failed)?;
        let bytes = io::copy(&mut stream, &mut file).map_err(failed)?;
        file.flush().map_err(failed)?;
        Ok(Self { file, name: name.to_owned(), bytes })
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many bytes it has.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    fn failed(&self) -> impl Fn(io::Error) -> ImportError + '_ {
        |error| ImportError::Io { file: self.name.clone(), error }
    }

    /// Reads the header. All handles share one place in the file, so only the
    /// newest table of a source may be read.
    pub(super) fn table(&self, columns: &'static Columns) -> Result<Table, ImportError> {
        self.read(columns, true)
    }

    /// The same for another pass over a file whose hash is known.
    pub(super) fn table_again(&self, columns: &'static Columns) -> Result<Table, ImportError> {
        self.read(columns, false)
    }

    fn read(&self, columns: &'static Columns, hashes: bool) -> Result<Table, ImportError> {
        let mut file = self.file.try_clone().map_err(self.failed())?;
        file.seek(SeekFrom::Start(0)).map_err(self.failed())?;
        let mut first = [0; 3];
        let mut count = 0;
        while count < first.len() {
            match file.read(&mut first[count..]).map_err(self.failed())? {
                0 => break,
                more => count += more,
            }
        }
        let wrong = |message: String| ImportError::File { file: self.name.clone(), message };
        if first.starts_with(&[0xff, 0xfe]) || first.starts_with(&[0xfe, 0xff]) {
            return Err(wrong("is UTF-16\nhint: save it as CSV UTF-8".to_owned()));
        }
        let start = if first == [0xef, 0xbb, 0xbf] { 3 } else { 0 };
        file.seek(SeekFrom::Start(start)).map_err(self.failed())?;
        Table::open(Guard::new(file, hashes), &self.name, columns)
    }
}

/// The columns of a kind of file.
#[derive(Debug)]
pub(super) struct Columns {
    pub(super) required: &'static [&'static str],
    pub(super) optional: &'static [&'static str],
}

impl Columns {
    pub(super) fn all(&self) -> impl Iterator<Item = &'static str> {
        self.required.iter().chain(self.optional).copied()
    }
}

/// Which known column stands where.
#[derive(Debug)]
struct Layout {
    places: Vec<(&'static str, usize)>,
    width: usize,
}

/// One row; what is wrong with its shape is known, its cells are not read yet.
#[derive(Debug)]
pub(super) struct Row {
    /// Its number in the file, from 0, the header not counted.
    pub(super) number: u32,
    pub(super) line: u64,
    record: ByteRecord,
    layout: Arc<Layout>,
    broken: Option<String>,
}

impl Row {
    /// What is wrong with the row as a whole.
    pub(super) fn broken(&self) -> Option<Finding> {
        self.broken.as_ref().map(|message| Finding::of(self.line, message))
    }

    fn bytes(&self, column: &str) -> Option<&[u8]> {
        let place = self.layout.places.iter().find(|(name, _)| *name == column);
        place.and_then(|&(_, index)| self.record.get(index))
    }

    /// A cell; `None` where it is empty or its column is not there.
    pub(super) fn cell(&self, column: &'static str) -> Result<Option<&str>, Finding> {
        let Some(bytes) = self.bytes(column).filter(|bytes| !bytes.is_empty()) else {
            return Ok(None);
        };
        std::str::from_utf8(bytes)
            .map(Some)
            .map_err(|_| Finding::at(self.line, column, "is not UTF-8"))
    }

    /// A cell read by a domain type.
    pub(super) fn read<T, E: std::fmt::Display>(
        &self,
        column: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, Finding> {
        let Some(text) = self.cell(column)? else {
            return Ok(None);
        };
        parse(text).map(Some).map_err(|error| Finding::at(self.line, column, error))
    }

    /// A cell that must be there.
    pub(super) fn required<T, E: std::fmt::Display>(
        &self,
        column: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, Finding> {
        self.read(column, parse)?.ok_or_else(|| Finding::at(self.line, column, "is empty"))
    }

    /// Whether the file has a column at all.
    pub(super) fn has_column(&self, column: &str) -> bool {
        self.layout.places.iter().any(|(name, _)| *name == column)
    }

    /// Whether a cell says anything, readable or not.
    pub(super) fn has(&self, column: &str) -> bool {
        self.bytes(column).is_some_and(|bytes| !bytes.is_empty())
    }
}

/// The rows of a file, in order.
#[derive(Debug)]
pub(super) struct Table {
    reader: csv::Reader<Guard>,
    layout: Arc<Layout>,
    name: String,
    unknown: Vec<String>,
    /// What the row before had: the next has about as many.
    row_bytes: usize,
    rows: u32,
    done: bool,
}

impl Table {
    fn open(file: Guard, name: &str, columns: &'static Columns) -> Result<Self, ImportError> {
        let reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .buffer_capacity(BUFFER_BYTES)
            .from_reader(file);
        let layout = Arc::new(Layout { places: Vec::new(), width: 0 });
        let name = name.to_owned();
        let (unknown, row_bytes) = (Vec::new(), 0);
        let mut table = Self { reader, layout, name, unknown, row_bytes, rows: 0, done: false };
        let expected = columns.required.join(",");
        let Some((header, _)) = table.record()? else {
            return Err(table.wrong(format!("is empty; it needs a header line with {expected}")));
        };
        let names = table.names(&header)?;
        table.arrange(&names, columns)?;
        Ok(table)
    }

    fn names(&self, header: &ByteRecord) -> Result<Vec<String>, ImportError> {
        if header.len() > COLUMNS_MAX {
            return Err(self.wrong(format!("has more than {COLUMNS_MAX} columns")));
        }
        let name = |bytes: &[u8]| match std::str::from_utf8(bytes) {
            Ok(name) => Ok(name.to_owned()),
            Err(_) => Err(self.wrong("has a header that is not UTF-8".to_owned())),
        };
        header.iter().map(name).collect()
    }

    fn arrange(&mut self, names: &[String], columns: &'static Columns) -> Result<(), ImportError> {
        let mut places = Vec::new();
        for known in columns.all() {
            let mut found = names.iter().enumerate().filter(|(_, name)| name.as_str() == known);
            match (found.next(), found.next()) {
                (_, Some(_)) => {
                    return Err(self.wrong(format!("has the column {known} twice")));
                }
                (Some((index, _)), None) => places.push((known, index)),
                (None, None) => {}
            }
        }
        let missing: Vec<&str> = columns
            .required
            .iter()
            .copied()
            .filter(|known| !places.iter().any(|(name, _)| name == known))
            .collect();
        if !missing.is_empty() {
            return Err(self.missing(names, &missing));
        }
        let known = |name: &String| places.iter().any(|(known, _)| known == name);
        self.unknown = names.iter().filter(|name| !known(name)).map(|name| quoted(name)).collect();
        self.layout = Arc::new(Layout { places, width: names.len() });
        Ok(())
    }

    fn missing(&self, names: &[String], missing: &[&str]) -> ImportError {
        let missing = missing.join(", ");
        let only = names.first().filter(|_| names.len() == 1);
        let hint = match only {
            Some(name) if name.contains(';') => {
                "\nhint: its columns are divided by semicolons; save it with commas"
            }
            Some(name) if name.contains('\t') => {
                "\nhint: its columns are divided by tabs; save it with commas"
            }
            _ => "\nhint: the first line must name the columns",
        };
        self.wrong(format!("lacks the column {missing}{hint}"))
    }

    fn wrong(&self, message: String) -> ImportError {
        ImportError::File { file: self.name.clone(), message }
    }

    /// Columns that mean nothing here.
    pub(super) fn unknown(&self) -> &[String] {
        &self.unknown
    }

    /// Bytes read so far.
    pub(super) fn delivered(&self) -> u64 {
        self.reader.get_ref().delivered()
    }

    /// The hash of what was read so far; of the file, once there are no more rows. Not of
    /// another pass.
    pub(super) fn hash(&self) -> Sha256 {
        self.reader.get_ref().hash()
    }

    fn record(&mut self) -> Result<Option<(ByteRecord, super::guard::Mark)>, ImportError> {
        let byte = self.reader.position().byte();
        self.reader.get_mut().begin_record(byte);
        let mut record = self.record_like_the_last();
        let found = match self.reader.read_byte_record(&mut record) {
            Ok(found) => found,
            Err(error) => return Err(self.unreadable(error)),
        };
        if !found {
            // The row before this was the one that swallowed the rest of the file.
            return match self.reader.get_ref().unclosed() {
                Some(line) => {
                    Err(self.wrong(format!("line {line}: a quote is opened and never closed")))
                }
                None => Ok(None),
            };
        }
        self.row_bytes = record.as_slice().len();
        let line = self.reader.get_ref().line();
        let mark = self.reader.get_mut().take_mark();
        let mark = mark.unwrap_or(super::guard::Mark { line, stray: None });
        if self.reader.position().byte() - byte > RECORD_BYTES_MAX {
            return Err(self.too_long(mark.line));
        }
        Ok(Some((record, mark)))
    }

    /// Room for a row that is a little longer than the last, within reason: one that grows
    /// is copied, and after a very long one come many that are kept together.
    fn record_like_the_last(&self) -> ByteRecord {
        const MORE_BYTES: usize = 32;
        const ROW_BYTES_MAX: usize = 1024;
        let bytes = self.row_bytes.min(ROW_BYTES_MAX) + MORE_BYTES;
        ByteRecord::with_capacity(bytes, self.layout.width + 1)
    }

    fn unreadable(&mut self, error: csv::Error) -> ImportError {
        let too_long = |error: &io::Error| error.kind() == io::ErrorKind::FileTooLarge;
        match error.into_kind() {
            csv::ErrorKind::Io(error) if too_long(&error) => {
                let mark = self.reader.get_mut().take_mark();
                let opened = self.reader.get_ref().unclosed();
                match (opened, mark) {
                    (Some(line), _) => self.wrong(format!(
                        "line {line}: a quote is opened and not closed within {RECORD_BYTES_MAX} bytes"
                    )),
                    (None, Some(mark)) => self.too_long(mark.line),
                    (None, None) => self.too_long(self.reader.get_ref().line()),
                }
            }
            csv::ErrorKind::Io(error) => ImportError::Io { file: self.name.clone(), error },
            other => self.wrong(format!("cannot be read: {other:?}")),
        }
    }

    fn too_long(&self, line: u64) -> ImportError {
        self.wrong(format!("line {line}: the row has more than {RECORD_BYTES_MAX} bytes"))
    }

    /// The next row.
    pub(super) fn next(&mut self) -> Result<Option<Row>, ImportError> {
        if self.done {
            return Ok(None);
        }
        let Some((record, mark)) = self.record()? else {
            self.done = true;
            return Ok(None);
        };
        let number = self.rows;
        self.rows =
            number.checked_add(1).ok_or_else(|| self.wrong("has too many rows".to_owned()))?;
        let width = self.layout.width;
        let broken = match mark.stray {
            Some(line) => Some(format!("line {line} has text after a closing quote")),
            None if record.len() != width => {
                Some(format!("has {} fields where the header has {width}", record.len()))
            }
            None => None,
        };
        let layout = Arc::clone(&self.layout);
        Ok(Some(Row { number, line: mark.line, record, layout, broken }))
    }

    /// Up to so many rows, read where blocking is allowed.
    pub(super) async fn rows(mut self, max: usize) -> Result<(Self, Vec<Row>), ImportError> {
        let read = tokio::task::spawn_blocking(move || {
            let mut rows = Vec::with_capacity(max);
            while rows.len() < max {
                match self.next()? {
                    Some(row) => rows.push(row),
                    None => break,
                }
            }
            Ok((self, rows))
        });
        read.await.map_err(|_| ImportError::Interrupted(None))?
    }
}
