//! Lists that have no end are not read for ever, and never taken for what was read of them.

use invshop::connectors::{ChannelError, ErrorKind, Intake};
use invshop::domain::RemoteId;
use invshop::sandbox::shopify::{Bucket, Financial, Restock};

use super::secret;
use super::twin::World;

/// What an order has several of, and what each of these has.
const OF_ORDERS: [(&str, &str); 5] = [
    ("LineItemConnection", "the lines of gid://shopify/Order/"),
    ("FulfillmentOrderConnection", "the fulfilment orders of gid://shopify/Order/"),
    ("FulfillmentOrderLineItemConnection", "the lines of gid://shopify/FulfillmentOrder/"),
    ("FulfillmentLineItemConnection", "the lines of gid://shopify/Fulfillment/"),
    ("RefundLineItemConnection", "the lines of gid://shopify/Refund/"),
];

/// What is said of a list that has no end.
fn said(error: &ChannelError, of: &str) {
    let ErrorKind::Unreadable(why) = &error.kind else { panic!("{of}: {error}") };
    assert!(why.starts_with(of) && why.ends_with(" have no end"), "{of}: {why}");
}

#[tokio::test]
async fn a_list_without_an_end_is_an_error() {
    let world = World::new().await;
    let main = world.shop.state().add_location("Main");
    let (mug, _) = world.stocked("MUG", main, 9);
    let number = world.shop.state().buy(&[(mug, main, 3)], Financial::Paid).unwrap();
    let line = world.shop.state().orders[&number].lines[0].id;
    world.shop.state().fulfil(number, &[(line, 1)]);
    world.shop.state().refund(number, line, 1, Restock::Cancel).unwrap();
    {
        let mut state = world.shop.state();
        state.bucket = Bucket::new(1_000_000, 1_000);
        // Whoever never ends is told so after a while.
        state.pages_max = 400;
    }
    let endless = |of: &'static str| world.shop.state().quirks.endless = Some(of);
    let orders = world.connector.orders().unwrap();
    for (kind, of) in OF_ORDERS {
        endless(kind);
        said(&orders.fetch(&RemoteId::of_numbers(&[number])).await.unwrap_err(), of);
    }
    endless("InventoryLevelConnection");
    let of = "the levels of gid://shopify/InventoryItem/";
    let stock = world.connector.stock_read().unwrap();
    said(&stock.read_all(None).await.unwrap_err(), of);
    let catalog = world.connector.catalog().unwrap();
    said(&catalog.listings(None).await.unwrap_err(), of);
    let Intake::HttpWebhook(webhook) = world.connector.intake() else { panic!("it calls") };
    world.shop.state().quirks.endless = None;
    let (url, secret) = ("http://127.0.0.1:9/", secret("hush"));
    let made = webhook.subscribe(url, &secret).await.unwrap();
    assert!(made.iter().any(|one| one.topic == "FULFILLMENT_ORDERS_MOVED" && one.is_new));
    let again = webhook.subscribe(url, &secret).await.unwrap();
    assert!(again.len() == made.len() && again.iter().all(|one| !one.is_new), "they are there");
    endless("WebhookSubscriptionConnection");
    world.shop.state().pages_max = 4_000;
    said(&webhook.subscribe(url, &secret).await.unwrap_err(), "the webhooks of the app");
    world.is_sound();
}
