//! The shortest way through the ledger.

use invshop::domain::{ExternalId, FactId, OrderRef, Refusal};
use invshop::orders::{LineRequest, Place, Ship};
use invshop::store;
use invshop::writer::{Command, WriteError};

use crate::both;
use crate::harness::{sku, units};

pub(crate) fn reference(id: &str) -> OrderRef {
    OrderRef { source: "cli".to_owned(), external_id: ExternalId::new(id).unwrap() }
}

pub(crate) fn place(id: &str, lines: &[(&str, i64)]) -> Place {
    let line = |&(name, count): &(&str, i64)| LineRequest {
        sku: sku(name),
        quantity: units(count),
        unit_price: None,
    };
    Place {
        reference: reference(id),
        lines: lines.iter().map(line).collect(),
        location: None,
        payment_required: false,
        allow_backorder: false,
        hold_ms: None,
        currency: None,
        placed_at: None,
        personal: None,
    }
}

both!(an_order_is_placed_replayed_refused_and_shipped, |shop| {
    let count = store::prepare_all(&shop.shop.db).await.unwrap();
    assert!(count > 50);
    shop.item("MUG", 3).await;
    let first = shop.run(Command::Place(place("1", &[("MUG", 2)]))).await.unwrap();
    assert!(!first.replayed);
    let again = shop.run(Command::Place(place("1", &[("MUG", 2)]))).await.unwrap();
    assert!(again.replayed);
    assert_eq!(again.detail, first.detail);
    let other = shop.run(Command::Place(place("2", &[("MUG", 2)]))).await;
    match other {
        Err(WriteError::Refused(Refusal::InsufficientStock { shortages })) => {
            assert_eq!((shortages[0].requested, shortages[0].available), (2, 1));
        }
        other => panic!("{other:?}"),
    }
    let ship = Ship {
        reference: reference("1"),
        shipment_id: FactId::new("s1").unwrap(),
        lines: None,
        location: None,
        effective_at: None,
        tracking: None,
    };
    shop.run(Command::Ship(ship.clone())).await.unwrap();
    assert!(shop.run(Command::Ship(ship)).await.unwrap().replayed);
});
