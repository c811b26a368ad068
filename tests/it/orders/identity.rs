//! One id, one order; one key, one effect; for ever.

use invshop::domain::AccountId;
use invshop::ledger::OrderPolicy;
use invshop::ledger::stock::Change;
use invshop::orders::Place;
use invshop::shop::Shop;
use invshop::writer::{Command, Request};

use crate::acts::{created, key, refused};
use crate::both;
use crate::harness::{movement, place, units};

both!(the_same_order_again_is_a_replay_even_when_nothing_is_left, |shop| {
    shop.item("MUG", 2).await;
    let first = shop.place("1", &[("MUG", 2)]).await.unwrap();
    let before = shop.newest().await;
    let again = shop.place("1", &[("MUG", 2)]).await.unwrap();
    assert!(again.replayed);
    assert_eq!(again.detail, first.detail);
    shop.cancel("1").await.unwrap();
    assert!(shop.place("1", &[("MUG", 2)]).await.unwrap().replayed);
    assert_eq!(shop.order("1").await.0, "cancelled");
    assert_eq!(shop.newest().await, before + 2);
});

both!(the_same_id_with_other_content_is_refused, |shop| {
    shop.item("MUG", 9).await;
    shop.place("1", &[("MUG", 2)]).await.unwrap();
    let before = shop.newest().await;
    let others = [
        place("1", &[("MUG", 3)]),
        place("1", &[("MUG", 1), ("MUG", 1)]),
        Place { payment_required: true, ..place("1", &[("MUG", 2)]) },
        Place { currency: Some("EUR".to_owned()), ..place("1", &[("MUG", 2)]) },
    ];
    for other in others {
        let outcome = shop.run(Command::Place(other)).await;
        assert_eq!(refused(outcome).code(), "idempotency_mismatch");
    }
    assert_eq!(shop.newest().await, before);
});

both!(a_key_has_one_effect_and_other_content_under_it_is_refused, |shop| {
    shop.item("MUG", 5).await;
    let receive = |count| Command::Stock(movement("MUG", "main", Change::Receive(units(count))));
    let first = shop.shop.submit(receive(2), Some(key("k"))).await.unwrap();
    let again = shop.shop.submit(receive(2), Some(key("k"))).await.unwrap();
    assert_eq!((first.replayed, again.replayed), (false, true));
    assert_eq!((again.seq, again.entries), (first.seq, 0));
    let other = shop.shop.submit(receive(3), Some(key("k"))).await;
    assert_eq!(refused(other).code(), "idempotency_mismatch");
    let other = shop.shop.submit(Command::Place(place("1", &[("MUG", 1)])), Some(key("k"))).await;
    assert_eq!(refused(other).code(), "idempotency_mismatch");
    assert_eq!(shop.level("MUG", "main").await, [7, 0, 0, 0]);
});

both!(a_key_belongs_to_its_account, |shop| {
    shop.item("MUG", 5).await;
    let receive = Command::Stock(movement("MUG", "main", Change::Receive(units(2))));
    shop.shop.submit(receive.clone(), Some(key("k"))).await.unwrap();
    let other = AccountId::new(created(shop.account("other").await));
    let request = Request::new(other, receive).with_key(Some(key("k")));
    assert!(!shop.shop.writer.submit(request).await.unwrap().replayed);
    assert_eq!(shop.level("MUG", "main").await, [9, 0, 0, 0]);
});

both!(a_refusal_stores_nothing_so_its_key_may_succeed_later, |shop| {
    shop.item("MUG", 1).await;
    let before = shop.newest().await;
    let order = || shop.shop.submit(Command::Place(place("1", &[("MUG", 2)])), Some(key("k")));
    assert_eq!(refused(order().await).code(), "insufficient_stock");
    assert_eq!(shop.newest().await, before);
    shop.receive("MUG", "main", 1).await;
    assert!(!order().await.unwrap().replayed);
    assert!(order().await.unwrap().replayed);
    assert_eq!(shop.level("MUG", "main").await, [2, 2, 0, 0]);
});

both!(the_same_key_twice_in_one_batch_has_one_effect, |shop| {
    shop.item("MUG", 5).await;
    let receive = || Command::Stock(movement("MUG", "main", Change::Receive(units(2))));
    let (first, second) = tokio::join!(
        shop.shop.submit(receive(), Some(key("k"))),
        shop.shop.submit(receive(), Some(key("k"))),
    );
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!((first.replayed, second.replayed), (false, true));
    assert_eq!(first.seq, second.seq);
    assert_eq!(shop.level("MUG", "main").await, [7, 0, 0, 0]);
});

both!(a_replay_says_so_beside_commands_that_write, |shop| {
    shop.item("MUG", 5).await;
    shop.place("1", &[("MUG", 2)]).await.unwrap();
    let lines = [("MUG", 2)];
    let (written, again) = tokio::join!(shop.place("2", &lines), shop.place("1", &lines));
    assert_eq!((written.unwrap().replayed, again.unwrap().replayed), (false, true));
});

both!(keys_and_ids_are_known_for_ever, |shop| {
    shop.item("MUG", 5).await;
    let receive = || Command::Stock(movement("MUG", "main", Change::Receive(units(2))));
    let first = shop.shop.submit(receive(), Some(key("k"))).await.unwrap();
    shop.place("1", &[("MUG", 2)]).await.unwrap();
    shop.clock.advance_millis(400 * 24 * 3_600_000);
    let later = shop.another().await;
    let again = later.submit(receive(), Some(key("k"))).await.unwrap();
    assert_eq!((again.replayed, again.seq), (true, first.seq));
    let order = later.submit(Command::Place(place("1", &[("MUG", 2)])), None).await.unwrap();
    assert!(order.replayed);
    later.close().await;
    assert_eq!(shop.level("MUG", "main").await, [7, 2, 0, 0]);
});

// R55: a policy decides what comes; what was written stays.
both!(r55_another_policy_changes_no_history, |shop| {
    shop.item("MUG", 5).await;
    shop.unpaid("1", &[("MUG", 2)]).await.unwrap();
    let sum =
        "select count(*), cast(sum(seq * on_hand + 7 * reserved) as bigint), max(seq) from journal";
    let (journal, level) = (shop.ints(sum).await, shop.level("MUG", "main").await);
    let ends = "select expires_at from orders";
    let expires = shop.int(ends).await;
    let mut opening = shop.opening.clone();
    opening.orders = OrderPolicy { split: false, hold_ms: 1000 };
    let changed = Shop::open(opening).await.unwrap();
    assert_eq!(shop.ints(sum).await, journal);
    assert_eq!(shop.level("MUG", "main").await, level);
    assert_eq!(shop.int(ends).await, expires);
    // No policy lets a request take what is promised.
    let too_many = changed.submit(Command::Place(place("2", &[("MUG", 4)])), None).await;
    assert_eq!(refused(too_many).code(), "insufficient_stock");
    changed.close().await;
    assert_eq!(shop.ints(sum).await, journal);
});
