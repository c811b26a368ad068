//! Movements: what each does to its level, and what it refuses.

use invshop::domain::{AccountName, LocationKind, QUANTITY_MAX, Refusal, Title};
use invshop::ledger::catalogue::{ItemRow, NewLocation, Upsert};
use invshop::ledger::stock::{Basis, Change, Place as At, StockCommand};
use invshop::orders::Place;
use invshop::writer::Command;

use crate::acts::{Outcome, code, counted, refused, state};
use crate::both;
use crate::harness::{TestShop, movement, place, sku, units};
use crate::scenarios::imported;

const HOUR_MS: i64 = 3_600_000;

/// The one movement after a number: kind, four deltas, four totals.
async fn moved(shop: &TestShop, after: i64) -> (String, Vec<i64>) {
    let whose = format!("from journal where seq > {after} and level_version is not null");
    let kinds = shop.texts(&format!("select kind {whose} order by seq")).await;
    assert_eq!(kinds.len(), 1, "{kinds:?}");
    let numbers = format!(
        "select d_on_hand, d_reserved, d_shortfall, d_safety, on_hand, reserved, shortfall, safety
         {whose}"
    );
    (kinds[0][0].clone(), shop.ints(&numbers).await.remove(0))
}

both!(every_movement_of_people_is_written_with_its_totals, |shop| {
    shop.item("MUG", 10).await;
    let steps: [(Change, &str, [i64; 8]); 6] = [
        (Change::Receive(units(5)), "receipt", [5, 0, 0, 0, 15, 0, 0, 0]),
        (
            Change::Adjust(invshop::domain::Delta::new(-2).unwrap()),
            "adjustment",
            [-2, 0, 0, 0, 13, 0, 0, 0],
        ),
        (counted(12), "count", [-1, 0, 0, 0, 12, 0, 0, 0]),
        (Change::WriteOff(units(4)), "write_off", [-4, 0, 0, 0, 8, 0, 0, 0]),
        (Change::Safety(units(3)), "safety", [0, 0, 0, 3, 8, 0, 0, 3]),
        (Change::Safety(units(1)), "safety", [0, 0, 0, -2, 8, 0, 0, 1]),
    ];
    for (change, kind, numbers) in steps {
        let before = shop.newest().await;
        shop.stock("MUG", "main", change).await.unwrap();
        assert_eq!(moved(&shop, before).await, (kind.to_owned(), numbers.to_vec()));
    }
    let before = shop.newest().await;
    let again = shop.stock("MUG", "main", Change::Safety(units(1))).await.unwrap();
    assert_eq!((again.seq, again.entries), (None, 0));
    assert_eq!(shop.newest().await, before);
    assert_eq!(shop.version("MUG", "main").await, 7);
});

both!(movements_of_orders_are_written_with_their_totals, |shop| {
    shop.item("MUG", 10).await;
    let before = shop.newest().await;
    shop.place("1", &[("MUG", 4)]).await.unwrap();
    let held = ("reserve".to_owned(), vec![0, 4, 0, 0, 10, 4, 0, 0]);
    assert_eq!(moved(&shop, before).await, held);
    let before = shop.newest().await;
    shop.cancel_lines("1", &[(1, 1)]).await.unwrap();
    let released = ("release".to_owned(), vec![0, -1, 0, 0, 10, 3, 0, 0]);
    assert_eq!(moved(&shop, before).await, released);
    let before = shop.newest().await;
    shop.ship("1", "s1").await.unwrap();
    assert_eq!(moved(&shop, before).await, ("ship".to_owned(), vec![-3, -3, 0, 0, 7, 0, 0, 0]));
    let before = shop.newest().await;
    shop.give_back("1", "r1", 2, invshop::orders::Disposition::Restock).await.unwrap();
    assert_eq!(moved(&shop, before).await, ("return".to_owned(), vec![2, 0, 0, 0, 9, 0, 0, 0]));
    shop.unpaid("2", &[("MUG", 9)]).await.unwrap();
    let before = shop.newest().await;
    shop.expire(900_000).await;
    assert_eq!(moved(&shop, before).await, ("expire".to_owned(), vec![0, -9, 0, 0, 9, 0, 0, 0]));
});

