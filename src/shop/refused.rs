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
/// Times in a row that a flood is told in full.
const FLOODS_TOLD: u32 = 6;
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
    /// How often in a row there was more than is written.
    floods: u32,
}

/// What is not written yet.
#[derive(Debug, Default)]
pub struct Refused {
    pending: Mutex<Pending>,
}

/// What is being written: the most frequent attempts, and how many others there were.
#[derive(Debug, Default)]
struct Taken {
    attempts: Vec<(Attempt, Times)>,
    others: u64,
}

impl Refused {
    fn lock(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, attempt: Attempt, times: Times) {
        let mut pending = self.lock();
        if let Some(known) = pending.attempts.get_mut(&attempt) {
            known.count += times.count;
        } else if pending.attempts.len() < ATTEMPTS_MAX {
            pending.attempts.insert(attempt, times);
        } else {
            pending.others += times.count;
        }
    }

    fn take(&self) -> Taken {
        let mut pending = self.lock();
        let mut attempts: Vec<(Attempt, Times)> = pending.attempts.drain().collect();
        let mut others = std::mem::take(&mut pending.others);
        // Whoever tries a key a thousand times is not hidden behind those who tried once.
        attempts.sort_by_key(|(_, times)| (std::cmp::Reverse(times.count), times.first_at));
        let is_flood = others > 0 || attempts.len() > ENTRIES_MAX;
        pending.floods = if is_flood { pending.floods + 1 } else { 0 };
        // One that goes on is a number: it must not fill the journal either.
        let most = if pending.floods > FLOODS_TOLD { 1 } else { ENTRIES_MAX };
        let rest = attempts.split_off(attempts.len().min(most));
        others += rest.iter().map(|(_, times)| times.count).sum::<u64>();
        Taken { attempts, others }
    }

    /// What could not be written is noted again.
    fn put_back(&self, taken: Taken) {
        for (attempt, times) in taken.attempts {
            self.note(attempt, times);
        }
        self.lock().others += taken.others;
    }
}

impl Taken {
    fn entries(&self, now: i64) -> Vec<Entry> {
        let mut entries: Vec<Entry> = self.attempts.iter().map(entry).collect();
        if self.others > 0 {
            let mut entry = Entry::new(Kind::AuthRefused, now);
            entry.data = Some(json!({ "what": "others", "times": self.others }).to_string());
            entries.push(entry);
        }
        entries
    }
}

fn entry((attempt, times): &(Attempt, Times)) -> Entry {
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
    /// Notes that somebody was not believed: what was shown (`key`, `token`,
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
        let first_request = origin.map(|origin| origin.request.clone());
        let first_at = self.clock.now().as_millis();
        self.refused.note(attempt, Times { first_at, first_request, count: 1 });
    }

    /// Writes what was noted to the journal; what cannot be written now is kept for the next time.
    pub async fn write_refused(&self) -> Result<(), StoreError> {
        let (now, taken) = (self.clock.now().as_millis(), self.refused.take());
        let entries = taken.entries(now);
        if entries.is_empty() {
            return Ok(());
        }
        let written = self.db.write(move |mut conn| {
            Box::pin(async move {
                store::journal::append_aside(&mut conn, &entries, now).await.map(drop)
            })
        });
        let written = written.await;
        if let Err(error) = &written {
            tracing::warn!(error = %error, "who was refused cannot be written down now");
            self.refused.put_back(taken);
        }
        written
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

    fn once(now: i64) -> Times {
        Times { first_at: now, first_request: Some(format!("r{now}")), count: 1 }
    }

    #[test]
    fn the_same_attempt_is_counted_and_a_flood_is_a_number() {
        let refused = Refused::default();
        for now in 0..5 {
            refused.note(attempt("aaaaaaaa", 1), once(now));
        }
        let taken = refused.take();
        let entries = taken.entries(9);
        assert_eq!(entries.len(), 1);
        let data: serde_json::Value =
            serde_json::from_str(entries[0].data.as_ref().unwrap()).unwrap();
        assert_eq!((&data["times"], &data["request_id"]), (&json!(5), &json!("r0")));
        assert_eq!(data["address"], "192.0.2.1");
        assert!(refused.take().entries(9).is_empty(), "written once");
        refused.put_back(taken);
        refused.note(attempt("aaaaaaaa", 1), once(7));
        assert_eq!(refused.take().attempts[0].1.count, 6, "what failed is written with the next");

        let flood = || {
            for flood in 0..100_000_u32 {
                refused.note(attempt(&flood.to_string(), 2), once(i64::from(flood)));
            }
            for now in 0..3 {
                refused.note(attempt("0", 2), once(now));
            }
            assert_eq!(refused.lock().attempts.len(), ATTEMPTS_MAX);
            refused.take()
        };
        let taken = flood();
        assert_eq!(taken.attempts[0].0.who.as_deref(), Some("0"), "the most frequent first");
        let (told, others) = (taken.attempts.len(), taken.others);
        assert_eq!((told, others), (ENTRIES_MAX, 100_000 - ENTRIES_MAX as u64));
        for _ in 0..FLOODS_TOLD {
            flood();
        }
        assert_eq!(flood().entries(9).len(), 2, "one that goes on is a number");
    }
}
