//! Documents as PHP sends them: behind warnings and byte order marks, and failures
//! whose words are HTML.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::connectors::{ChannelError, ErrorKind, Reply};

/// Places where a document may begin after what PHP wrote before it.
const BEGINNINGS_MAX: usize = 64;
/// What of the shop's words is repeated.
const WORDS_CHARS_MAX: usize = 200;
/// What some programs write before UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The document of an answer, whatever was written before it: warnings of PHP come
/// first, with status 200 and the type of JSON.
pub(super) fn document<T: DeserializeOwned>(reply: &Reply) -> Result<T, ChannelError> {
    let body = reply.body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&reply.body);
    if let Ok(found) = serde_json::from_slice(body) {
        return Ok(found);
    }
    let beginnings = body.iter().enumerate().filter(|(_, byte)| matches!(byte, b'{' | b'['));
    for (at, _) in beginnings.take(BEGINNINGS_MAX) {
        if let Some(Ok(found)) = body.get(at..).map(serde_json::from_slice) {
            return Ok(found);
        }
    }
    reply.json()
}

/// A failure as WordPress writes it.
#[derive(Debug, Deserialize)]
pub(super) struct Failure {
    pub(super) code: String,
    pub(super) message: String,
}

/// What an answer says that is no success; `None` where its status says it all.
pub(super) fn explain(reply: &Reply) -> Option<ErrorKind> {
    let status = reply.status.as_u16();
    let Ok(failure) = document::<Failure>(reply) else {
        let no_api = "a page, not the REST API: is the url that of the shop, and are its permalinks \
                      on (Settings > Permalinks, anything but \"Plain\")?";
        // Nothing is gone for that: the shop is not there to ask.
        return matches!(status, 404 | 410).then(|| ErrorKind::Broken(no_api.to_owned()));
    };
    let words = plain(&failure.message);
    Some(match status {
        401 | 403 if words.contains("permissions") => ErrorKind::Forbidden(words),
        401 => ErrorKind::Unauthorized(words),
        403 => ErrorKind::Forbidden(words),
        // Only this says that something is gone; it is 400 here, and 404 there.
        400 | 404 | 410 if failure.code.ends_with("_invalid_id") => ErrorKind::NotFound(words),
        404 if failure.code == "rest_no_route" => ErrorKind::Broken(format!(
            "{words} Is WooCommerce active, and the url that of the shop?"
        )),
        404 | 410 | 500.. => ErrorKind::Broken(words),
        _ => ErrorKind::Refused { code: failure.code, detail: words },
    })
}

/// Words without the HTML they come in.
pub(super) fn plain(html: &str) -> String {
    let mut text = String::with_capacity(html.len());
    let mut in_tag = false;
    for character in html.chars() {
        match character {
            '<' => in_tag = true,
            '>' if in_tag => {
                in_tag = false;
                text.push(' ');
            }
            _ if in_tag => {}
            _ => text.push(character),
        }
    }
    // The ampersand last: what it made of others is text.
    let entities =
        [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#039;", "'"), ("&amp;", "&")];
    for (entity, character) in entities {
        text = text.replace(entity, character);
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().take(WORDS_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn words_lose_their_html_and_keep_what_was_meant() {
        let html = "<p>No <b>&quot;Mug&quot;</b> &amp;lt; 3.</p><p>More</p>";
        assert_eq!(plain(html), "No \"Mug\" &lt; 3. More");
        assert_eq!(plain(&"x".repeat(500)).len(), 200);
    }
}
