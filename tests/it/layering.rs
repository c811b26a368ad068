//! The table of the design of who may import whom, and the cheap rules of the house.
#![expect(clippy::string_slice, reason = "every cut is at a character that was just found")]

use std::collections::BTreeSet;

use crate::source::{Source, files};

/// A module, what many like it may import, and what only it may, directly or through others.
type Layer = (&'static str, &'static [&'static str], &'static [&'static str]);

/// Who may import whom.
const LAYERS: &[Layer] = &[
    ("clock", &[], &[]),
    ("secret", &[], &[]),
    ("telemetry", &[], &[]),
    ("config", &[], &["clock", "secret"]),
    ("domain", &[], &[]),
    ("ledger", &[], &["domain"]),
    // Sealing personal data is a pure function of the key that is passed in.
    ("orders", &[], &["domain", "ledger", "secret"]),
    ("store", &[], &["domain", "ledger"]),
    ("writer", &[], &["domain", "ledger", "orders", "store", "clock", "secret", "telemetry"]),
    ("shop", BELOW_THE_SHOP, &[]),
    ("connectors", &[], &["domain", "clock", "secret"]),
    ("sandbox", &[], &["domain"]),
    ("reports", BELOW_THE_SHOP, &["shop"]),
    ("import", BELOW_THE_SHOP, &["shop"]),
    ("access", BELOW_THE_SHOP, &["shop"]),
    ("events", BELOW_THE_SHOP, &["shop"]),
    // What is held on somebody is its orders too, as the reports show them.
    ("people", BELOW_THE_SHOP, &["shop", "reports"]),
    ("backup", BELOW_THE_SHOP, &["shop", "reports"]),
    // What a channel is told is what the reports say there is.
    ("sync", BELOW_THE_SHOP, &["shop", "reports", "connectors"]),
    // A call is kept by the channel it is of.
    ("webhooks", BELOW_THE_SHOP, &["shop", "reports", "connectors", "sync"]),
    // All that is sealed is sealed anew, whoever sealed it.
    ("rekey", BELOW_THE_SHOP, &["shop", "reports", "connectors", "sync", "access", "people"]),
    // What is shown over HTTP is what the reports say, what happens, and how channels stand.
    (
        "api",
        BELOW_THE_SHOP,
        &["shop", "reports", "connectors", "sync", "access", "people", "events"],
    ),
];

/// What a shop is made of.
const BELOW_THE_SHOP: &[&str] =
    &["domain", "ledger", "orders", "store", "writer", "clock", "secret", "config", "telemetry"];

/// What a layer may import.
fn allowed((_, shared, own): &Layer) -> impl Iterator<Item = &'static str> {
    shared.iter().chain(*own).copied()
}

/// May import everything: they put the program together.
const FREE: [&str; 3] = ["lib", "bin", "daemon"];

/// Lines of a file at most.
const LINES_MAX: usize = 500;

/// The module of the crate that a file belongs to.
fn module(source: &Source) -> String {
    let mut parts = source.path.iter().skip(1);
    let first = parts.next().unwrap().to_str().unwrap();
    first.strip_suffix(".rs").unwrap_or(first).to_owned()
}

/// The modules a file names after `crate::`, also in `use crate::{…}`.
fn imports(source: &Source) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in source.code.match_indices("crate::") {
        let before = source.code[..at].chars().next_back();
        if before.is_some_and(|one| one.is_alphanumeric() || one == '_') {
            continue;
        }
        let rest = &source.code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(group) => found.extend(group_heads(group)),
            None => found.extend(head(rest)),
        }
    }
    found
}

fn head(path: &str) -> Option<String> {
    let end = path.find(|one: char| !one.is_alphanumeric() && one != '_');
    let name = &path[..end.unwrap_or(path.len())];
    (!name.is_empty()).then(|| name.to_owned())
}

/// The first names of a group, whatever is nested in it.
fn group_heads(group: &str) -> Vec<String> {
    let (mut depth, mut heads, mut start) = (0, Vec::new(), 0);
    for (at, one) in group.char_indices() {
        match one {
            '{' => depth += 1,
            '}' if depth == 0 => {
                heads.extend(head(group[start..at].trim_start()));
                return heads;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                heads.extend(head(group[start..at].trim_start()));
                start = at + 1;
            }
            _ => {}
        }
    }
    panic!("a group of imports does not end");
}

