//! Orders of a shop: facts, each an upsert of its newest state.

use invshop::domain::Payment;
use invshop::orders::{Import, Personal};
use invshop::reports::{self, Viewer};
use invshop::writer::Command;

use crate::acts::{counted, key, refused, state};
use crate::both;
use crate::harness::{TestShop, reference};

fn version(id: &str, version: i64, lines: &[(&str, i64, i64)]) -> Command {
    Command::Import(Import { source_version: Some(version), ..state(id, lines) })
}

/// The orders in which three things can come.
const PERMUTATIONS: [[usize; 3]; 6] =
    [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];

/// What stands of an order: held, shipped, owed and returned units of each line, and its status.
/// What was ordered and cancelled on the way depends on which states were seen.
async fn standing(shop: &TestShop, id: &str) -> (String, Vec<Vec<i64>>) {
    let lines = format!(
        "select l.held, l.shipped, l.shortfall, l.returned from order_line as l
         join orders as o on o.id = l.order_id where o.source = 'web' and o.external_id = '{id}'
         order by l.line"
    );
    let payment = format!("select status || ' ' || payment from orders where external_id = '{id}'");
    (shop.texts(&payment).await[0][0].clone(), shop.ints(&lines).await)
}

both!(any_order_of_one_orders_states_ends_in_the_newest, |shop| {
    for (number, permutation) in PERMUTATIONS.into_iter().enumerate() {
        let (id, mug, cup) = (format!("{number}"), format!("MUG{number}"), format!("CUP{number}"));
        shop.item(&mug, 5).await;
        shop.item(&cup, 1).await;
        let states = [
            version(&id, 1, &[(&mug, 5, 0), (&cup, 1, 0)]),
            version(&id, 2, &[(&mug, 3, 1), (&cup, 3, 0)]),
            version(&id, 3, &[(&mug, 3, 3), (&cup, 2, 0)]),
        ];
        for index in permutation {
            shop.run(states[index].clone()).await.unwrap();
        }
        let lines = vec![vec![0, 3, 0, 0], vec![1, 0, 1, 0]];
        let ended = standing(&shop, &id).await;
        assert_eq!(ended, ("partially_shipped paid".to_owned(), lines), "{permutation:?}");
        assert_eq!(shop.level(&mug, "main").await, [2, 0, 0, 0], "{permutation:?}");
        assert_eq!(shop.level(&cup, "main").await, [1, 1, 1, 0], "{permutation:?}");
    }
});

both!(a_state_that_came_back_to_an_earlier_one_is_still_the_newest, |shop| {
    for (number, permutation) in PERMUTATIONS.into_iter().enumerate() {
        let (id, mug) = (format!("{number}"), format!("MUG{number}"));
        shop.item(&mug, 9).await;
        let states = [
            version(&id, 1, &[(&mug, 2, 0)]),
            version(&id, 2, &[(&mug, 4, 0)]),
            version(&id, 3, &[(&mug, 2, 0)]),
        ];
        for index in permutation {
            shop.run(states[index].clone()).await.unwrap();
        }
        let ended = standing(&shop, &id).await;
        assert_eq!(ended, ("open paid".to_owned(), vec![vec![2, 0, 0, 0]]), "{permutation:?}");
        assert_eq!(shop.level(&mug, "main").await, [9, 2, 0, 0], "{permutation:?}");
    }
});

both!(what_is_known_of_the_payment_is_what_the_newest_state_says, |shop| {
    for (number, permutation) in PERMUTATIONS.into_iter().enumerate() {
        let (id, mug) = (format!("{number}"), format!("MUG{number}"));
        shop.item(&mug, 9).await;
        let paid = |version: i64, payment| {
            let lines = [(mug.as_str(), 2, 0)];
            Command::Import(Import { source_version: Some(version), payment, ..state(&id, &lines) })
        };
        let states = [paid(1, Payment::Required), paid(2, Payment::Paid), paid(3, Payment::None)];
        for index in permutation {
            shop.run(states[index].clone()).await.unwrap();
        }
        let ended = standing(&shop, &id).await;
        assert_eq!(ended, ("open none".to_owned(), vec![vec![2, 0, 0, 0]]), "{permutation:?}");
    }
});

both!(a_payment_recorded_here_outlives_a_state_that_does_not_know_it, |shop| {
    shop.item("MUG", 9).await;
    let unpaid = |version| Import {
        source_version: Some(version),
        payment: Payment::Required,
        ..state("1", &[("MUG", version, 0)])
    };
    shop.run(Command::Import(unpaid(1))).await.unwrap();
    assert_eq!(shop.order("web:1").await.0, "pending");
    shop.pay("web:1", "p1").await.unwrap();
    shop.run(Command::Import(unpaid(2))).await.unwrap();
    assert_eq!(shop.order("web:1").await, ("open".to_owned(), [2, 2, 0, 0, 0, 0]));
});

