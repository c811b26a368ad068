//! What stands between the file and the CSV reader: it hashes what is read,
//! knows the line of every record, sees quotes that make no sense, and ends a
//! record that will not end.
//!
//! The CSV reader itself is lenient: an unclosed quote swallows the rest of a
//! file, and text after a closing quote is taken into the field.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};

use sha2::{Digest as _, Sha256};

/// The most bytes a record may have, quotes and delimiters included.
pub(super) const RECORD_BYTES_MAX: u64 = 1024 * 1024;
/// What the CSV reader asks for at a time; so much is read ahead of a record.
pub(super) const BUFFER_BYTES: usize = 64 * 1024;

/// Where a record begins, and what is wrong with its quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// Its first line, from 1.
    pub(super) line: u64,
    /// The line of text after a closing quote.
    pub(super) stray: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// Before a record; line ends here belong to no record.
    Between,
    /// Before a field.
    Start,
    Plain,
    Quoted,
    /// After a quote inside quotes: the field's end, or half of a doubled quote.
    Closed,
}

/// The file as the CSV reader sees it.
#[derive(Debug)]
pub(super) struct Guard {
    file: File,
    hash: Sha256,
    hashes: bool,
    marks: VecDeque<Mark>,
    at: At,
    line: u64,
    opened: u64,
    delivered: u64,
    limit: u64,
}

impl Guard {
    /// For a file that is hashed while it is read, or that was hashed before.
    pub(super) fn new(file: File, hashes: bool) -> Self {
        Self {
            file,
            hash: Sha256::new(),
            hashes,
            marks: VecDeque::new(),
            at: At::Between,
            line: 1,
            opened: 0,
            delivered: 0,
            limit: u64::MAX,
        }
    }

    /// Lets the record that begins at a byte have its size and no more.
    pub(super) fn begin_record(&mut self, byte: u64) {
        self.limit = byte + RECORD_BYTES_MAX + BUFFER_BYTES as u64;
    }

    /// The next record that the CSV reader has read.
    pub(super) fn take_mark(&mut self) -> Option<Mark> {
        self.marks.pop_front()
    }

    /// The line of a quote that was never closed, once the file is read.
    pub(super) fn unclosed(&self) -> Option<u64> {
        (self.at == At::Quoted).then_some(self.opened)
    }

    /// The line reading has come to.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// Bytes read so far.
    pub(super) fn delivered(&self) -> u64 {
        self.delivered
    }

    /// The hash of what was read, where it is hashed.
    pub(super) fn hash(&self) -> Sha256 {
        self.hash.clone()
    }

    fn look(&mut self, byte: u8) {
        let ends_record = matches!(byte, b'\n' | b'\r');
        if self.at == At::Between {
            if ends_record {
                self.line += u64::from(byte == b'\n');
                return;
            }
            self.marks.push_back(Mark { line: self.line, stray: None });
            self.at = At::Start;
        }
        self.at = match (self.at, byte) {
            (At::Quoted, b'"') => At::Closed,
            (At::Start, b'"') => {
                self.opened = self.line;
                At::Quoted
            }
            (At::Quoted, _) | (At::Closed, b'"') => At::Quoted,
            (_, b',') => At::Start,
            (_, b'\n' | b'\r') => At::Between,
            (At::Closed, _) => {
                if let Some(mark) = self.marks.back_mut() {
                    mark.stray = mark.stray.or(Some(self.line));
                }
                At::Plain
            }
            _ => At::Plain,
        };
        self.line += u64::from(byte == b'\n');
    }

    /// How many of the next bytes say nothing where the file is at.
    fn silent(&self, bytes: &[u8]) -> usize {
        let speaks = |byte: &u8| match self.at {
            At::Plain => matches!(byte, b',' | b'\n' | b'\r'),
            At::Quoted => matches!(byte, b'"' | b'\n'),
            At::Between | At::Start | At::Closed => true,
        };
        bytes.iter().position(speaks).unwrap_or(bytes.len())
    }
}

impl Read for Guard {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.delivered >= self.limit {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        let count = self.file.read(buffer)?;
        let mut rest = &buffer[..count];
        while let Some((&byte, after)) = rest.split_first() {
            self.look(byte);
            rest = after.split_at(self.silent(after)).1;
        }
        if self.hashes {
            self.hash.update(&buffer[..count]);
        }
        self.delivered += count as u64;
        Ok(count)
    }
}