#[test]
fn every_import_goes_down_the_layers() {
    let known: BTreeSet<&str> = LAYERS.iter().map(|(name, ..)| *name).collect();
    let mut seen = 0;
    for source in files("src") {
        let module = module(&source);
        if FREE.contains(&module.as_str()) {
            continue;
        }
        let layer = LAYERS.iter().find(|(name, ..)| *name == module);
        let layer = layer.unwrap_or_else(|| panic!("{module} is in no layer"));
        for import in imports(&source).into_iter().filter(|import| *import != module) {
            if known.contains(import.as_str()) {
                seen += 1;
                let path = source.path.display();
                assert!(allowed(layer).any(|one| one == import), "{path} imports {import}");
            } else {
                // A macro of the crate, or something of the root: the root has only modules.
                assert!(
                    !FREE.contains(&import.as_str()),
                    "{} imports {import}",
                    source.path.display()
                );
            }
        }
    }
    assert!(seen > 40, "only {seen} imports were found");
}

#[test]
fn the_layers_have_no_cycle() {
    let mut left: Vec<_> = LAYERS.to_vec();
    while !left.is_empty() {
        let names: BTreeSet<&str> = left.iter().map(|(name, ..)| *name).collect();
        let before = left.len();
        left.retain(|layer| allowed(layer).any(|name| names.contains(name)));
        assert!(left.len() < before, "a cycle among {names:?}");
    }
}

#[test]
fn imports_are_found_however_they_are_written() {
    let source = |code: &str| Source {
        path: "src/a.rs".into(),
        text: String::new(),
        code: code.to_owned(),
        literals: Vec::new(),
    };
    let found = imports(&source("use crate::{store::{self, Db}, writer}; x(crate::orders::y)"));
    assert_eq!(found.into_iter().collect::<Vec<_>>(), ["orders", "store", "writer"]);
    assert!(imports(&source("$crate::a; mycrate::b")).len() == 1);
}

#[test]
fn no_file_is_longer_than_it_may_be() {
    for source in files("src").into_iter().chain(files("tests")).chain(files("benches")) {
        let lines = source.text.lines().count();
        assert!(lines <= LINES_MAX, "{} has {lines} lines", source.path.display());
    }
}

#[test]
fn nothing_is_put_off_and_no_lint_is_switched_off() {
    let put_off = [["TO", "DO"].concat(), ["FIX", "ME"].concat()];
    for source in files("src") {
        let path = source.path.display();
        for word in &put_off {
            assert!(!source.text.contains(word.as_str()), "{path} says {word}");
        }
        assert!(!source.code.contains("[allow("), "{path} switches a lint off");
    }
}

#[test]
fn sql_is_written_in_the_store_and_nowhere_else() {
    let mut statements = 0;
    for source in files("src") {
        let in_store = source.path.starts_with("src/store");
        for literal in &source.literals {
            if is_sql(literal) {
                statements += 1;
                assert!(in_store, "{} has SQL: {literal}", source.path.display());
            }
        }
    }
    assert!(statements > 50, "only {statements} statements were found");
}

fn is_sql(literal: &str) -> bool {
    let text = literal.trim_start().to_lowercase();
    let words: Vec<&str> = text.split_whitespace().collect();
    match words.as_slice() {
        ["select", ..] => words.len() > 1,
        ["insert", "into", ..]
        | ["delete", "from", ..]
        | ["with", _, "as", ..]
        | ["update", _, "set", ..] => true,
        _ => false,
    }
}

#[test]
fn sql_is_recognised() {
    for sql in ["select 1", "\n insert into a", "update level set a = 1", "DELETE FROM a"] {
        assert!(is_sql(sql), "{sql}");
    }
    for text in ["update", "select", "update the shop", "insert a coin"] {
        assert!(!is_sql(text), "{text}");
    }
}

// Budget, time, length and what may be said of a failure are in one place.
#[test]
fn channels_are_called_by_one_client() {
    const CLIENT: &str = "src/connectors/http.rs";
    let files = files("src");
    assert!(files.iter().any(|source| source.path.ends_with(CLIENT)));
    for source in files.iter().filter(|source| !source.path.ends_with(CLIENT)) {
        let path = source.path.display();
        let in_connectors = source.path.starts_with("src/connectors");
        // Simulated shops call us, as real ones do.
        let may_call = in_connectors || source.path.starts_with("src/sandbox");
        assert!(may_call || !source.code.contains("reqwest"), "{path} calls somebody");
        for client in ["Client::new", "Client::builder", ".send().await"] {
            assert!(!in_connectors || !source.code.contains(client), "{path}: {client}");
        }
    }
}
