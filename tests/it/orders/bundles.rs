//! Bundles: lines whose units are made of parts.

use invshop::domain::Refusal;
use invshop::ledger::catalogue::{ItemRow, Upsert};
use invshop::orders::{Disposition, Return, ReturnLine, Ship, ShipLine};
use invshop::writer::Command;

use crate::acts::{giving_back, refused, shipment};
use crate::both;
use crate::harness::{TestShop, sku, units};

/// SET is one POT and two LIDs; there are 3 of each.
async fn sets(shop: &TestShop) {
    shop.item("POT", 3).await;
    shop.item("LID", 3).await;
    shop.bundle("SET", &[("POT", 1), ("LID", 2)]).await.unwrap();
}

async fn ship_part(shop: &TestShop, id: &str, ship: &str, part: i64, count: i64) {
    let lines = Some(vec![ShipLine { line: 1, part: Some(part), quantity: units(count) }]);
    shop.run(Command::Ship(Ship { lines, ..shipment(id, ship) })).await.unwrap();
}

both!(a_bundle_is_available_as_often_as_its_scarcest_part, |shop| {
    sets(&shop).await;
    match refused(shop.place("1", &[("SET", 3)]).await) {
        Refusal::InsufficientStock { shortages } => {
            assert_eq!(shortages[0].sku.as_str(), "SET");
            assert_eq!((shortages[0].requested, shortages[0].available), (3, 1));
        }
        other => panic!("{other:?}"),
    }
    shop.place("2", &[("SET", 1)]).await.unwrap();
    assert_eq!(shop.line("2", 1).await, [1, 1, 0, 0, 0, 0]);
    assert_eq!(shop.level("POT", "main").await, [3, 1, 0, 0]);
    assert_eq!(shop.level("LID", "main").await, [3, 2, 0, 0]);
});

both!(a_line_of_a_bundle_says_where_its_worst_parts_stand, |shop| {
    sets(&shop).await;
    shop.shop_order("1", &[("SET", 3, 0)]).await;
    assert_eq!(shop.parts("1", 1).await, [[3, 3, 0, 0, 0, 0], [6, 3, 0, 3, 0, 0]]);
    assert_eq!(shop.line("web:1", 1).await, [3, 1, 0, 2, 0, 0]);
    ship_part(&shop, "web:1", "s1", 1, 1).await;
    assert_eq!(shop.line("web:1", 1).await, [3, 1, 0, 2, 0, 0]);
    ship_part(&shop, "web:1", "s2", 2, 2).await;
    assert_eq!(shop.parts("1", 1).await, [[3, 2, 1, 0, 0, 0], [6, 1, 2, 3, 0, 0]]);
    assert_eq!(shop.order("web:1").await, ("partially_shipped".to_owned(), [3, 0, 1, 2, 0, 0]));
    shop.cancel_lines("web:1", &[(1, 1)]).await.unwrap();
    assert_eq!(shop.parts("1", 1).await, [[3, 1, 1, 0, 1, 0], [6, 1, 2, 1, 2, 0]]);
    assert_eq!(shop.line("web:1", 1).await, [3, 0, 1, 1, 1, 0]);
    shop.receive("LID", "main", 1).await;
    assert_eq!(shop.line("web:1", 1).await, [3, 1, 1, 0, 1, 0]);
    shop.ship("web:1", "s3").await.unwrap();
    assert_eq!(shop.order("web:1").await, ("shipped".to_owned(), [3, 0, 2, 0, 1, 0]));
    assert_eq!(shop.level("POT", "main").await, [1, 0, 0, 0]);
    assert_eq!(shop.level("LID", "main").await, [0, 0, 0, 0]);
});

both!(a_bundle_has_come_back_when_all_its_parts_have, |shop| {
    sets(&shop).await;
    shop.place("1", &[("SET", 1)]).await.unwrap();
    shop.ship("1", "s1").await.unwrap();
    let back = |id: &str, part, count| {
        let disposition = Disposition::Restock;
        let lines = vec![ReturnLine { line: 1, part, quantity: units(count), disposition }];
        Command::Return(Return { lines, ..giving_back("1", id, (1, 1), disposition) })
    };
    shop.run(back("r1", Some(2), 2)).await.unwrap();
    assert_eq!(shop.line("1", 1).await, [1, 0, 1, 0, 0, 0]);
    assert_eq!(shop.level("LID", "main").await, [3, 0, 0, 0]);
    shop.run(back("r2", Some(1), 1)).await.unwrap();
    assert_eq!(shop.order("1").await, ("returned".to_owned(), [1, 0, 1, 0, 0, 1]));
    assert_eq!(refused(shop.run(back("r3", Some(3), 1)).await).code(), "unknown_line");
    let before = shop.newest().await;
    shop.run(back("r4", None, 1)).await.unwrap();
    assert_eq!(shop.reviews_after(before, "returned_beyond_shipped").await, 1);
    assert_eq!(shop.level("POT", "main").await, [4, 0, 0, 0]);
    assert_eq!(shop.level("LID", "main").await, [5, 0, 0, 0]);
});

both!(a_new_recipe_touches_no_open_order, |shop| {
    sets(&shop).await;
    shop.place("old", &[("SET", 1)]).await.unwrap();
    let row = ItemRow { components: Some(vec![(sku("POT"), units(1))]), ..ItemRow::default() };
    let update = Command::Item { sku: sku("SET"), row: Box::new(row), mode: Upsert::Update };
    shop.run(update).await.unwrap();
    shop.place("new", &[("SET", 2)]).await.unwrap();
    assert_eq!(shop.parts("old", 1).await.len(), 2);
    assert_eq!(shop.parts("new", 1).await, [[2, 2, 0, 0, 0, 0]]);
    shop.ship("old", "s1").await.unwrap();
    assert_eq!(shop.level("LID", "main").await, [1, 0, 0, 0]);
    assert_eq!(shop.level("POT", "main").await, [2, 2, 0, 0]);
});

both!(a_bundle_runs_out_and_is_held_again_whole, |shop| {
    sets(&shop).await;
    shop.unpaid("1", &[("SET", 1)]).await.unwrap();
    shop.expire(900_000).await;
    assert_eq!(shop.order("1").await, ("cancelled".to_owned(), [1, 0, 0, 0, 1, 0]));
    shop.place("2", &[("LID", 2)]).await.unwrap();
    shop.pay("1", "p1").await.unwrap();
    assert_eq!(shop.order("1").await.0, "cancelled");
    assert_eq!(shop.level("POT", "main").await, [3, 0, 0, 0]);
    shop.cancel("2").await.unwrap();
    shop.pay("1", "p2").await.unwrap();
    assert_eq!(shop.order("1").await, ("open".to_owned(), [1, 1, 0, 0, 0, 0]));
    assert_eq!(shop.level("LID", "main").await, [3, 2, 0, 0]);
});
