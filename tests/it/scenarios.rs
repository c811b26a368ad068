//! The scenarios of the semantics, one test a row, each with every number the
//! row states. The rows that need a channel's wire are the channels' tests.

use invshop::domain::{
    AccountId, AccountName, FulfilledBy, ItemId, LevelKey, LocationId, LocationKind, Refusal, Seq,
    Title,
};
use invshop::ledger::RevertRow;
use invshop::ledger::catalogue::{NewBatch, NewLocation};
use invshop::ledger::stock::{Basis, Change, ImportMode, Place as At, StockRow};
use invshop::orders::{Disposition, ImportLine, PayOutcome, Return, ReturnLine};
use invshop::writer::{Chunk, Command, Detail, Request};

use crate::acts::{code, counted, created, giving_back, refused, state};
use crate::both;
use crate::harness::{TestShop, place, sku, units};

const DAY_MS: i64 = 24 * 3600 * 1000;

async fn short_beside_a_hold(shop: &TestShop) {
    shop.item("MUG", 5).await;
    shop.place("A", &[("MUG", 5)]).await.unwrap();
    shop.shop_order("B", &[("MUG", 8, 0)]).await;
}

both!(fact_over_on_hand, |shop| {
    short_beside_a_hold(&shop).await;
    assert_eq!(shop.line("web:B", 1).await, [8, 0, 0, 8, 0, 0]);
    assert_eq!(shop.line("A", 1).await, [5, 5, 0, 0, 0, 0]);
    assert_eq!(shop.level("MUG", "main").await, [5, 5, 8, 0]);
    assert_eq!(shop.atp("MUG").await, 0);
    assert_eq!(shop.order("web:B").await.0, "backordered");
});

both!(fact_over_on_hand_then_shipped_there, |shop| {
    short_beside_a_hold(&shop).await;
    let before = shop.newest().await;
    shop.ship_lines("web:B", "s1", &[(1, 8)]).await.unwrap();
    assert_eq!(shop.line("A", 1).await, [5, 0, 0, 5, 0, 0]);
    assert_eq!(shop.line("web:B", 1).await, [8, 0, 8, 0, 0, 0]);
    assert_eq!(shop.level("MUG", "main").await, [0, 0, 5, 0]);
    assert_eq!(shop.atp("MUG").await, 0);
    let corrections = format!(
        "select d_on_hand from journal where seq > {before} and kind = 'adjustment'
         and data like '%beyond_ledger%'"
    );
    assert_eq!(shop.ints(&corrections).await, [[3]]);
    let kinds = shop.kinds_after(before).await;
    let expected = ["order.shipped", "release", "order.short", "adjustment", "ship"];
    assert_eq!(kinds[..5], expected);
    assert_eq!(kinds[5..], ["stock.discrepancy"]);
});

async fn counted_below_reserved(shop: &TestShop) {
    shop.item("MUG", 10).await;
    shop.place("A", &[("MUG", 5)]).await.unwrap();
    shop.place("B", &[("MUG", 3)]).await.unwrap();
    shop.count("MUG", "main", 6).await;
}

both!(count_below_reserved, |shop| {
    counted_below_reserved(&shop).await;
    assert_eq!(shop.level("MUG", "main").await, [6, 6, 2, 0]);
    assert_eq!(shop.line("A", 1).await, [5, 5, 0, 0, 0, 0]);
    assert_eq!(shop.line("B", 1).await, [3, 1, 0, 2, 0, 0]);
    let lost = "select d_reserved, d_shortfall from journal where kind = 'release'";
    assert_eq!(shop.ints(lost).await, [[-2, 2]]);
    assert_eq!(shop.atp("MUG").await, 0);
});

both!(recount_finds_them, |shop| {
    counted_below_reserved(&shop).await;
    shop.count("MUG", "main", 8).await;
    assert_eq!(shop.level("MUG", "main").await, [8, 6, 2, 0]);
    assert_eq!(shop.atp("MUG").await, 0);
    shop.allocate("B").await.unwrap();
    assert_eq!(shop.line("B", 1).await, [3, 3, 0, 0, 0, 0]);
    assert_eq!(shop.level("MUG", "main").await, [8, 8, 0, 0]);
    assert_eq!(shop.atp("MUG").await, 0);
});

both!(found_stock_is_owed, |shop| {
    shop.item("MUG", 5).await;
    shop.shop_order("A", &[("MUG", 7, 0)]).await;
    assert_eq!(shop.line("web:A", 1).await, [7, 5, 0, 2, 0, 0]);
    shop.adjust("MUG", "main", 2).await.unwrap();
    assert_eq!(shop.level("MUG", "main").await, [7, 5, 2, 0]);
    assert_eq!(shop.atp("MUG").await, 0);
    assert_eq!(shop.line("web:A", 1).await, [7, 5, 0, 2, 0, 0]);
});

