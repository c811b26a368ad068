//! What commands lead to must not depend on what shares their batch.

use invshop::domain::{FactId, Key, Refusal};
use invshop::ledger::stock::{Basis, Change};
use invshop::orders::{LineRequest, Payment, Place};
use invshop::writer::{Command, WriteError};

use crate::both;
use crate::gate::{at_once, gated};
use crate::harness::{movement, place, reference, sku, units};
use crate::raw::Raw;

fn unpaid(id: &str, lines: &[(&str, i64)]) -> Command {
    Command::Place(Place { payment_required: true, ..place(id, lines) })
}

fn pay(id: &str) -> Command {
    let payment_id = FactId::new("p").unwrap();
    Command::Pay(Payment { reference: reference(id), payment_id, amount: None, currency: None })
}

fn stock(change: Change) -> Command {
    Command::Stock(movement("MUG", "main", change))
}

const STANDS: &str = "select o.external_id || ' held=' || a.held || ' short=' || a.shortfall
  from allocation as a join orders as o on o.id = a.order_id";

both!(a_batch_that_paid_an_order_takes_the_holds_of_the_unpaid_one, |shop| {
    let (gated, gate) = gated(&shop).await;
    shop.item("MUG", 8).await;
    shop.run(unpaid("older", &[("MUG", 4)])).await.unwrap();
    shop.run(unpaid("younger", &[("MUG", 4)])).await.unwrap();
    let count = Change::Count { quantity: units(7), basis: Basis::Physical, observer: None };
    let batch = vec![
        (stock(count), None),
        (pay("younger"), None),
        (stock(Change::WriteOff(units(3))), None),
    ];
    for reply in at_once(&gated, &gate, batch).await {
        reply.unwrap();
    }
    let mut raw = Raw::open(&shop.opening.place).await;
    assert_eq!(raw.texts(STANDS).await, ["older held=1 short=3", "younger held=3 short=1"]);
});

both!(a_clashing_key_leaves_the_command_before_it_alone, |shop| {
    let (gated, gate) = gated(&shop).await;
    shop.item("MUG", 8).await;
    let key = Key::new("once").unwrap();
    shop.shop.submit(stock(Change::Receive(units(1))), Some(key.clone())).await.unwrap();
    let batch = vec![
        (stock(Change::WriteOff(units(3))), None),
        (stock(Change::Receive(units(2))), Some(key.clone())),
        (stock(Change::Receive(units(1))), Some(key)),
    ];
    let replies = at_once(&gated, &gate, batch).await;
    assert!(!replies[0].as_ref().unwrap().replayed);
    let clash = matches!(replies[1], Err(WriteError::Refused(Refusal::IdempotencyMismatch { .. })));
    assert!(clash, "{:?}", replies[1]);
    // The batch wrote something, and its commit was not in doubt: the repeat is called one.
    assert!(replies[2].as_ref().unwrap().replayed);
    let mut raw = Raw::open(&shop.opening.place).await;
    assert_eq!(raw.number("select on_hand from level").await, 6);
});

both!(r20_an_unpaid_order_that_has_left_runs_out_no_more, |shop| {
    shop.item("MUG", 2).await;
    shop.run(unpaid("1", &[("MUG", 2)])).await.unwrap();
    let ship = invshop::orders::Ship {
        reference: reference("1"),
        shipment_id: FactId::new("s").unwrap(),
        lines: None,
        location: None,
        effective_at: None,
        tracking: None,
    };
    shop.run(Command::Ship(ship)).await.unwrap();
    let mut raw = Raw::open(&shop.opening.place).await;
    assert_eq!(raw.number("select count(*) from orders where expires_at is not null").await, 0);
    shop.clock.advance_millis(1_000_000);
    let before = raw.number("select max(seq) from journal").await;
    shop.run(Command::ExpireDue).await.unwrap();
    assert_eq!(raw.number("select max(seq) from journal").await, before);
});

both!(an_order_is_refused_where_nothing_is_sold, |shop| {
    shop.location("pen", invshop::domain::LocationKind::Quarantine).await;
    shop.item("MUG", 2).await;
    shop.stock("MUG", "pen", Change::Receive(units(5))).await.unwrap();
    let pen = invshop::domain::LocationCode::new("pen").unwrap();
    let order = Place { location: Some(pen), ..place("1", &[("MUG", 1)]) };
    let refused = shop.run(Command::Place(order)).await;
    let invalid =
        matches!(refused, Err(WriteError::Refused(Refusal::Invalid { field: "location", .. })));
    assert!(invalid, "{refused:?}");
});

both!(r41_a_late_state_loses_against_an_unchanged_newer_one, |shop| {
    shop.item("MUG", 9).await;
    let state = |version: i64, count: i64| {
        Command::Import(invshop::orders::Import {
            is_current: false,
            reference: reference("1"),
            source_version: Some(version),
            placed_at: 1,
            effective_at: None,
            payment: invshop::domain::order::Payment::None,
            lines: vec![invshop::orders::ImportLine {
                is_mapped: true,
                number: 1,
                request: LineRequest { sku: sku("MUG"), quantity: units(count), unit_price: None },
                shipped: units(0),
                came_back: units(0),
                fulfilled_by: invshop::domain::FulfilledBy::Ledger,
            }],
            location: None,
            currency: None,
            personal: None,
        })
    };
    for (version, count, replayed) in [(1, 2, false), (5, 2, false), (3, 4, true), (5, 2, true)] {
        let answer = shop.run(state(version, count)).await.unwrap();
        assert_eq!(answer.replayed, replayed, "version {version}");
    }
    let mut raw = Raw::open(&shop.opening.place).await;
    assert_eq!(raw.texts(STANDS).await, ["1 held=2 short=0"]);
});
