//! What is deprecated says so, in the document and in every answer.

use reqwest::Method;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::client::Served;
use crate::both;

#[utoipa::path(
    get,
    path = "/old",
    operation_id = "old",
    responses((status = 200)),
    extensions(
        ("x-deprecated-since" = json!("2026-01-01")),
        ("x-sunset" = json!("2027-06-30")),
    ),
)]
async fn old() {}

#[utoipa::path(get, path = "/new", operation_id = "new", responses((status = 200)))]
async fn new() {}

both!(a_deprecated_route_says_since_when_and_until_when_it_is_there, |shop| {
    let beside = OpenApiRouter::new().routes(routes!(old)).routes(routes!(new));
    let served = Served::beside(&shop, beside).await;
    let nobody = served.with_key(None);
    let old = nobody.get("/old").await;
    assert_eq!(old.status, 200);
    assert_eq!(old.headers["deprecation"], "@1767225600");
    assert_eq!(old.headers["sunset"], "Wed, 30 Jun 2027 00:00:00 GMT");
    assert_eq!(old.headers["link"], "</docs#old>; rel=\"deprecation\"; type=\"text/html\"");
    let head = nobody.request(Method::HEAD, "/old").send().await.unwrap();
    for header in ["deprecation", "sunset", "link"] {
        assert_eq!(head.headers().get(header), old.headers.get(header), "{header}");
    }
    let document = nobody.get("/openapi.json").await.body;
    let said = &document["paths"]["/old"]["get"];
    assert_eq!(said["deprecated"], true);
    for header in ["Deprecation", "Sunset", "Link"] {
        assert!(said["responses"]["200"]["headers"].get(header).is_some(), "{said}");
    }
    for path in ["/new", "/healthz"] {
        let other = nobody.get(path).await;
        assert!(!other.headers.contains_key("deprecation"), "{path}");
        assert_ne!(document["paths"][path]["get"]["deprecated"], true, "{path}");
    }
    served.end().await;
});
