//! Items and their names: what can be created, renamed and taken out of sale.

use invshop::domain::{AccountName, LocationKind, Refusal};
use invshop::ledger::catalogue::{ItemRow, NewAccount, NewBatch, Upsert};
use invshop::ledger::stock::Change;
use invshop::writer::{Command, Detail};

use crate::acts::{code, counted, created, refused};
use crate::both;
use crate::harness::{sku, units};

// R57: the SKU is a name, the item is the key.
both!(r57_a_renamed_sku_changes_no_number_and_keeps_resolving, |shop| {
    shop.item("OLD", 5).await;
    shop.item("OTHER", 5).await;
    shop.place("1", &[("OLD", 2)]).await.unwrap();
    let before = shop.newest().await;
    let rename = |from: &str, to: &str| Command::Rename { from: sku(from), to: sku(to) };
    shop.run(rename("OLD", "NEW")).await.unwrap();
    assert_eq!(shop.kinds_after(before).await, ["item.updated"]);
    assert_eq!(shop.level("NEW", "main").await, [5, 2, 0, 0]);
    assert_eq!(shop.level("OLD", "main").await, [5, 2, 0, 0]);
    shop.receive("OLD", "main", 1).await;
    shop.place("2", &[("OLD", 1)]).await.unwrap();
    shop.ship("1", "s1").await.unwrap();
    assert_eq!(shop.level("NEW", "main").await, [4, 1, 0, 0]);
    assert_eq!(refused(shop.run(rename("NEW", "OTHER")).await).code(), "already_exists");
    assert_eq!(refused(shop.run(rename("OTHER", "OLD")).await).code(), "already_exists");
    let row = Box::new(ItemRow::default());
    let create = Command::Item { sku: sku("OLD"), row, mode: Upsert::Create };
    assert_eq!(refused(shop.run(create).await).code(), "already_exists");
    shop.run(rename("NEW", "OLD")).await.unwrap();
    assert_eq!(shop.texts("select sku from item where id = 1").await, [["OLD"]]);
    assert_eq!(shop.level("NEW", "main").await, [4, 1, 0, 0]);
    assert_eq!(refused(shop.run(rename("NOBODY", "X")).await).code(), "unknown_sku");
});

both!(an_item_with_open_orders_is_not_discontinued, |shop| {
    shop.item("MUG", 1).await;
    shop.shop_order("1", &[("MUG", 3, 0)]).await;
    match refused(shop.run(Command::Discontinue(sku("MUG"))).await) {
        Refusal::HasOpenReservations { units, .. } => assert_eq!(units, 3),
        other => panic!("{other:?}"),
    }
    shop.cancel("web:1").await.unwrap();
    shop.run(Command::Discontinue(sku("MUG"))).await.unwrap();
    let before = shop.newest().await;
    shop.run(Command::Discontinue(sku("MUG"))).await.unwrap();
    assert_eq!(shop.newest().await, before);
    assert_eq!(refused(shop.place("2", &[("MUG", 1)]).await).code(), "insufficient_stock");
    shop.shop_order("3", &[("MUG", 1, 0)]).await;
    assert_eq!(shop.line("web:3", 1).await, [1, 1, 0, 0, 0, 0]);
});

both!(a_bundle_has_no_stock_of_its_own, |shop| {
    shop.item("POT", 5).await;
    shop.item("LID", 5).await;
    shop.bundle("SET", &[("POT", 1), ("LID", 2)]).await.unwrap();
    let outcomes = vec![
        shop.stock("SET", "main", Change::Receive(units(1))).await,
        shop.adjust("SET", "main", 1).await,
        shop.stock("SET", "main", counted(1)).await,
        shop.stock("SET", "main", Change::Safety(units(1))).await,
    ];
    for outcome in outcomes {
        assert_eq!(refused(outcome).code(), "bundle_has_no_stock");
    }
    assert_eq!(refused(shop.bundle("BOX", &[("SET", 1)]).await).code(), "invalid");
    let row = ItemRow { components: Some(vec![(sku("LID"), units(1))]), ..ItemRow::default() };
    let become_bundle = Command::Item { sku: sku("POT"), row: Box::new(row), mode: Upsert::Update };
    assert_eq!(refused(shop.run(become_bundle).await).code(), "invalid");
});

both!(opening_stock_is_used_only_where_nothing_moved_before, |shop| {
    shop.item("MUG", 5).await;
    let row =
        ItemRow { location: Some(code("main")), on_hand: Some(units(50)), ..ItemRow::default() };
    let again = Command::Item { sku: sku("MUG"), row: Box::new(row), mode: Upsert::Either };
    let answer = shop.run(again).await.unwrap();
    match answer.detail {
        Detail::Rows(rows) => assert!(rows[0].opening_ignored),
        other => panic!("{other:?}"),
    }
    assert_eq!(shop.level("MUG", "main").await, [5, 0, 0, 0]);
});

both!(a_component_does_not_become_a_bundle, |shop| {
    for name in ["POT", "LID", "KNOB"] {
        shop.run(item(name, None, Upsert::Create)).await.unwrap();
    }
    shop.run(item("SET", Some(&["POT", "LID"]), Upsert::Create)).await.unwrap();
    let nested = refused(shop.run(item("LID", Some(&["KNOB"]), Upsert::Update)).await);
    assert!(nested.to_string().contains("LID is part of a bundle"), "{nested}");
    let nested = refused(shop.run(item("BIG", Some(&["SET"]), Upsert::Create)).await);
    assert!(nested.to_string().contains("SET is a bundle"), "{nested}");
});

fn item(name: &str, components: Option<&[&str]>, mode: Upsert) -> Command {
    let components = components.map(|all| all.iter().map(|one| (sku(one), units(1))).collect());
    Command::Item {
        sku: sku(name),
        row: Box::new(ItemRow { components, ..ItemRow::default() }),
        mode,
    }
}

both!(the_name_of_an_account_is_given_once, |shop| {
    let new =
        NewAccount { name: AccountName::new("webshop").unwrap(), role: "storefront", key: None };
    shop.run(Command::CreateAccount(new.clone())).await.unwrap();
    let again = refused(shop.run(Command::CreateAccount(new)).await);
    assert_eq!(again.code(), "already_exists");
    assert_eq!(shop.shop.counters.batch_redos.get(), 0);
});

// People type these numbers: they begin at 1 and leave no gap for
// what other kinds are numbered with.
both!(locations_accounts_and_imports_are_numbered_each_by_itself, |shop| {
    let ids = |of: &str| format!("select id from {of} order by id");
    shop.location("store", LocationKind::Store).await;
    shop.account("web").await.unwrap();
    for expected in 1..=2 {
        let open = Command::BatchOpen(NewBatch {
            kind: "stock",
            file_name: "stock.csv".to_owned(),
            content_hash: [u8::try_from(expected).unwrap(); 32],
            options: "{}".to_owned(),
            rows_total: 1,
        });
        assert_eq!(created(shop.run(open).await), expected);
    }
    assert_eq!(shop.ints(&ids("location")).await, [[1], [2]]);
    // Those of the command line and of the first admin key come first.
    assert_eq!(shop.ints(&ids("account")).await, [[1], [2], [3]]);
    assert_eq!(shop.ints(&ids("batch")).await, [[1], [2]]);
    assert_eq!(shop.shop.counters.batch_redos.get(), 0);
});
