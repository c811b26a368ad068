//! Entity tags and the conditions that name them (RFC 9110 §8.8.3, §13.1).
//!
//! A state has two tags, that of its plain form and that of its packed one, whose bytes are others
//! (§8.8.3.3). Handlers know the plain one only: [`of_form`] makes the other of it, and a condition
//! may name either.

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;

use super::problem::Problem;
use crate::domain::Versions;
use crate::reports::ItemState;

/// How the tag of what is packed ends, within its quotes.
const PACKED: &str = "-gzip";

/// The tags that a condition names.
#[derive(Debug, PartialEq, Eq)]
enum Tags {
    /// `*`: whatever there is.
    Any,
    /// These.
    These(Vec<Tag>),
}

/// A tag that a condition names.
#[derive(Debug, PartialEq, Eq)]
struct Tag {
    is_weak: bool,
    is_packed: bool,
    /// What it says of the state: without quotes, and the same of both forms.
    state: String,
}

/// `"ITEMVERSION.STOCKSEQ"`: changes with the catalogue entry and with every movement; of
/// a bundle with the catalogue entries of its components too.
pub(super) fn tag(state: &ItemState) -> HeaderValue {
    let text = match state.parts_version {
        0 => format!("\"{}.{}\"", state.item.version, state.stock_seq),
        parts => format!("\"{}.{}.{parts}\"", state.item.version, state.stock_seq),
    };
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("\"unknown\""))
}

/// Of a state the tag that `If-None-Match` names, compared weakly as it is for reading: of the form
/// that the client has, so that it knows which of its copies is good.
pub(super) fn known(headers: &HeaderMap, tag: &HeaderValue) -> Option<HeaderValue> {
    let own = tag.to_str().unwrap_or_default().trim_matches('"');
    match tags(headers, &header::IF_NONE_MATCH)? {
        Tags::Any => Some(tag.clone()),
        Tags::These(tags) => {
            let named = tags.iter().find(|tag| tag.state == own)?;
            if named.is_packed { packed(tag) } else { Some(tag.clone()) }
        }
    }
}

/// Gives an answer that was packed the tag of its form, and says of every answer that has a tag
/// what chooses between the forms, also where there is only one: what is kept of it is not given
/// to whoever takes the other.
pub(super) async fn of_form(mut response: Response) -> Response {
    let headers = response.headers_mut();
    let Some(tag) = headers.get(header::ETAG) else { return response };
    let is_packed = headers.get(header::CONTENT_ENCODING).is_some_and(|coding| coding == "gzip");
    if is_packed && let Some(tag) = packed(tag) {
        headers.insert(header::ETAG, tag);
    }
    let encoding = HeaderValue::from_static("accept-encoding");
    if !headers.get_all(header::VARY).iter().any(|one| *one == encoding) {
        headers.append(header::VARY, encoding);
    }
    response
}

/// The tag of the packed form of what has a tag.
fn packed(tag: &HeaderValue) -> Option<HeaderValue> {
    let open = tag.to_str().ok()?.strip_suffix('"')?;
    HeaderValue::try_from(format!("{open}{PACKED}\"")).ok()
}

/// The item versions that `If-Match` asks for: the parts of its tags before the dot. Which
/// of them is there is decided where it cannot change any more, and a repetition asks for
/// the same ones.
pub(super) fn expected(headers: &HeaderMap) -> Result<Option<Versions>, Problem> {
    let tags = match tags(headers, &header::IF_MATCH) {
        None | Some(Tags::Any) => return Ok(None),
        Some(Tags::These(tags)) => tags,
    };
    // A weak tag matches nothing where something is changed.
    let strong = tags.iter().filter(|tag| !tag.is_weak);
    let version = |tag: &Tag| tag.state.split_once('.')?.0.parse::<i64>().ok();
    let versions = Versions::new(strong.filter_map(version).collect());
    versions.map(Some).ok_or_else(|| {
        let detail = "If-Match is none of this item's tags";
        Problem::new(StatusCode::PRECONDITION_FAILED, "version_conflict", detail)
    })
}

/// The versions that `If-Match` asks for, of what is tagged with nothing else; `None` where
/// it asks for none.
pub(super) fn versions(headers: &HeaderMap) -> Option<Vec<i64>> {
    let Tags::These(tags) = tags(headers, &header::IF_MATCH)? else { return None };
    let strong = tags.iter().filter(|tag| !tag.is_weak);
    Some(strong.filter_map(|tag| tag.state.parse().ok()).collect())
}

