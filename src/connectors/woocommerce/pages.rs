//! Lists by page number, over a list that moves.
//!
//! Lists are told with how many entries and pages they have (`X-WP-Total` and
//! `X-WP-TotalPages`). An entry that goes while a list is read draws all that follow one
//! place forward, over the edge of a page; the number of entries tells of it.

use reqwest::header::HeaderMap;

use crate::connectors::{ChannelError, Cursor, ErrorKind};

/// How often a list that changes is begun again before it is given up.
const AGAIN_MAX: u32 = 5;

/// Where the reading of a list goes on that is sorted by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) page: usize,
    /// How many entries the list had; `None` before the first page, or where it is not told.
    total: Option<u64>,
    /// The largest id that was read: not read again.
    last: u64,
    /// How often it was begun again.
    again: u32,
}

impl Place {
    pub(super) const START: Self = Self { page: 1, total: None, last: 0, again: 0 };

    /// The place that a cursor names.
    pub(super) fn of(what: &'static str, after: Option<&Cursor>) -> Result<Self, ChannelError> {
        let Some(Cursor(text)) = after else { return Ok(Self::START) };
        Self::parse(text).ok_or_else(|| unreadable(what, "where the list goes on is not a page"))
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('/');
        let page = parts.next()?.parse().ok()?;
        let total = match parts.next()? {
            "-" => None,
            total => Some(total.parse().ok()?),
        };
        let (last, again) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        parts.next().is_none().then_some(Self { page, total, last, again })
    }

    pub(super) fn cursor(self) -> Cursor {
        let total = self.total.map_or("-".to_owned(), |total| total.to_string());
        Cursor(format!("{}/{total}/{}/{}", self.page, self.last, self.again))
    }

    /// Whether an entry was read already.
    pub(super) const fn has_read(self, id: u64) -> bool {
        id <= self.last
    }

    /// The place after a page with these ids, if there is one. A list that has another
    /// number of entries than before is begun again, without what was read of it.
    pub(super) fn next(
        self,
        what: &'static str,
        headers: &HeaderMap,
        ids: &[u64],
        page_max: usize,
    ) -> Result<Option<Self>, ChannelError> {
        let total = number(headers, "x-wp-total");
        let last = ids.iter().copied().fold(self.last, u64::max);
        if self.page > 1 && total != self.total {
            if self.again >= AGAIN_MAX {
                let why = format!(
                    "entries were added or removed {} times while they were read",
                    self.again + 1
                );
                return Err(unreadable(what, &why));
            }
            // What this page holds may be beyond what was drawn forward: it comes again.
            return Ok(Some(Self { page: 1, total: None, last: self.last, again: self.again + 1 }));
        }
        let more = has_more(what, headers, self.page, (ids.len(), page_max))?;
        Ok(more.then_some(Self { page: self.page + 1, total, last, again: self.again }))
    }

    /// Whether the place is the start of a list that changed.
    pub(super) const fn is_again(self, before: Self) -> bool {
        self.again > before.again
    }
}

/// Whether pages follow one with so many of at most so many entries: by what the shop
/// says, else by how full it is. A page without entries where there should be some is no
/// end: something on the way lost them.
pub(super) fn has_more(
    what: &'static str,
    headers: &HeaderMap,
    page: usize,
    (rows, page_max): (usize, usize),
) -> Result<bool, ChannelError> {
    let Some(pages) = number(headers, "x-wp-totalpages") else { return Ok(rows >= page_max) };
    let page = u64::try_from(page).unwrap_or(u64::MAX);
    if rows == 0 && page <= pages {
        return Err(unreadable(what, &format!("page {page} of {pages} is empty")));
    }
    Ok(page < pages)
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

fn unreadable(what: &'static str, why: &str) -> ChannelError {
    ChannelError::new(what, ErrorKind::Unreadable(why.to_owned()))
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    fn told(total: u64, pages: u64) -> HeaderMap {
        HeaderMap::from_iter([
            (reqwest::header::HeaderName::from_static("x-wp-total"), HeaderValue::from(total)),
            (reqwest::header::HeaderName::from_static("x-wp-totalpages"), HeaderValue::from(pages)),
        ])
    }

    #[test]
    fn an_empty_page_is_the_end_only_where_no_more_are_told() {
        let more = |headers: &HeaderMap, page, rows| has_more("read", headers, page, (rows, 2));
        assert_eq!(more(&told(5, 3), 2, 2), Ok(true));
        assert_eq!(more(&told(5, 3), 3, 1), Ok(false));
        assert_eq!(more(&told(0, 0), 1, 0), Ok(false));
        let error = more(&told(5, 3), 3, 0).unwrap_err().to_string();
        assert!(error.contains("page 3 of 3 is empty"), "{error}");
        // Nothing is told.
        let silent = HeaderMap::new();
        assert_eq!((more(&silent, 1, 2), more(&silent, 2, 0)), (Ok(true), Ok(false)));
    }

    #[test]
    fn a_list_that_changes_is_begun_again_and_not_for_ever() {
        let first = Place::START.next("read", &told(5, 3), &[1, 2], 2).unwrap().unwrap();
        assert_eq!(Place::of("read", Some(&first.cursor())), Ok(first));
        assert!(first.has_read(2) && !first.has_read(3));
        // One of the first two is gone: the third is on the first page now.
        let mut place = first;
        for _ in 0..AGAIN_MAX {
            let again = place.next("read", &told(4, 2), &[4, 5], 2).unwrap().unwrap();
            assert!(again.is_again(place) && again.page == 1 && !again.has_read(3), "{again:?}");
            place = Place { page: 2, total: Some(9), ..again };
        }
        let error = place.next("read", &told(4, 2), &[4, 5], 2).unwrap_err().to_string();
        assert!(error.contains("added or removed"), "{error}");
        assert!(Place::of("read", Some(&Cursor("second".to_owned()))).is_err());
    }
}
