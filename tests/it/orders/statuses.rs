//! Every status of an order, every command: what comes of it.

use invshop::domain::DecisionTerms;
use invshop::orders::{Decide, Disposition};

use crate::acts::Outcome;
use crate::both;
use crate::harness::{TestShop, place, reference};
use invshop::writer::{Command, WriteError};

/// Statuses in which an order can be found; `waiting` is `pending` for its decision.
const STATUSES: [&str; 9] = [
    "open",
    "pending",
    "backordered",
    "partially_shipped",
    "shipped",
    "cancelled",
    "returned",
    "waiting",
    "rejected",
];

const COMMANDS: [&str; 8] =
    ["cancel", "pay", "accept", "ship", "return", "allocate", "refund", "decide"];

/// What comes of each command, by the order of [`STATUSES`]: how it ended, and the status after.
/// Two units were ordered of five on hand, three where one had left.
const EXPECTED: [[(&str, &str); 8]; 9] = [
    [
        ("done", "cancelled"),
        ("done", "open"),
        ("done", "open"),
        ("done", "shipped"),
        ("done", "open"),
        ("replayed", "open"),
        ("done", "open"),
        ("replayed", "open"),
    ],
    [
        ("done", "cancelled"),
        ("done", "open"),
        ("done", "pending"),
        ("done", "shipped"),
        ("done", "pending"),
        ("replayed", "pending"),
        ("done", "pending"),
        ("replayed", "pending"),
    ],
    [
        ("done", "cancelled"),
        ("done", "backordered"),
        ("done", "backordered"),
        ("invalid", "backordered"),
        // What comes back is stock again, and fills what is owed.
        ("done", "open"),
        ("done", "open"),
        ("done", "backordered"),
        ("replayed", "backordered"),
    ],
    [
        ("done", "shipped"),
        ("done", "partially_shipped"),
        ("done", "partially_shipped"),
        ("done", "shipped"),
        ("done", "partially_shipped"),
        ("replayed", "partially_shipped"),
        ("done", "partially_shipped"),
        ("replayed", "partially_shipped"),
    ],
    [
        ("already_shipped", "shipped"),
        ("done", "shipped"),
        ("done", "shipped"),
        ("invalid", "shipped"),
        ("done", "shipped"),
        ("replayed", "shipped"),
        ("done", "shipped"),
        ("replayed", "shipped"),
    ],
    [
        ("replayed", "cancelled"),
        ("done", "cancelled"),
        ("done", "cancelled"),
        ("invalid", "cancelled"),
        ("done", "cancelled"),
        ("replayed", "cancelled"),
        ("done", "cancelled"),
        ("replayed", "cancelled"),
    ],
    [
        ("already_shipped", "returned"),
        ("done", "returned"),
        ("done", "returned"),
        ("invalid", "returned"),
        ("done", "returned"),
        ("replayed", "returned"),
        ("done", "returned"),
        ("replayed", "returned"),
    ],
    [
        ("done", "cancelled"),
        ("done", "pending"),
        ("done", "pending"),
        ("invalid", "pending"),
        ("done", "pending"),
        ("replayed", "pending"),
        ("done", "pending"),
        ("done", "open"),
    ],
    [
        ("replayed", "rejected"),
        ("done", "rejected"),
        ("done", "rejected"),
        ("invalid", "rejected"),
        ("done", "rejected"),
        ("replayed", "rejected"),
        ("done", "rejected"),
        ("replayed", "rejected"),
    ],
];

/// Makes an order that has a status, of an item of its own.
async fn order_in(shop: &TestShop, status: &str, id: &str) {
    let on_hand = if status == "backordered" { 0 } else { 5 };
    shop.item(id, on_hand).await;
    match status {
        "pending" => drop(shop.unpaid(id, &[(id, 2)]).await.unwrap()),
        "backordered" => {
            shop.backorder(id, &[(id, 2)]).await.unwrap();
            shop.adjust(id, "main", 5).await.unwrap();
        }
        "partially_shipped" => {
            shop.place(id, &[(id, 3)]).await.unwrap();
            shop.ship_lines(id, "s0", &[(1, 1)]).await.unwrap();
        }
        "waiting" | "rejected" => {}
        _ => drop(shop.place(id, &[(id, 2)]).await.unwrap()),
    }
    if matches!(status, "shipped" | "returned") {
        shop.ship(id, "s0").await.unwrap();
    }
    if status == "returned" {
        shop.give_back(id, "r0", 2, Disposition::Restock).await.unwrap();
    }
    if status == "cancelled" {
        shop.cancel(id).await.unwrap();
    }
    if matches!(status, "waiting" | "rejected") {
        let enough = if status == "waiting" { 2 } else { 6 };
        shop.run(Command::PlaceLater(place(id, &[(id, enough)]))).await.unwrap();
    }
    if status == "rejected" {
        decide(shop, id).await.unwrap();
    }
    let expected = if status == "waiting" { "pending" } else { status };
    assert_eq!(shop.order(id).await.0, expected);
}

async fn decide(shop: &TestShop, id: &str) -> Outcome {
    let terms = DecisionTerms { allow_backorder: false, hold_ms: None };
    let decide = Decide { reference: reference(id), terms, refusal: None };
    shop.run(Command::Decide(decide)).await
}

async fn give(shop: &TestShop, command: &str, id: &str) -> Outcome {
    match command {
        "cancel" => shop.cancel(id).await,
        "pay" => shop.pay(id, "p1").await,
        "accept" => shop.accept(id).await,
        "ship" => shop.ship(id, "s1").await,
        "return" => shop.give_back(id, "r1", 1, Disposition::Restock).await,
        "allocate" => shop.allocate(id).await,
        "refund" => shop.refund(id, "f1", 1, true).await,
        "decide" => decide(shop, id).await,
        other => unreachable!("{other}"),
    }
}

/// How a command ended, in a word.
fn ended(outcome: Outcome) -> String {
    match outcome {
        Ok(answer) if answer.replayed => "replayed".to_owned(),
        Ok(_) => "done".to_owned(),
        Err(WriteError::Refused(refusal)) => refusal.code().to_owned(),
        Err(error) => panic!("{error}"),
    }
}

both!(every_command_in_every_status, |shop| {
    for (status, row) in STATUSES.into_iter().zip(EXPECTED) {
        for (command, expected) in COMMANDS.into_iter().zip(row) {
            let id = format!("{status}-{command}");
            order_in(&shop, status, &id).await;
            let before = shop.newest().await;
            let how = ended(give(&shop, command, &id).await);
            let after = shop.order(&id).await.0;
            assert_eq!((how.as_str(), after.as_str()), expected, "{id}");
            if how != "done" {
                assert_eq!(shop.newest().await, before, "{id} wrote something");
            }
        }
    }
});