both!(a_transfer_is_two_movements_of_one_commit, |shop| {
    shop.location("store", LocationKind::Store).await;
    shop.item("MUG", 10).await;
    let before = shop.newest().await;
    shop.transfer("MUG", "main", "store", 4).await.unwrap();
    assert_eq!(shop.kinds_after(before).await, ["transfer_out", "transfer_in"]);
    assert_eq!(shop.level("MUG", "main").await, [6, 0, 0, 0]);
    assert_eq!(shop.level("MUG", "store").await, [4, 0, 0, 0]);
    assert_eq!(refused(shop.transfer("MUG", "main", "main", 1).await).code(), "invalid");
    assert_eq!(refused(shop.transfer("MUG", "main", "moon", 1).await).code(), "unknown_location");
});

both!(a_transfer_or_correction_is_bounded_by_what_is_unreserved, |shop| {
    shop.location("store", LocationKind::Store).await;
    shop.item("MUG", 5).await;
    shop.shop_order("1", &[("MUG", 3, 0)]).await;
    shop.safety("MUG", "main", 2).await;
    for (outcome, asked) in [
        (shop.transfer("MUG", "main", "store", 3).await, 3),
        (shop.adjust("MUG", "main", -3).await, 3),
    ] {
        match refused(outcome) {
            Refusal::InsufficientUnreserved { sku, location, requested, available } => {
                assert_eq!((sku.as_str(), location.as_str()), ("MUG", "main"));
                assert_eq!((requested, available), (asked, 2));
            }
            other => panic!("{other:?}"),
        }
    }
    shop.transfer("MUG", "main", "store", 1).await.unwrap();
    shop.adjust("MUG", "main", -1).await.unwrap();
    assert_eq!(shop.level("MUG", "main").await, [3, 3, 0, 2]);
});

// R54: a count of the past is a fixed point there, and what moved since is added.
both!(r54_a_count_observed_in_the_past_adds_what_moved_since, |shop| {
    shop.item("MUG", 10).await;
    let opened = shop.now();
    shop.clock.advance_millis(4 * HOUR_MS.unsigned_abs());
    shop.receive("MUG", "main", 5).await;
    shop.place("1", &[("MUG", 4)]).await.unwrap();
    shop.ship_lines("1", "s1", &[(1, 3)]).await.unwrap();
    assert_eq!(shop.level("MUG", "main").await, [12, 1, 0, 0]);
    shop.then("MUG", "main", counted(20), opened + HOUR_MS).await;
    assert_eq!(shop.level("MUG", "main").await, [22, 1, 0, 0]);
});

// R54: a movement recorded in the same batch as the count, but after its moment, is added too.
both!(r54_a_count_adds_what_moved_earlier_in_its_own_batch, |shop| {
    shop.item("MUG", 10).await;
    let opened = shop.now();
    shop.clock.advance_millis(4 * HOUR_MS.unsigned_abs());
    let mut late = movement("MUG", "main", counted(20));
    late.effective_at = Some(opened + HOUR_MS);
    let (first, second) = tokio::join!(
        shop.stock("MUG", "main", Change::Receive(units(5))),
        shop.run(Command::Stock(late)),
    );
    first.unwrap();
    second.unwrap();
    assert_eq!(shop.level("MUG", "main").await, [25, 0, 0, 0]);
});

// R54: what is older than the last fixed point moves nothing.
both!(r54_facts_before_a_count_are_history_only, |shop| {
    shop.item("MUG", 10).await;
    let opened = shop.now();
    shop.clock.advance_millis(4 * HOUR_MS.unsigned_abs());
    shop.count("MUG", "main", 8).await;
    let count_at = shop.now();
    shop.clock.advance_millis(HOUR_MS.unsigned_abs());
    for at in [opened + HOUR_MS, count_at] {
        shop.then("MUG", "main", Change::Receive(units(5)), at).await;
        shop.then("MUG", "main", Change::WriteOff(units(2)), at).await;
        shop.then("MUG", "main", counted(99), at).await;
        assert_eq!(shop.level("MUG", "main").await, [8, 0, 0, 0]);
    }
    let told = "select d_on_hand, quantity from journal where kind = 'receipt' order by seq";
    assert_eq!(shop.ints(told).await, [[0, 5], [0, 5]]);
    shop.then("MUG", "main", Change::Receive(units(5)), count_at + 1).await;
    assert_eq!(shop.level("MUG", "main").await, [13, 0, 0, 0]);
    assert_eq!(shop.count_of("stock.discrepancy").await, 0);
});

