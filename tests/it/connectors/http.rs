//! The client of channels against a server that answers badly.

use std::sync::Arc;
use std::time::Duration;

use invshop::clock::{Clock, ManualClock, Timestamp};
use invshop::connectors::{
    Budget, ChannelError, ChannelHttp, ErrorKind, Measure, Quota, Reply, Retry, Said, Urgency,
};
use reqwest::header::HeaderMap;
use reqwest::{Method, Url};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::harness::START;

/// What the keys of the shop are here: nothing may ever say it.
const SECRET: &str = "cs_not-to-be-told";

/// A shop that answers each connection with the next of its texts, byte for byte, and
/// keeps what it was asked.
struct Shop {
    base: Url,
    serving: JoinSet<Vec<String>>,
}

impl Shop {
    async fn new(answers: Vec<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}/", listener.local_addr().unwrap());
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut asked = Vec::new();
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    match stream.read_u8().await {
                        Ok(byte) => head.push(byte),
                        Err(_) => break,
                    }
                }
                asked.push(String::from_utf8(head).unwrap());
                stream.write_all(answer.as_bytes()).await.unwrap();
                if answer.is_empty() {
                    // It hangs until nobody waits any more.
                    stream.read_u8().await.unwrap_err();
                }
            }
            asked
        });
        Self { base: Url::parse(&base).unwrap(), serving }
    }

    /// All it was asked, once all its answers are given.
    async fn asked(mut self) -> Vec<String> {
        self.serving.join_next().await.unwrap().unwrap()
    }
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
    )
}

fn left(headers: &HeaderMap) -> Option<(Measure, Said)> {
    let left = headers.get("x-left")?.to_str().ok()?.parse().ok();
    Some((Measure::Requests, Said { left, ..Said::default() }))
}

fn client(quotas: &[Quota]) -> ChannelHttp {
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(Timestamp::parse(START).unwrap()));
    ChannelHttp::new(Budget::new(quotas), left, clock).unwrap()
}

/// Asks once for the orders, with a secret in the address.
async fn ask(http: &ChannelHttp, base: &Url) -> Result<Reply, ChannelError> {
    let mut url = base.join("wp-json/wc/v3/orders").unwrap();
    url.set_query(Some(&format!("consumer_secret={SECRET}")));
    let call = http.call("read the orders", Method::GET, url);
    let call = call.within(Duration::from_secs(2)).up_to(100);
    let reply = http.send(call).await?;
    http.succeeded(reply, |_| None)
}

/// The one call of a shop with one answer.
async fn told(text: String) -> Result<Reply, ChannelError> {
    let shop = Shop::new(vec![text]).await;
    let result = ask(&client(&[]), &shop.base).await;
    let asked = shop.asked().await;
    assert_eq!(asked.len(), 1, "a call is made once");
    if let Err(error) = &result {
        assert!(!format!("{error} {error:?}").contains(SECRET), "{error}");
    }
    result
}

#[tokio::test]
async fn an_answer_is_taken_whole_and_a_request_says_what_it_wants() {
    let shop = Shop::new(vec![answer("200 OK", "", "[1, 2]")]).await;
    let reply = ask(&client(&[]), &shop.base).await.unwrap();
    assert_eq!(reply.json::<Vec<i64>>().unwrap(), [1, 2]);
    assert_eq!(format!("{reply:?}"), "read the orders answered 200 OK with 6 bytes");
    let asked = shop.asked().await.remove(0).to_lowercase();
    assert!(asked.contains("accept: application/json"), "{asked}");
    assert!(asked.contains("user-agent: invshop/"), "{asked}");
}

#[tokio::test]
async fn what_the_budget_has_no_room_for_in_time_is_not_sent() {
    let one = Quota {
        measure: Measure::Requests,
        capacity: 1,
        fills_in: Duration::from_hours(10),
        reserve: 0,
    };
    let http = client(&[one]);
    let shop = Shop::new(vec![answer("200 OK", "", "[]")]).await;
    ask(&http, &shop.base).await.unwrap();
    let call = http.call("write stock", Method::PUT, shop.base.clone());
    let call = call.within(Duration::from_millis(50)).with(|request| request.bearer_auth(SECRET));
    assert_eq!(format!("{call:?}"), "a call to write stock");
    let error = http.send(call).await.unwrap_err();
    assert_eq!((&error.kind, error.retry), (&ErrorKind::NotSent, Retry::Backoff));
    assert!(!error.is_unknown());
    assert_eq!(shop.asked().await.len(), 1);
}

