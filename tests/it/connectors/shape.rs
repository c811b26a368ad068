//! What every connector must be, whatever its channel: the first part of the suite that
//! each of them goes through.

use invshop::connectors::{Authority, Connector, Intake, IntakeKind};

use super::trials;

/// Where a connector's facets and what it says of itself differ; empty when it is sound.
pub(crate) fn disagreements(connector: &dyn Connector) -> Vec<&'static str> {
    let can = connector.capability();
    let intake = match connector.intake() {
        Intake::HttpWebhook(_) => IntakeKind::HttpWebhook,
        Intake::Queue(_) => IntakeKind::Queue,
        Intake::PollOnly => IntakeKind::PollOnly,
    };
    let window_is_read_again = can.orders.as_ref().is_none_or(|window| {
        let needs =
            window.lag + if window.is_inclusive { <_>::default() } else { window.granularity };
        window.overlap >= needs && window.page_max > 0
    });
    let quotas_can_be_used =
        can.quotas.iter().all(|quota| quota.capacity > quota.reserve && !quota.fills_in.is_zero());
    let mirrored = can.stock.as_ref().is_some_and(|stock| stock.authority == Authority::Channel);
    let bounds =
        can.write.as_ref().is_none_or(|write| write.targets_max > 0 && write.quantity_max > 0)
            && can.stock.as_ref().is_none_or(|stock| stock.read_max > 0);
    [
        (can.orders.is_some() == connector.orders().is_some(), "orders"),
        (can.stock.is_some() == connector.stock_read().is_some(), "reading stock"),
        (can.write.is_some() == connector.stock_write().is_some(), "writing stock"),
        (can.write.is_none() || can.stock.is_some(), "what is written can be read"),
        (can.has_catalog == connector.catalog().is_some(), "the catalogue"),
        (can.fulfilment.is_some() == connector.fulfilment().is_some(), "fulfilment"),
        (can.intake == intake, "the intake"),
        (window_is_read_again, "a window covers what the one before may have missed"),
        (quotas_can_be_used, "a quota has something to take"),
        (bounds, "calls carry something"),
        (!(mirrored && can.write.is_some()), "a count that is the channel's is not written"),
    ]
    .into_iter()
    .filter_map(|(holds, what)| (!holds).then_some(what))
    .collect()
}

#[test]
fn channels_of_every_shape_fit() {
    for connector in trials::all() {
        let kind = connector.capability().kind;
        assert_eq!(disagreements(connector.as_ref()), Vec::<&str>::new(), "{kind}");
    }
}

#[test]
fn a_connector_that_says_what_it_is_not_is_found() {
    let mut trial = trials::ticket();
    trial.capability.has_catalog = true;
    assert_eq!(disagreements(&trial), ["the catalogue"]);
    let mut trial = trials::mirrored();
    trial.capability.write = trials::ticket().capability.write;
    let found = disagreements(&trial);
    assert_eq!(found, ["writing stock", "a count that is the channel's is not written"]);
    let mut trial = trials::poll_only();
    trial.capability.orders.as_mut().unwrap().overlap = <_>::default();
    assert_eq!(disagreements(&trial), ["a window covers what the one before may have missed"]);
}
