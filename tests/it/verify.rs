//! The proof: a sound shop has no findings, and each kind of damage is found
//! and named.

use invshop::domain::{LocationKind, Payment};
use invshop::ledger::catalogue::{ItemRow, NewBatch};
use invshop::ledger::stock::{Basis, Change, ImportMode, Place as At, StockRow};
use invshop::orders::{Cancel, Ship};
use invshop::reports::{FINDINGS_MAX, FindingKind, Verified, verify};
use invshop::store::Place;
use invshop::writer::{Chunk, Command, Detail};

use crate::both;
use crate::gate::{at_once, gated};
use crate::harness::{TestShop, sku, units};
use crate::harness::{place, reference};
use crate::reads::{bundle, imported};

async fn proof(shop: &TestShop) -> Verified {
    let mut last = 0;
    let mut progress = |examined: u64| {
        assert!(examined > last, "progress goes backwards");
        last = examined;
    };
    verify(&shop.shop.db, &mut progress).await.unwrap()
}

/// A shop in which everything of the ledger has happened.
pub(crate) async fn busy(shop: &TestShop) {
    shop.location("store", LocationKind::Store).await;
    shop.item("MUG", 10).await;
    shop.item("LID", 4).await;
    shop.item("POT", 6).await;
    bundle(shop, "SET", &[("POT", 1), ("LID", 2)]).await;
    shop.stock("MUG", "store", Change::Receive(units(5))).await.unwrap();
    shop.stock("MUG", "main", Change::Safety(units(1))).await.unwrap();
    shop.run(Command::Place(place("1", &[("MUG", 3), ("SET", 1)]))).await.unwrap();
    let import = imported("web", "7", &[("MUG", 20, 2), ("NOBODY", 2, 0)]);
    shop.run(Command::Import(import)).await.unwrap();
    let mut unpaid = place("2", &[("POT", 2)]);
    unpaid.payment_required = true;
    shop.run(Command::Place(unpaid)).await.unwrap();
    let shipment = Ship {
        reference: reference("1"),
        shipment_id: invshop::domain::FactId::new("s1").unwrap(),
        lines: None,
        location: None,
        effective_at: None,
        tracking: None,
    };
    shop.run(Command::Ship(shipment)).await.unwrap();
    shop.clock.advance_millis(1_000_000);
    shop.run(Command::ExpireDue).await.unwrap();
    shop.run(Command::Place(place("3", &[("SET", 1)]))).await.unwrap();
    shop.run(Command::Place(place("4", &[("POT", 1)]))).await.unwrap();
    let cancel = Cancel { reference: reference("4"), lines: None, reason: None };
    shop.run(Command::Cancel(cancel)).await.unwrap();
    let recount = Change::Count { quantity: units(4), basis: Basis::Physical, observer: None };
    shop.stock("MUG", "store", recount).await.unwrap();
    stock_import(shop).await;
}

async fn stock_import(shop: &TestShop) {
    let open = Command::BatchOpen(NewBatch {
        kind: "stock",
        file_name: "stock.csv".to_owned(),
        content_hash: [1; 32],
        options: "{}".to_owned(),
        rows_total: 1,
    });
    let Detail::Id(id) = shop.run(open).await.unwrap().detail else { panic!("no batch") };
    let batch = invshop::domain::BatchId::new(id);
    let code = invshop::domain::LocationCode::new("store").unwrap();
    let row = StockRow { place: At { sku: sku("LID"), location: Some(code) }, quantity: units(9) };
    let rows = Command::StockRows {
        chunk: Chunk { batch, done_before: 0, done_after: 1 },
        rows: vec![row],
        mode: ImportMode::Add,
        observed_at: None,
    };
    shop.run(rows).await.unwrap();
    shop.run(Command::BatchApplied(batch)).await.unwrap();
}

