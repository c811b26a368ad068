//! Entity tags and the conditions that name them (RFC 9110 §8.8.3, §13.1).

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use super::Api;
use super::problem::Problem;
use crate::domain::Sku;
use crate::reports::{self, ItemState};

/// The tags that a condition names.
#[derive(Debug, PartialEq, Eq)]
enum Tags {
    /// `*`: whatever there is.
    Any,
    /// These, without quotes; weak ones marked.
    These(Vec<(bool, String)>),
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

/// Whether `If-None-Match` names a tag, compared weakly as it is for reading.
pub(super) fn is_known(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    let own = tag.to_str().unwrap_or_default().trim_matches('"');
    match tags(headers, &header::IF_NONE_MATCH) {
        None => false,
        Some(Tags::Any) => true,
        Some(Tags::These(tags)) => tags.iter().any(|(_, tag)| tag == own),
    }
}

/// The item version that `If-Match` asks for: the part of its tag before the dot. Of
/// several the one that is there.
pub(super) async fn expected(
    api: &Api,
    sku: &Sku,
    headers: &HeaderMap,
) -> Result<Option<i64>, Problem> {
    let tags = match tags(headers, &header::IF_MATCH) {
        None | Some(Tags::Any) => return Ok(None),
        Some(Tags::These(tags)) => tags,
    };
    // A weak tag matches nothing where something is changed.
    let strong = tags.iter().filter(|(is_weak, _)| !is_weak);
    let version = |(_, tag): &(bool, String)| tag.split_once('.')?.0.parse::<i64>().ok();
    let versions: Vec<i64> = strong.filter_map(version).collect();
    let now = match versions.as_slice() {
        [] => None,
        [one] => Some(*one),
        several => {
            let state = reports::item_state(&api.shop.db, sku, api.policy).await?;
            let now = state.map(|state| state.item.version);
            several
                .iter()
                .copied()
                .find(|version| Some(*version) == now)
                .or(several.first().copied())
        }
    };
    now.map(Some).ok_or_else(|| {
        let detail = "If-Match is none of this item's tags";
        Problem::new(StatusCode::PRECONDITION_FAILED, "version_conflict", detail)
    })
}

/// The versions that `If-Match` asks for, of what is tagged with nothing else; `None` where
/// it asks for none.
pub(super) fn versions(headers: &HeaderMap) -> Option<Vec<i64>> {
    let Tags::These(tags) = tags(headers, &header::IF_MATCH)? else { return None };
    let strong = tags.iter().filter(|(is_weak, _)| !is_weak);
    Some(strong.filter_map(|(_, tag)| tag.parse().ok()).collect())
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
            found.push((is_weak, tag.to_owned()));
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
            Some(Tags::These(tags.iter().map(|(weak, tag)| (*weak, (*tag).to_owned())).collect()))
        };
        assert_eq!(named(&[]), None);
        assert_eq!(named(&["*"]), Some(Tags::Any));
        assert_eq!(named(&["\"1.5\""]), these(&[(false, "1.5")]));
        let several = &["\"1.5\", W/\"2.7\"", "\"a,b\""];
        assert_eq!(named(several), these(&[(false, "1.5"), (true, "2.7"), (false, "a,b")]));
        assert_eq!(named(&["1.5"]), these(&[]));
        assert_eq!(named(&[""]), these(&[]));
    }
}
