//! Imports that were interrupted, repeated or taken back.

use std::fmt::Write as _;
use std::ops::ControlFlow;

use invshop::domain::{BatchId, FactId, Refusal};
use invshop::import::{self, ImportError, Job, Kind, Progress};
use invshop::ledger::stock::{Basis, Change};
use invshop::orders::Ship;
use invshop::writer::{CHUNK_ROWS_MAX, Command, Step, WriteError};

use crate::both;
use crate::harness::{Backend, TestShop, has_postgres, units};
use crate::harness::{place, reference};
use crate::import::{add, crash_at, load, plan, quiet, source, totals};

/// Rows of four chunks, the last of them not full.
const ROWS: i64 = 1_700;
const CHUNK: u64 = CHUNK_ROWS_MAX as u64;

fn files() -> (String, String) {
    let (mut items, mut stock) = (String::from("sku,title\n"), String::from("sku,quantity\n"));
    for row in 0..ROWS {
        writeln!(items, "I-{row},Item").unwrap();
        writeln!(stock, "I-{row},{}", row % 7 + 1).unwrap();
    }
    (items, stock)
}

async fn all_units(shop: &TestShop) -> i64 {
    let mut out = Vec::new();
    import::export(&shop.shop, Kind::Stock, &mut out, false, &quiet).await.unwrap();
    let text = String::from_utf8(out).unwrap();
    let units = |line: &str| line.split(',').nth(1).unwrap().parse::<i64>().unwrap();
    text.lines().skip(1).map(units).sum()
}

