//! The role table: what every route of the document asks for, and that it does.

use reqwest::Method;

use super::{Operation, operations};
use crate::api::client::Served;
use crate::api::tokens::{form, holder, token};
use crate::both;
use crate::source::files;

/// Every operation with a path to ask at and the scope it takes; `None` is open to all.
const ROWS: &[(&str, &str, Option<&str>)] = &[
    ("act_on_channel", "/v1/channels/web/push", Some("stock:write")),
    ("cancel_order", "/v1/orders/1/cancel", Some("orders:place")),
    ("change_item", "/v1/inventory/MUG", Some("stock:write")),
    ("change_user", "/v1/users/usr_9", Some("users:write")),
    ("create_item", "/v1/inventory", Some("stock:write")),
    ("discontinue_item", "/v1/inventory/NONE", Some("stock:write")),
    ("docs", "/docs", None),
    ("erase_user", "/v1/users/usr_9", Some("users:write")),
    ("explain_item", "/v1/inventory/MUG/explain", Some("ledger:read")),
    ("export_user", "/v1/users/usr_9/export", Some("users:read")),
    ("get_items", "/v1/inventory/batch-get", Some("stock:read")),
    ("give_token", "/oauth/token", None),
    ("healthz", "/healthz", None),
    ("list_channels", "/v1/channels", Some("ledger:read")),
    ("list_items", "/v1/inventory", Some("stock:read")),
    ("list_movements", "/v1/inventory/MUG/movements", Some("ledger:read")),
    ("list_orders", "/v1/orders", Some("orders:read")),
    ("list_users", "/v1/users", Some("users:read")),
    ("listen", "/v1/events?after=x", Some("events:read")),
    ("listen_on_socket", "/v1/events/ws", Some("events:read")),
    ("metrics", "/metrics", None),
    ("move_item", "/v1/inventory/MUG/movements", Some("stock:write")),
    ("move_items", "/v1/inventory/batch", Some("stock:write")),
    ("openapi", "/openapi.json", None),
    ("pay_order", "/v1/orders/1/payments", Some("orders:fulfil")),
    ("place_order", "/v1/orders", Some("orders:place")),
    ("readyz", "/readyz", None),
    ("receive_webhook", "/webhooks/web", None),
    ("receive_webhook_by_post", "/webhooks/web", None),
    ("register_user", "/v1/users", Some("users:write")),
    ("return_order", "/v1/orders/1/returns", Some("orders:fulfil")),
    ("ship_order", "/v1/orders/1/shipments", Some("orders:fulfil")),
    ("show_item", "/v1/inventory/MUG", Some("stock:read")),
    ("show_keys", "/.well-known/jwks.json", None),
    ("show_order", "/v1/orders/1", Some("orders:read")),
    ("show_user", "/v1/users/usr_9", Some("users:read")),
];

/// Where an operation is asked at, and the scope it takes.
fn row_of(operation: Operation) -> (&'static str, Option<&'static str>) {
    let row = ROWS.iter().find(|(id, ..)| *id == operation.id());
    let (_, path, scope) = row.unwrap_or_else(|| panic!("no row of {}", operation.id()));
    (path, *scope)
}

/// Whom the document lets in is whom the table lets in, route by route.
#[test]
fn every_route_of_the_document_has_a_row_and_every_row_a_route() {
    let mut documented: Vec<_> = operations().map(|one| (one.id(), one.scope())).collect();
    documented.sort_unstable();
    let table: Vec<_> = ROWS.iter().map(|(id, _, scope)| (*id, *scope)).collect();
    assert_eq!(documented, table, "the document and the table differ");
}

/// A router can be given a route by itself, which nobody would know of.
#[test]
fn no_route_is_added_without_its_documentation() {
    let served = ["src/api", "src/webhooks", "src/daemon"];
    let files = files("src").into_iter();
    let files: Vec<_> =
        files.filter(|one| served.iter().any(|f| one.path.starts_with(f))).collect();
    assert!(files.iter().any(|one| one.code.contains(".routes(routes!(")));
    for source in files {
        for plain in [".route(", ".route_service(", ".nest_service("] {
            assert!(!source.code.contains(plain), "{}: {plain}", source.path.display());
        }
    }
}

/// The routes that take a scope: method, path and scope.
fn guarded() -> Vec<(Method, &'static str, &'static str)> {
    let operations = operations().filter_map(|one| {
        let method = Method::from_bytes(one.method.to_uppercase().as_bytes()).unwrap();
        let (path, scope) = row_of(one);
        scope.map(|scope| (method, path, scope))
    });
    operations.collect()
}

both!(every_route_asks_for_its_right, |shop| {
    shop.item("MUG", 5).await;
    let served = Served::new(&shop).await;
    let routes = guarded();
    assert!(routes.len() > 20);
    let roles = ["admin", "operator", "storefront", "reader"];
    for role in roles {
        let key = served.client(&format!("one-{role}"), role).await;
        let all = served.oauth(&form(key.key()), None).await.body["scope"].clone();
        let all: Vec<_> = all.as_str().unwrap().split(' ').map(ToOwned::to_owned).collect();
        let whole = holder(&served, &token(&served, key.key()).await);
        for (method, path, scope) in &routes {
            let may = all.iter().any(|one| one == scope);
            for client in [&key, &whole] {
                let reply = client.send(client.request(method.clone(), path)).await;
                assert_eq!(reply.status != 403, may, "{role} {method} {path}: {reply:?}");
            }
        }
        // Of each scope by itself exactly its routes.
        for one in &all {
            let mut form = form(key.key());
            form.push(("scope", one.clone()));
            let reply = served.oauth(&form, None).await;
            let narrow = holder(&served, reply.body["access_token"].as_str().unwrap());
            for (method, path, scope) in &routes {
                let reply = narrow.send(narrow.request(method.clone(), path)).await;
                assert_eq!(reply.status != 403, scope == one, "{role} {one} {method} {path}");
            }
        }
    }
    served.end().await;
});

both!(what_is_open_to_all_asks_nobody_who_he_is, |shop| {
    let served = Served::new(&shop).await;
    let nobody = served.with_key(None);
    for operation in operations() {
        let (path, scope) = row_of(operation);
        let method = Method::from_bytes(operation.method.to_uppercase().as_bytes()).unwrap();
        let reply = nobody.request(method, path).send().await.unwrap();
        let is_refused = reply.status().as_u16() == 401;
        assert_eq!(is_refused, scope.is_some(), "{}: {reply:?}", operation.id());
    }
    served.end().await;
});