// R54: the correction of an old shipment beyond the books is as old as the shipment.
both!(r54_a_count_is_not_misled_by_the_correction_of_an_older_shipment, |shop| {
    shop.item("MUG", 2).await;
    let opened = shop.now();
    shop.clock.advance_millis(4 * HOUR_MS.unsigned_abs());
    let mut left = state("1", &[("MUG", 5, 5)]);
    left.effective_at = Some(opened + HOUR_MS);
    shop.run(Command::Import(left)).await.unwrap();
    assert_eq!(shop.level("MUG", "main").await, [0, 0, 0, 0]);
    shop.then("MUG", "main", counted(7), opened + 2 * HOUR_MS).await;
    assert_eq!(shop.level("MUG", "main").await, [7, 0, 0, 0]);
});

both!(a_count_that_ends_below_zero_ends_at_zero_and_asks_for_another, |shop| {
    shop.item("MUG", 10).await;
    let opened = shop.now();
    shop.clock.advance_millis(4 * HOUR_MS.unsigned_abs());
    shop.write_off("MUG", "main", 6).await;
    shop.then("MUG", "main", counted(2), opened + HOUR_MS).await;
    assert_eq!(shop.level("MUG", "main").await, [0, 0, 0, 0]);
    let asked = "select quantity from journal where kind = 'stock.discrepancy'";
    assert_eq!(shop.ints(asked).await, [[4]]);
});

both!(a_count_of_the_available_adds_what_is_promised, |shop| {
    shop.item("MUG", 5).await;
    shop.shop_order("1", &[("MUG", 7, 0)]).await;
    let change = Change::Count { quantity: units(4), basis: Basis::Available, observer: None };
    shop.stock("MUG", "main", change).await.unwrap();
    assert_eq!(shop.level("MUG", "main").await, [11, 5, 2, 0]);
    assert_eq!(shop.atp("MUG").await, 4);
});

/// Holds of five orders of 2: paid old, unpaid old, accepted, paid young, unpaid young.
async fn five_holders(shop: &TestShop) {
    shop.item("MUG", 10).await;
    shop.place("paid-old", &[("MUG", 2)]).await.unwrap();
    shop.unpaid("unpaid-old", &[("MUG", 2)]).await.unwrap();
    shop.unpaid("accepted", &[("MUG", 2)]).await.unwrap();
    shop.accept("accepted").await.unwrap();
    shop.place("paid-young", &[("MUG", 2)]).await.unwrap();
    shop.unpaid("unpaid-young", &[("MUG", 2)]).await.unwrap();
}

both!(a_count_takes_unpaid_before_paid_then_the_youngest_and_accepted_ones_last, |shop| {
    five_holders(&shop).await;
    let order = ["unpaid-young", "unpaid-old", "paid-young", "paid-old", "accepted"];
    for (index, left) in (0..10).rev().enumerate() {
        let before = shop.newest().await;
        shop.count("MUG", "main", left).await;
        let loser = order[index / 2];
        let kept = i64::from(index % 2 == 0);
        assert_eq!(shop.line(loser, 1).await, [2, kept, 0, 2 - kept, 0, 0], "at {left}");
        let kinds = shop.kinds_after(before).await;
        assert_eq!(kinds, ["release", "order.short", "count"], "at {left}");
    }
    assert_eq!(shop.level("MUG", "main").await, [0, 0, 10, 0]);
});

both!(a_write_off_takes_holds_in_the_same_order_and_fills_nothing, |shop| {
    five_holders(&shop).await;
    shop.write_off("MUG", "main", 3).await;
    assert_eq!(shop.level("MUG", "main").await, [7, 7, 3, 0]);
    assert_eq!(shop.line("unpaid-young", 1).await, [2, 0, 0, 2, 0, 0]);
    assert_eq!(shop.line("unpaid-old", 1).await, [2, 1, 0, 1, 0, 0]);
});

both!(a_line_that_shipped_a_unit_loses_its_hold_last, |shop| {
    shop.item("MUG", 6).await;
    shop.place("old", &[("MUG", 3)]).await.unwrap();
    shop.place("young", &[("MUG", 3)]).await.unwrap();
    shop.ship_lines("young", "s1", &[(1, 1)]).await.unwrap();
    shop.count("MUG", "main", 3).await;
    assert_eq!(shop.line("old", 1).await, [3, 1, 0, 2, 0, 0]);
    assert_eq!(shop.line("young", 1).await, [3, 2, 1, 0, 0, 0]);
});