both!(the_same_state_again_changes_nothing, |shop| {
    shop.item("MUG", 1).await;
    shop.run(version("1", 4, &[("MUG", 2, 0)])).await.unwrap();
    let before = shop.newest().await;
    for lines in [[("MUG", 2, 0)], [("MUG", 1, 0)]] {
        assert!(shop.run(version("1", 4, &lines)).await.unwrap().replayed);
        assert!(shop.run(version("1", 3, &lines)).await.unwrap().replayed);
    }
    assert_eq!(shop.newest().await, before);
    assert_eq!(shop.line("web:1", 1).await, [2, 1, 0, 1, 0, 0]);
});

both!(less_is_cancelled_more_is_added_and_a_line_that_is_gone_is_cancelled, |shop| {
    shop.item("MUG", 5).await;
    shop.item("CUP", 5).await;
    shop.shop_order("1", &[("MUG", 3, 0), ("CUP", 2, 0)]).await;
    shop.shop_order("1", &[("MUG", 1, 0)]).await;
    assert_eq!(shop.line("web:1", 1).await, [3, 1, 0, 0, 2, 0]);
    assert_eq!(shop.line("web:1", 2).await, [2, 0, 0, 0, 2, 0]);
    shop.shop_order("1", &[("MUG", 4, 0), ("CUP", 1, 0)]).await;
    assert_eq!(shop.line("web:1", 1).await, [6, 4, 0, 0, 2, 0]);
    assert_eq!(shop.line("web:1", 2).await, [3, 1, 0, 0, 2, 0]);
    assert_eq!(shop.level("MUG", "main").await, [5, 4, 0, 0]);
    assert_eq!(shop.level("CUP", "main").await, [5, 1, 0, 0]);
    shop.shop_order("1", &[("MUG", 4, 4), ("CUP", 1, 1)]).await;
    assert_eq!(shop.order("web:1").await, ("shipped".to_owned(), [9, 0, 5, 0, 4, 0]));
    assert_eq!(shop.level("MUG", "main").await, [1, 0, 0, 0]);
});

both!(an_unknown_sku_waits_on_no_level_until_it_is_mapped, |shop| {
    shop.item("MUG", 3).await;
    shop.shop_order("1", &[("MUUG", 5, 2)]).await;
    assert_eq!(shop.order("web:1").await, ("partially_shipped".to_owned(), [5, 0, 2, 3, 0, 0]));
    assert_eq!(shop.int("select count(*) from allocation").await, 0);
    assert_eq!(shop.level("MUG", "main").await, [3, 0, 0, 0]);
    assert_eq!(refused(shop.map_line("web:1", 2, "MUG").await).code(), "unknown_line");
    assert_eq!(refused(shop.map_line("web:1", 1, "MUUG").await).code(), "unknown_sku");
    shop.place("2", &[("MUG", 1)]).await.unwrap();
    shop.map_line("web:1", 1, "MUG").await.unwrap();
    // The 2 that left are off the shelf now, and the last one there is promised.
    assert_eq!(shop.line("web:1", 1).await, [5, 0, 2, 3, 0, 0]);
    assert_eq!(shop.level("MUG", "main").await, [1, 1, 3, 0]);
    assert!(shop.map_line("web:1", 1, "MUG").await.unwrap().replayed);
    shop.item("CUP", 1).await;
    assert_eq!(refused(shop.map_line("web:1", 1, "CUP").await).code(), "invalid");
    shop.receive("MUG", "main", 3).await;
    shop.ship("web:1", "s1").await.unwrap();
    assert_eq!(shop.order("web:1").await, ("shipped".to_owned(), [5, 0, 5, 0, 0, 0]));
    assert_eq!(shop.level("MUG", "main").await, [1, 1, 0, 0]);
});

both!(what_left_unmapped_leaves_its_level_at_the_moment_it_left, |shop| {
    let left = |shipped, at, version| Import {
        effective_at: Some(at),
        source_version: Some(version),
        ..state("1", &[("MUUG", 5, shipped)])
    };
    shop.item("MUG", 0).await;
    shop.clock.advance_millis(10_000);
    let now = shop.now();
    shop.run(Command::Import(left(1, now - 3_000, 1))).await.unwrap();
    // Counted between the two parcels: the first was not there any more.
    shop.then("MUG", "main", counted(9), now - 2_000).await;
    shop.run(Command::Import(left(3, now - 1_000, 2))).await.unwrap();
    shop.map_line("web:1", 1, "MUG").await.unwrap();
    assert_eq!(shop.line("web:1", 1).await, [5, 2, 3, 0, 0, 0]);
    assert_eq!(shop.level("MUG", "main").await, [7, 2, 0, 0]);
});

