//! Reading a JSON body: bounded, strict, and with the field at fault in every error.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use axum::extract::{FromRequest, OptionalFromRequest, Request};
use axum::http::{StatusCode, header};
use http_body_util::BodyExt as _;
use serde::de::{self, DeserializeOwned, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::Api;
use super::problem::Problem;
use crate::domain::{Currency, Quantity};

/// The most bytes of a body.
const BODY_BYTES_MAX: usize = 1024 * 1024;
/// The most bytes that are read of one that is too long.
const READ_BYTES_MAX: usize = 8 * BODY_BYTES_MAX;

/// A JSON body.
#[derive(Debug)]
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Arc<Api>> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, api: &Arc<Api>) -> Result<Self, Problem> {
        let kind = request.headers().get(header::CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/json") {
            let detail = "the body must be JSON: Content-Type: application/json";
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return Err(Problem::new(status, "unsupported_media_type", detail));
        }
        let bytes = bytes(api, request).await?;
        parse(&bytes).map(Self)
    }
}

/// The bytes of a body, as many as there may be and as long as they may take.
pub(super) async fn bytes(api: &Api, request: Request) -> Result<Vec<u8>, Problem> {
    let length = request.headers().get(header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if length.is_some_and(|length| length > READ_BYTES_MAX) {
        return Err(too_large());
    }
    let Ok(read) = tokio::time::timeout(api.load.body_max, read(request.into_body())).await else {
        let detail = "the body did not arrive in time";
        return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", detail));
    };
    read
}

impl<T: DeserializeOwned> OptionalFromRequest<Arc<Api>> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, api: &Arc<Api>) -> Result<Option<Self>, Problem> {
        // Only the connection knows for sure that there is nothing.
        if http_body::Body::is_end_stream(request.body()) {
            return Ok(None);
        }
        <Self as FromRequest<Arc<Api>>>::from_request(request, api).await.map(Some)
    }
}

/// All of a body. One that is too long is read on for a while and thrown away: a
/// client that is still sending when the connection ends never sees the answer.
async fn read(mut body: axum::body::Body) -> Result<Vec<u8>, Problem> {
    let (mut bytes, mut seen) = (Vec::new(), 0);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| {
            let detail = "the body broke off before its end";
            Problem::new(StatusCode::BAD_REQUEST, "body_incomplete", detail)
        })?;
        let Ok(data) = frame.into_data() else { continue };
        seen += data.len();
        if seen <= BODY_BYTES_MAX {
            bytes.extend_from_slice(&data);
        } else if seen > READ_BYTES_MAX {
            break;
        }
    }
    if seen > BODY_BYTES_MAX { Err(too_large()) } else { Ok(bytes) }
}

fn too_large() -> Problem {
    let detail = format!("the body has more than {BODY_BYTES_MAX} bytes");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail)
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    if first == Some(&b'[') {
        // A list would be taken for the fields in their order.
        return Err(Problem::invalid("body", "expected an object"));
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let field = error.path().to_string();
        let error = error.into_inner();
        if error.is_data() {
            let message = error.to_string();
            let message =
                message.rsplit_once(" at line ").map_or(message.as_str(), |(text, _)| text);
            return Problem::invalid(&field, message);
        }
        malformed(&error)
    })?;
    reader.end().map_err(|error| malformed(&error))?;
    Ok(value)
}

fn malformed(error: &serde_json::Error) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "malformed_json", format!("not JSON: {error}"))
}

/// A text of a type that says which texts it takes.
pub(super) fn text<'de, D: Deserializer<'de>, T: FromStr<Err: fmt::Display>>(
    deserializer: D,
) -> Result<T, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
}

/// The same where it may be left out or null.
pub(super) fn text_opt<'de, D: Deserializer<'de>, T: FromStr<Err: fmt::Display>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| text.parse().map_err(de::Error::custom)).transpose()
}

/// Each of some entries, read with its index; the first that is wrong ends it.
pub(super) fn each<T, R>(
    entries: Vec<T>,
    read: impl Fn(usize, T) -> Result<R, Problem>,
) -> Result<Vec<R>, Problem> {
    entries.into_iter().enumerate().map(|(index, entry)| read(index, entry)).collect()
}

/// The units of an entry of `lines`.
pub(super) fn units(index: usize, quantity: i64) -> Result<Quantity, Problem> {
    let field = format!("lines[{index}].quantity");
    Quantity::positive(quantity).map_err(|error| Problem::invalid(&field, error.to_string()))
}

/// Money as it stands in requests: minor units and the currency's code.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Amount {
    /// Minor units: 1999 of EUR are 19.99.
    #[schema(minimum = 0)]
    pub(super) amount: i64,
    #[schema(value_type = Currency)]
    pub(super) currency: String,
}

/// A JSON object in which no name comes twice: readers would disagree which one counts.
#[derive(Clone, Debug)]
pub(super) struct Object(pub(super) Value);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.deserialize_any(Strict)? {
            object @ Value::Object(_) => Ok(Self(object)),
            _ => Err(de::Error::custom("expected an object")),
        }
    }
}

/// Any JSON value, every object of it with each name once.
struct Strict;

struct StrictValue(Value);

impl<'de> Deserialize<'de> for StrictValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Strict).map(Self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(StrictValue(value)) = seq.next_element()? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            let StrictValue(value) = map.next_value()?;
            if object.contains_key(&name) {
                return Err(de::Error::custom(format!("duplicate field `{name}`")));
            }
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Order {
        #[expect(dead_code, reason = "only parsed")]
        lines: Vec<Line>,
        #[serde(default)]
        customer: Option<Object>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Line {
        #[expect(dead_code, reason = "only parsed")]
        quantity: i64,
    }

    fn wrong(text: &str) -> (u16, String) {
        let problem = parse::<Order>(text.as_bytes()).unwrap_err();
        let response = format!("{problem:?}");
        (problem.status().as_u16(), response)
    }

    #[test]
    fn the_field_at_fault_is_named() {
        let (status, said) = wrong(r#"{"lines":[{"quantity":1},{"quantity":"2"}]}"#);
        assert_eq!(status, 422);
        assert!(said.contains("lines[1].quantity"), "{said}");
        assert!(wrong(r#"{"lines":[{"quantity":1e30}]}"#).1.contains("lines[0].quantity"));
        assert!(wrong(r#"{"lines":[],"lnes":1}"#).1.contains("unknown field `lnes`"));
        assert!(wrong(r#"{"lines":[],"lines":[]}"#).1.contains("duplicate field `lines`"));
        let (_, said) = wrong(r#"{"lines":[],"customer":{"a":{"b":1,"b":2}}}"#);
        assert!(said.contains("duplicate field `b`"), "{said}");
    }

    #[test]
    fn what_is_not_json_is_malformed() {
        let deep = format!("{{\"lines\":[],\"customer\":{}", "[".repeat(100_000));
        for text in ["", "{", "{\"lines\":[]}x", "\u{feff}{\"lines\":[]}", deep.as_str()] {
            assert_eq!(wrong(text).0, 400, "{}", text.len());
        }
        assert_eq!(
            parse::<Order>(b"{\"lines\":[],\"customer\":{\"n\":\"\xff\"}}").unwrap_err().status(),
            400
        );
        let good = parse::<Order>(br#"{"lines":[],"customer":{"name":"x","n":[1,2.5,null,true]}}"#);
        assert_eq!(good.unwrap().customer.unwrap().0["n"][1], 2.5);
    }
}
