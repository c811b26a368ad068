//! How much memory an entry takes at most: as it is, and in the words of all who may hear of it.
//!
//! What is kept is bounded by this, and words are made long after it was counted: so it is counted
//! from above, and once.

use serde_json::{Map, Value};

use super::{Concern, Entry, concern};
use crate::store::journal_reads::EntryRecord;

/// What an event takes where it is shared and kept: counts of who shares it, and its place.
pub(super) const SHARED: usize = ALLOCATION + 4 * size_of::<usize>();
/// What a piece of memory takes beside its bytes: its head, and what rounds it up.
pub(super) const ALLOCATION: usize = 24;
/// The names of all that an entry may say, its times and its id: its words without its type, its
/// numbers, its texts and its further fields.
const NAMES: usize = 470;
/// A node of a map with its entries, each a text and a value, and how many they are.
const NODE: usize = 640;
const NODE_ENTRIES: usize = 11;
/// What each entry more takes: nodes are half full, and other nodes lead to them.
const ENTRY: usize = 160;

/// Of an entry with its further fields, once they are read.
pub(super) fn of(record: &EntryRecord, details: &Map<String, Value>) -> usize {
    let order = record.order.as_ref();
    let texts = [
        record.sku.as_ref(),
        record.location.as_ref(),
        order.map(|(source, _)| source),
        order.map(|(_, external_id)| external_id),
        record.account.as_ref(),
    ];
    let texts = texts.into_iter().flatten();
    let held: usize = texts.clone().map(text).sum();
    let written: usize = texts.map(|text| written(text)).sum();
    let audiences = match concern(record.kind) {
        Concern::Stock => 3,
        Concern::Order => 2,
        Concern::Staff | Concern::Audit => 1,
    };
    // Each is its bytes and who shares them.
    let names = NAMES + 2 * record.kind.event_type().len();
    let words = audiences * (3 * ALLOCATION + names + numbers(record) + written);
    // The staff is told some of them twice: of what it is about they are, too.
    let data = (audiences + 1) * record.data.as_ref().map_or(0, String::len);
    ALLOCATION + size_of::<Entry>() + held + map(details) + words + data
}

/// What it could hold is kept.
fn text(text: &String) -> usize {
    ALLOCATION + text.capacity()
}

/// How long its numbers are.
fn numbers(record: &EntryRecord) -> usize {
    let own = [Some(record.seq), record.quantity, record.line, record.part, record.batch];
    let own = own.into_iter().chain([record.reverses]).flatten();
    let level = record.level.map(|(version, deltas, totals)| {
        let change = [deltas.on_hand, deltas.reserved, deltas.shortfall, deltas.safety];
        let after = [totals.on_hand, totals.reserved, totals.shortfall, totals.safety];
        // What can be promised is no more than there is.
        change.into_iter().chain(after).chain([version, totals.on_hand])
    });
    own.chain(level.into_iter().flatten()).map(digits).sum()
}

/// With its sign.
fn digits(number: i64) -> usize {
    let digits = number.unsigned_abs().checked_ilog10().unwrap_or(0) + 1;
    usize::from(number < 0) + usize::try_from(digits).unwrap_or(usize::MAX)
}

/// How long a text is in JSON.
fn written(text: &str) -> usize {
    let bytes = text.bytes().map(|byte| match byte {
        b'"' | b'\\' => 2,
        0..=0x1f => 6,
        _ => 1,
    });
    bytes.sum()
}

fn map(fields: &Map<String, Value>) -> usize {
    if fields.is_empty() {
        return 0;
    }
    let nodes = NODE + ENTRY * fields.len().saturating_sub(NODE_ENTRIES);
    let entries = fields.iter().map(|(name, field)| text(name) + value(field));
    ALLOCATION + nodes + entries.sum::<usize>()
}