/// (what is done, how it is undone, what must be found, what it must name).
type Damage = (&'static str, &'static str, FindingKind, &'static str);

const LEVEL: &str = "item_id = (select id from item where sku = 'MUG')
                     and location_id = (select id from location where code = 'main')";
const WEB: &str = "(select id from orders where source = 'web')";
const ONE: &str = "(select id from orders where external_id = '1')";

const JOURNAL: &[Damage] = &[
    (
        "update journal set seq = 900000 where seq = (select max(seq) from journal)",
        "update journal set seq = (select max(seq) + 1 from journal where seq < 900000)
         where seq = 900000",
        FindingKind::JournalGap,
        "entry 900000",
    ),
    (
        "update journal set at = at + 36000000 where seq = 2",
        "update journal set at = at - 36000000 where seq = 2",
        FindingKind::JournalTime,
        "entry 3",
    ),
    (
        "update journal set effective_at = at + 1 where seq = 1",
        "update journal set effective_at = at where seq = 1",
        FindingKind::JournalEffective,
        "entry 1",
    ),
    (
        "update journal set kind = 'stock.guess' where seq = 1",
        "update journal set kind = 'location.created' where seq = 1",
        FindingKind::JournalKind,
        "stock.guess",
    ),
    (
        "update journal set kind = 'receipt' where seq = 1",
        "update journal set kind = 'location.created' where seq = 1",
        FindingKind::JournalKind,
        "'receipt' moves no level",
    ),
    (
        "update journal set batch_id = 777 where seq = 1",
        "update journal set batch_id = null where seq = 1",
        FindingKind::JournalReference,
        "its batch does not exist",
    ),
    (
        "update journal set idem_key = 'damage' where seq =
         (select min(seq) from journal where idem_key is null and content_hash is null)",
        "update journal set idem_key = null where idem_key = 'damage'",
        FindingKind::JournalKey,
        "its idempotency key lacks",
    ),
];

const LEVELS: &[Damage] = &[
    (
        "update journal set d_safety = d_safety + 1 where LEVEL and level_version = 2",
        "update journal set d_safety = d_safety - 1 where LEVEL and level_version = 2",
        FindingKind::MovementTotals,
        "MUG at main",
    ),
    (
        "update journal set level_version = level_version + 1000 where LEVEL
         and level_version = (select max(level_version) from journal where LEVEL)",
        "update journal set level_version = level_version - 1000 where LEVEL
         and level_version > 1000",
        FindingKind::MovementVersion,
        "MUG at main",
    ),
    (
        "update level set on_hand = on_hand + 1 where LEVEL",
        "update level set on_hand = on_hand - 1 where LEVEL",
        FindingKind::LevelFold,
        "MUG at main",
    ),
    (
        "update level set version = version + 1 where LEVEL",
        "update level set version = version - 1 where LEVEL",
        FindingKind::LevelFold,
        "MUG at main",
    ),
    (
        "update level set location_id = 999 where LEVEL",
        "update level set location_id = (select id from location where code = 'main')
         where location_id = 999",
        FindingKind::LevelMissing,
        "MUG at main",
    ),
    (
        "update level set reserved = reserved + 100 where LEVEL",
        "update level set reserved = reserved - 100 where LEVEL",
        FindingKind::LevelBounds,
        "MUG at main",
    ),
    (
        "update level set counted_at = counted_at + 1 where LEVEL",
        "update level set counted_at = counted_at - 1 where LEVEL",
        FindingKind::LevelCounted,
        "MUG at main",
    ),
    (
        "update allocation set shortfall = shortfall + 1 where order_id = WEB and LEVEL",
        "update allocation set shortfall = shortfall - 1 where order_id = WEB and LEVEL",
        FindingKind::LevelClaims,
        "MUG at main",
    ),
];

const ORDERS: &[Damage] = &[
    (
        "update journal set kind = 'order.updated'
         where kind = 'order.imported' and order_id = WEB",
        "update journal set kind = 'order.imported'
         where kind = 'order.updated' and order_id = WEB",
        FindingKind::OrderBeginning,
        "order web:7",
    ),
    (
        "update journal set kind = 'order.placed'
         where kind = 'order.shipped' and order_id = ONE",
        "update journal set kind = 'order.shipped' where kind = 'order.placed' and order_id = ONE
         and seq > (select min(seq) from journal where order_id = ONE)",
        FindingKind::OrderBeginning,
        "order cli:1: 2 entries say",
    ),
    (
        "insert into order_queue (order_id, allow_backorder, queued_at) values (ONE, 0, 1)",
        "delete from order_queue where order_id = ONE",
        FindingKind::OrderQueue,
        "order cli:1: it waits and is decided",
    ),
    (
        "update orders set decision = 'undecided' where id = ONE",
        "update orders set decision = 'accepted' where id = ONE",
        FindingKind::OrderQueue,
        "order cli:1: it waits in no queue",
    ),
    (
        "update orders set decision = 'rejected' where id = ONE",
        "update orders set decision = 'accepted' where id = ONE",
        FindingKind::OrderQueue,
        "order cli:1: it does not say why it was refused",
    ),
    (
        "update order_line set order_id = 999 where order_id = WEB",
        "update order_line set order_id = WEB where order_id = 999",
        FindingKind::OrderLines,
        "order web:7",
    ),
    (
        "update orders set shipped = shipped + 1, ordered = ordered + 1 where id = WEB",
        "update orders set shipped = shipped - 1, ordered = ordered - 1 where id = WEB",
        FindingKind::OrderCounts,
        "order web:7",
    ),
    (
        "update orders set total = total + 1 where id = WEB",
        "update orders set total = total - 1 where id = WEB",
        FindingKind::OrderTotal,
        "order web:7",
    ),
    (
        "update order_line set ordered = ordered + 1 where order_id = WEB and line = 1",
        "update order_line set ordered = ordered - 1 where order_id = WEB and line = 1",
        FindingKind::LineEquation,
        "order web:7 line 1",
    ),
    (
        "update order_line set returned = returned + 9 where order_id = WEB and line = 1",
        "update order_line set returned = returned - 9 where order_id = WEB and line = 1",
        FindingKind::LineEquation,
        "order web:7 line 1",
    ),
    (
        "update order_part set ordered = ordered + 1 where order_id = ONE and part = 2",
        "update order_part set ordered = ordered - 1 where order_id = ONE and part = 2",
        FindingKind::LineEquation,
        "order cli:1 line 2: part 2",
    ),
    (
        "update order_line set shipped = shipped - 1, cancelled = cancelled + 1
         where order_id = ONE and bundle = 1",
        "update order_line set shipped = shipped + 1, cancelled = cancelled - 1
         where order_id = ONE and bundle = 1",
        FindingKind::LineParts,
        "order cli:1 line 2",
    ),
    (
        "update order_line set held = held + 1, ordered = ordered + 1
         where order_id = WEB and line = 1",
        "update order_line set held = held - 1, ordered = ordered - 1
         where order_id = WEB and line = 1",
        FindingKind::LineAllocations,
        "order web:7 line 1",
    ),
    (
        "update order_line set item_id = 999 where order_id = WEB and line = 1",
        "update order_line set item_id = (select id from item where sku = 'MUG')
         where order_id = WEB and line = 1",
        FindingKind::LineItem,
        "order web:7 line 1",
    ),
];

const ROWS: &[Damage] = &[
    (
        "update allocation set line = 77 where order_id = WEB and line = 1 and LEVEL",
        "update allocation set line = 1 where line = 77",
        FindingKind::AllocationStray,
        "MUG at main order web:7 line 77: its line does not exist",
    ),
    (
        "update allocation set item_id = (select id from item where sku = 'LID')
         where order_id = WEB and line = 1 and LEVEL",
        "update allocation set item_id = (select id from item where sku = 'MUG')
         where order_id = WEB and line = 1",
        FindingKind::AllocationStray,
        "order web:7 line 1: it is of another item",
    ),
    (
        "update allocation set order_id = 999 where order_id = WEB and LEVEL",
        "update allocation set order_id = WEB where order_id = 999",
        FindingKind::AllocationStray,
        "order #999 line 1: its order does not exist",
    ),
    (
        "update allocation set shipped = shipped + 1 where order_id = WEB and LEVEL",
        "update allocation set shipped = shipped - 1 where order_id = WEB and LEVEL",
        FindingKind::AllocationMovements,
        "MUG at main order web:7 line 1",
    ),
    (
        "update item_sku set sku = 'LOST' where sku = 'MUG'",
        "update item_sku set sku = 'MUG' where sku = 'LOST'",
        FindingKind::ItemName,
        "MUG",
    ),
    (
        "update item set bundle = 1 where sku = 'MUG'",
        "update item set bundle = 0 where sku = 'MUG'",
        FindingKind::Bundle,
        "MUG at main: a bundle has movements",
    ),
    (
        "update item set bundle = 0 where sku = 'SET'",
        "update item set bundle = 1 where sku = 'SET'",
        FindingKind::Bundle,
        "SET: an item that is no bundle",
    ),
    (
        "update batch set rows_done = 0",
        "update batch set rows_done = 1",
        FindingKind::Batch,
        "is applied and not all",
    ),
    (
        "update journal set kind = 'batch.reverted' where kind = 'batch.applied'",
        "update journal set kind = 'batch.applied' where kind = 'batch.reverted'",
        FindingKind::Batch,
        "the journal does not say so",
    ),
];

async fn try_damage(shop: &TestShop, table: &[Damage]) {
    busy(shop).await;
    let clean = proof(shop).await;
    assert!(clean.is_clean(), "{clean:#?}");
    assert!(clean.entries > 20 && clean.levels >= 5 && clean.orders == 5, "{clean:#?}");
    let whole = |sql: &str| sql.replace("LEVEL", LEVEL).replace("WEB", WEB).replace("ONE", ONE);
    for (damage, repair, kind, names) in table {
        shop.corrupt(&whole(damage)).await;
        let verified = proof(shop).await;
        let found = verified
            .findings
            .iter()
            .any(|finding| finding.kind == *kind && finding.to_string().contains(names));
        assert!(found, "{damage}: no {kind:?} that names {names} in {verified:#?}");
        shop.corrupt(&whole(repair)).await;
        let repaired = proof(shop).await;
        assert!(repaired.is_clean(), "{repair}: {repaired:#?}");
    }
}

both!(damage_to_the_journal_is_found_and_named, |shop| try_damage(&shop, JOURNAL).await);
both!(r13_damage_to_levels_is_found_and_named, |shop| try_damage(&shop, LEVELS).await);
both!(r19_damage_to_orders_is_found_and_named, |shop| try_damage(&shop, ORDERS).await);
both!(rows_that_belong_to_nothing_are_found_and_named, |shop| { try_damage(&shop, ROWS).await });

both!(a_status_that_does_not_follow_from_the_counts_is_found, |shop| {
    busy(&shop).await;
    let sql = match &shop.opening.place {
        Place::Sqlite(_) => {
            "alter table orders drop column status;
             alter table orders add column status text not null default 'open'"
        }
        Place::Postgres(_) => {
            "alter table orders alter column status drop expression;
             update orders set status = 'open'"
        }
    };
    shop.corrupt(sql).await;
    let verified = proof(&shop).await;
    let of = |id: &str| {
        verified.findings.iter().any(|finding| {
            finding.kind == FindingKind::OrderStatus && finding.order_id.as_deref() == Some(id)
        })
    };
    assert!(of("cli:1") && of("web:7") && of("cli:2") && of("cli:4"), "{verified:#?}");
    assert!(!of("cli:3"), "{verified:#?}");
});

both!(what_is_left_of_somebody_who_was_erased_is_found_and_named, |shop| {
    busy(&shop).await;
    let user = "insert into users (id, account_id, version, created_at, updated_at, erased_at)
                values (7, 1, 2, 1, 1, 1);";
    let sealed = match &shop.opening.place {
        Place::Sqlite(_) => {
            "drop trigger personal_key_new; insert into personal values (ONE, x'00')"
        }
        Place::Postgres(_) => "insert into personal values (ONE, '\\x00')",
    };
    for (damage, repair, names) in [
        (user, "delete from users", "1 users are erased, the journal says 0"),
        (
            &format!("{user} insert into order_user values (ONE, 7)"),
            "delete from order_user; delete from users",
            "order cli:1: it is of a user who was erased",
        ),
        (
            &format!("insert into order_user values (ONE, null); {sealed}"),
            "delete from order_user; delete from personal",
            "order cli:1: it has the customer of somebody who was erased",
        ),
    ] {
        shop.corrupt(&damage.replace("ONE", ONE)).await;
        let verified = proof(&shop).await;
        let mut found = verified.findings.iter().map(ToString::to_string);
        assert!(found.any(|one| one.ends_with(names)), "{names}: {verified:#?}");
        shop.corrupt(repair).await;
        assert!(proof(&shop).await.is_clean(), "{repair}");
    }
});

both!(all_findings_are_counted_and_the_first_are_named, |shop| {
    let open = Command::BatchOpen(NewBatch {
        kind: "items",
        file_name: "items.csv".to_owned(),
        content_hash: [2; 32],
        options: "{}".to_owned(),
        rows_total: 2500,
    });
    let Detail::Id(id) = shop.run(open).await.unwrap().detail else { panic!("no batch") };
    let batch = invshop::domain::BatchId::new(id);
    for start in (0..2500).step_by(500) {
        let row = |number: i64| {
            let location = invshop::domain::LocationCode::new("main").ok();
            let row = ItemRow { location, on_hand: Some(units(7)), ..ItemRow::default() };
            (sku(&format!("SKU-{number:05}")), row)
        };
        let rows = (start..start + 500).map(row).collect();
        let chunk = Chunk { batch, done_before: start, done_after: start + 500 };
        shop.run(Command::ItemRows { chunk, rows }).await.unwrap();
    }
    shop.run(Command::BatchApplied(batch)).await.unwrap();
    let clean = proof(&shop).await;
    assert!(clean.is_clean(), "{clean:#?}");
    assert!(clean.entries > 5000, "one entry an item and one a level: {clean:#?}");
    assert_eq!(clean.levels, 2500);
    shop.corrupt("update level set on_hand = on_hand + 1").await;
    let verified = proof(&shop).await;
    assert_eq!(verified.findings.len(), FINDINGS_MAX);
    assert_eq!(verified.findings_total, 2500);
    // The last level is as wrong as the first: nothing is left out at a page's edge.
    shop.corrupt("update level set on_hand = on_hand - 1").await;
    let last = "update journal set on_hand = 8 where seq = (select max(seq) from journal
                where level_version is not null)";
    shop.corrupt(last).await;
    let verified = proof(&shop).await;
    let shown: Vec<_> = verified.findings.iter().map(ToString::to_string).collect();
    assert!(shown.iter().any(|line| line.contains("SKU-02499")), "{shown:#?}");
    assert_eq!(verified.findings_total, 2, "{shown:#?}");
});

both!(an_unpaid_order_is_no_finding, |shop| {
    shop.item("MUG", 3).await;
    let mut unpaid = imported("web", "1", &[("MUG", 5, 0)]);
    unpaid.payment = Payment::Required;
    shop.run(Command::Import(unpaid)).await.unwrap();
    assert!(proof(&shop).await.is_clean());
});

// What the second mutation of scripts/mutations turns red: nothing is asserted
// of the answers, so that it is the proof itself that sees what they led to.
both!(orders_that_share_a_batch_leave_books_that_are_proven, |shop| {
    shop.item("MUG", 3).await;
    let (writer, gate) = gated(&shop).await;
    let order = |number: i64| (Command::Place(place(&number.to_string(), &[("MUG", 1)])), None);
    assert_eq!(at_once(&writer, &gate, (0..8).map(order).collect()).await.len(), 8);
    writer.close().await;
    let verified = proof(&shop).await;
    assert!(verified.is_clean(), "verify finds {:?}", verified.findings);
});
