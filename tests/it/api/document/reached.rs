//! Every problem that the document has can be had: asked for here, or in a test that is named.

use std::collections::BTreeSet;
use std::time::Instant;

use futures_util::future::join_all;
use invshop::domain::{AccountName, LocationKind, Title};
use invshop::ledger::catalogue::NewLocation;
use invshop::ledger::stock::{Basis, Change};
use invshop::writer::Command;
use reqwest::Method;
use serde_json::{Value, json};

use super::rows::{ELSEWHERE, ROWS, Row};
use super::{Operation, operations};
use crate::api::client::{Client, Reply, Served};
use crate::api::tokens::{form, holder};
use crate::both;
use crate::events::listener::PATIENCE;
use crate::harness::{TestShop, units};
use crate::source::files;

/// A path of an operation at which it has something to work with.
fn path_of(operation: Operation) -> String {
    let path = operation.path.replace("{sku}", "MUG").replace("{order_id}", "1");
    let path = path.replace("{user_id}", "usr_1");
    path.replace("{name}", "web").replace("{action}", "push")
}

fn method_of(operation: Operation) -> Method {
    Method::from_bytes(operation.method.to_uppercase().as_bytes()).unwrap()
}

/// What follows from what a route takes, for each route that documents it: how to ask for it.
struct Wrongly<'c> {
    admin: &'c Client,
    nobody: &'c Client,
    /// Tokens with one scope each; a route takes one of them at most.
    narrow: [(&'static str, &'c Client); 2],
}

impl Wrongly<'_> {
    /// The answer to a request that is wrong in the way of the code; none where it is not one of
    /// those that are the same everywhere.
    async fn ask(&self, operation: Operation, code: &str) -> Option<Reply> {
        let (path, method) = (path_of(operation), method_of(operation));
        let ask = |client: &Client| client.request(method.clone(), &path);
        let json =
            |text: String| ask(self.admin).header("content-type", "application/json").body(text);
        let has_body = operation.said["requestBody"].is_object();
        let request = match code {
            "unauthorized" => ask(self.nobody),
            "forbidden" => {
                let other = self.narrow.iter().find(|(scope, _)| Some(*scope) != operation.scope());
                ask(other?.1)
            }
            "unknown_version" => ask(self.admin).header("accept-version", "2"),
            "malformed_path" => {
                let path = path.replace("/MUG", "/%FF").replace("/orders/1", "/orders/%FF");
                let path = path.replace("/channels/web", "/channels/%FF");
                let path = path.replace("/users/usr_1", "/users/%FF");
                self.admin.request(method, &path)
            }
            "malformed_json" => json("{".to_owned()),
            "unsupported_media_type" => {
                ask(self.admin).header("content-type", "text/plain").body("{}")
            }
            "body_too_large" => {
                let kind = operation.said["requestBody"]["content"].as_object()?.keys().next()?;
                ask(self.admin).header("content-type", kind).body("a".repeat((1 << 20) + 1))
            }
            "invalid" if has_body => json(json!({ "nonsense": 1 }).to_string()),
            "invalid" if operation.method == "delete" => {
                ask(self.admin).header("idempotency-key", "a".repeat(201))
            }
            "invalid" => self.admin.request(method, &format!("{path}?nonsense=1")),
            _ => return None,
        };
        Some(self.admin.send(request).await)
    }
}

/// A shop in which much can go wrong.
async fn furnish(shop: &TestShop, served: &Served, admin: &Client) {
    for (sku, on_hand) in [("MUG", 9), ("LID", 9), ("HELD", 9)] {
        shop.item(sku, on_hand).await;
    }
    shop.bundle("SET", &[("MUG", 1), ("LID", 1)]).await.unwrap();
    for email in ["a@example.com", "b@example.com"] {
        let user = json!({ "email": email, "name": "A Buyer" });
        assert_eq!(admin.post("/v1/users", &user).await.status, 201);
    }
    shop.location("store", LocationKind::Store).await;
    let mirrored = NewLocation {
        code: invshop::domain::LocationCode::new("fba").unwrap(),
        name: Title::new("fba").unwrap(),
        kind: LocationKind::ThirdParty,
        sellable: Some(true),
        authority: Some(AccountName::new("amazon").unwrap()),
        priority: None,
    };
    shop.run(Command::CreateLocation(mirrored)).await.unwrap();
    let observer = Some("amazon".to_owned());
    let observed = Change::Count { quantity: units(9), basis: Basis::Physical, observer };
    shop.stock("MUG", "fba", observed).await.unwrap();
    let order =
        |id: &str, sku: &str| json!({ "order_id": id, "lines": [{ "sku": sku, "quantity": 1 }] });
    for (id, sku) in [("1", "MUG"), ("held", "HELD"), ("shipped", "MUG"), ("known", "MUG")] {
        assert_eq!(admin.post("/v1/orders", &order(id, sku)).await.status, 201);
    }
    let parcel = json!({ "shipment_id": "known" });
    assert_eq!(admin.post("/v1/orders/shipped/shipments", &parcel).await.status, 201);
    let paid = json!({ "payment_id": "known" });
    assert_eq!(admin.post("/v1/orders/1/payments", &paid).await.status, 200);
    let line = json!({ "line": 1, "quantity": 1, "disposition": "restock" });
    let back = json!({ "return_id": "known", "lines": [line] });
    assert_eq!(admin.post("/v1/orders/shipped/returns", &back).await.status, 201);
    // The same id of two others: whoever has none of that name cannot mean one of them.
    for name in ["one", "two"] {
        let web = served.client(name, "storefront").await;
        assert_eq!(web.post("/v1/orders", &order("both", "LID")).await.status, 201);
    }
    // A key that was used, for something else.
    let receipt = json!({ "kind": "receipt", "location": "main", "quantity": 1 });
    let used = admin.request(Method::POST, "/v1/inventory/MUG/movements").json(&receipt);
    assert_eq!(admin.send(used.header("idempotency-key", "used")).await.status, 201);
}

