//! Numbers of a Shopify shop that an order explains, though late or not to the unit: nobody is
//! said to have typed them.

use invshop::domain::Quantity;
use invshop::ledger::stock::Change;
use invshop::sandbox::shopify::{Financial, Restock};
use invshop::writer::Command;

use super::shopify::Lamps;
use super::world::World;
use crate::both;
use crate::harness::place;

impl Lamps<'_> {
    /// Mugs are sold here.
    async fn sell(&self, order: &str, units: i64) {
        let order = place(order, &[("MUG", units)]);
        self.world.test.run(Command::Place(order)).await.unwrap();
    }

    /// Steps of so many seconds, each with its list of orders.
    async fn steps(&mut self, seconds: u32) {
        for _ in 0..seconds {
            self.step().await;
        }
    }

    /// Mugs are there as they are here, and nobody typed that.
    async fn is_explained(&self, units: i64) {
        assert_eq!(self.world.drifts().await, 0, "{:?}", self.world.numbers().await);
        self.is_equal(units).await;
    }

    fn line(&self, order: u64) -> u64 {
        self.shop.state().orders[&order].lines[0].id
    }
}

// The list of orders follows late: what was sold before a number was found to be right may be
// listed after it.
both!(shopify_a_sale_that_is_listed_late_explains_what_was_right_before, |test| {
    let mut lamps = Lamps::new(&test).await;
    lamps.shop.state().quirks.lists_after = 8;
    // As many are sold on both sides, and the number is right for the moment.
    lamps.sell("A", 2).await;
    lamps.buy(2);
    lamps.steps(3).await;
    assert_eq!((lamps.writes(), lamps.shown()), (vec![], 8));
    lamps.steps(30).await;
    lamps.is_explained(6).await;
    // The same, and the number is written over before the sale is listed.
    lamps.sell("B", 1).await;
    lamps.buy(1);
    lamps.steps(2).await;
    lamps.sell("C", 1).await;
    lamps.steps(2).await;
    assert_eq!(lamps.shown(), 4, "nothing is known of it yet");
    lamps.steps(30).await;
    lamps.is_explained(3).await;
    lamps.end().await;
});

// An order that was read when it changed is listed for the first time when all lists had the
// time to follow, and a second change of that moment is read a moment after.
both!(shopify_a_second_change_of_a_moment_that_is_listed_late_is_no_hand, |test| {
    let mut lamps = Lamps::new(&test).await;
    let order = lamps.buy(3);
    lamps.pull().await;
    let line = lamps.line(order);
    lamps.shop.state().refund(order, line, 1, Restock::Cancel).unwrap();
    lamps.shop.state().quirks.lists_after = 10;
    // Another node has the channel now, which has seen no list yet.
    let (channel, lane) = World::lane(&lamps.world.shop, lamps.config.clone()).await;
    (lamps.channel, lamps.lane) = (channel, lane);
    lamps.channel.push_all().await.unwrap();
    lamps.steps(20).await;
    lamps.is_explained(8).await;
    lamps.end().await;
});

// Of what an edit takes off a line nothing says whether it was put back.
both!(shopify_units_that_an_edit_put_back_are_no_hand, |test| {
    let mut lamps = Lamps::new(&test).await;
    let order = lamps.buy(3);
    lamps.settle().await;
    let line = lamps.line(order);
    assert!(lamps.shop.state().edit_line(order, line, 1));
    lamps.sell("A", 1).await;
    lamps.steps(15).await;
    lamps.is_explained(8).await;
    // Such as it did not put back are as well explained, and are sold here.
    lamps.shop.state().refund(order, line, 1, Restock::None).unwrap();
    lamps.sell("B", 1).await;
    lamps.steps(15).await;
    lamps.is_explained(8).await;
    lamps.end().await;
});

// Of units that will not leave nothing says from where they would have: from where they were
// taken before.
both!(shopify_what_will_not_leave_of_two_locations_is_taken_where_it_was, |test| {
    let mut lamps = Lamps::new(&test).await;
    let (mug, main, store) = (lamps.mug, lamps.main, lamps.store);
    test.stock("MUG", "store", Change::Receive(Quantity::new(5).unwrap())).await.unwrap();
    lamps.settle().await;
    let parts = [(main, 1), (store, 2)];
    let order = lamps.shop.state().buy_split(&[(mug, &parts)], Financial::Paid).unwrap();
    lamps.settle().await;
    lamps.is_even().await;
    let line = lamps.line(order);
    lamps.shop.state().refund(order, line, 1, Restock::None).unwrap();
    lamps.steps(15).await;
    assert_eq!(lamps.world.drifts().await, 0, "{:?}", lamps.world.numbers().await);
    // What is put back where something of the order was to leave from was taken there.
    lamps.shop.state().refund(order, line, 2, Restock::Cancel).unwrap();
    lamps.steps(15).await;
    lamps.is_even().await;
    let other = lamps.shop.state().buy_split(&[(mug, &parts)], Financial::Paid).unwrap();
    lamps.settle().await;
    let line = lamps.line(other);
    lamps.shop.state().refund(other, line, 2, Restock::Cancel).unwrap();
    lamps.sell("A", 1).await;
    lamps.steps(15).await;
    lamps.is_even().await;
    assert_eq!(lamps.world.drifts().await, 0, "{:?}", lamps.world.numbers().await);
    lamps.end().await;
});

// What left here before the shop was told is on no shelf, whatever the shop puts back for it.
both!(shopify_what_left_here_is_not_returned_by_what_is_cancelled_there, |test| {
    let mut lamps = Lamps::new(&test).await;
    let order = lamps.buy(2);
    lamps.settle().await;
    test.ship_lines(&format!("lamps:{order}"), "parcel", &[(1, 2)]).await.unwrap();
    let line = lamps.line(order);
    lamps.shop.state().refund(order, line, 2, Restock::Cancel).unwrap();
    lamps.steps(15).await;
    assert_eq!(test.level("MUG", "main").await, [8, 0, 0, 0]);
    lamps.is_explained(8).await;
    lamps.end().await;
});

// What could not be read so far may explain it.
both!(shopify_an_order_that_is_still_to_be_read_may_explain_a_number, |test| {
    let mut lamps = Lamps::new(&test).await;
    let order = lamps.buy(3);
    lamps.settle().await;
    let line = lamps.line(order);
    lamps.shop.state().refund(order, line, 1, Restock::Cancel).unwrap();
    // Its lines have no end for now.
    lamps.shop.state().quirks.endless = Some("LineItemConnection");
    lamps.channel.push_all().await.unwrap();
    lamps.steps(20).await;
    lamps.shop.state().quirks.endless = None;
    test.clock.advance_millis(60 * 60 * 1000);
    lamps.steps(15).await;
    lamps.is_explained(8).await;
    lamps.end().await;
});