both!(fact_and_safety, |shop| {
    shop.item("MUG", 5).await;
    shop.safety("MUG", "main", 5).await;
    match refused(shop.place("1", &[("MUG", 2)]).await) {
        Refusal::InsufficientStock { shortages } => {
            assert_eq!((shortages[0].requested, shortages[0].available), (2, 0));
        }
        other => panic!("{other:?}"),
    }
    shop.shop_order("2", &[("MUG", 2, 0)]).await;
    assert_eq!(shop.line("web:2", 1).await, [2, 2, 0, 0, 0, 0]);
    assert_eq!(shop.level("MUG", "main").await, [5, 2, 0, 5]);
    assert_eq!(shop.atp("MUG").await, 0);
});

both!(shadow_sales_count, |shop| {
    shop.item("MUG", 100).await;
    shop.clock.advance_millis(60_000);
    shop.shop_order("1", &[("MUG", 3, 3)]).await;
    assert_eq!(shop.level("MUG", "main").await, [97, 0, 0, 0]);
    assert_eq!(shop.line("web:1", 1).await, [3, 0, 3, 0, 0, 0]);
    assert_eq!(shop.order("web:1").await.0, "shipped");
    assert_eq!(shop.atp("MUG").await, 97);
});

both!(short_at_one_place_receipt_at_another, |shop| {
    shop.location("store", LocationKind::Store).await;
    shop.item("MUG", 0).await;
    shop.shop_order("A", &[("MUG", 2, 0)]).await;
    assert_eq!(shop.at("web:A", 1, "main").await, [0, 0, 2]);
    shop.receive("MUG", "store", 5).await;
    assert_eq!(shop.at("web:A", 1, "store").await, [2, 0, 0]);
    assert_eq!(shop.at("web:A", 1, "main").await, [0, 0, 0]);
    assert_eq!(shop.level("MUG", "store").await, [5, 2, 0, 0]);
    assert_eq!(shop.level("MUG", "main").await, [0, 0, 0, 0]);
    assert_eq!(shop.atp("MUG").await, 3);
});

async fn expired_with_one_on_hand(shop: &TestShop) {
    shop.item("MUG", 1).await;
    shop.unpaid("P", &[("MUG", 1)]).await.unwrap();
    shop.expire(900_000).await;
    assert_eq!(shop.line("P", 1).await, [1, 0, 0, 0, 1, 0]);
    assert_eq!(shop.order("P").await.0, "cancelled");
    assert_eq!(shop.level("MUG", "main").await, [1, 0, 0, 0]);
}

fn outcome_of(detail: &Detail) -> PayOutcome {
    match detail {
        Detail::Payment(_, outcome) => *outcome,
        other => panic!("no payment: {other:?}"),
    }
}

both!(late_payment_gone, |shop| {
    expired_with_one_on_hand(&shop).await;
    shop.place("Q", &[("MUG", 1)]).await.unwrap();
    let answer = shop.pay("P", "p1").await.unwrap();
    assert_eq!(outcome_of(&answer.detail), PayOutcome::RefundDue);
    assert_eq!(shop.line("Q", 1).await, [1, 1, 0, 0, 0, 0]);
    assert_eq!(shop.line("P", 1).await, [1, 0, 0, 0, 1, 0]);
    assert_eq!(shop.order("P").await.0, "cancelled");
    assert_eq!(shop.level("MUG", "main").await, [1, 1, 0, 0]);
    assert_eq!(shop.count_of("payment.unmatched").await, 1);
});

both!(late_payment_free, |shop| {
    expired_with_one_on_hand(&shop).await;
    let answer = shop.pay("P", "p1").await.unwrap();
    assert_eq!(outcome_of(&answer.detail), PayOutcome::Reopened);
    assert_eq!(shop.line("P", 1).await, [1, 1, 0, 0, 0, 0]);
    assert_eq!(shop.order("P").await.0, "open");
    assert_eq!(shop.level("MUG", "main").await, [1, 1, 0, 0]);
    assert_eq!(shop.count_of("payment.unmatched").await, 0);
});

both!(ship_2_of_5_cancel, |shop| {
    shop.item("MUG", 5).await;
    shop.place("1", &[("MUG", 5)]).await.unwrap();
    shop.ship_lines("1", "s1", &[(1, 2)]).await.unwrap();
    assert_eq!(shop.atp("MUG").await, 0);
    shop.cancel("1").await.unwrap();
    assert_eq!(shop.order("1").await, ("shipped".to_owned(), [5, 0, 2, 0, 3, 0]));
    assert_eq!(shop.level("MUG", "main").await, [3, 0, 0, 0]);
    assert_eq!(shop.atp("MUG").await, 3);
});

