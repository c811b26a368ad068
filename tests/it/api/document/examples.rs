//! Every example of the document is sent to a shop, and does what it says.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Operation, check, operations, wrong};
use crate::api::client::{Client, Served};
use crate::both;
use crate::harness::TestShop;

/// What can only be done with a channel or another protocol, which other tests have.
const NOT_HERE: [&str; 4] =
    ["act_on_channel", "listen_on_socket", "receive_webhook", "receive_webhook_by_post"];

/// What the examples speak of.
async fn furnish(shop: &TestShop, office: &Client) {
    for (sku, on_hand) in [("MUG-RED-300", 50), ("POT", 20), ("MUG-OLD", 0)] {
        shop.item(sku, on_hand).await;
    }
    shop.location("store", invshop::domain::LocationKind::Store).await;
    let price = json!({ "amount": 1290, "currency": "EUR" });
    for id in ["1001", "1002", "1003"] {
        let line = json!({ "sku": "MUG-RED-300", "quantity": 2, "unit_price": price });
        let order = json!({ "order_id": id, "lines": [line] });
        assert_eq!(office.post("/v1/orders", &order).await.status, 201);
    }
    for email in ["first@example.com", "second@example.com"] {
        let user = json!({ "email": email });
        assert_eq!(office.post("/v1/users", &user).await.status, 201);
    }
    let shipment = json!({ "shipment_id": "parcel" });
    assert_eq!(office.post("/v1/orders/1003/shipments", &shipment).await.status, 201);
}

/// The path with its examples in it; none where one is missing.
fn path_of(operation: Operation) -> Option<String> {
    let mut path = operation.path.to_owned();
    for parameter in operation.parameters().filter(|one| one["in"] == "path") {
        let name = parameter["name"].as_str().unwrap();
        path = path.replace(&format!("{{{name}}}"), parameter["example"].as_str()?);
    }
    Some(path)
}

/// The bodies of its examples with their types; one that is empty where it takes none.
fn bodies_of(operation: Operation) -> Vec<Option<(&'static str, &'static Value)>> {
    let Some(content) = operation.said["requestBody"]["content"].as_object() else {
        return vec![None];
    };
    let mut bodies = Vec::new();
    for (kind, body) in content {
        let examples = body["examples"].as_object();
        let examples = examples.unwrap_or_else(|| panic!("{} has no example", operation.id()));
        for (name, example) in examples {
            let value = &example["value"];
            if kind == "application/json" {
                let wrong = wrong(&body["schema"], value);
                assert!(wrong.is_empty(), "{} {name}: {wrong:#?}", operation.id());
            }
            bodies.push(Some((kind.as_str(), value)));
        }
    }
    bodies
}

both!(every_example_of_the_document_does_what_it_says, |shop| {
    let served = Served::new(&shop).await;
    let office = served.client("office", "admin").await;
    furnish(&shop, &office).await;
    let (id, secret) = office.key().strip_prefix("inv_").unwrap().split_once('_').unwrap();
    let nobody = served.with_key(None);
    let mut left = Vec::new();
    for operation in operations() {
        let Some(path) = path_of(operation).filter(|_| !NOT_HERE.contains(&operation.id())) else {
            left.push(operation.id());
            continue;
        };
        for body in bodies_of(operation) {
            let method = Method::from_bytes(operation.method.to_uppercase().as_bytes()).unwrap();
            // Who asks for a token shows who it is in the form.
            let client = if operation.scope().is_some() { &office } else { &nobody };
            let mut request = client.request(method, &path).header("accept", "application/json");
            if let Some((kind, body)) = body {
                // A form is a text, with a key that is none.
                let text = body.as_str().map_or_else(|| body.to_string(), str::to_owned);
                let text = text.replace("=ID&", &format!("={id}&"));
                let text = text.replace("=SECRET&", &format!("={secret}&"));
                request = request.header("content-type", kind).body(text);
            }
            let response = request.send().await.unwrap();
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            let said = response.text().await.unwrap();
            assert!(status < 300, "{} {path} {body:?}: {status} {said}", operation.method);
            check(operation.method, &path, status, &headers, &said);
        }
    }
    left.sort_unstable();
    assert_eq!(left, NOT_HERE);
    served.end().await;
});