/// Kills the writer at every step of a chunk and around it, then goes on.
async fn killed_at(backend: Backend, step: Step, pass: u32) {
    let mut shop = TestShop::new(backend).await;
    let (items, stock) = files();
    load(&shop, &Job::new(Kind::Items), &items).await.unwrap();
    shop.reopen(Some(crash_at(step, pass))).await;
    let killed = load(&shop, &add(), &stock).await;
    assert!(
        matches!(
            killed,
            Err(ImportError::Stopped { error: WriteError::Unknown(_), .. }
                | ImportError::Write(WriteError::Unknown(_)))
        ),
        "{step:?} {pass}: {killed:?}"
    );
    shop.reopen(None).await;
    let batches = import::list(&shop.shop, None, 10).await.unwrap();
    match batches.iter().find(|batch| batch.kind == "stock") {
        Some(batch) if batch.status == "open" => {
            let again = load(&shop, &add(), &stock).await;
            assert!(matches!(again, Err(ImportError::Unfinished(_))), "{again:?}");
            let file = source(&stock);
            let applied = import::resume(&shop.shop, batch.id, &file, &quiet).await;
            assert_eq!(applied.unwrap().rows, 1_700);
        }
        // The last commit was done, only its answer was lost.
        Some(batch) => assert_eq!((batch.status.as_str(), step), ("applied", Step::Committed)),
        None => drop(load(&shop, &add(), &stock).await.unwrap()),
    }
    let expected: i64 = (0..ROWS).map(|row| row % 7 + 1).sum();
    assert_eq!(all_units(&shop).await, expected, "{step:?} {pass}");
    let batch = &import::list(&shop.shop, None, 1).await.unwrap()[0];
    assert_eq!((batch.status.as_str(), batch.rows_done), ("applied", ROWS));
    shop.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_killed_anywhere_is_gone_on_with_exactly_once() {
    for (index, step) in Step::ALL.into_iter().enumerate() {
        // The batch is opened, four chunks are written, the batch is closed.
        let pass = u32::try_from(index % 6).unwrap() + 1;
        killed_at(Backend::Sqlite, step, pass).await;
        if has_postgres() {
            killed_at(Backend::Postgres, step, pass).await;
        }
    }
    killed_at(Backend::Sqlite, Step::Committed, 3).await;
    killed_at(Backend::Sqlite, Step::Committed, 6).await;
}

both!(an_import_stops_between_chunks_when_asked_and_goes_on, |shop| {
    let (items, stock) = files();
    load(&shop, &Job::new(Kind::Items), &items).await.unwrap();
    let stop = |progress: Progress| match progress {
        Progress::Writing(done, _) if done >= CHUNK => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    let file = source(&stock);
    let found = plan(&shop, &add(), &stock).await.unwrap();
    let stopped = import::apply(&shop.shop, &file, found, &stop).await;
    let Err(ImportError::Interrupted(Some(batch))) = stopped else { panic!("{stopped:?}") };
    let record = import::find(&shop.shop, batch).await.unwrap();
    assert_eq!(record.status, "open");
    assert!((500..ROWS).contains(&record.rows_done), "{record:?}");
    let other = import::resume(&shop.shop, batch, &source("sku,quantity\nI-1,1\n"), &quiet).await;
    assert!(other.unwrap_err().to_string().contains("another file"));
    import::resume(&shop.shop, batch, &file, &quiet).await.unwrap();
    let expected: i64 = (0..ROWS).map(|row| row % 7 + 1).sum();
    assert_eq!(all_units(&shop).await, expected);
    let again = import::resume(&shop.shop, batch, &file, &quiet).await;
    assert!(again.unwrap_err().to_string().contains("is applied"));
});

both!(a_file_that_adds_is_taken_once_unless_asked_for_again, |shop| {
    shop.item("A", 1).await;
    let file = "sku,quantity\nA,5\nA,2\n";
    load(&shop, &add(), file).await.unwrap();
    let again = load(&shop, &add(), file).await;
    assert!(matches!(again, Err(ImportError::AppliedBefore(_))), "{again:?}");
    assert_eq!(totals(&shop, "A").await.0, 8);
    let mut job = add();
    job.again = true;
    load(&shop, &job, file).await.unwrap();
    assert_eq!(totals(&shop, "A").await.0, 15);
    let set = Job::new(Kind::Stock);
    for _ in 0..2 {
        load(&shop, &set, "sku,quantity\nA,3\n").await.unwrap();
    }
    assert_eq!(totals(&shop, "A").await.0, 3);
});

both!(r52_a_batch_is_taken_back_once, |shop| {
    shop.item("A", 10).await;
    shop.item("B", 1).await;
    let batch = load(&shop, &add(), "sku,quantity\nA,90\nB,5\nA,1\n").await.unwrap();
    let batch = batch.batch.unwrap();
    let found = import::plan_revert(&shop.shop, batch).await.unwrap();
    assert_eq!((found.levels, found.units, found.blocked_levels), (2, 96, 0));
    let reverted = import::revert(&shop.shop, batch, false, &quiet).await.unwrap();
    assert_eq!(reverted.movements, 3);
    assert_eq!((totals(&shop, "A").await.0, totals(&shop, "B").await.0), (10, 1));
    let again = import::revert(&shop.shop, batch, false, &quiet).await;
    assert!(
        matches!(
            again,
            Err(ImportError::Write(WriteError::Refused(Refusal::AlreadyReverted { .. })))
        ),
        "{again:?}"
    );
    let items = load(&shop, &Job::new(Kind::Items), "sku,title\nC,C\n").await.unwrap();
    let refused = import::revert(&shop.shop, items.batch.unwrap(), false, &quiet).await;
    assert!(refused.unwrap_err().to_string().contains("only stock can be taken back"));
    let unknown = import::find(&shop.shop, BatchId::new(999)).await;
    assert!(unknown.unwrap_err().to_string().contains("no batch is called '999'"));
    // What was taken back may be imported again.
    load(&shop, &add(), "sku,quantity\nA,90\nB,5\nA,1\n").await.unwrap();
});

both!(a_revert_after_sales_names_what_blocks_it, |shop| {
    shop.item("A", 10).await;
    shop.item("B", 0).await;
    let batch = load(&shop, &add(), "sku,quantity\nA,90\nB,5\n").await.unwrap().batch.unwrap();
    shop.run(Command::Place(place("1", &[("A", 95)]))).await.unwrap();
    let ship = Ship {
        reference: reference("1"),
        shipment_id: FactId::new("s1").unwrap(),
        lines: None,
        location: None,
        effective_at: None,
        tracking: None,
    };
    shop.run(Command::Ship(ship)).await.unwrap();
    match import::revert(&shop.shop, batch, false, &quiet).await {
        Err(ImportError::Write(WriteError::Refused(Refusal::BatchBlocked { blocked }))) => {
            assert_eq!(blocked, ["A at main would have -85 on hand with 0 reserved"]);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(import::find(&shop.shop, batch).await.unwrap().status, "applied");
    assert_eq!((totals(&shop, "A").await.0, totals(&shop, "B").await.0), (5, 5));
    let reverted = import::revert(&shop.shop, batch, true, &quiet).await.unwrap();
    assert_eq!((reverted.movements, reverted.blocked_movements), (1, 1));
    assert_eq!((totals(&shop, "A").await.0, totals(&shop, "B").await.0), (5, 0));
});

both!(a_level_counted_since_is_not_taken_back, |shop| {
    shop.item("A", 10).await;
    let set = load(&shop, &Job::new(Kind::Stock), "sku,quantity\nA,30\n").await.unwrap();
    let batch = load(&shop, &add(), "sku,quantity\nA,90\n").await.unwrap().batch.unwrap();
    shop.clock.advance_millis(1_000);
    let count = Change::Count { quantity: units(50), basis: Basis::Physical, observer: None };
    shop.stock("A", "main", count).await.unwrap();
    for batch in [batch, set.batch.unwrap()] {
        let found = import::plan_revert(&shop.shop, batch).await.unwrap();
        assert_eq!(found.blocked_levels, 1);
        assert_eq!(found.blocked[0].obstacle(), "A at main was counted since");
    }
    assert_eq!(totals(&shop, "A").await.0, 50);
});

both!(an_interrupted_revert_goes_on, |shop| {
    let (items, stock) = files();
    load(&shop, &Job::new(Kind::Items), &items).await.unwrap();
    let batch = load(&shop, &add(), &stock).await.unwrap().batch.unwrap();
    let stop = |_: Progress| ControlFlow::Break(());
    let stopped = import::revert(&shop.shop, batch, false, &stop).await;
    assert!(matches!(stopped, Err(ImportError::Interrupted(Some(_)))), "{stopped:?}");
    assert_eq!(import::find(&shop.shop, batch).await.unwrap().status, "reverting");
    let rest = import::revert(&shop.shop, batch, false, &quiet).await.unwrap();
    assert_eq!(rest.movements, 1_200);
    assert_eq!(all_units(&shop).await, 0);
});