// R54: an older fact does not change on_hand past a count.
both!(old_shipment, |shop| {
    let monday = shop.now();
    shop.item("MUG", 0).await;
    shop.clock.advance_millis(3_600_000);
    shop.count("MUG", "main", 100).await;
    shop.clock.advance_millis(DAY_MS.unsigned_abs());
    let mut sunday = state("1", &[("MUG", 3, 3)]);
    sunday.placed_at = monday - DAY_MS;
    sunday.effective_at = Some(monday - DAY_MS);
    shop.run(Command::Import(sunday)).await.unwrap();
    assert_eq!(shop.level("MUG", "main").await, [100, 0, 0, 0]);
    assert_eq!(shop.order("web:1").await, ("shipped".to_owned(), [3, 0, 3, 0, 0, 0]));
    let shipped = "select d_on_hand, quantity, effective_at from journal where kind = 'ship'";
    assert_eq!(shop.ints(shipped).await, [[0, 3, monday - DAY_MS]]);
    assert_eq!(shop.count_of("stock.discrepancy").await, 0);
});

both!(history_at_connect, |shop| {
    shop.item("MUG", 100).await;
    let opened = shop.now();
    shop.clock.advance_millis(60_000);
    for day in 1..=60 {
        let mut order = state(&day.to_string(), &[("MUG", 2, 2)]);
        order.placed_at = opened - day * DAY_MS;
        order.effective_at = Some(opened - day * DAY_MS);
        shop.run(Command::Import(order)).await.unwrap();
    }
    assert_eq!(shop.level("MUG", "main").await, [100, 0, 0, 0]);
    assert_eq!(shop.int("select count(*) from orders where status = 'shipped'").await, 60);
    assert_eq!(shop.atp("MUG").await, 100);
});

both!(mirrored_order, |shop| {
    let mirrored = NewLocation {
        code: code("fba"),
        name: Title::new("fba").unwrap(),
        kind: LocationKind::ThirdParty,
        sellable: Some(true),
        authority: Some(AccountName::new("amazon").unwrap()),
        priority: None,
    };
    shop.run(Command::CreateLocation(mirrored)).await.unwrap();
    shop.item("MUG", 0).await;
    let observed = |count| Change::Count {
        quantity: units(count),
        basis: Basis::Physical,
        observer: Some("amazon".to_owned()),
    };
    shop.stock("MUG", "fba", observed(50)).await.unwrap();
    assert_eq!(shop.level("MUG", "fba").await, [50, 0, 0, 0]);
    let before = shop.newest().await;
    let mut order = state("1", &[("MUG", 2, 0)]);
    order.lines = order
        .lines
        .into_iter()
        .map(|line| ImportLine { fulfilled_by: FulfilledBy::Channel, ..line })
        .collect();
    shop.run(Command::Import(order)).await.unwrap();
    assert_eq!(shop.kinds_after(before).await, ["order.imported"]);
    assert_eq!(shop.line("web:1", 1).await, [2, 2, 0, 0, 0, 0]);
    assert_eq!(shop.level("MUG", "fba").await, [50, 0, 0, 0]);
    shop.clock.advance_millis(60_000);
    shop.stock("MUG", "fba", observed(48)).await.unwrap();
    assert_eq!(shop.level("MUG", "fba").await, [48, 0, 0, 0]);
    let stranger = Change::Count {
        quantity: units(1),
        basis: Basis::Physical,
        observer: Some("web".to_owned()),
    };
    let refusal = refused(shop.stock("MUG", "fba", stranger).await);
    assert_eq!(refusal.code(), "mirrored_location");
    assert_eq!(refused(shop.stock("MUG", "fba", counted(1)).await).code(), "mirrored_location");
});

both!(part_of_a_bundle_returned, |shop| {
    shop.item("POT", 1).await;
    shop.item("LID", 1).await;
    shop.bundle("SET", &[("POT", 1), ("LID", 1)]).await.unwrap();
    shop.place("1", &[("SET", 1)]).await.unwrap();
    shop.ship("1", "s1").await.unwrap();
    assert_eq!(shop.line("1", 1).await, [1, 0, 1, 0, 0, 0]);
    let lid = ReturnLine {
        line: 1,
        part: Some(2),
        quantity: units(1),
        disposition: Disposition::Restock,
    };
    let back = giving_back("1", "r1", (1, 1), Disposition::Restock);
    shop.run(Command::Return(Return { lines: vec![lid], ..back })).await.unwrap();
    assert_eq!(shop.level("LID", "main").await, [1, 0, 0, 0]);
    assert_eq!(shop.level("POT", "main").await, [0, 0, 0, 0]);
    assert_eq!(shop.line("1", 1).await, [1, 0, 1, 0, 0, 0]);
    assert_eq!(shop.parts("1", 1).await, [[1, 0, 1, 0, 0, 0], [1, 0, 1, 0, 0, 1]]);
});