async fn ask(admin: &Client, row: &Row) -> Reply {
    let operation = Operation::by_id(row.operation);
    let mut request = admin.request(method_of(operation), row.path);
    if let Some((name, value)) = row.header {
        request = request.header(name, value);
    }
    if !row.body.is_empty() {
        let body: Value = serde_json::from_str(row.body).unwrap();
        request = request.json(&body);
    }
    admin.send(request).await
}

both!(every_problem_of_the_document_can_be_had, |shop| {
    let served = Served::new(&shop).await;
    let admin = served.client("office", "admin").await;
    furnish(&shop, &served, &admin).await;
    let nobody = served.with_key(None);
    let mut narrow = Vec::new();
    for scope in ["stock:read", "orders:read"] {
        let mut form = form(admin.key());
        form.push(("scope", scope.to_owned()));
        let reply = served.oauth(&form, None).await;
        narrow.push(holder(&served, reply.body["access_token"].as_str().unwrap()));
    }
    let narrow = [("stock:read", &narrow[0]), ("orders:read", &narrow[1])];
    let wrongly = Wrongly { admin: &admin, nobody: &nobody, narrow };
    let mut missing = Vec::new();
    for operation in operations() {
        for (status, code) in operation.refusals() {
            let row = ROWS.iter().find(|row| row.operation == operation.id() && row.code == code);
            let reply = match row {
                Some(row) => Some(ask(&admin, row).await),
                None => wrongly.ask(operation, code).await,
            };
            match reply {
                Some(reply) => {
                    let what = operation.id();
                    assert_eq!((reply.status, reply.code()), (status, code), "{what}: {reply:?}");
                }
                None => missing.push((operation.id(), code)),
            }
        }
    }
    missing.retain(|(operation, code)| {
        !ELSEWHERE.iter().any(|(known, of, _)| known == code && (of.is_empty() || of == operation))
    });
    assert!(missing.is_empty(), "nobody asks for {missing:#?}");
    served.end().await;
});

both!(every_route_refuses_who_asks_for_too_much, |shop| {
    let limits = [("rate_limit.address_per_second", "1"), ("rate_limit.address_burst", "1")];
    let served = Served::configured(&shop, &limits).await;
    let nobody = served.with_key(None);
    let mut limited = 0;
    for operation in operations() {
        let is_limited = operation.refusals().contains(&(429, "rate_limited"));
        let ask = async || {
            let request = nobody.request(method_of(operation), &path_of(operation));
            let response = request.send().await.unwrap();
            response.status() == 429 && response.headers().contains_key("retry-after")
        };
        let mut refused = false;
        let began = Instant::now();
        // One flows in each second: where so many took longer, they are asked once more.
        while !refused && began.elapsed() < PATIENCE {
            refused = join_all((0..3).map(|_| ask())).await.contains(&true);
            if !is_limited {
                break;
            }
        }
        assert_eq!(refused, is_limited, "{}", operation.id());
        limited += usize::from(is_limited);
    }
    assert!(limited > 20, "{limited}");
    served.end().await;
});

/// What this file does not ask for is asked for where it says.
#[test]
fn what_is_asked_for_elsewhere_is_asked_for_there() {
    let tests: String = files("tests").into_iter().map(|source| source.code).collect();
    let units: String = files("src").into_iter().map(|source| source.code).collect();
    for (code, _, test) in ELSEWHERE {
        let is_there = tests.contains(&format!("({test}, |"))
            || units.contains(&format!("fn {test}("))
            || tests.contains(&format!("fn {test}("));
        assert!(is_there, "{code}: there is no test {test}");
    }
    let documented: BTreeSet<_> = operations()
        .flat_map(|one| one.refusals().into_iter().map(move |(_, code)| (one.id(), code)))
        .collect();
    // Every code there is, is a code of some route; but for the one of methods that none has.
    let codes: BTreeSet<_> = documented.iter().map(|(_, code)| *code).collect();
    let all = super::schema("Problem")["properties"]["code"]["enum"].as_array().unwrap();
    let all: BTreeSet<_> = all.iter().filter_map(Value::as_str).collect();
    let of_no_route: Vec<_> = all.difference(&codes).copied().collect();
    assert_eq!(of_no_route, ["method_not_allowed"]);
    assert!(codes.is_subset(&all), "{codes:?}");
    for row in ROWS {
        let is_documented = documented.contains(&(row.operation, row.code));
        assert!(is_documented, "{} documents no {}", row.operation, row.code);
    }
    for (code, of, _) in ELSEWHERE {
        let is_documented =
            documented.iter().any(|(id, one)| one == code && (of.is_empty() || of == id));
        assert!(is_documented, "{of} documents no {code}");
    }
}
