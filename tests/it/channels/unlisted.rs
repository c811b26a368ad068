//! What a Shopify shop does not show yet, or not any more.

use invshop::connectors::Inbound;
use invshop::sync::Received;
use invshop::writer::Command;

use super::shopify::Lamps;
use crate::both;
use crate::harness::place;
use crate::raw::Raw;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

// R24: its list of orders follows by some seconds. A sale that is in a number and not in the
// list yet is nobody's hand.
both!(r24_shopify_a_sale_that_is_not_listed_yet_is_not_written_over, |shop| {
    let mut lamps = Lamps::new(&shop).await;
    lamps.shop.state().quirks.lists_after = 5;
    lamps.buy(2);
    shop.run(Command::Place(place("A", &[("MUG", 1)]))).await.unwrap();
    lamps.settle().await;
    assert_eq!((lamps.shown(), lamps.writes()), (8, vec![]), "nobody knows of the sale");
    lamps.settle().await;
    lamps.is_equal(7).await;
    assert_eq!(lamps.writes(), [(7, Some(8))]);
    assert_eq!(lamps.world.drifts().await, 0);
    // What no list explains after that was typed.
    let item = lamps.shop.state().variants[&lamps.mug].item;
    lamps.shop.state().type_stock(item, lamps.main, 3);
    lamps.lane.sweep_next();
    for _ in 0..5 {
        lamps.settle().await;
    }
    lamps.is_equal(7).await;
    assert_eq!(lamps.world.drifts().await, 1);
    lamps.end().await;
});

// A cancellation is a job there: what it gives back must not come on top of a number that
// counts it already.
both!(shopify_numbers_wait_for_a_cancellation_that_is_under_way, |shop| {
    let mut lamps = Lamps::new(&shop).await;
    lamps.shop.state().quirks.cancels_later = true;
    let order = lamps.buy(5);
    lamps.settle().await;
    shop.cancel(&format!("lamps:{order}")).await.unwrap();
    lamps.settle().await;
    assert_eq!((lamps.world.available("MUG").await, lamps.shown()), (10, 5));
    let asked = |lamps: &Lamps<'_>| lamps.shop.state().requests["mutation orderCancel"];
    assert_eq!(asked(&lamps), 1, "it is asked for once");
    lamps.shop.state().finish_jobs();
    assert_eq!(lamps.shown(), 10);
    lamps.settle().await;
    lamps.is_equal(10).await;
    assert_eq!((lamps.writes(), asked(&lamps)), (vec![], 1));
    let waiting = "select count(*) from push_back where state = 'pending'";
    assert_eq!(Raw::open(&shop.opening.place).await.number(waiting).await, 0);
    assert_eq!(lamps.world.drifts().await, 0);
    lamps.end().await;
});

// Orders of more than 60 days ago are shown to few apps: one that waits for longer is not gone.
both!(shopify_an_order_that_is_too_old_to_be_shown_is_not_gone, |shop| {
    let mut lamps = Lamps::new(&shop).await;
    let (old, deleted) = (lamps.buy(2), lamps.buy(1));
    lamps.settle().await;
    shop.clock.advance_millis(61 * DAY_MS);
    // Another is there, so that it is not all of them that are gone.
    lamps.buy(1);
    lamps.lane.ask_for_quiet_next();
    lamps.settle().await;
    lamps.is_equal(6).await;
    lamps.told("refunds/create", &format!(r#"{{"order_id":{old}}}"#)).await;
    lamps.settle().await;
    lamps.is_equal(6).await;
    // That it was deleted is another matter.
    lamps.told("orders/delete", &format!(r#"{{"id":{deleted}}}"#)).await;
    lamps.settle().await;
    assert_eq!(lamps.world.available("MUG").await, 7);
    lamps.end().await;
});

impl Lamps<'_> {
    /// The shop tells of something.
    async fn told(&self, topic: &str, body: &str) {
        let header = |name: &str, value: &str| (name.to_owned(), value.as_bytes().to_vec());
        let signature = self.shop.sign(body.as_bytes()).unwrap();
        let call = Inbound {
            method: "POST".to_owned(),
            url: "https://stock.example.com/webhooks/lamps".to_owned(),
            query: String::new(),
            headers: vec![
                header("x-shopify-topic", topic),
                header("x-shopify-hmac-sha256", &signature),
                header("x-shopify-webhook-id", topic),
            ],
            body: body.as_bytes().to_vec(),
            received_at: invshop::clock::Clock::now(self.world.shop.clock.as_ref()),
        };
        assert_eq!(self.channel.receive(&call).await.unwrap(), Received::Kept);
    }
}
