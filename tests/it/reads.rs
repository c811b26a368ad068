//! What is read of items, orders and their history.

use invshop::clock::Timestamp;
use invshop::domain::{
    AllocationPolicy, Delta, ExternalId, FulfilledBy, LocationKind, OrderRef, OrderStatus, Payment,
};
use invshop::ledger::catalogue::{ItemRow, Upsert};
use invshop::ledger::stock::Change;
use invshop::orders::{Import, ImportLine, LineRequest, Personal};
use invshop::reports::{
    self, Caller, HistoryFilter, HoldPolicy, ItemFilter, Order, OrderFilter, ReportError,
    ResolveError, Term, TermName, Viewer,
};
use invshop::secret::SeededRandom;
use invshop::writer::Command;
use serde_json::json;

use crate::both;
use crate::harness::{START, TestShop, place, reference, sku, units};

const SPLIT: AllocationPolicy = AllocationPolicy::Split;
const ONE: AllocationPolicy = AllocationPolicy::OneLocation;

/// An order as a channel reports it.
pub(crate) fn imported(source: &str, id: &str, lines: &[(&str, i64, i64)]) -> Import {
    let line = |(number, &(name, count, shipped)): (i64, &(&str, i64, i64))| ImportLine {
        is_mapped: true,
        number,
        request: LineRequest { sku: sku(name), quantity: units(count), unit_price: Some(250) },
        shipped: units(shipped),
        came_back: units(0),
        fulfilled_by: FulfilledBy::Ledger,
    };
    Import {
        is_current: false,
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

both!(items_are_listed_by_sku_in_pages_and_filtered, |shop| {
    shop.location("store", LocationKind::Store).await;
    for (name, on_hand) in [("b", 5), ("B", 1), ("a-1", 2), ("Ä%", 3), ("a_1", 4)] {
        shop.item(name, on_hand).await;
    }
    let watched = ItemRow { reorder_point: Some(units(2)), ..ItemRow::default() };
    for name in ["b", "a-1"] {
        let row = Box::new(watched.clone());
        let command = Command::Item { sku: sku(name), row, mode: Upsert::Update };
        shop.run(command).await.unwrap();
    }
    shop.stock("B", "store", Change::Receive(units(1))).await.unwrap();
    let db = &shop.shop.db;
    let list = async |filter: ItemFilter| {
        let page = reports::items(db, &filter, SPLIT, None, 500).await.unwrap();
        page.data.into_iter().map(|item| item.sku).collect::<Vec<_>>()
    };
    assert_eq!(list(ItemFilter::default()).await, ["B", "a-1", "a_1", "b", "Ä%"]);
    let q = |text: &str| ItemFilter { q: Some(text.to_owned()), ..ItemFilter::default() };
    assert_eq!(list(q("A_")).await, ["a_1"]);
    assert_eq!(list(q("%")).await, ["Ä%"]);
    assert_eq!(list(q("b")).await, ["B", "b"]);
    let location = invshop::domain::LocationCode::new("store").ok();
    assert_eq!(list(ItemFilter { location, ..ItemFilter::default() }).await, ["B"]);
    assert_eq!(list(ItemFilter { low_stock: true, ..ItemFilter::default() }).await, ["a-1"]);
    let mut seen = Vec::new();
    let mut cursor = None;
    loop {
        let filter = ItemFilter::default();
        let page = reports::items(db, &filter, SPLIT, cursor.as_deref(), 2).await.unwrap();
        seen.extend(page.data.into_iter().map(|item| item.sku));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, ["B", "a-1", "a_1", "b", "Ä%"]);
    shop.clock.advance_millis(1000);
    let since = shop.clock_now();
    shop.stock("b", "main", Change::Adjust(Delta::new(-1).unwrap())).await.unwrap();
    let updated_since = Some(since);
    assert_eq!(list(ItemFilter { updated_since, ..ItemFilter::default() }).await, ["b"]);
});

both!(a_bundle_has_what_its_parts_make, |shop| {
    shop.location("store", LocationKind::Store).await;
    shop.location("aside", LocationKind::Quarantine).await;
    shop.item("POT", 3).await;
    shop.item("LID", 2).await;
    bundle(&shop, "SET", &[("POT", 1), ("LID", 2)]).await;
    shop.stock("LID", "store", Change::Receive(units(3))).await.unwrap();
    shop.stock("POT", "store", Change::Receive(units(1))).await.unwrap();
    shop.stock("POT", "aside", Change::Receive(units(9))).await.unwrap();
    let db = &shop.shop.db;
    let pooled = reports::item(db, &sku("SET"), SPLIT).await.unwrap().unwrap();
    assert_eq!(pooled.totals.available_to_promise, 2);
    let levels: Vec<_> = pooled
        .levels
        .iter()
        .map(|level| (level.location.as_str(), level.totals.available_to_promise))
        .collect();
    assert_eq!(levels, [("main", 1), ("store", 1)]);
    let single = reports::item(db, &sku("SET"), ONE).await.unwrap().unwrap();
    assert_eq!(single.totals.available_to_promise, 1);
    for policy in [SPLIT, ONE] {
        let explained = reports::explain(db, &sku("SET"), policy).await.unwrap();
        let item = reports::item(db, &sku("SET"), policy).await.unwrap().unwrap();
        assert_eq!(explained.available_to_promise, item.totals.available_to_promise);
        let least = explained.parts.iter().map(|part| part.makes).min();
        assert_eq!(least, Some(explained.available_to_promise));
        assert_eq!(explained.best_location.is_some(), policy == ONE);
    }
    // What is shown is what a request gets.
    shop.run(Command::Place(place("1", &[("SET", 3)]))).await.unwrap_err();
    shop.run(Command::Place(place("1", &[("SET", 2)]))).await.unwrap();
});

both!(r74_the_terms_add_up_to_what_may_be_promised, |shop| {
    crate::verify::busy(&shop).await;
    shop.location("aside", LocationKind::Quarantine).await;
    shop.stock("LID", "aside", Change::Receive(units(4))).await.unwrap();
    let mut unpaid = place("9", &[("LID", 1)]);
    unpaid.payment_required = true;
    shop.run(Command::Place(unpaid)).await.unwrap();
    let db = &shop.shop.db;
    for name in ["MUG", "LID", "POT"] {
        let explained = reports::explain(db, &sku(name), SPLIT).await.unwrap();
        let item = reports::item(db, &sku(name), SPLIT).await.unwrap().unwrap();
        let expected = item.totals.available_to_promise;
        assert_eq!(explained.available_to_promise, expected, "{explained:#?}");
        let sum: i64 = explained.terms.iter().map(|term| term.units).sum();
        assert_eq!(sum, expected, "{explained:#?}");
        for location in &explained.locations {
            let sum: i64 = location.terms.iter().map(|term| term.units).sum();
            assert_eq!(sum, location.available_to_promise, "{name} {location:#?}");
        }
    }
    let mug = reports::explain(db, &sku("MUG"), SPLIT).await.unwrap();
    let main = &mug.locations[0];
    let owed = main.terms.iter().find(|term| term.name == TermName::Shortfall).unwrap();
    let claim = owed.claim.as_ref().unwrap();
    assert_eq!((claim.order_id.as_str(), claim.policy), ("web:7", HoldPolicy::UntilShipped));
    assert!(main.terms.iter().any(|term| term.name == TermName::Floor));
    assert!(main.terms.iter().any(|term| term.name == TermName::Safety && term.units == -1));
    let opening = main.terms.iter().find(|term| term.kind.as_deref() == Some("count")).unwrap();
    assert_eq!((opening.units, opening.entries.unwrap().count), (10, 1));
    // R16: why a hold is kept, and how long, is part of the answer.
    let lid = reports::explain(db, &sku("LID"), SPLIT).await.unwrap();
    let held = lid.locations.iter().flat_map(|one| &one.terms).filter_map(|t| t.claim.as_ref());
    let policies: Vec<_> = held.map(|c| (c.order_id.as_str(), c.policy)).collect();
    assert!(policies.contains(&("cli:9", HoldPolicy::UntilExpiry)), "{policies:?}");
    let aside = lid.locations.iter().find(|one| one.location == "aside").unwrap();
    assert_eq!(aside.available_to_promise, 0);
    assert!(aside.terms.iter().any(|t| t.name == TermName::NotSoldHere && t.units == -4));
    let unknown = reports::explain(db, &sku("GHOST"), SPLIT).await.unwrap_err();
    assert!(matches!(unknown, ReportError::Refused(refusal) if refusal.code() == "unknown_sku"));
});

both!(a_discontinued_item_offers_nothing_and_says_so, |shop| {
    shop.item("MUG", 4).await;
    shop.run(Command::Discontinue(sku("MUG"))).await.unwrap();
    let db = &shop.shop.db;
    let item = reports::item(db, &sku("MUG"), SPLIT).await.unwrap().unwrap();
    assert_eq!((item.totals.on_hand, item.totals.available_to_promise), (4, 0));
    assert_eq!(item.levels[0].totals.available_to_promise, 4);
    let explained = reports::explain(db, &sku("MUG"), SPLIT).await.unwrap();
    let sum: i64 = explained.terms.iter().map(|term| term.units).sum();
    assert_eq!(sum, 0);
    let says = |term: &Term| term.name == TermName::Discontinued && term.units == -4;
    assert!(explained.terms.iter().any(says));
});

both!(an_order_is_shown_with_the_names_of_the_interface, |shop| {
    shop.item("MUG", 3).await;
    let mut import = imported("web", "A:7", &[("MUG", 5, 1), ("NOBODY", 2, 0)]);
    let plain = json!({"name": "somebody", "email": "a@example.com"});
    let random = SeededRandom::new(5);
    import.personal = Some(Personal::seal(&shop.shop.key, &import.reference, &plain, &random));
    let name = import.reference.clone();
    shop.run(Command::Import(import)).await.unwrap();
    let db = &shop.shop.db;
    let viewer = Viewer { own_source: Some("cli"), key: None };
    let order = reports::order(db, &name, viewer).await.unwrap().unwrap();
    assert_eq!(
        serde_json::to_value(&order).unwrap(),
        json!({
            "order_id": "web:A:7", "channel": "web", "external_id": "A:7",
            "status": "partially_shipped", "version": 1,
            "lines": [
                {"line": 1, "sku": "MUG", "quantity": 5, "held": 2, "shipped": 1,
                 "shortfall": 2, "cancelled": 0, "returned": 0,
                 "allocations": [{"location": "main", "held": 2, "shipped": 1, "shortfall": 2}],
                 "unit_price": {"amount": 250, "currency": "EUR"},
                 "mapped": true, "item": "MUG", "fulfilled_by": "ledger"},
                {"line": 2, "sku": "NOBODY", "quantity": 2, "held": 0, "shipped": 0,
                 "shortfall": 2, "cancelled": 0, "returned": 0, "allocations": [],
                 "unit_price": {"amount": 250, "currency": "EUR"},
                 "mapped": false, "item": null, "fulfilled_by": "ledger"},
            ],
            "total": {"amount": 1750, "currency": "EUR"},
            "payment": "none", "accepted": false, "location": null, "expires_at": null,
            "cancel_reason": null,
            "placed_at": "2026-03-02T09:00:00.000Z", "updated_at": "2026-03-02T09:00:00.000Z"
        })
    );
    let viewer = Viewer { own_source: None, key: Some(&shop.shop.key) };
    let opened = reports::order(db, &name, viewer).await.unwrap().unwrap();
    assert_eq!(opened.customer, Some(plain));
});

both!(a_name_leads_to_one_order_or_says_which, |shop| {
    shop.item("MUG", 9).await;
    shop.run(Command::Place(place("1001", &[("MUG", 1)]))).await.unwrap();
    for (source, id) in [("web", "1001"), ("web", "77"), ("ebay", "88"), ("web", "88")] {
        let import = imported(source, id, &[("MUG", 1, 0)]);
        shop.run(Command::Import(import)).await.unwrap();
    }
    let db = &shop.shop.db;
    let staff = Caller::Staff { own_source: "cli" };
    let named = async |text: &str, caller: Caller<'_>| {
        reports::resolve_order(db, text, caller).await.map(|order| order.to_string())
    };
    assert_eq!(named("1001", staff).await.unwrap(), "cli:1001");
    assert_eq!(named("web:1001", staff).await.unwrap(), "web:1001");
    assert_eq!(named("77", staff).await.unwrap(), "web:77");
    match named("88", staff).await {
        Err(error @ ResolveError::Ambiguous { .. }) => {
            assert_eq!(error.code(), "ambiguous_order");
            assert!(error.to_string().ends_with("ebay:88, web:88"), "{error}");
        }
        other => panic!("{other:?}"),
    }
    for unknown in ["99", "web:99", "", "a\0b"] {
        let error = named(unknown, staff).await.unwrap_err();
        assert_eq!(error.code(), "unknown_order");
    }
    let shop_front = Caller::Storefront { own_source: "web" };
    assert_eq!(named("77", shop_front).await.unwrap(), "web:77");
    assert_eq!(named("web:77", shop_front).await.unwrap(), "web:77");
    assert_eq!(named("ebay:88", shop_front).await.unwrap_err().code(), "unknown_order");
    assert_eq!(named("cli:1001", shop_front).await.unwrap_err().code(), "unknown_order");
    let own = Viewer { own_source: Some("cli"), key: None };
    let all = reports::orders(db, &OrderFilter::default(), own, None, 500).await.unwrap();
    let ids: Vec<_> = all.data.iter().map(|order| order.order_id.as_str()).collect();
    assert_eq!(ids, ["web:88", "ebay:88", "web:77", "web:1001", "1001"]);
    for id in ids {
        named(id, staff).await.unwrap();
    }
});

both!(orders_are_listed_in_pages_and_filtered, |shop| {
    shop.item("MUG", 3).await;
    for id in ["1", "2", "3"] {
        shop.run(Command::Place(place(id, &[("MUG", 1)]))).await.unwrap();
        shop.clock.advance_millis(1000);
    }
    let since = shop.clock_now();
    shop.run(Command::Import(imported("web", "4", &[("MUG", 1, 0)]))).await.unwrap();
    let db = &shop.shop.db;
    let viewer = Viewer { own_source: Some("cli"), key: None };
    let list = async |filter: OrderFilter| {
        let page = reports::orders(db, &filter, viewer, None, 500).await.unwrap();
        page.data.into_iter().map(|order| order.order_id).collect::<Vec<_>>()
    };
    assert_eq!(list(OrderFilter::default()).await, ["web:4", "3", "2", "1"]);
    let status = Some(OrderStatus::Backordered);
    assert_eq!(list(OrderFilter { status, ..OrderFilter::default() }).await, ["web:4"]);
    let channel = Some("cli".to_owned());
    assert_eq!(list(OrderFilter { channel, ..OrderFilter::default() }).await, ["3", "2", "1"]);
    let updated_since = Some(since);
    assert_eq!(list(OrderFilter { updated_since, ..OrderFilter::default() }).await, ["web:4"]);
    let placed_since = Timestamp::parse(START).unwrap().plus_millis(1).ok();
    assert_eq!(list(OrderFilter { placed_since, ..OrderFilter::default() }).await, ["3", "2"]);
    let first = reports::orders(db, &OrderFilter::default(), viewer, None, 3).await.unwrap();
    let cursor = first.next_cursor.unwrap();
    let rest =
        reports::orders(db, &OrderFilter::default(), viewer, Some(&cursor), 3).await.unwrap();
    assert_eq!((rest.data[0].order_id.as_str(), rest.data.len()), ("1", 1));
    assert_eq!(rest.next_cursor, None);
    let bad = reports::orders(db, &OrderFilter::default(), viewer, Some("x"), 3).await;
    assert!(matches!(bad, Err(ReportError::Refused(_))));
});

both!(the_history_of_an_item_and_an_order_says_what_happened, |shop| {
    shop.location("store", LocationKind::Store).await;
    shop.item("MUG", 5).await;
    shop.run(Command::Place(place("1", &[("MUG", 2)]))).await.unwrap();
    let mut receipt = crate::harness::movement("MUG", "store", Change::Receive(units(4)));
    receipt.reason = Some(invshop::domain::Reason::new("found a box").unwrap());
    shop.run(Command::Stock(receipt)).await.unwrap();
    let db = &shop.shop.db;
    let all = HistoryFilter { order: Order::OldestFirst, ..HistoryFilter::default() };
    let page = reports::history(db, &sku("MUG"), &all, None, 500).await.unwrap();
    let kinds: Vec<_> = page.data.iter().map(|entry| entry.kind.as_str()).collect();
    assert_eq!(kinds, ["count", "reserve", "receipt"]);
    let shown = serde_json::to_value(&page.data[1]).unwrap();
    for (field, value) in [
        ("type", json!("stock.reserved")),
        ("sku", json!("MUG")),
        ("location", json!("main")),
        ("change", json!({"on_hand": 0, "reserved": 2, "shortfall": 0, "safety": 0})),
        ("on_hand", json!(5)),
        ("reserved", json!(2)),
        ("available_to_promise", json!(3)),
        ("version", json!(2)),
        ("order_id", json!("cli:1")),
        ("line", json!(1)),
        ("account", json!("cli")),
    ] {
        assert_eq!(shown[field], value, "{field} of {shown}");
    }
    assert_eq!(page.data[2].reason.as_deref(), Some("found a box"));
    let newest = HistoryFilter::default();
    let mut kinds = Vec::new();
    let mut cursor = None;
    loop {
        let page = reports::history(db, &sku("MUG"), &newest, cursor.as_deref(), 1).await.unwrap();
        kinds.extend(page.data.into_iter().map(|entry| entry.kind));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(kinds, ["receipt", "reserve", "count"]);
    let location = invshop::domain::LocationCode::new("store").ok();
    let store = HistoryFilter { location, ..HistoryFilter::default() };
    let page = reports::history(db, &sku("MUG"), &store, None, 500).await.unwrap();
    assert_eq!(page.data.len(), 1);
    let order = reports::order_history(db, &reference("1"), None, 500).await.unwrap();
    let kinds: Vec<_> = order.data.iter().map(|entry| entry.kind.as_str()).collect();
    assert_eq!(kinds, ["order.placed", "reserve"]);
    assert!(order.data[0].totals.is_none());
    let unknown = reports::order_history(db, &reference("nobody"), None, 500).await;
    assert!(matches!(unknown, Err(ReportError::Refused(_))));
});

both!(what_was_true_at_a_moment_is_final_once_something_later_is_recorded, |shop| {
    shop.location("store", LocationKind::Store).await;
    let created = shop.clock_now();
    shop.clock.advance_millis(1000);
    shop.item("MUG", 5).await;
    let opened = shop.clock_now();
    for step in 1..=40 {
        shop.clock.advance_millis(1000);
        shop.stock("MUG", "store", Change::Receive(units(step))).await.unwrap();
    }
    let now = shop.clock_now();
    let db = &shop.shop.db;
    let at = async |moment: Timestamp| {
        let answer = reports::as_of(db, &sku("MUG"), moment, now).await.unwrap();
        (answer.totals.on_hand, answer.is_final)
    };
    assert_eq!(at(created).await, (0, true));
    assert_eq!(at(opened).await, (5, true));
    let mut expected = 5;
    for step in 1..=40 {
        let moment = opened.plus_millis(step * 1000).unwrap();
        assert_eq!(at(moment.plus_millis(-1).unwrap()).await, (expected, true));
        expected += step;
        assert_eq!(at(moment).await, (expected, step < 40));
    }
    let answer = reports::as_of(db, &sku("MUG"), now, now).await.unwrap();
    let levels: Vec<_> =
        answer.levels.iter().map(|one| (one.location.as_str(), one.totals.on_hand)).collect();
    assert_eq!(levels, [("main", 5), ("store", 820)]);
    let later = now.plus_millis(1).unwrap();
    let refused = reports::as_of(db, &sku("MUG"), later, now).await.unwrap_err();
    assert!(matches!(refused, ReportError::Refused(refusal) if refusal.code() == "invalid"));
    let shown = serde_json::to_value(&answer).unwrap();
    assert_eq!(shown["final"], json!(false));
});
