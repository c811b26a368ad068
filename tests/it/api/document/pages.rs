//! The document and its page, as they are served.

use std::io::Read as _;

use flate2::read::GzDecoder;
use reqwest::Method;
use reqwest::header::HeaderValue;
use serde_json::Value;

use super::operations;
use crate::api::client::Served;
use crate::both;

both!(the_document_is_served_to_all_and_kept_while_it_is_so, |shop| {
    let served = Served::new(&shop).await;
    let nobody = served.with_key(None);
    let reply = nobody.get("/openapi.json").await;
    assert_eq!(
        (reply.status, &reply.headers["cache-control"]),
        (200, &"no-cache".parse().unwrap())
    );
    assert_eq!(reply.body["openapi"], "3.1.0");
    let paths = reply.body["paths"].as_object().unwrap();
    for operation in operations().filter(|one| !one.path.starts_with("/webhooks/")) {
        assert!(paths[operation.path].get(operation.method).is_some(), "{}", operation.id());
    }
    for path in ["/openapi.json", "/docs"] {
        let tag = nobody.request(Method::HEAD, path).send().await.unwrap();
        let tag = tag.headers()["etag"].clone();
        let again = nobody.request(Method::GET, path).header("if-none-match", tag);
        let again = again.send().await.unwrap();
        assert_eq!((again.status().as_u16(), again.content_length()), (304, Some(0)), "{path}");
    }
    served.end().await;
});

both!(the_document_is_packed_for_who_takes_it_and_each_form_has_a_tag_of_its_own, |shop| {
    let served = Served::new(&shop).await;
    // A client that does not unpack what it gets.
    let http = crate::harness::http().gzip(false).build().unwrap();
    for path in ["/openapi.json", "/docs"] {
        let url = format!("{}{path}", served.base());
        let ask = async |method: Method, coding: &str, known: Option<&HeaderValue>| {
            let mut request = http.request(method, &url).header("accept-encoding", coding);
            if let Some(known) = known {
                request = request.header("if-none-match", known);
            }
            let response = request.send().await.unwrap();
            let headers = response.headers().clone();
            assert_eq!(headers["vary"], "accept-encoding", "{path} {coding}");
            (response.status().as_u16(), headers, response.bytes().await.unwrap())
        };
        let (_, plain, text) = ask(Method::GET, "identity", None).await;
        let (_, packed, less) = ask(Method::GET, "br, gzip", None).await;
        assert!(!plain.contains_key("content-encoding") && packed["content-encoding"] == "gzip");
        assert!(less.len() * 4 < text.len(), "{} of {}", less.len(), text.len());
        let mut unpacked = Vec::new();
        GzDecoder::new(less.as_ref()).read_to_end(&mut unpacked).unwrap();
        assert_eq!(unpacked, text);
        assert_ne!(plain["etag"], packed["etag"]);
        for (coding, headers) in [("identity", &plain), ("gzip", &packed)] {
            let (_, head, nothing) = ask(Method::HEAD, coding, None).await;
            assert_eq!((&head["etag"], nothing.len()), (&headers["etag"], 0));
            assert_eq!(head["content-length"], headers["content-length"]);
            let (status, kept, nothing) = ask(Method::GET, coding, Some(&headers["etag"])).await;
            assert_eq!((status, nothing.len()), (304, 0), "{path} {coding}");
            assert_eq!(kept["etag"], headers["etag"], "which copy is good");
        }
    }
    served.end().await;
});

both!(the_page_has_every_route_and_asks_no_other_host_for_anything, |shop| {
    let served = Served::new(&shop).await;
    let reply = served.with_key(None).request(Method::GET, "/docs").send().await.unwrap();
    let policy = reply.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(reply.headers()["content-type"], "text/html; charset=utf-8");
    let page = reply.text().await.unwrap();
    for operation in operations().filter(|one| !one.path.starts_with("/webhooks/")) {
        assert!(page.contains(&format!("id=\"{}\"", operation.id())), "{}", operation.id());
    }
    // Whatever leads somewhere stays on the page or at the document.
    for attribute in ["href=\"", "src=\"", "action=\"", "srcset=\""] {
        for (at, _) in page.match_indices(attribute) {
            let target = page.get(at + attribute.len()..).unwrap().split('"').next().unwrap();
            assert!(target.starts_with('#') || target == "/openapi.json", "{target}");
        }
    }
    for active in ["<script", "<link", "<iframe", "<img", "@import", "url(", "http:", "https:"] {
        assert!(!page.contains(active), "the page has {active}");
    }
    // What a link leads to is there.
    for (at, _) in page.match_indices("href=\"#") {
        let target = page.get(at + "href=\"#".len()..).unwrap().split('"').next().unwrap();
        assert!(page.contains(&format!("id=\"{target}\"")), "nothing is at #{target}");
    }
    served.end().await;
});

// What the document says of a type is what its source says of it, where other words are used.
#[test]
fn the_document_says_nothing_in_words_of_the_source() {
    fn texts(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Array(values) => values.iter().for_each(|one| texts(one, found)),
            Value::Object(fields) => {
                for name in ["title", "summary", "description"] {
                    found.extend(fields.get(name).and_then(Value::as_str).map(str::to_owned));
                }
                fields.values().for_each(|one| texts(one, found));
            }
            _ => {}
        }
    }
    let document: Value = serde_json::from_str(&super::TEXT).unwrap();
    let mut found = Vec::new();
    texts(&document, &mut found);
    assert!(found.len() > 100);
    for text in found {
        for word in ["[`", "::", "`None`", "`Some", "`Self"] {
            assert!(!text.contains(word), "{word} is of the source: {text}");
        }
    }
}

#[test]
fn the_document_leads_to_nothing_that_is_not_in_it() {
    fn references<'d>(value: &'d Value, found: &mut Vec<&'d str>) {
        match value {
            Value::Array(values) => values.iter().for_each(|one| references(one, found)),
            Value::Object(fields) => {
                found.extend(fields.get("$ref").and_then(Value::as_str));
                fields.values().for_each(|one| references(one, found));
            }
            _ => {}
        }
    }
    let document: Value = serde_json::from_str(&super::TEXT).unwrap();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 100);
    for reference in found {
        let path = reference.strip_prefix('#').unwrap_or_else(|| panic!("{reference} is outside"));
        assert!(document.pointer(path).is_some(), "{reference} leads nowhere");
    }
    let mut ids: Vec<_> = operations().map(super::Operation::id).collect();
    ids.sort_unstable();
    let all = ids.len();
    ids.dedup();
    assert_eq!(ids.len(), all, "an id twice");
}