/// What a condition names; `None` where the request has none. What is no tag is left out.
fn tags(headers: &HeaderMap, name: &HeaderName) -> Option<Tags> {
    let mut found = Vec::new();
    let mut lines = headers.get_all(name).iter().peekable();
    lines.peek()?;
    for line in lines {
        let mut rest = line.to_str().unwrap_or_default().trim();
        if rest == "*" {
            return Some(Tags::Any);
        }
        while !rest.is_empty() {
            rest = rest.trim_start_matches([',', ' ', '\t']);
            let (is_weak, quoted) = match rest.strip_prefix("W/") {
                Some(quoted) => (true, quoted),
                None => (false, rest),
            };
            let Some((tag, after)) = quoted.strip_prefix('"').and_then(|text| text.split_once('"'))
            else {
                break;
            };
            let (state, is_packed) = match tag.strip_suffix(PACKED) {
                Some(state) => (state.to_owned(), true),
                None => (tag.to_owned(), false),
            };
            found.push(Tag { is_weak, is_packed, state });
            rest = after;
        }
    }
    Some(Tags::These(found))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(lines: &[&'static str]) -> Option<Tags> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::IF_MATCH, HeaderValue::from_static(line));
        }
        tags(&headers, &header::IF_MATCH)
    }

    #[test]
    fn conditions_are_read_as_the_rfc_has_them() {
        let these = |tags: &[(bool, &str)]| {
            let tag = |(is_weak, state): &(bool, &str)| Tag {
                is_weak: *is_weak,
                is_packed: false,
                state: (*state).to_owned(),
            };
            Some(Tags::These(tags.iter().map(tag).collect()))
        };
        assert_eq!(named(&[]), None);
        assert_eq!(named(&["*"]), Some(Tags::Any));
        assert_eq!(named(&["\"1.5\""]), these(&[(false, "1.5")]));
        let several = &["\"1.5\", W/\"2.7\"", "\"a,b\""];
        assert_eq!(named(several), these(&[(false, "1.5"), (true, "2.7"), (false, "a,b")]));
        assert_eq!(named(&["1.5"]), these(&[]));
        assert_eq!(named(&[""]), these(&[]));
    }

    #[test]
    fn a_condition_may_name_the_tag_of_either_form_and_is_told_of_the_one_it_named() {
        let tag = HeaderValue::from_static("\"1.5\"");
        let told = |condition: &'static str| {
            let condition = (header::IF_NONE_MATCH, HeaderValue::from_static(condition));
            known(&HeaderMap::from_iter([condition]), &tag)
        };
        let (plain, packed) = ("\"1.5\"", "\"1.5-gzip\"");
        for (condition, expected) in [
            ("\"1.5\"", Some(plain)),
            ("W/\"1.5\"", Some(plain)),
            ("*", Some(plain)),
            ("\"1.5-gzip\"", Some(packed)),
            ("W/\"1.5-gzip\"", Some(packed)),
            ("\"1.4\", \"1.5-gzip\", \"1.5\"", Some(packed)),
            ("\"1.4-gzip\"", None),
            ("\"1.5-br\"", None),
            ("\"1.5-gzip-gzip\"", None),
        ] {
            assert_eq!(told(condition), expected.map(HeaderValue::from_static), "{condition}");
        }
        assert_eq!(known(&HeaderMap::new(), &tag), None);
    }

    #[tokio::test]
    async fn only_what_is_packed_has_the_tag_of_the_packed_form() {
        for (coding, tag, expected) in [
            (None, Some("\"7\""), Some("\"7\"")),
            (Some("gzip"), Some("\"7\""), Some("\"7-gzip\"")),
            (Some("gzip"), None, None),
        ] {
            let mut response = Response::new(axum::body::Body::empty());
            for (name, value) in [(header::CONTENT_ENCODING, coding), (header::ETAG, tag)] {
                if let Some(value) = value {
                    response.headers_mut().insert(name, HeaderValue::from_static(value));
                }
            }
            let response = of_form(response).await;
            let headers = response.headers();
            assert_eq!(headers.get(header::ETAG).map(|tag| tag.to_str().unwrap()), expected);
            let varies = headers.get_all(header::VARY).iter().count();
            assert_eq!(varies, usize::from(tag.is_some()));
        }
    }
}