both!(more_may_have_left_unmapped_than_the_books_have, |shop| {
    shop.item("POT", 1).await;
    shop.item("LID", 9).await;
    shop.bundle("SET", &[("POT", 1), ("LID", 2)]).await.unwrap();
    shop.shop_order("1", &[("POTS", 3, 3)]).await;
    shop.map_line("web:1", 1, "SET").await.unwrap();
    assert_eq!(shop.parts("1", 1).await, [[3, 0, 3, 0, 0, 0], [6, 0, 6, 0, 0, 0]]);
    assert_eq!(shop.level("POT", "main").await, [0, 0, 0, 0]);
    assert_eq!(shop.level("LID", "main").await, [3, 0, 0, 0]);
    let found = "select coalesce(sum(quantity), 0) from journal where kind = 'stock.discrepancy'";
    assert_eq!(shop.int(&format!("select cast(({found}) as bigint)")).await, 2);
});

both!(an_unknown_sku_may_turn_out_to_be_a_bundle, |shop| {
    shop.item("POT", 2).await;
    shop.item("LID", 3).await;
    shop.shop_order("1", &[("POTS", 2, 0)]).await;
    shop.bundle("SET", &[("POT", 1), ("LID", 2)]).await.unwrap();
    shop.map_line("web:1", 1, "SET").await.unwrap();
    assert_eq!(shop.parts("1", 1).await, [[2, 2, 0, 0, 0, 0], [4, 3, 0, 1, 0, 0]]);
    assert_eq!(shop.line("web:1", 1).await, [2, 1, 0, 1, 0, 0]);
    assert_eq!(shop.level("LID", "main").await, [3, 3, 1, 0]);
});

both!(an_unmapped_line_can_be_cancelled, |shop| {
    shop.shop_order("1", &[("MUUG", 2, 0)]).await;
    shop.cancel("web:1").await.unwrap();
    assert_eq!(shop.order("web:1").await, ("cancelled".to_owned(), [2, 0, 0, 0, 2, 0]));
});

both!(personal_data_of_a_newer_state_replaces_the_older, |shop| {
    shop.item("MUG", 3).await;
    let of = reference("web:1");
    let with = |version: i64, name: &str| {
        let plain = serde_json::json!({ "name": name });
        let random = shop.shop.random.as_ref();
        let personal = Some(Personal::seal(&shop.shop.key, &of, &plain, random));
        let lines = [("MUG", 1, 0)];
        Command::Import(Import { source_version: Some(version), personal, ..state("1", &lines) })
    };
    shop.run(with(1, "one")).await.unwrap();
    shop.run(with(2, "two")).await.unwrap();
    let viewer = Viewer { own_source: None, key: Some(&shop.shop.key) };
    let order = reports::order(&shop.shop.db, &of, viewer).await.unwrap().unwrap();
    assert_eq!(order.customer, Some(serde_json::json!({ "name": "two" })));
});

both!(a_state_that_makes_no_sense_is_refused, |shop| {
    shop.item("MUG", 3).await;
    let before = shop.newest().await;
    let mut twice = state("1", &[("MUG", 1, 0), ("MUG", 1, 0)]);
    twice.lines[1].number = 1;
    let mut zeroth = state("1", &[("MUG", 1, 0)]);
    zeroth.lines[0].number = 0;
    let bad = [state("1", &[]), state("1", &[("MUG", 1, 2)]), twice, zeroth];
    for import in bad {
        assert_eq!(refused(shop.run(Command::Import(import)).await).code(), "invalid");
    }
    assert_eq!(shop.newest().await, before);
});

both!(another_version_under_the_same_key_is_other_content, |shop| {
    shop.item("MUG", 5).await;
    let first = Import { source_version: Some(1), ..state("7", &[("MUG", 2, 0)]) };
    let own = || Some(key("k"));
    shop.shop.submit(Command::Import(first.clone()), own()).await.unwrap();
    assert!(shop.shop.submit(Command::Import(first.clone()), own()).await.unwrap().replayed);
    let second = Import { source_version: Some(2), ..first };
    let refusal = refused(shop.shop.submit(Command::Import(second.clone()), own()).await);
    assert_eq!(refusal.code(), "idempotency_mismatch");
    // Without the key it is the same state under a newer version.
    assert!(!shop.run(Command::Import(second)).await.unwrap().replayed);
    assert_eq!(shop.line("web:7", 1).await, [2, 2, 0, 0, 0, 0]);
});