fn value(one: &Value) -> usize {
    match one {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(one) => text(one),
        Value::Array(all) => {
            let held = ALLOCATION + all.capacity() * size_of::<Value>();
            held + all.iter().map(value).sum::<usize>()
        }
        Value::Object(fields) => map(fields),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Deltas, Kind, Totals};
    use crate::events::event::{Event, Frame, record};
    use crate::events::{Audience, Selection};

    /// An entry that all heard of who may, with what it keeps at least.
    fn heard(record: EntryRecord) -> (usize, usize) {
        let entry = Entry::of(record).unwrap().0;
        let storefront = |name: &str| Audience::Storefront { own_source: name.to_owned() };
        let source = entry.source().unwrap().to_owned();
        for audience in [Audience::Staff, Audience::Reader, storefront(&source), storefront("-")] {
            Selection::all(audience).pick_entry(&entry);
        }
        let words = [&entry.full, &entry.own, &entry.public];
        let words = words.iter().filter_map(|words| words.get());
        let words: usize = words.map(|Frame { bytes, .. }| bytes.len()).sum();
        let (source, external_id) = entry.record.order.as_ref().unwrap();
        let sku = entry.record.sku.as_ref().unwrap();
        let texts = source.len() + external_id.len() + sku.len();
        let details: usize =
            entry.details.iter().map(|(name, field)| name.len() + least(field)).sum();
        assert!(entry.record.data.is_none(), "it is kept twice");
        let kept = size_of::<Event>() + size_of::<Entry>() + words + texts + details;
        (kept, Event::Entry(Box::new(entry)).bytes())
    }

    /// What a value takes at least.
    fn least(one: &Value) -> usize {
        let parts = match one {
            Value::String(text) => text.len(),
            Value::Array(all) => all.iter().map(least).sum(),
            Value::Object(fields) => fields.iter().map(|(name, one)| name.len() + least(one)).sum(),
            _ => 0,
        };
        size_of::<Value>() + parts
    }

    fn longest(kind: Kind, text: &str, data: Option<String>) -> EntryRecord {
        let most = i64::MAX / 4;
        let deltas = Deltas { on_hand: -most, reserved: -most, shortfall: -most, safety: -most };
        let totals = Totals { on_hand: most, reserved: 1, shortfall: most, safety: most };
        EntryRecord {
            seq: i64::MAX,
            sku: Some(text.to_owned()),
            location: Some(text.to_owned()),
            level: kind.is_movement().then_some((i64::MAX, deltas, totals)),
            quantity: Some(i64::MIN),
            order: Some((text.to_owned(), text.to_owned())),
            line: Some(i64::MIN),
            part: Some(i64::MAX),
            batch: Some(i64::MIN),
            account: Some(text.to_owned()),
            reverses: Some(i64::MIN),
            data,
            ..record(kind)
        }
    }

    #[test]
    fn what_is_counted_is_at_least_what_is_kept() {
        let fields: Map<String, Value> =
            (0..300).map(|number| (format!("f{number}"), Value::from(number))).collect();
        let numbers = Value::from((0..2_000).map(|_| Value::from(1)).collect::<Vec<_>>());
        let twice = ["channel", "listing", "place", "prefix", "from", "to"];
        let twice = twice.into_iter().map(|name| (name.to_owned(), Value::from("\"".repeat(500))));
        let data = [
            None,
            Some(Value::Object(fields)),
            Some(Value::Object(Map::from_iter([("all".to_owned(), numbers)]))),
            Some(Value::Object(twice.collect())),
        ];
        for &kind in Kind::ALL {
            for text in ["", "MUG", &"\"".repeat(200), &"\\\n".repeat(200), &"\u{1}".repeat(100)] {
                for data in &data {
                    let data = data.as_ref().map(Value::to_string);
                    let (kept, counted) = heard(longest(kind, text, data.clone()));
                    assert!(kept <= counted, "{kind:?} {text} {data:?}: {counted} of {kept}");
                }
            }
        }
    }

    #[test]
    fn not_much_more_is_counted_than_is_kept() {
        for &kind in Kind::ALL {
            let (kept, counted) = heard(record(kind));
            assert!(counted <= 2 * kept + NODE, "{kind:?}: {counted} of {kept}");
        }
    }

    #[test]
    fn words_are_kept_as_long_as_they_are() {
        let entry = Entry::of(record(Kind::Reserve)).unwrap().0;
        let bytes = entry.full().bytes.clone();
        drop(entry);
        let length = bytes.len();
        assert_eq!(bytes.try_into_mut().unwrap().capacity(), length);
    }
}
