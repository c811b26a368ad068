//! The program's own source, for the tests that hold its rules.
#![expect(clippy::string_slice, reason = "every cut is at a character that was just found")]

use std::fs;
use std::path::{Path, PathBuf};

/// One file of the source.
pub(crate) struct Source {
    /// Its path below the crate's root.
    pub(crate) path: PathBuf,
    /// Its text.
    pub(crate) text: String,
    /// Its text without comments and without what stands in string literals.
    pub(crate) code: String,
    /// Its string literals.
    pub(crate) literals: Vec<String>,
}

/// Every Rust file below a folder of the crate, by path.
pub(crate) fn files(folder: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut folders = vec![root.join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(read(root, &path));
            }
        }
    }
    assert!(!found.is_empty(), "{folder} has no Rust files");
    found.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    found
}

fn read(root: &Path, path: &Path) -> Source {
    let text = fs::read_to_string(path).unwrap();
    let (code, literals) = split(&text);
    Source { path: path.strip_prefix(root).unwrap().to_owned(), text, code, literals }
}

/// Tells code from comments and string literals.
fn split(text: &str) -> (String, Vec<String>) {
    let (mut code, mut literals) = (String::new(), Vec::new());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if rest.starts_with("//") {
            rest = rest.find('\n').map_or("", |end| &rest[end..]);
        } else if rest.starts_with("/*") {
            rest = rest.find("*/").map_or("", |end| &rest[end + 2..]);
        } else if let Some(hashes) = raw_string(rest) {
            let close = format!("\"{}", "#".repeat(hashes));
            let body = &rest[hashes + 2..];
            let end = body.find(&close).unwrap();
            literals.push(body[..end].to_owned());
            rest = &body[end + close.len()..];
        } else if first == '"' {
            let end = closing_quote(rest);
            literals.push(rest[1..end].to_owned());
            rest = &rest[end + 1..];
        } else if let Some(length) = char_literal(rest) {
            rest = &rest[length..];
        } else {
            code.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    (code, literals)
}

fn raw_string(rest: &str) -> Option<usize> {
    let after = rest.strip_prefix('r')?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    after[hashes..].starts_with('"').then_some(hashes)
}

fn closing_quote(rest: &str) -> usize {
    let mut escaped = false;
    for (at, character) in rest.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at,
            _ => {}
        }
    }
    panic!("a string literal does not end");
}

fn char_literal(rest: &str) -> Option<usize> {
    let after = rest.strip_prefix('\'')?;
    let mut characters = after.char_indices();
    let (_, first) = characters.next()?;
    if first == '\\' {
        return after[2..].find('\'').map(|end| end + 4);
    }
    let (at, second) = characters.next()?;
    (second == '\'').then_some(at + 2)
}

#[test]
fn code_comments_and_literals_are_told_apart() {
    let text = "a // b \"c\"\n'\"' 'd \"e\\\"f\" r#\"g\"h\"# '\\'' /* i */ j";
    let (code, literals) = split(text);
    assert_eq!(literals, ["e\\\"f", "g\"h"]);
    assert_eq!(code.split_whitespace().collect::<Vec<_>>(), ["a", "'d", "j"]);
}
