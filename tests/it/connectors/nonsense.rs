//! What every kind of the registry must be, each opened as the configuration opens it: a
//! kind that is added goes through this without being named here.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use invshop::clock::{SystemClock, Timestamp};
use invshop::connectors::registry::{self, KINDS, Kind, Settings};
use invshop::connectors::{
    Connector, Heard, Holder, LineUnits, MemoryTokens, Parcel, StockOutcome, StockTarget, Urgency,
    Window,
};
use invshop::domain::{FactId, Quantity, RemoteId, Seq};
use invshop::secret::{Secret, SystemRandom};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::shape::disagreements;

/// A connector of a kind with the first credentials that it takes.
fn opened(kind: &Kind, url: &str) -> Arc<dyn Connector> {
    let secret = Secret::resolve("TEST", &|_| None, Path::new("")).unwrap();
    let names = kind.credentials.first().copied().unwrap_or_default();
    let credentials: BTreeMap<String, Secret> =
        names.iter().map(|name| ((*name).to_owned(), secret.clone())).collect();
    let settings = Settings {
        url: kind.has_url.then_some(url),
        credentials: &credentials,
        requests_per_second: Some(1_000),
        clock: Arc::new(SystemClock),
        random: Arc::new(SystemRandom),
        heard: Heard::default(),
        tokens: Arc::new(MemoryTokens::default()),
    };
    registry::open(KINDS, kind.name, &settings).unwrap()
}

#[test]
fn every_kind_of_the_registry_is_what_it_says() {
    for kind in KINDS {
        let connector = opened(kind, "http://127.0.0.1:1");
        assert_eq!(connector.capability().kind, kind.name);
        assert_eq!(disagreements(connector.as_ref()), Vec::<&str>::new(), "{}", kind.name);
    }
}

/// Answers everything with the same.
async fn answering(status: StatusCode, body: &'static str) -> (String, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(move || async move { (status, body) });
    let mut serving = JoinSet::new();
    serving.spawn(async move { axum::serve(listener, router).await.unwrap() });
    (url, serving)
}

fn id() -> RemoteId {
    RemoteId::of_numbers(&[7])
}

/// What was believed of what a shop answered, by what was asked.
async fn believed(connector: &dyn Connector) -> Vec<&'static str> {
    let mut believed = Vec::new();
    let holder = Holder { id: id(), location: Some(RemoteId::of_numbers(&[8])) };
    let at = |millis| Timestamp::from_millis(millis).unwrap();
    if let Some(orders) = connector.orders() {
        let window = Window { from: at(1), until: at(1_800_000_000_000) };
        believed.extend(orders.changed(window, None).await.is_ok().then_some("changed orders"));
        believed.extend(orders.fetch(&id()).await.is_ok().then_some("an order"));
    }
    if let Some(reads) = connector.stock_read() {
        let read = reads.read(std::slice::from_ref(&holder), Urgency::Urgent).await;
        believed.extend(read.is_ok().then_some("a number"));
        believed.extend(reads.read_all(None).await.is_ok().then_some("all numbers"));
    }
    if let Some(writes) = connector.stock_write() {
        let target = StockTarget {
            holder,
            quantity: Quantity::new(3).unwrap(),
            expected: Some(4),
            known_until: at(1),
            basis_seq: Seq::new(1),
            key: "key".to_owned(),
        };
        let written = writes.write(&[target], Urgency::Urgent).await.unwrap_or_default();
        let is_done = |outcome: &StockOutcome| {
            matches!(outcome, StockOutcome::Stored(_) | StockOutcome::Accepted(_))
        };
        believed.extend(written.iter().any(is_done).then_some("a write"));
    }
    if let Some(catalog) = connector.catalog() {
        believed.extend(catalog.listings(None).await.is_ok().then_some("listings"));
    }
    if let Some(fulfilment) = connector.fulfilment() {
        let one = Quantity::new(1).unwrap();
        let parcel = Parcel {
            order: id(),
            shipment: FactId::new("s").unwrap(),
            lines: vec![LineUnits { line: id(), quantity: one, left: one }],
            is_last: true,
            tracking: None,
        };
        believed.extend(fulfilment.ship(&parcel).await.is_ok().then_some("a parcel"));
        believed.extend(fulfilment.cancel(&id(), None).await.is_ok().then_some("a cancellation"));
    }
    believed
}

#[tokio::test]
async fn no_kind_believes_an_answer_that_says_nothing() {
    let page = "<html><body>We will be back soon.</body></html>";
    for (status, body) in [
        (StatusCode::SERVICE_UNAVAILABLE, page),
        (StatusCode::OK, page),
        (StatusCode::OK, ""),
        (StatusCode::OK, "null"),
        (StatusCode::OK, "7"),
        (StatusCode::OK, "{\"data\":null}"),
        (StatusCode::OK, "{\"data\":{}}"),
        (StatusCode::OK, "{\"errors\":[{\"message\":\"no\"}]}"),
        (StatusCode::UNAUTHORIZED, "{}"),
        (StatusCode::FORBIDDEN, "{}"),
        (StatusCode::BAD_REQUEST, "{}"),
    ] {
        for kind in KINDS {
            let (url, _serving) = answering(status, body).await;
            let connector = opened(kind, &url);
            let believed = believed(connector.as_ref()).await;
            assert_eq!(believed, Vec::<&str>::new(), "{} answered {status} {body}", kind.name);
        }
    }
}
