//! What the statements of the program must never say, and that all of them are sound.

use invshop::store;

use crate::both;
use crate::harness::Backend;
use crate::raw::Raw;
use crate::source::files;

both!(every_statement_can_be_prepared, |shop| {
    let count = store::prepare_all(&shop.shop.db).await.unwrap();
    assert!(count > 60, "only {count} statements");
});

// A journal of millions of sales has few acts, and those who look for them are told of all.
both!(acts_are_found_by_their_index, |shop| {
    let mut raw = Raw::open(&shop.opening.place).await;
    if shop.backend() == Backend::Postgres {
        // A journal of some entries is read whole, or by its key: nothing but the index is left.
        raw.execute(
            "begin; alter table journal drop constraint journal_pkey cascade;
             set local enable_seqscan = off",
        )
        .await;
    }
    for name in ["ACTS", "FORMER_KEYS"] {
        let statement = store::named(name).unwrap();
        let text = match shop.backend() {
            Backend::Sqlite => statement.sqlite,
            Backend::Postgres => statement.postgres,
        };
        let given = (1..=4).fold(text.to_owned(), |text, at| text.replace(&format!("${at}"), "9"));
        let plan = raw.plan(&given).await;
        assert!(plan.contains("journal_acts"), "{name}: {plan}");
    }
    if shop.backend() == Backend::Postgres {
        raw.execute("rollback").await;
    }
});

/// The SQL of the store: its string literals in lower case, spaces made one.
fn statements() -> Vec<String> {
    let literals = files("src/store").into_iter().flat_map(|source| source.literals);
    let plain = |text: String| text.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ");
    literals.map(plain).collect()
}

// R6: a level is changed by deltas, never set to a number computed elsewhere.
#[test]
fn r6_no_statement_sets_a_total_of_a_level() {
    let texts = statements();
    let updates: Vec<&str> =
        texts.iter().flat_map(|sql| sql.split("update level ").skip(1)).collect();
    assert_eq!(updates.len(), 2, "one statement, with its text for each database");
    for sql in updates {
        let set = sql.strip_prefix("set ").unwrap().split(" from ").next().unwrap();
        for total in ["on_hand", "reserved", "shortfall", "safety"] {
            assert!(set.contains(&format!("{total} = level.{total} + d.{total}")), "{set}");
            assert_eq!(set.matches(&format!("{total} = ")).count(), 1, "{set}");
        }
        assert!(sql.contains("level.version = d.read_version"), "{sql}");
    }
    let upserts = texts.iter().filter(|sql| sql.contains("insert into level "));
    for sql in upserts {
        assert!(!sql.contains("do update"), "{sql}");
    }
}

// R12: no row of a level is ever skipped, and nothing of the journal is ever left out.
#[test]
fn r12_no_lock_is_skipped_and_no_entry_is_dropped() {
    let statements = statements();
    assert!(statements.iter().any(|sql| sql.contains("insert into journal")));
    assert!(statements.iter().any(|sql| sql.contains("for update")));
    for sql in statements {
        assert!(!sql.contains("skip locked"), "{sql}");
        assert!(!(sql.contains("insert into journal") && sql.contains("on conflict")), "{sql}");
        assert!(!sql.contains("update journal") && !sql.contains("delete from journal"), "{sql}");
        assert!(!sql.contains("delete from level"), "{sql}");
        // SQLite's log is cut off once all of it is in the file, and a restore that was
        // confirmed replaces a whole shop: no rows of a shop that goes on are.
        let whole = sql.starts_with("pragma wal_checkpoint") || sql == "truncate table {}";
        assert!(whole || !sql.contains("truncate"), "{sql}");
    }
}

// Two numbers would be two locks, and the journal would have holes or doubles.
#[test]
fn there_is_one_journal_lock() {
    let texts = statements();
    let locks = texts.iter().flat_map(|sql| sql.split("pg_advisory_xact_lock(").skip(1));
    let numbers: Vec<&str> = locks.map(|rest| rest.split(')').next().unwrap()).collect();
    assert!(numbers.len() >= 2, "{numbers:?}");
    assert!(numbers.iter().all(|number| *number == numbers[0]), "{numbers:?}");
}