#[tokio::test]
async fn every_failure_is_told_by_its_kind() {
    let page = "<html><head><title>Briefly unavailable</title></head><body>x</body></html>";
    let kind = async |status: &str, headers: &str, body: &str| {
        let error = told(answer(status, headers, body)).await.unwrap_err();
        (error.kind, error.retry)
    };
    let (found, retry) = kind("401 Unauthorized", "", "{}").await;
    assert!(matches!(found, ErrorKind::Unauthorized(_)), "{found}");
    assert_eq!(retry, Retry::Never);
    assert!(matches!(kind("403 Forbidden", "", "{}").await.0, ErrorKind::Forbidden(_)));
    assert!(matches!(kind("404 Not Found", "", page).await.0, ErrorKind::NotFound(_)));
    let (found, retry) = kind("502 Bad Gateway", "", page).await;
    assert!(found.to_string().contains("a page \"Briefly unavailable\""), "{found}");
    assert_eq!(retry, Retry::Backoff);
    let (_, retry) = kind("503 Service Unavailable", "Retry-After: 600\r\n", page).await;
    assert_eq!(retry, Retry::After(Duration::from_mins(10)));
    let (_, retry) = kind("503 Service Unavailable", "Retry-After: 9999999\r\n", page).await;
    assert_eq!(retry, Retry::After(Duration::from_hours(1)), "nobody is believed for longer");
    let (found, retry) = kind("422 Unprocessable Content", "", "{}").await;
    assert!(matches!(found, ErrorKind::Refused { .. }), "{found}");
    assert_eq!(retry, Retry::Never);
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_only_its_host_is_told() {
    let to = format!("Location: https://other.example/wp-json?consumer_secret={SECRET}\r\n");
    let error = told(answer("301 Moved Permanently", &to, "")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Redirected("https://other.example".to_owned()));
    assert_eq!(error.retry, Retry::Never);
}

#[tokio::test]
async fn what_is_too_long_breaks_off_or_hangs_is_an_error_and_unknown() {
    let error = told(answer("200 OK", "", &"x".repeat(101))).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::TooLarge { bytes_max: 100 });
    assert!(error.is_unknown());
    let cut = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 50\r\n\r\n[1, 2".to_owned();
    let error = told(cut).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Unreachable(_)), "{error}");
    assert!(error.is_unknown());
    let error = told(String::new()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Timeout);
    assert!(error.is_unknown());
}

#[tokio::test]
async fn nobody_there_is_told_without_the_keys() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
    drop(listener);
    let error = ask(&client(&[]), &base).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Unreachable(_)), "{error}");
    assert_eq!(error.retry, Retry::Backoff);
    assert!(!format!("{error:?}").contains(SECRET), "{error:?}");
}

#[tokio::test]
async fn a_document_of_another_shape_is_told_by_its_place_and_not_its_content() {
    let named = "[\"a customer\"]";
    for (body, why) in [
        (named, "another shape"),
        ("[1, 2", "breaks off"),
        ("<html><title>Log in</title>", "a page for people"),
        ("nothing", "no JSON"),
    ] {
        let reply = told(answer("200 OK", "", body)).await.unwrap();
        let error = reply.json::<Vec<i64>>().unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
        assert!(error.to_string().contains("line 1, column"), "{error}");
        assert!(!error.to_string().contains("customer"), "{error}");
    }
}

#[tokio::test]
async fn a_refusal_for_speed_pauses_the_budget_and_headers_fill_it() {
    let ten = Quota {
        measure: Measure::Requests,
        capacity: 10,
        fills_in: Duration::from_hours(10),
        reserve: 0,
    };
    let http = client(&[ten]);
    let late = "Retry-After: Mon, 02 Mar 2026 09:01:00 GMT\r\n";
    let answers =
        vec![answer("200 OK", "X-Left: 3\r\n", "[]"), answer("429 Too Many Requests", late, "")];
    let shop = Shop::new(answers).await;
    ask(&http, &shop.base).await.unwrap();
    let error = ask(&http, &shop.base).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::RateLimited);
    assert_eq!(error.retry, Retry::After(Duration::from_mins(1)), "a date counts from the clock");
    assert!(!error.is_unknown(), "nothing was done");
    let until = http.budget().try_take(1, Urgency::Urgent).unwrap_err();
    let wait = until - tokio::time::Instant::now();
    assert!(wait > Duration::from_secs(50) && wait <= Duration::from_mins(1), "{wait:?}");
    assert_eq!(shop.asked().await.len(), 2);
}
