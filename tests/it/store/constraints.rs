//! The last line of defence: what the database refuses whoever asks.

use invshop::domain::Kind;
use invshop::domain::LocationKind;
use invshop::orders::Disposition;

use crate::both;
use crate::harness::TestShop;

/// A shop in which a little of everything happened.
async fn busy(shop: &TestShop) {
    shop.location("store", LocationKind::Store).await;
    shop.item("POT", 9).await;
    shop.item("LID", 9).await;
    shop.bundle("SET", &[("POT", 1), ("LID", 1)]).await.unwrap();
    shop.place("1", &[("POT", 2), ("SET", 1)]).await.unwrap();
    shop.ship_lines("1", "s1", &[(1, 1)]).await.unwrap();
    shop.shop_order("2", &[("POT", 20, 0)]).await;
    shop.transfer("LID", "main", "store", 3).await.unwrap();
    shop.give_back("1", "r1", 1, Disposition::WriteOff).await.unwrap();
    shop.unpaid("3", &[("LID", 1)]).await.unwrap();
    shop.expire(900_000).await;
    shop.receive("POT", "main", 4).await;
    shop.count("POT", "main", 8).await;
    shop.safety("LID", "main", 1).await;
    shop.adjust("LID", "store", -1).await.unwrap();
    shop.cancel("web:2").await.unwrap();
}

async fn refuses(shop: &TestShop, sql: &str) {
    let error = shop.probe().await.change(sql).await;
    let error = error.expect_err(sql);
    assert!(error.as_database_error().is_some(), "{sql}: {error}");
}

// R8: no row of a level can be negative or promise more than is there.
// R2: whoever writes, and however: the rule stands in the database.
both!(r2_r8_the_database_refuses_impossible_levels, |shop| {
    busy(&shop).await;
    for change in [
        "on_hand = -1, reserved = 0",
        "on_hand = 0",
        "on_hand = 1000000001",
        "reserved = on_hand + 1",
        "reserved = -1",
        "shortfall = -1",
        "shortfall = 1000000001",
        "safety = -1",
        "version = -1",
    ] {
        refuses(&shop, &format!("update level set {change} where reserved > 0")).await;
    }
    refuses(
        &shop,
        "insert into level (item_id, location_id, on_hand, reserved, shortfall, safety, version)
                    values (999, 1, 0, 0, 0, 0, 0)",
    )
    .await;
});

// R12: there is one level of an item at a place.
both!(r12_a_level_cannot_be_there_twice, |shop| {
    busy(&shop).await;
    refuses(
        &shop,
        "insert into level (item_id, location_id, on_hand, reserved, shortfall, safety, version)
                    select item_id, location_id, 0, 0, 0, 0, 0 from level",
    )
    .await;
});

both!(the_database_refuses_impossible_orders, |shop| {
    busy(&shop).await;
    for table in ["orders", "order_line", "order_part"] {
        for change in
            ["held = held + 1", "shipped = -1, held = held + shipped + 1", "returned = shipped + 1"]
        {
            refuses(&shop, &format!("update {table} set {change}")).await;
        }
    }
    refuses(&shop, "update allocation set held = -1").await;
    refuses(&shop, "update orders set status = 'open'").await;
    refuses(&shop, "update orders set external_id = '1', source = 'cli'").await;
    refuses(&shop, "update order_fact set fact_id = 'x', kind = 'gift'").await;
    refuses(&shop, "insert into order_fact (order_id, kind, fact_id, content_hash, data, recorded_at)
                    select order_id, kind, fact_id, content_hash, data, recorded_at from order_fact").await;
});

both!(the_journal_is_only_ever_added_to, |shop| {
    busy(&shop).await;
    let before = shop.newest().await;
    refuses(&shop, "update journal set at = at + 1").await;
    refuses(&shop, "update journal set data = null where seq = 1").await;
    refuses(&shop, "delete from journal where seq = 1").await;
    refuses(&shop, "delete from journal").await;
    if shop.backend() == crate::harness::Backend::Postgres {
        refuses(&shop, "truncate journal").await;
    }
    let again = "insert into journal (seq, at, kind, effective_at) select seq, at, kind, effective_at from journal where seq = 1";
    refuses(&shop, again).await;
    // A version of a level is written once, with totals that can be.
    for totals in ["max(reserved) + 5, max(reserved) + 6", "-1, 0"] {
        let entry = format!(
            "insert into journal (seq, at, kind, effective_at, item_id, location_id, level_version,
                                  d_on_hand, d_reserved, d_shortfall, d_safety,
                                  on_hand, reserved, shortfall, safety)
             select max(seq) + 1, max(at), 'count', max(at), 1, 1, 999, 1, 0, 0, 0, {totals}, 0, 0
             from journal"
        );
        refuses(&shop, &entry).await;
    }
    let twice = "insert into journal (seq, at, kind, effective_at, item_id, location_id,
                                      level_version, d_on_hand, d_reserved, d_shortfall, d_safety,
                                      on_hand, reserved, shortfall, safety)
                 select (select max(seq) + 1 from journal), (select max(at) from journal), kind,
                        effective_at, item_id, location_id, level_version, d_on_hand, d_reserved,
                        d_shortfall, d_safety, on_hand, reserved, shortfall, safety
                 from journal where level_version = 1 limit 1";
    refuses(&shop, twice).await;
    assert_eq!(shop.newest().await, before);
});

// R42: what others hear of is made from the entries themselves, so none can be left out.
both!(r42_every_change_of_a_level_is_one_entry_and_one_event, |shop| {
    busy(&shop).await;
    let changes = shop.int("select cast(sum(version) as bigint) from level").await;
    let mut events = 0;
    let mut kinds = 0;
    let by_kind = "select kind, cast(count(*) as text), cast(count(level_version) as text)
                   from journal group by kind";
    for row in shop.texts(by_kind).await {
        let kind = Kind::parse(&row[0]).unwrap_or_else(|| panic!("{} is no kind", row[0]));
        let (entries, moved): (i64, i64) = (row[1].parse().unwrap(), row[2].parse().unwrap());
        assert_eq!(moved, if kind.is_movement() { entries } else { 0 }, "{kind:?}");
        assert!(kind.event_type().contains('.'), "{kind:?}");
        if kind.is_movement() {
            events += entries;
            kinds += 1;
        }
    }
    assert_eq!(events, changes);
    assert_eq!(kinds, 12, "every kind of movement happened");
});