both!(transfer, |shop| {
    shop.location("store", LocationKind::Store).await;
    shop.item("MUG", 10).await;
    shop.place("1", &[("MUG", 8)]).await.unwrap();
    shop.safety("MUG", "main", 3).await;
    match refused(shop.transfer("MUG", "main", "store", 3).await) {
        Refusal::InsufficientUnreserved { requested, available, .. } => {
            assert_eq!((requested, available), (3, 2));
        }
        other => panic!("{other:?}"),
    }
    shop.transfer("MUG", "main", "store", 2).await.unwrap();
    assert_eq!(shop.level("MUG", "main").await, [8, 8, 0, 3]);
    assert_eq!(shop.level("MUG", "store").await, [2, 0, 0, 0]);
    assert_eq!(shop.atp("MUG").await, 2);
});

/// Has a stock import of one row written and applied; what taking it back would take.
pub(crate) async fn imported(shop: &TestShop, name: &str, count: i64) -> Command {
    let open = NewBatch {
        kind: "stock",
        file_name: "delivery.csv".to_owned(),
        content_hash: [7; 32],
        options: "{}".to_owned(),
        rows_total: 1,
    };
    let batch = invshop::domain::BatchId::new(created(shop.run(Command::BatchOpen(open)).await));
    let at = At { sku: sku(name), location: Some(code("main")) };
    let rows = Command::StockRows {
        chunk: Chunk { batch, done_before: 0, done_after: 1 },
        rows: vec![StockRow { place: at, quantity: units(count) }],
        mode: ImportMode::Add,
        observed_at: None,
    };
    shop.run(rows).await.unwrap();
    shop.run(Command::BatchApplied(batch)).await.unwrap();
    let sql = format!(
        "select j.seq, j.item_id, j.location_id, j.d_on_hand, coalesce(l.counted_at, -1)
         from journal as j join level as l on l.item_id = j.item_id
           and l.location_id = j.location_id
         where j.batch_id = {} and j.level_version is not null",
        batch.get()
    );
    let row = |row: &Vec<i64>| RevertRow {
        seq: Seq::new(row[0]),
        key: LevelKey { item: ItemId::new(row[1]), location: LocationId::new(row[2]) },
        on_hand: row[3],
        counted_since: false,
        counted_at: (row[4] >= 0).then_some(row[4]),
    };
    let rows = shop.ints(&sql).await.iter().map(row).collect();
    Command::Revert { batch, rows, skip_blocked: false }
}

both!(revert_after_sales, |shop| {
    shop.item("MUG", 10).await;
    let revert = imported(&shop, "MUG", 90).await;
    assert_eq!(shop.level("MUG", "main").await, [100, 0, 0, 0]);
    shop.place("1", &[("MUG", 95)]).await.unwrap();
    shop.ship("1", "s1").await.unwrap();
    match refused(shop.run(revert).await) {
        Refusal::BatchBlocked { blocked } => {
            assert_eq!(blocked, ["MUG at main would have -85 on hand with 0 reserved"]);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(shop.level("MUG", "main").await, [5, 0, 0, 0]);
});

both!(two_accounts_one_id, |shop| {
    shop.item("MUG", 5).await;
    for (account, count) in [("x", 2), ("y", 3)] {
        let id = AccountId::new(created(shop.account(account).await));
        let order = place(&format!("{account}:1001"), &[("MUG", count)]);
        let answer = shop.shop.writer.submit(Request::new(id, Command::Place(order))).await;
        assert!(!answer.unwrap().replayed);
    }
    assert_eq!(shop.int("select count(*) from orders where external_id = '1001'").await, 2);
    assert_eq!(shop.line("x:1001", 1).await, [2, 2, 0, 0, 0, 0]);
    assert_eq!(shop.line("y:1001", 1).await, [3, 3, 0, 0, 0, 0]);
    assert_eq!(shop.level("MUG", "main").await, [5, 5, 0, 0]);
    assert_eq!(refused(shop.cancel("1001").await).code(), "unknown_order");
    shop.cancel("x:1001").await.unwrap();
    assert_eq!(shop.line("y:1001", 1).await, [3, 3, 0, 0, 0, 0]);
});
