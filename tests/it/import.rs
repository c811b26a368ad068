//! Importing files: what is read, what is refused, what is written.

use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use invshop::clock::{Clock as _, Timestamp};
use invshop::domain::{AllocationPolicy, LocationCode, LocationKind};
use invshop::import::{self, Applied, ImportError, Job, Kind, Plan, Progress, Source};
use invshop::ledger::stock::{Basis, Change, ImportMode};
use invshop::reports;
use invshop::writer::{CHUNK_ROWS_MAX, Injected, Step};

use crate::both;
use crate::harness::{TestShop, units};

pub(crate) fn quiet(_: Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

pub(crate) fn source(text: impl AsRef<[u8]>) -> Source {
    Source::spool("file.csv", text.as_ref()).unwrap()
}

pub(crate) async fn plan(shop: &TestShop, job: &Job, text: &str) -> Result<Plan, ImportError> {
    import::plan(&shop.shop, &source(text), job, &quiet).await
}

pub(crate) async fn load(shop: &TestShop, job: &Job, text: &str) -> Result<Applied, ImportError> {
    let source = source(text);
    let plan = import::plan(&shop.shop, &source, job, &quiet).await?;
    import::apply(&shop.shop, &source, plan, &quiet).await
}

pub(crate) fn add() -> Job {
    let mut job = Job::new(Kind::Stock);
    job.stock.mode = ImportMode::Add;
    job
}

/// (on hand, reserved, shortfall) of an item over all locations.
pub(crate) async fn totals(shop: &TestShop, name: &str) -> (i64, i64, i64) {
    let item = item(shop, name).await.unwrap();
    (item.totals.on_hand, item.totals.reserved, item.totals.shortfall)
}

async fn item(shop: &TestShop, name: &str) -> Option<reports::ItemView> {
    let sku = crate::harness::sku(name);
    reports::item(&shop.shop.db, &sku, AllocationPolicy::Split).await.unwrap()
}

async fn newest(shop: &TestShop) -> i64 {
    reports::newest(&shop.shop.db).await.unwrap().map_or(0, |(seq, _)| seq.get())
}

both!(r60_skus_are_kept_byte_for_byte_and_parts_may_come_later, |shop| {
    let file = "title,sku,components,on_hand,extra\r\n\
        Set,SET,0017:2;a:b:1,,x\r\n\
        Ladle,0017,,5,\r\n\
        \"Bowl, \"\"deep\"\"\",90.750,,0,\r\n\
        E,1E5,,1,\r\n\r\n\
        Spaces, A ,,2,\r\n\
        Formula,=1+1,,3,\r\n\
        Colon,a:b,,4,\r\n";
    let found = plan(&shop, &Job::new(Kind::Items), file).await.unwrap();
    assert_eq!((found.rows, found.bad_rows), (7, 0), "{:?}", found.findings);
    assert_eq!((found.figures.new_items, found.figures.levels), (7, 6));
    assert!(found.warnings[0].contains("'extra'"), "{:?}", found.warnings);
    let applied = load(&shop, &Job::new(Kind::Items), file).await.unwrap();
    assert_eq!((applied.created, applied.opening_ignored), (7, 0));
    for (sku, on_hand) in [("0017", 5), ("90.750", 0), ("1E5", 1), (" A ", 2), ("=1+1", 3)] {
        assert_eq!(totals(&shop, sku).await.0, on_hand, "{sku:?}");
    }
    let again = load(&shop, &Job::new(Kind::Items), file).await.unwrap();
    assert_eq!((again.created, again.updated, again.opening_ignored), (0, 0, 6));
    let mangled = "sku,title\n17,Ladle\n90.75,Bowl\n1E+05,E\n";
    let found = plan(&shop, &Job::new(Kind::Items), mangled).await.unwrap();
    assert_eq!(found.warnings.len(), 3, "{:?}", found.warnings);
    for (warning, instead) in found.warnings.iter().zip(["'0017'", "'90.750'", "'1E5'"]) {
        assert!(warning.contains(instead), "{warning}");
    }
    let stock = "sku,quantity\n17,1\n";
    let found = plan(&shop, &Job::new(Kind::Stock), stock).await.unwrap();
    assert!(found.findings.kept()[0].message.contains("'0017'"));
});

/// A file, and what its only finding or its error says.
const BAD: &[(&str, &str)] = &[
    ("", "is empty"),
    ("\u{feff}", "is empty"),
    ("sku\nA\n", "lacks the column title"),
    ("sku;title\nA;B\n", "semicolons"),
    ("sku\ttitle\nA\tB\n", "tabs"),
    ("sku,title,sku\nA,B,C\n", "the column sku twice"),
    ("sku,title\nA\n", "line 2: has 1 fields where the header has 2"),
    ("sku,title\n\n\nA,B,C\n", "line 4: has 3 fields where the header has 2"),
    ("sku,title\n,B\n", "line 2, column sku: is empty"),
    ("sku,title\nA,\n", "line 2, column title: is empty"),
    ("sku,title\nA\0,B\n", "line 2, column sku: sku contains '\\0'"),
    ("sku,title\nA,\"B\nC\"\n", "line 2, column title: title contains '\\n'"),
    ("sku,title\nA,\"B\n", "line 2: a quote is opened and never closed"),
    ("sku,title\nA,\"B\"x\n", "line 2: line 2 has text after a closing quote"),
    ("sku,title,price\nA,B,1.00\n", "line 2, column currency: is empty; price needs one"),
    ("sku,title,price,currency\nA,B,1.001,EUR\n", "more than the 2 decimals of EUR"),
    ("sku,title,price,currency\nA,B,\"1,50\",EUR\n", "column price"),
    ("sku,title,currency\nA,B,euro\n", "column currency"),
    ("sku,title,on_hand\nA,B,-1\n", "column on_hand"),
    ("sku,title,on_hand\nA,B,1000000001\n", "column on_hand"),
    ("sku,title,on_hand\nA,B,5.0\n", "column on_hand"),
    ("sku,title,location\nA,B,attic\n", "no location is called 'attic'"),
    ("sku,title,attributes\nA,B,[1]\n", "column attributes: is not a JSON object"),
    ("sku,title,components\nA,B,C\n", "column components: 'C' is not SKU:QUANTITY"),
    ("sku,title,components\nA,B,C:1\n", "no item has the SKU 'C', here or in the shop"),
    ("sku,title,components\nA,B,A:1\n", "'A' cannot contain itself"),
    ("sku,title,components,on_hand\nA,B,A:1,4\n", "a bundle has no stock of its own"),
    ("sku,title\nA,B\nC,D\nA,E\n", "line 4, column sku: line 2 is about the same"),
];

both!(bad_files_are_told_with_line_and_column_and_write_nothing, |shop| {
    let before = newest(&shop).await;
    for (file, expected) in BAD {
        let told = match load(&shop, &Job::new(Kind::Items), file).await {
            Err(ImportError::BadRows(plan)) => {
                assert_eq!(plan.findings.count(), 1, "{file:?}: {:?}", plan.findings);
                plan.findings.kept()[0].to_string()
            }
            Err(error) => error.to_string(),
            Ok(applied) => panic!("{file:?} was taken: {applied:?}"),
        };
        assert!(told.contains(expected), "{file:?}: {told}");
    }
    let invalid = source(b"sku,title\nA\xff,B\n");
    let job = Job::new(Kind::Items);
    let invalid = import::plan(&shop.shop, &invalid, &job, &quiet);
    let told = invalid.await.unwrap().findings.kept()[0].to_string();
    assert_eq!(told, "line 2, column sku: is not UTF-8");
    let long = format!("sku,title\nA,\"{}", "x\n".repeat(1024 * 1024));
    let told = load(&shop, &Job::new(Kind::Items), &long).await.unwrap_err().to_string();
    assert!(told.contains("line 2: a quote is opened and not closed within"), "{told}");
    let long = format!("sku,title\nA,{}\n", "x".repeat(2 * 1024 * 1024));
    let told = load(&shop, &Job::new(Kind::Items), &long).await.unwrap_err().to_string();
    assert!(told.contains("line 2: the row has more than"), "{told}");
    let nothing = load(&shop, &Job::new(Kind::Items), "sku,title\n").await.unwrap();
    assert_eq!(nothing.batch, None);
    assert_eq!(newest(&shop).await, before);
});

both!(every_bad_row_is_reported_and_skipped_on_request_only, |shop| {
    let mut file = String::from("sku,title,on_hand\n");
    for row in 0..1200 {
        let on_hand = if row % 3 == 0 { "x" } else { "7" };
        writeln!(file, "I-{row},Item,{on_hand}").unwrap();
    }
    let mut job = Job::new(Kind::Items);
    let found = plan(&shop, &job, &file).await.unwrap();
    assert_eq!((found.rows, found.bad_rows, found.findings.count()), (1200, 400, 400));
    assert_eq!(found.findings.kept()[399].line, 1199);
    assert!(matches!(load(&shop, &job, &file).await, Err(ImportError::BadRows(_))));
    assert!(item(&shop, "I-1").await.is_none());
    job.skip_bad = true;
    let applied = load(&shop, &job, &file).await.unwrap();
    assert_eq!((applied.created, applied.skipped), (800, 400));
});

both!(r67_r21_a_file_touches_only_what_it_names, |shop| {
    shop.item("A", 10).await;
    shop.item("B", 20).await;
    let place = crate::harness::place("1", &[("A", 4)]);
    shop.run(invshop::writer::Command::Place(place)).await.unwrap();
    let mut job = Job::new(Kind::Stock);
    load(&shop, &job, "sku,quantity\nA,9\n").await.unwrap();
    assert_eq!(totals(&shop, "A").await, (9, 4, 0));
    job.stock.mode = ImportMode::Set(Basis::Available);
    load(&shop, &job, "sku,quantity\nA,9\n").await.unwrap();
    assert_eq!(totals(&shop, "A").await, (13, 4, 0));
    assert_eq!(totals(&shop, "B").await, (20, 0, 0));
});

both!(r54_an_older_count_is_history_and_a_file_of_them_settles, |shop| {
    let mut items = String::from("sku,title,on_hand\n");
    let mut counts = String::from("sku,quantity\n");
    for row in 0..300 {
        writeln!(items, "I-{row},Item,5").unwrap();
        writeln!(counts, "I-{row},8").unwrap();
    }
    load(&shop, &Job::new(Kind::Items), &items).await.unwrap();
    let mut job = Job::new(Kind::Stock);
    job.stock.observed_at = Some(Timestamp::parse("2026-03-01").unwrap());
    load(&shop, &job, &counts).await.unwrap();
    assert_eq!(totals(&shop, "I-7").await.0, 5);
    shop.clock.advance_millis(10_000);
    let observed_at = shop.clock.now();
    shop.clock.advance_millis(10_000);
    shop.stock("I-7", "main", Change::Receive(units(1))).await.unwrap();
    job.stock.observed_at = Some(observed_at);
    load(&shop, &job, &counts).await.unwrap();
    assert_eq!((totals(&shop, "I-7").await.0, totals(&shop, "I-8").await.0), (9, 8));
});

both!(r56_a_count_fills_nothing_and_a_receipt_fills_what_is_owed, |shop| {
    let mut items = String::from("sku,title,on_hand\n");
    let mut stock = String::from("sku,quantity\n");
    let mut orders = String::from("order_id,sku,quantity\n");
    for row in 0..150 {
        writeln!(items, "I-{row},Item,1").unwrap();
        writeln!(stock, "I-{row},3").unwrap();
        writeln!(orders, "{row},I-{row},3").unwrap();
    }
    load(&shop, &Job::new(Kind::Items), &items).await.unwrap();
    load(&shop, &Job::new(Kind::Orders), &orders).await.unwrap();
    assert_eq!(totals(&shop, "I-9").await, (1, 1, 2));
    load(&shop, &Job::new(Kind::Stock), &stock).await.unwrap();
    assert_eq!(totals(&shop, "I-9").await, (3, 1, 2));
    load(&shop, &add(), &stock).await.unwrap();
    assert_eq!(totals(&shop, "I-9").await, (6, 3, 0));
});

both!(r64_stock_needs_a_location_where_there_are_several, |shop| {
    shop.item("A", 10).await;
    shop.location("store", LocationKind::Store).await;
    let mut job = Job::new(Kind::Stock);
    let found = plan(&shop, &job, "sku,quantity\nA,1\n").await.unwrap();
    let told = found.findings.kept()[0].to_string();
    assert!(told.contains("column location") && told.contains("main, store"), "{told}");
    job.stock.location = Some(LocationCode::new("store").unwrap());
    let file = "sku,quantity,location\nA,1,\nA,2,main\n";
    load(&shop, &job, file).await.unwrap();
    assert_eq!(totals(&shop, "A").await.0, 3);
    let twice = "sku,quantity,location\nA,1,\nA,2,main\nA,3,store\n";
    let found = plan(&shop, &job, twice).await.unwrap();
    assert_eq!(
        found.findings.kept()[0].to_string(),
        "line 4, column sku: line 2 is about the same"
    );
});

both!(orders_stand_together_and_are_never_imported_by_halves, |shop| {
    for sku in ["A", "B"] {
        shop.item(sku, 100).await;
    }
    let header = "order_id,sku,quantity,channel,unit_price,currency,placed_at,customer_email\n";
    let good = format!(
        "{header}1,A,2,web,9.90,EUR,2026-03-01T10:00:00Z,a@example.org\n\
         1,B,1,,,,,\n2,A,1,,,,,\n"
    );
    let found = plan(&shop, &Job::new(Kind::Orders), &good).await.unwrap();
    // The channel is part of the name: the second row is another order.
    assert_eq!((found.figures.orders, found.bad_rows), (3, 0));
    let good = format!(
        "{header}1,A,2,web,9.90,EUR,2026-03-01T10:00:00Z,a@example.org\n\
         1,B,1,web,,,,\n2,A,1,,,,,\n"
    );
    load(&shop, &Job::new(Kind::Orders), &good).await.unwrap();
    assert_eq!(totals(&shop, "A").await, (100, 3, 0));
    let twice = load(&shop, &Job::new(Kind::Orders), &good).await;
    assert!(matches!(twice, Err(ImportError::AppliedBefore(_))), "{twice:?}");
    let mut job = Job::new(Kind::Orders);
    job.again = true;
    shop.clock.advance_millis(60_000);
    load(&shop, &job, &good).await.unwrap();
    assert_eq!(totals(&shop, "A").await, (100, 3, 0));
    let bad = "order_id,sku,quantity\n5,A,1\n6,A,1\n5,B,1\n7,A,1\n7,NOPE,1\n8,B,1\n";
    let mut job = Job::new(Kind::Orders);
    let found = plan(&shop, &job, bad).await.unwrap();
    let told: Vec<String> = found.findings.kept().iter().map(ToString::to_string).collect();
    assert!(told[0].contains("line 4, column order_id: the order began at line 2"), "{told:?}");
    assert!(told[1].contains("line 6, column sku: no item has the SKU 'NOPE'"), "{told:?}");
    assert_eq!(found.bad_rows, 4);
    job.skip_bad = true;
    load(&shop, &job, bad).await.unwrap();
    assert_eq!((totals(&shop, "A").await.1, totals(&shop, "B").await.1), (4, 2));
});

both!(r65_the_work_of_an_import_grows_with_its_rows, |shop| {
    let file = |rows: usize, from: usize| {
        let mut file = String::from("sku,title,on_hand\n");
        for row in from..from + rows {
            writeln!(file, "I-{row},Item,5").unwrap();
        }
        file
    };
    let counters = &shop.shop.counters;
    let work = || (counters.batches.get(), counters.batch_redos.get());
    let start = work();
    load(&shop, &Job::new(Kind::Items), &file(2 * CHUNK_ROWS_MAX, 0)).await.unwrap();
    let small = work();
    load(&shop, &Job::new(Kind::Items), &file(4 * CHUNK_ROWS_MAX, 2 * CHUNK_ROWS_MAX))
        .await
        .unwrap();
    let large = work();
    // One transaction a chunk, and two around them.
    assert_eq!((small.0 - start.0, large.0 - small.0), (2 + 2, 4 + 2));
    assert_eq!(large.1, start.1, "no batch was done again");
});

both!(the_example_shop_loads_and_verifies, |shop| {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/household");
    for store in ["store-north", "store-south"] {
        shop.location(store, LocationKind::Store).await;
    }
    let files = [
        (Kind::Items, "items.csv"),
        (Kind::Stock, "stock-store-north.csv"),
        (Kind::Stock, "stock-store-south.csv"),
        (Kind::Orders, "orders.csv"),
    ];
    for (kind, name) in files {
        let source = Source::open(&dir.join(name)).unwrap();
        let plan = import::plan(&shop.shop, &source, &Job::new(kind), &quiet).await.unwrap();
        assert_eq!(plan.bad_rows, 0, "{name}: {:?}", plan.findings);
        import::apply(&shop.shop, &source, plan, &quiet).await.unwrap();
    }
    assert_eq!(import::list(&shop.shop, None, 10).await.unwrap().len(), 4);
});

/// Dies at the n-th pass of a step.
pub(crate) fn crash_at(step: Step, pass: u32) -> invshop::writer::Faults {
    let seen = AtomicU32::new(0);
    Arc::new(move |at| {
        if at == step && seen.fetch_add(1, Ordering::Relaxed) + 1 == pass {
            Injected::Crash
        } else {
            Injected::Nothing
        }
    })
}
