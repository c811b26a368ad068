//! Cancelling what was not shipped.

use crate::acts::refused;
use crate::both;

both!(a_cancelled_order_frees_what_it_held_and_a_repeat_changes_nothing, |shop| {
    shop.item("MUG", 5).await;
    shop.place("1", &[("MUG", 3)]).await.unwrap();
    let first = shop.cancel("1").await.unwrap();
    assert!(!first.replayed);
    assert_eq!(shop.order("1").await, ("cancelled".to_owned(), [3, 0, 0, 0, 3, 0]));
    assert_eq!(shop.level("MUG", "main").await, [5, 0, 0, 0]);
    let before = shop.newest().await;
    assert!(shop.cancel("1").await.unwrap().replayed);
    assert!(shop.cancel_lines("1", &[(1, 3)]).await.unwrap().replayed);
    assert_eq!(shop.newest().await, before);
    assert_eq!(refused(shop.cancel("2").await).code(), "unknown_order");
});

both!(what_is_owed_is_cancelled_before_what_is_held, |shop| {
    shop.item("MUG", 2).await;
    shop.backorder("1", &[("MUG", 5)]).await.unwrap();
    let before = shop.newest().await;
    shop.cancel_lines("1", &[(1, 1), (1, 1)]).await.unwrap();
    assert_eq!(shop.line("1", 1).await, [5, 2, 0, 1, 2, 0]);
    let told = format!(
        "select d_reserved, d_shortfall from journal where seq > {before} and kind = 'release'"
    );
    assert_eq!(shop.ints(&told).await, [[0, -2]]);
    shop.cancel_lines("1", &[(1, 2)]).await.unwrap();
    assert_eq!(shop.line("1", 1).await, [5, 1, 0, 0, 4, 0]);
    assert_eq!(shop.level("MUG", "main").await, [2, 1, 0, 0]);
    assert_eq!(refused(shop.cancel_lines("1", &[(1, 2)]).await).code(), "invalid");
    assert_eq!(refused(shop.cancel_lines("1", &[(2, 1)]).await).code(), "unknown_line");
});

both!(freed_units_go_to_the_oldest_order_that_is_owed, |shop| {
    shop.item("MUG", 3).await;
    shop.place("holder", &[("MUG", 3)]).await.unwrap();
    shop.backorder("old", &[("MUG", 2)]).await.unwrap();
    shop.backorder("young", &[("MUG", 2)]).await.unwrap();
    shop.cancel("holder").await.unwrap();
    assert_eq!(shop.line("old", 1).await, [2, 2, 0, 0, 0, 0]);
    assert_eq!(shop.line("young", 1).await, [2, 1, 0, 1, 0, 0]);
    assert_eq!(shop.level("MUG", "main").await, [3, 3, 1, 0]);
});

both!(what_was_shipped_is_not_cancelled, |shop| {
    shop.item("MUG", 5).await;
    shop.place("all", &[("MUG", 2)]).await.unwrap();
    shop.ship("all", "s1").await.unwrap();
    assert_eq!(refused(shop.cancel("all").await).code(), "already_shipped");
    assert_eq!(refused(shop.cancel_lines("all", &[(1, 1)]).await).code(), "already_shipped");
    shop.place("some", &[("MUG", 3)]).await.unwrap();
    shop.ship_lines("some", "s1", &[(1, 1)]).await.unwrap();
    assert_eq!(refused(shop.cancel_lines("some", &[(1, 3)]).await).code(), "invalid");
    shop.cancel("some").await.unwrap();
    assert!(shop.cancel("some").await.unwrap().replayed);
    assert_eq!(shop.order("some").await, ("shipped".to_owned(), [3, 0, 1, 0, 2, 0]));
    assert_eq!(shop.level("MUG", "main").await, [2, 0, 0, 0]);
});