both!(goods_that_come_in_fill_the_oldest_order_first, |shop| {
    shop.item("MUG", 0).await;
    for id in ["1", "2", "3"] {
        shop.backorder(id, &[("MUG", 2)]).await.unwrap();
    }
    shop.receive("MUG", "main", 3).await;
    assert_eq!(shop.line("1", 1).await, [2, 2, 0, 0, 0, 0]);
    assert_eq!(shop.line("2", 1).await, [2, 1, 0, 1, 0, 0]);
    assert_eq!(shop.line("3", 1).await, [2, 0, 0, 2, 0, 0]);
    assert_eq!(shop.level("MUG", "main").await, [3, 3, 3, 0]);
});

both!(goods_fill_their_own_location_first_and_then_move_the_shortfall_of_others, |shop| {
    shop.location("store", LocationKind::Store).await;
    shop.item("MUG", 0).await;
    shop.backorder("anywhere", &[("MUG", 2)]).await.unwrap();
    let only = |id: &str, at: &str| Place {
        allow_backorder: true,
        location: Some(code(at)),
        ..place(id, &[("MUG", 2)])
    };
    shop.run(Command::Place(only("main only", "main"))).await.unwrap();
    shop.run(Command::Place(only("store only", "store"))).await.unwrap();
    shop.receive("MUG", "store", 3).await;
    assert_eq!(shop.at("store only", 1, "store").await, [2, 0, 0]);
    assert_eq!(shop.at("anywhere", 1, "store").await, [1, 0, 0]);
    assert_eq!(shop.at("anywhere", 1, "main").await, [0, 0, 1]);
    assert_eq!(shop.level("MUG", "store").await, [3, 3, 0, 0]);
    assert_eq!(shop.level("MUG", "main").await, [0, 0, 3, 0]);
    shop.receive("MUG", "store", 9).await;
    assert_eq!(shop.at("anywhere", 1, "store").await, [2, 0, 0]);
    assert_eq!(shop.at("main only", 1, "main").await, [0, 0, 2]);
    assert_eq!(shop.level("MUG", "store").await, [12, 4, 0, 0]);
    assert_eq!(shop.level("MUG", "main").await, [0, 0, 2, 0]);
});

both!(goods_that_are_not_for_sale_fill_nothing, |shop| {
    shop.location("inspection", LocationKind::Quarantine).await;
    shop.item("MUG", 0).await;
    shop.backorder("1", &[("MUG", 2)]).await.unwrap();
    shop.receive("MUG", "inspection", 5).await;
    assert_eq!(shop.level("MUG", "inspection").await, [5, 0, 0, 0]);
    assert_eq!(shop.line("1", 1).await, [2, 0, 0, 2, 0, 0]);
    shop.transfer("MUG", "inspection", "main", 5).await.unwrap();
    assert_eq!(shop.level("MUG", "main").await, [5, 2, 0, 0]);
    assert_eq!(shop.line("1", 1).await, [2, 2, 0, 0, 0, 0]);
});

// R56: a correction is no receipt.
both!(r56_corrections_never_fill_shortfall, |shop| {
    shop.item("MUG", 0).await;
    shop.backorder("1", &[("MUG", 3)]).await.unwrap();
    shop.adjust("MUG", "main", 4).await.unwrap();
    assert_eq!(shop.level("MUG", "main").await, [4, 0, 3, 0]);
    shop.count("MUG", "main", 5).await;
    assert_eq!(shop.level("MUG", "main").await, [5, 0, 3, 0]);
    assert_eq!(shop.atp("MUG").await, 2);
    shop.run(Command::FillItem(sku("MUG"))).await.unwrap();
    assert_eq!(shop.level("MUG", "main").await, [5, 3, 0, 0]);
});

both!(a_release_that_was_forced_fills_nothing, |shop| {
    shop.item("MUG", 5).await;
    shop.backorder("old", &[("MUG", 3)]).await.unwrap();
    shop.place("young", &[("MUG", 2)]).await.unwrap();
    shop.count("MUG", "main", 4).await;
    shop.count("MUG", "main", 2).await;
    assert_eq!(shop.line("young", 1).await, [2, 0, 0, 2, 0, 0]);
    assert_eq!(shop.line("old", 1).await, [3, 2, 0, 1, 0, 0]);
    assert_eq!(shop.level("MUG", "main").await, [2, 2, 3, 0]);
});

