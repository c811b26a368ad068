//! The table of what is proven by which test: it is whole, and each test is there.

use std::path::Path;

/// What the table has a row of, each once.
fn required() -> Vec<String> {
    let numbers = [17..=17, 21..=47, 53..=53, 57..=63, 66..=74];
    let mut all: Vec<String> =
        numbers.into_iter().flatten().map(|number| format!("R{number}")).collect();
    for row in [
        "Woo race",
        "Shopify race",
        "human types the old number",
        "mirrored order",
        "shadow sales count",
        "history at connect",
        "old shipment",
        "two accounts, one id",
    ] {
        all.push(format!("§9 {row}"));
    }
    all
}

/// All sources of the tests, without white space.
fn sources(folder: &Path, all: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, all);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            all.extend(text.chars().filter(|one| !one.is_whitespace()));
        }
    }
}

/// Whether a test of this name is in the sources.
fn is_test(sources: &str, name: &str) -> bool {
    [
        format!("both!({name},|"),
        format!("both_shops!({name},|"),
        // What follows an attribute.
        format!("]{name},|"),
        format!("]fn{name}()"),
        format!("]asyncfn{name}()"),
    ]
    .iter()
    .any(|form| sources.contains(form))
}

/// The rows of the table: what is required, and what is said of it.
fn rows() -> Vec<(&'static str, &'static str)> {
    let lines = include_str!("../channels.rs").lines();
    let rows = lines.filter_map(|line| line.strip_prefix("//! | ")?.strip_suffix(" |"));
    rows.skip(2).map(|row| row.split_once(" | ").unwrap()).collect()
}

#[test]
fn what_is_required_of_channels_has_a_test_that_is_there_or_a_reason() {
    let mut text = String::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it"), &mut text);
    let rows = rows();
    let named: Vec<&str> = rows.iter().map(|(required, _)| *required).collect();
    assert_eq!(named, required(), "each has one row");
    for (required, proof) in rows {
        let names: Vec<&str> = proof.split('`').skip(1).step_by(2).collect();
        for name in &names {
            assert!(is_test(&text, name), "{required}: there is no test {name}");
        }
        let says_why = proof.starts_with("reason: ") || proof.starts_with("not built: ");
        assert!(says_why || !names.is_empty(), "{required}: neither a test nor a reason: {proof}");
    }
    assert!(!is_test(&text, "expected"), "a helper is no test");
}
