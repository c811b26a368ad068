//! Batches that turn out to need much that was not read for them at first: they
//! settle in a few rounds, however many items an order or a batch is about.

use futures_util::future::join_all;
use invshop::domain::BatchId;
use invshop::ledger::catalogue::NewBatch;
use invshop::ledger::stock::Change;
use invshop::writer::Command;

use crate::acts::created;
use crate::both;
use crate::gate::{at_once, gated};
use crate::harness::{TestShop, movement, place, units};

/// Lines of one order, and far more than the rounds a batch may be in others' way.
const ITEMS: usize = 150;

fn names() -> Vec<String> {
    (0..ITEMS).map(|number| format!("PART-{number:03}")).collect()
}

fn lines(names: &[String]) -> Vec<(&str, i64)> {
    names.iter().map(|name| (name.as_str(), 1)).collect()
}

/// One unit of each item, which A holds whole, and B is owed whole.
async fn held_and_owed(shop: &TestShop, names: &[String], unpaid: bool) {
    let items = names.iter().map(|name| shop.item(name, 1));
    join_all(items).await;
    let lines = lines(names);
    if unpaid {
        shop.unpaid("A", &lines).await.unwrap();
    } else {
        shop.place("A", &lines).await.unwrap();
    }
    shop.backorder("B", &lines).await.unwrap();
}

async fn held(shop: &TestShop, id: &str) -> i64 {
    let mut held = 0;
    for line in (1..).take(ITEMS) {
        held += shop.line(id, line).await[1];
    }
    held
}

both!(an_order_of_many_items_is_cancelled_and_all_of_them_go_to_another, |shop| {
    let names = names();
    held_and_owed(&shop, &names, false).await;
    shop.cancel("A").await.unwrap();
    assert_eq!([held(&shop, "A").await, held(&shop, "B").await], [0, 150]);
});

both!(a_shipment_of_many_items_takes_the_holds_of_another_order, |shop| {
    let names = names();
    held_and_owed(&shop, &names, false).await;
    let left: Vec<(i64, i64)> = (1..).zip([1; ITEMS]).collect();
    shop.ship_lines("B", "s", &left).await.unwrap();
    assert_eq!([held(&shop, "A").await, held(&shop, "B").await], [0, 0]);
    assert_eq!(shop.level("PART-000", "main").await, [0, 0, 1, 0]);
});

both!(an_order_of_many_items_expires_beside_whatever_comes_next, |shop| {
    let names = names();
    held_and_owed(&shop, &names, true).await;
    shop.clock.advance_millis(86_400_000);
    shop.receive("PART-007", "main", 1).await;
    assert_eq!([held(&shop, "A").await, held(&shop, "B").await], [0, 150]);
});

both!(receipts_of_many_items_that_are_owed_are_one_batch, |shop| {
    let names = names();
    let items = names.iter().map(|name| shop.item(name, 0));
    join_all(items).await;
    shop.backorder("B", &lines(&names)).await.unwrap();
    let receive =
        |name: &String| shop.run(Command::Stock(movement(name, "main", Change::Receive(units(1)))));
    for reply in join_all(names.iter().map(receive)).await {
        reply.unwrap();
    }
    assert_eq!(held(&shop, "B").await, 150);
});

// One unsound order is told of, and keeps no other from expiring.
both!(an_unsound_order_does_not_keep_others_from_expiring, |shop| {
    for (order, item) in [("E1", "BAD"), ("E2", "GOOD")] {
        shop.item(item, 1).await;
        shop.unpaid(order, &[(item, 1)]).await.unwrap();
    }
    let bad = "(select item_id from item_sku where sku = 'BAD')";
    shop.corrupt(&format!("update level set reserved = 0 where item_id = {bad}")).await;
    shop.clock.advance_millis(86_400_000);
    let sweeper = shop.another().await;
    sweeper.submit(Command::ExpireDue, None).await.unwrap();
    assert_eq!(sweeper.counters.invariant_violations.get(), 1);
    sweeper.close().await;
    assert_eq!([shop.line("E1", 1).await[1], shop.line("E2", 1).await[1]], [1, 0]);
});

// Two end the same import in one batch with an order: only the second is told.
both!(only_the_command_that_came_too_late_fails_of_its_batch, |shop| {
    shop.item("MUG", 2).await;
    let open = Command::BatchOpen(NewBatch {
        kind: "stock",
        file_name: "stock.csv".to_owned(),
        content_hash: [1; 32],
        options: "{}".to_owned(),
        rows_total: 0,
    });
    let batch = BatchId::new(created(shop.run(open).await));
    let (gated, gate) = gated(&shop).await;
    let order = |id| Command::Place(place(id, &[("MUG", 1)]));
    let applied = Command::BatchApplied(batch);
    let commands = [order("1"), applied.clone(), applied, order("2")];
    let replies = at_once(&gated, &gate, commands.map(|one| (one, None)).into()).await;
    let done: Vec<bool> = replies.iter().map(Result::is_ok).collect();
    assert_eq!(done, [true, true, false, true], "{replies:?}");
    gated.close().await;
    assert_eq!(shop.level("MUG", "main").await, [2, 2, 0, 0]);
});
