//! What is read of items, orders and their history.

use invshop::clock::Timestamp;
use invshop::domain::{
    AllocationPolicy, Delta, ExternalId, FulfilledBy, LocationKind, OrderRef, OrderStatus, Payment,
    Quantity,
};
use invshop::ledger::catalogue::{ItemRow, Upsert};
use invshop::ledger::stock::{Basis, Change};
use invshop::orders::{Import, ImportLine, LineRequest, Personal};
use invshop::reports::{
    self, Caller, HistoryFilter, ItemFilter, Order, OrderFilter, ReportError, ResolveError, Viewer,
};
use invshop::secret::SeededRandom;
use invshop::writer::Command;
use serde_json::json;

use crate::both;
use crate::harness::{START, TestShop, sku, units};
use crate::smoke::{place, reference};

const SPLIT: AllocationPolicy = AllocationPolicy::Split;
const ONE: AllocationPolicy = AllocationPolicy::OneLocation;

/// An order as a channel reports it.
pub(crate) fn imported(source: &str, id: &str, lines: &[(&str, i64, i64)]) -> Import {
    let line = |(number, &(name, count, shipped)): (i64, &(&str, i64, i64))| ImportLine {
        number,
        request: LineRequest { sku: sku(name), quantity: units(count), unit_price: Some(250) },
        shipped: units(shipped),
        fulfilled_by: FulfilledBy::Ledger,
    };
    Import {
        reference: OrderRef {
            source: source.to_owned(),
            external_id: ExternalId::new(id).unwrap(),
        },
        source_version: None,
        lines: (1..).zip(lines).map(line).collect(),
        location: None,
        payment: Payment::None,
        currency: Some("EUR".to_owned()),
        placed_at: Timestamp::parse(START).unwrap().as_millis(),
        effective_at: None,
        personal: None,
    }
}

/// Creates a bundle.
pub(crate) async fn bundle(shop: &TestShop, name: &str, parts: &[(&str, i64)]) {
    let components = parts.iter().map(|&(part, count)| (sku(part), units(count))).collect();
    let row = ItemRow { components: Some(components), ..ItemRow::default() };
    let command = Command::Item { sku: sku(name), row: Box::new(row), mode: Upsert::Create };
    shop.run(command).await.unwrap();
}

both!(an_item_is_shown_with_the_names_of_the_interface, |shop| {
    let row = ItemRow {
        title: Some(invshop::domain::Title::new("Mug, blue").unwrap()),
        price: Some(1290),
        cost: Some(400),
        currency: Some("EUR".to_owned()),
        location: Some(invshop::domain::LocationCode::new("main").unwrap()),
        on_hand: Some(units(10)),
        safety: Some(units(2)),
        attributes: Some(r#"{"colour":"blue"}"#.to_owned()),
        ..ItemRow::default()
    };
    let command = Command::Item { sku: sku("MUG"), row: Box::new(row), mode: Upsert::Create };
    shop.run(command).await.unwrap();
    shop.run(Command::Place(place("1", &[("MUG", 3)]))).await.unwrap();
    let view = reports::item(&shop.shop.db, &sku("MUG"), SPLIT).await.unwrap().unwrap();
    assert_eq!(
        serde_json::to_value(&view).unwrap(),
        json!({
            "sku": "MUG", "title": "Mug, blue", "status": "active", "version": 1,
            "on_hand": 10, "reserved": 3, "shortfall": 0, "safety": 2, "available_to_promise": 5,
            "price": {"amount": 1290, "currency": "EUR"}, "attributes": {"colour": "blue"},
            "levels": [{
                "location": "main", "on_hand": 10, "reserved": 3, "shortfall": 0, "safety": 2,
                "available_to_promise": 5, "version": 3
            }]
        })
    );
    assert!(reports::item(&shop.shop.db, &sku("mug"), SPLIT).await.unwrap().is_none());
    let rename = Command::Rename { from: sku("MUG"), to: sku("MUG-BLUE") };
    shop.run(rename).await.unwrap();
    let detail = reports::item_detail(&shop.shop.db, &sku("MUG"), SPLIT).await.unwrap().unwrap();
    assert_eq!((detail.item.sku.as_str(), detail.item.version), ("MUG-BLUE", 2));
    assert_eq!(detail.aliases, ["MUG"]);
    assert_eq!(detail.cost.unwrap().amount, 400);
    shop.run(Command::Discontinue(sku("MUG"))).await.unwrap_err();
});
