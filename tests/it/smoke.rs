//! The shortest way through the ledger.

use invshop::domain::{FactId, Refusal};
use invshop::orders::Ship;
use invshop::store;
use invshop::writer::{Command, WriteError};

use crate::both;
use crate::harness::{place, reference};

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