both!(more_than_500_lines_are_filled_by_the_next_commands, |shop| {
    shop.item("MUG", 0).await;
    let orders = (0..505).map(|number| {
        let shop = &shop;
        async move { shop.backorder(&number.to_string(), &[("MUG", 1)]).await.unwrap() }
    });
    futures_util::future::join_all(orders).await;
    assert_eq!(shop.level("MUG", "main").await, [0, 0, 505, 0]);
    let before = shop.newest().await;
    shop.receive("MUG", "main", 600).await;
    // What the writer asks of itself comes before the next command.
    shop.safety("MUG", "main", 1).await;
    assert_eq!(shop.level("MUG", "main").await, [600, 505, 0, 1]);
    let filled = format!("select count(*) from journal where seq > {before} and kind = 'reserve'");
    assert_eq!(shop.int(&filled).await, 505);
    let batches = format!("select count(distinct idem_key) from journal where seq > {before}");
    assert_eq!(shop.int(&batches).await, 3);
});

both!(low_stock_is_told_once_a_fall_and_armed_again_well_above, |shop| {
    let row = ItemRow {
        location: Some(code("main")),
        on_hand: Some(units(60)),
        reorder_point: Some(units(50)),
        ..ItemRow::default()
    };
    let create = Command::Item { sku: sku("MUG"), row: Box::new(row), mode: Upsert::Create };
    shop.run(create).await.unwrap();
    let steps = [(-9, 0), (-1, 1), (-10, 1), (14, 1), (-4, 1), (5, 1), (-5, 2), (-1, 2)];
    let mut on_hand = 60;
    for (delta, told) in steps {
        shop.adjust("MUG", "main", delta).await.unwrap();
        on_hand += delta;
        assert_eq!(shop.atp("MUG").await, on_hand);
        assert_eq!(shop.count_of("stock.low").await, told, "at {on_hand}");
    }
});

both!(what_is_lost_beyond_the_books_ends_at_zero_and_asks_for_a_count, |shop| {
    shop.item("MUG", 2).await;
    let before = shop.newest().await;
    shop.write_off("MUG", "main", 5).await;
    assert_eq!(shop.level("MUG", "main").await, [0, 0, 0, 0]);
    let kinds = shop.kinds_after(before).await;
    assert_eq!(kinds, ["adjustment", "write_off", "stock.discrepancy"]);
});

both!(no_level_holds_more_than_a_thousand_million, |shop| {
    shop.location("store", LocationKind::Store).await;
    shop.item("MUG", QUANTITY_MAX).await;
    assert_eq!(shop.level("MUG", "main").await, [QUANTITY_MAX, 0, 0, 0]);
    let change = Change::Receive(units(1));
    assert_eq!(refused(shop.stock("MUG", "main", change).await).code(), "invalid");
    assert_eq!(refused(shop.adjust("MUG", "main", 1).await).code(), "invalid");
    shop.receive("MUG", "store", 1).await;
    assert_eq!(refused(shop.transfer("MUG", "store", "main", 1).await).code(), "invalid");
    shop.place("1", &[("MUG", QUANTITY_MAX)]).await.unwrap();
    shop.ship("1", "s1").await.unwrap();
    shop.receive("MUG", "main", 1).await;
    let back = shop.give_back("1", "r1", QUANTITY_MAX, invshop::orders::Disposition::Restock);
    assert_eq!(refused(back.await).code(), "invalid");
    assert_eq!(shop.level("MUG", "main").await, [1, 0, 0, 0]);
});

