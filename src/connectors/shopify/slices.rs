//! Lists longer than 25 000 entries, which break off there (shopify.dev, "Pagination"): they
//! are read in slices, each of them a list of its own from the last entry on.

use crate::connectors::{ChannelError, Cursor, ErrorKind};

/// Entries after which a slice ends.
const SLICE_MAX: usize = 20_000;

/// Where a list stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Slice {
    /// Entries that were read of this slice.
    read: usize,
    /// What the slice begins after; empty is the beginning.
    pub(super) from: String,
    /// The channel's own cursor in it.
    pub(super) after: Option<String>,
}

impl Slice {
    /// Where a list goes on; a cursor that is not ours begins it anew.
    pub(super) fn at(cursor: Option<&Cursor>) -> Self {
        let parts = cursor.map(|Cursor(text)| text.splitn(3, '\n').collect::<Vec<_>>());
        match parts.as_deref() {
            Some([read, from, after]) => Self {
                read: read.parse().unwrap_or(SLICE_MAX),
                from: (*from).to_owned(),
                after: (!after.is_empty()).then(|| (*after).to_owned()),
            },
            _ => Self::default(),
        }
    }

    /// Where it goes on after a page of so many entries; `last` names the last of them. An
    /// error where so many entries have one name that no slice begins after them.
    pub(super) fn next(
        &self,
        what: &'static str,
        (rows, end, last): (usize, Option<String>, Option<String>),
    ) -> Result<Option<Cursor>, ChannelError> {
        let Some(end) = end else { return Ok(None) };
        let read = self.read.saturating_add(rows);
        let (read, from, after) = match last {
            Some(last) if read >= SLICE_MAX && last == self.from => {
                let why = format!("more than {SLICE_MAX} entries of one moment cannot be listed");
                return Err(ChannelError::new(what, ErrorKind::Unreadable(why)));
            }
            Some(last) if read >= SLICE_MAX => (0, last, String::new()),
            _ => (read, self.from.clone(), end),
        };
        Ok(Some(Cursor(format!("{read}\n{from}\n{after}"))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_ends_before_the_list_breaks_off() {
        let (mut slice, mut slices, mut read) = (Slice::default(), 1, 0);
        for page in 0..1000 {
            read += 250;
            let last = format!("{page}");
            let next = slice.next("x", (250, Some("end".to_owned()), Some(last.clone())));
            slice = Slice::at(next.unwrap().as_ref());
            if slice.after.is_none() {
                (slices, read) = (slices + 1, 0);
                assert_eq!(slice.from, last);
            }
            assert!(read < 25_000);
        }
        assert_eq!(slices, 13);
        assert_eq!(slice.next("x", (3, None, Some("x".to_owned()))), Ok(None));
        // All of one name: the second slice would be the first again.
        let page = || (SLICE_MAX, Some("end".to_owned()), Some("same".to_owned()));
        let second = Slice::default().next("x", page()).unwrap();
        Slice::at(second.as_ref()).next("x", page()).unwrap_err();
    }
}
