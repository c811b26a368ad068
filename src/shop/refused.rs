//! Who was not believed: noted while it happens, and written to the journal now and then.
//!
//! A flood of attempts must fill neither memory nor the journal: the same attempt is counted,
//! and beyond a bound only how many others there were is kept.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::json;

use super::Shop;
use crate::domain::{Entry, Kind};
use crate::store::{self, StoreError};
use crate::telemetry::Origin;

/// Attempts that are told apart until they are written.
const ATTEMPTS_MAX: usize = 256;
/// Entries that are written at a time.
const ENTRIES_MAX: usize = 10;
/// The longest reason that is kept, in characters.
const WHY_CHARS_MAX: usize = 120;

/// An attempt, as far as it is told apart from others.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Attempt {
    what: &'static str,
    who: Option<String>,
    why: String,
    address: Option<IpAddr>,
}

#[derive(Clone, Debug)]
struct Times {
    first_at: i64,
    first_request: Option<String>,
    count: u64,
}

#[derive(Debug, Default)]
struct Pending {
    attempts: HashMap<Attempt, Times>,
    others: u64,
}

/// What is not written yet.
#[derive(Debug, Default)]
pub struct Refused {
    pending: Mutex<Pending>,
}

impl Refused {
    fn lock(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, attempt: Attempt, request: Option<String>, now: i64) {
        let mut pending = self.lock();
        if let Some(times) = pending.attempts.get_mut(&attempt) {
            times.count += 1;
        } else if pending.attempts.len() < ATTEMPTS_MAX {
            let times = Times { first_at: now, first_request: request, count: 1 };
            pending.attempts.insert(attempt, times);
        } else {
            pending.others += 1;
        }
    }

    /// What is to be written: the first attempts, and how many others there were.
    fn take(&self, now: i64) -> Vec<Entry> {
        let Pending { attempts, mut others } = std::mem::take(&mut *self.lock());
        let mut attempts: Vec<(Attempt, Times)> = attempts.into_iter().collect();
        attempts.sort_by(|(_, one), (_, other)| {
            (one.first_at, &one.first_request).cmp(&(other.first_at, &other.first_request))
        });
        let rest = attempts.split_off(attempts.len().min(ENTRIES_MAX));
        others += rest.iter().map(|(_, times)| times.count).sum::<u64>();
        let mut entries: Vec<Entry> = attempts.into_iter().map(entry).collect();
        if others > 0 {
            let mut entry = Entry::new(Kind::AuthRefused, now);
            entry.data = Some(json!({ "what": "others", "times": others }).to_string());
            entries.push(entry);
        }
        entries
    }
}

fn entry((attempt, times): (Attempt, Times)) -> Entry {
    let mut entry = Entry::new(Kind::AuthRefused, times.first_at);
    let data = json!({
        "what": attempt.what,
        "who": attempt.who,
        "why": attempt.why,
        "address": attempt.address,
        "request_id": times.first_request,
        "times": times.count,
    });
    entry.data = Some(data.to_string());
    entry
}

impl Shop {
    /// Notes that somebody was not believed: what was shown (`key`, `token`, `client`,
    /// `webhook`), whose it was said to be as far as that may be told, and why not.
    pub fn note_refused(
        &self,
        what: &'static str,
        who: Option<&str>,
        why: &str,
        origin: Option<&Origin>,
    ) {
        let attempt = Attempt {
            what,
            who: who.map(ToOwned::to_owned),
            why: why.chars().take(WHY_CHARS_MAX).collect(),
            address: origin.map(|origin| origin.address),
        };
        let request = origin.map(|origin| origin.request.clone());
        self.refused.note(attempt, request, self.clock.now().as_millis());
    }

    /// Writes what was noted to the journal. What cannot be written now is told in the log.
    pub async fn write_refused(&self) -> Result<(), StoreError> {
        let now = self.clock.now().as_millis();
        let entries = self.refused.take(now);
        if entries.is_empty() {
            return Ok(());
        }
        let count = entries.len();
        let written = self.db.write(move |mut conn| {
            Box::pin(async move {
                store::journal::append_aside(&mut conn, &entries, now).await.map(drop)
            })
        });
        written.await.inspect_err(|error| {
            tracing::error!(error = %error, count, "who was refused could not be written down");
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(who: &str, last: u8) -> Attempt {
        Attempt {
            what: "key",
            who: Some(who.to_owned()),
            why: "unknown".to_owned(),
            address: Some(IpAddr::from([192, 0, 2, last])),
        }
    }

    #[test]
    fn the_same_attempt_is_counted_and_a_flood_is_a_number() {
        let refused = Refused::default();
        for now in 0..5 {
            refused.note(attempt("aaaaaaaa", 1), Some(format!("r{now}")), now);
        }
        let entries = refused.take(9);
        assert_eq!(entries.len(), 1);
        let data: serde_json::Value =
            serde_json::from_str(entries[0].data.as_ref().unwrap()).unwrap();
        assert_eq!((&data["times"], &data["request_id"]), (&json!(5), &json!("r0")));
        assert_eq!(data["address"], "192.0.2.1");
        assert!(refused.take(9).is_empty(), "written once");

        for flood in 0..100_000_u32 {
            refused.note(attempt(&flood.to_string(), 2), None, i64::from(flood));
        }
        assert_eq!(refused.lock().attempts.len(), ATTEMPTS_MAX);
        let entries = refused.take(9);
        assert_eq!(entries.len(), ENTRIES_MAX + 1);
        let last = entries.last().unwrap().data.clone().unwrap();
        assert_eq!(last, json!({ "what": "others", "times": 100_000 - ENTRIES_MAX }).to_string());
    }
}