// R64: with several locations none is ever chosen silently.
both!(r64_a_movement_names_its_location_where_there_are_several, |shop| {
    shop.item("MUG", 5).await;
    let nowhere = |change| {
        Command::Stock(StockCommand {
            place: At { sku: sku("MUG"), location: None },
            ..movement("MUG", "main", change)
        })
    };
    shop.run(nowhere(Change::Receive(units(1)))).await.unwrap();
    shop.location("store", LocationKind::Store).await;
    let change = Change::Adjust(invshop::domain::Delta::new(1).unwrap());
    for change in [Change::Receive(units(1)), change, counted(1), Change::Safety(units(1))] {
        match refused(shop.run(nowhere(change)).await) {
            Refusal::LocationRequired { locations } => assert_eq!(locations, ["main", "store"]),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(shop.level("MUG", "main").await, [6, 0, 0, 0]);
    assert_eq!(shop.level("MUG", "store").await, [0, 0, 0, 0]);
});

// R23: an edit of a level that changed meanwhile is refused with both numbers.
both!(r23_a_stale_count_is_refused_with_what_is_there_now, |shop| {
    shop.item("MUG", 5).await;
    let seen = shop.version("MUG", "main").await;
    shop.place("1", &[("MUG", 1)]).await.unwrap();
    shop.ship("1", "s1").await.unwrap();
    let edit = |version| {
        Command::Stock(StockCommand {
            if_version: Some(version),
            ..movement("MUG", "main", counted(5))
        })
    };
    match refused(shop.run(edit(seen)).await) {
        Refusal::VersionConflict { expected, actual, on_hand, .. } => {
            assert_eq!((expected, actual, on_hand), (seen, seen + 2, Some(4)));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(shop.level("MUG", "main").await, [4, 0, 0, 0]);
    shop.run(edit(seen + 2)).await.unwrap();
    assert_eq!(shop.level("MUG", "main").await, [5, 0, 0, 0]);
});

both!(a_mirrored_location_is_touched_by_nobody_else, |shop| {
    let mirrored = NewLocation {
        code: code("fba"),
        name: Title::new("fba").unwrap(),
        kind: LocationKind::ThirdParty,
        sellable: Some(true),
        authority: Some(AccountName::new("amazon").unwrap()),
        priority: Some(1),
    };
    shop.run(Command::CreateLocation(mirrored)).await.unwrap();
    shop.item("MUG", 2).await;
    let observed = Change::Count {
        quantity: units(9),
        basis: Basis::Physical,
        observer: Some("amazon".to_owned()),
    };
    shop.stock("MUG", "fba", observed).await.unwrap();
    let outcomes: Vec<Outcome> = vec![
        shop.stock("MUG", "fba", Change::Receive(units(1))).await,
        shop.adjust("MUG", "fba", 1).await,
        shop.stock("MUG", "fba", Change::WriteOff(units(1))).await,
        shop.stock("MUG", "fba", Change::Safety(units(1))).await,
        shop.transfer("MUG", "fba", "main", 1).await,
        shop.transfer("MUG", "main", "fba", 1).await,
        shop.run(Command::Place(Place {
            location: Some(code("fba")),
            ..place("1", &[("MUG", 1)])
        }))
        .await,
    ];
    for outcome in outcomes {
        assert_eq!(refused(outcome).code(), "mirrored_location");
    }
    shop.place("2", &[("MUG", 2)]).await.unwrap();
    assert_eq!(refused(shop.place("3", &[("MUG", 1)]).await).code(), "insufficient_stock");
    assert_eq!(shop.at("2", 1, "main").await, [2, 0, 0]);
    assert_eq!(refused(shop.reassign("2", "main", "fba").await).code(), "mirrored_location");
    assert_eq!(shop.level("MUG", "fba").await, [9, 0, 0, 0]);
});

// R52: a reversal names what it takes back, and takes it back once.
both!(r52_an_import_is_taken_back_once, |shop| {
    shop.item("MUG", 200).await;
    let revert = imported(&shop, "MUG", 90).await;
    shop.run(revert.clone()).await.unwrap();
    assert_eq!(shop.level("MUG", "main").await, [200, 0, 0, 0]);
    let named = "select j.d_on_hand, was.d_on_hand from journal as j
                 join journal as was on was.seq = j.reverses";
    assert_eq!(shop.ints(named).await, [[-90, 90]]);
    let twice = "insert into journal (seq, at, kind, effective_at, reverses)
                 select max(seq) + 1, max(at), 'order.updated', max(at), max(reverses) from journal";
    let error = shop.probe().await.change(twice).await.unwrap_err();
    assert!(error.as_database_error().unwrap().is_unique_violation(), "{error}");
    assert_eq!(shop.level("MUG", "main").await, [200, 0, 0, 0]);
});

both!(an_import_whose_item_was_counted_since_is_not_taken_back, |shop| {
    shop.item("MUG", 10).await;
    let revert = imported(&shop, "MUG", 90).await;
    shop.clock.advance_millis(1000);
    shop.count("MUG", "main", 99).await;
    match refused(shop.run(revert.clone()).await) {
        Refusal::BatchBlocked { blocked } => {
            assert_eq!(blocked, ["MUG at main was counted since"]);
        }
        other => panic!("{other:?}"),
    }
    let Command::Revert { batch, rows, .. } = revert else { unreachable!("it is a revert") };
    let skipping = Command::Revert { batch, rows, skip_blocked: true };
    let answer = shop.run(skipping).await.unwrap();
    assert_eq!(answer.entries, 0);
    assert_eq!(shop.level("MUG", "main").await, [99, 0, 0, 0]);
});
