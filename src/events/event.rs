//! A journal entry as an event, made once in the words of each audience.

mod size;

use std::ops::Range;
use std::sync::OnceLock;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::types::{Concern, UNREADABLE, concern};
use crate::clock::Timestamp;
use crate::domain::{ItemId, Kind, Totals};
use crate::store::StoreError;
use crate::store::journal_reads::{EntryRecord, Unreadable};

/// An event as it is sent: made once, shared by all it is sent to.
#[derive(Clone, Debug)]
pub struct Frame {
    bytes: Bytes,
    json: Range<usize>,
}

impl Frame {
    fn of(seq: i64, event_type: &str, document: &str) -> Self {
        let head = format!("id: {seq}\nevent: {event_type}\ndata: ");
        let json = head.len()..head.len() + document.len();
        // As long as it is: what grows while it is written is kept twice as long.
        Self { bytes: [&head, document, "\n\n"].concat().into(), json }
    }

    /// As one message of `text/event-stream`, with its seq as id and its type as name.
    pub fn sse(&self) -> Bytes {
        self.bytes.clone()
    }

    /// As one JSON document on one line.
    pub fn json(&self) -> Bytes {
        self.bytes.slice(self.json.clone())
    }
}

/// Fields of an entry that say where it was asked for.
const ORIGIN: [&str; 2] = ["address", "request_id"];

/// What a place in the journal is to those who listen.
#[derive(Debug)]
pub(super) enum Event {
    /// An entry.
    Entry(Box<Entry>),
    /// One that cannot be read: whoever listens is told that there was something, and goes on.
    Unreadable(i64, Frame),
}

/// An entry of the journal, in the words of everybody who hears of it: made when somebody
/// does, and then once for all of them.
#[derive(Debug)]
pub(super) struct Entry {
    record: EntryRecord,
    /// The further fields of the entry.
    details: Map<String, Value>,
    at: Timestamp,
    effective_at: Timestamp,
    /// How much memory it takes at most, whoever hears of it.
    bytes: usize,
    /// For the staff: all of it.
    full: OnceLock<Frame>,
    /// For the source of its order.
    own: OnceLock<Frame>,
    /// For every storefront: what is there, and nothing of whose it is or why.
    public: OnceLock<Frame>,
}

impl Event {
    /// What was read as those who listen are told of it.
    ///
    /// With what of it cannot be read, where there is such: somebody should know.
    pub(super) fn of(read: Result<EntryRecord, Unreadable>) -> (Self, Option<Unreadable>) {
        match read.and_then(Entry::of) {
            Ok((entry, wrong)) => (Self::Entry(Box::new(entry)), wrong),
            Err(wrong) => (Self::unreadable(wrong.seq), Some(wrong)),
        }
    }

    /// Nothing is known but that it is there: its type says so.
    fn unreadable(seq: i64) -> Self {
        let document = format!(
            "{{\"seq\":{seq},\"id\":\"evt_{:012x}{seq:012x}\",\"type\":\"{UNREADABLE}\",\
             \"at\":null,\"subject\":{{}},\"data\":{{}}}}",
            0
        );
        Self::Unreadable(seq, Frame::of(seq, UNREADABLE, &document))
    }

    /// Its place in the journal.
    pub(super) const fn seq(&self) -> i64 {
        match self {
            Self::Entry(entry) => entry.record.seq,
            Self::Unreadable(seq, _) => *seq,
        }
    }

    /// How much memory it takes at most, with all its words.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>()
            + size::SHARED
            + match self {
                Self::Entry(entry) => entry.bytes,
                Self::Unreadable(_, frame) => size::ALLOCATION + frame.bytes.len(),
            }
    }
}

impl Entry {
    /// One whose further fields cannot be read is told without them.
    fn of(mut record: EntryRecord) -> Result<(Self, Option<Unreadable>), Unreadable> {
        let time = |millis| Timestamp::from_millis(millis).map_err(|error| bad(&record, &error));
        let (at, effective_at) = (time(record.at)?, time(record.effective_at)?);
        let details = record.data.as_deref().map_or(Ok(Map::new()), serde_json::from_str);
        let (details, wrong) = match details {
            Ok(details) => (details, None),
            Err(error) => (Map::new(), Some(bad(&record, &error))),
        };
        let bytes = size::of(&record, &details);
        // It is in the fields from here on.
        record.data = None;
        let [full, own, public] = Default::default();
        Ok((Self { record, details, at, effective_at, bytes, full, own, public }, wrong))
    }

    /// What it says.
    pub(super) const fn kind(&self) -> Kind {
        self.record.kind
    }

    /// The item it is about.
    pub(super) const fn item(&self) -> Option<ItemId> {
        self.record.item
    }

    /// The location it is about.
    pub(super) fn location(&self) -> Option<&str> {
        self.record.location.as_deref()
    }

    /// Whose order it is of.
    pub(super) fn source(&self) -> Option<&str> {
        self.record.order.as_ref().map(|(source, _)| source.as_str())
    }

    /// All of it.
    pub(super) fn full(&self) -> &Frame {
        self.full.get_or_init(|| self.frame(self.full_subject(), self.full_data()))
    }

    /// What the source of its order may hear.
    pub(super) fn own(&self) -> &Frame {
        self.own.get_or_init(|| {
            let order = self.record.order.as_ref();
            let order_id = order.map(|(source, external_id)| shown_to_owner(source, external_id));
            self.frame(self.subject(order_id.as_deref()), self.own_data())
        })
    }

    /// What everybody may hear of stock and items.
    pub(super) fn public(&self) -> &Frame {
        self.public.get_or_init(|| self.frame(self.public_subject(), self.public_data()))
    }
}

/// How REST names an order to the key holder who placed it: a bare id that holds a `:`
/// would read as a full one.
fn shown_to_owner(source: &str, external_id: &str) -> String {
    if external_id.contains(':') {
        format!("{source}:{external_id}")
    } else {
        external_id.to_owned()
    }
}

fn bad(record: &EntryRecord, error: &impl ToString) -> Unreadable {
    let why = StoreError::Decode { statement: "events", message: error.to_string() };
    Unreadable { seq: record.seq, why }
}

impl Entry {
    /// The event in some words.
    fn frame(&self, subject: Map<String, Value>, data: Map<String, Value>) -> Frame {
        let (seq, event_type, at) = (self.record.seq, self.kind().event_type(), self.at);
        let (subject, data) = (Value::Object(subject), Value::Object(data));
        // Of the id the time is first: after a restore a seq may be of another fact.
        let document = format!(
            "{{\"seq\":{seq},\"id\":\"evt_{:012x}{seq:012x}\",\"type\":\"{event_type}\",\
             \"at\":\"{at}\",\"subject\":{subject},\"data\":{data}}}",
            at.as_millis()
        );
        Frame::of(seq, event_type, &document)
    }

    /// What it is about, without whose it is.
    fn public_subject(&self) -> Map<String, Value> {
        let mut subject = Map::new();
        put(&mut subject, "sku", self.record.sku.as_deref());
        put(&mut subject, "location", self.record.location.as_deref());
        subject
    }

    /// What it is about, with an order as it is named to the listener.
    fn subject(&self, order_id: Option<&str>) -> Map<String, Value> {
        let mut subject = self.public_subject();
        put(&mut subject, "order_id", order_id);
        put(&mut subject, "line", self.record.line);
        // A plain line is its own part 0.
        put(&mut subject, "part", self.record.part.filter(|part| *part > 0));
        subject
    }

    fn full_subject(&self) -> Map<String, Value> {
        let order = self.record.order.as_ref();
        let order_id = order.map(|(source, external_id)| format!("{source}:{external_id}"));
        let mut subject = self.subject(order_id.as_deref());
        put(&mut subject, "batch", self.record.batch);
        for name in ["channel", "listing", "place", "prefix"] {
            put(&mut subject, name, self.details.get(name).cloned());
        }
        subject
    }

    /// What is true of the level after it, and what changed; nothing of why.
    fn public_data(&self) -> Map<String, Value> {
        let mut data = Map::new();
        if let Some((version, deltas, totals)) = self.record.level {
            put_totals(&mut data, totals);
            let change = json!({
                "on_hand": deltas.on_hand, "reserved": deltas.reserved,
                "shortfall": deltas.shortfall, "safety": deltas.safety,
            });
            put(&mut data, "change", change);
            put(&mut data, "version", version);
        }
        put(&mut data, "quantity", self.record.quantity);
        put(&mut data, "effective_at", self.effective_at.to_string());
        if matches!(self.record.kind, Kind::ItemUpdated) {
            // Another SKU from now on: who sells it must know.
            for name in ["from", "to"] {
                put(&mut data, name, self.details.get(name).cloned());
            }
        }
        data
    }

    /// To whoever placed the order also what its entry says of it.
    fn own_data(&self) -> Map<String, Value> {
        let mut data = self.public_data();
        // Where somebody asked from is nobody's but of those who look after that.
        for (name, value) in self.details.iter().filter(|(name, _)| !ORIGIN.contains(&&***name)) {
            data.entry(name.clone()).or_insert_with(|| value.clone());
        }
        data
    }

    fn full_data(&self) -> Map<String, Value> {
        let mut data = self.own_data();
        if concern(self.record.kind) == Concern::Audit {
            for name in ORIGIN {
                put(&mut data, name, self.details.get(name).cloned());
            }
        }
        put(&mut data, "account", self.record.account.as_deref());
        put(&mut data, "reverses", self.record.reverses);
        put(&mut data, "kind", self.record.kind.is_movement().then(|| self.record.kind.as_str()));
        data
    }
}

fn put_totals(data: &mut Map<String, Value>, totals: Totals) {
    put(data, "on_hand", totals.on_hand);
    put(data, "reserved", totals.reserved);
    put(data, "shortfall", totals.shortfall);
    put(data, "safety", totals.safety);
    put(data, "available_to_promise", totals.available_to_promise());
}

/// Puts in what there is; nothing where there is nothing to say, or it was said before.
fn put(map: &mut Map<String, Value>, name: &str, value: impl Into<Value>) {
    let value = value.into();
    if !value.is_null() {
        map.entry(name).or_insert(value);
    }
}

/// An entry of a kind for tests, with everything set that any kind may have.
#[cfg(test)]
pub(super) fn record(kind: Kind) -> EntryRecord {
    use crate::domain::Deltas;
    let deltas = Deltas { on_hand: 0, reserved: 2, shortfall: 1, safety: 0 };
    let totals = Totals { on_hand: 9, reserved: 2, shortfall: 1, safety: 3 };
    EntryRecord {
        seq: 7,
        at: 1_772_442_000_000,
        effective_at: 1_772_441_999_000,
        kind,
        item: Some(ItemId::new(4)),
        sku: Some("MUG \"red\"\n".to_owned()),
        location: Some("main".to_owned()),
        level: kind.is_movement().then_some((5, deltas, totals)),
        quantity: Some(3),
        order: Some(("web".to_owned(), "1001".to_owned())),
        line: Some(1),
        part: Some(0),
        batch: Some(2),
        account: Some("office".to_owned()),
        reverses: Some(6),
        data: Some(r#"{"reason":"why","on_hand":-1,"prefix":"abc"}"#.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::{Audience, Selection, Types};

    fn document(frame: &Frame) -> Value {
        serde_json::from_slice(&frame.json()).unwrap()
    }

    fn entry(record: EntryRecord) -> Entry {
        Entry::of(record).unwrap().0
    }

    fn heard(audience: Audience, entry: &Entry) -> Option<Value> {
        Selection::all(audience).pick_entry(entry).map(document)
    }

    #[test]
    fn every_kind_of_entry_is_one_event_of_its_type_on_one_line() {
        for &kind in Kind::ALL {
            let event = entry(record(kind));
            let name = kind.event_type();
            let whole = String::from_utf8(event.full().sse().to_vec()).unwrap();
            let start = format!("id: 7\nevent: {name}\ndata: {{");
            assert!(whole.starts_with(&start) && whole.ends_with("}\n\n"), "{whole}");
            assert_eq!(whole.matches('\n').count(), 4, "{whole}");
            let document = document(event.full());
            assert_eq!((&document["type"], &document["seq"]), (&json!(name), &json!(7)));
            assert_eq!(document["subject"]["sku"], "MUG \"red\"\n");
            assert_eq!(document["at"], "2026-03-02T09:00:00.000Z");
            let atp = &document["data"]["available_to_promise"];
            assert_eq!(atp, &if kind.is_movement() { json!(3) } else { Value::Null }, "{name}");
        }
    }

    #[test]
    fn each_audience_hears_of_what_is_for_it() {
        let storefront = |name: &str| Audience::Storefront { own_source: name.to_owned() };
        for &kind in Kind::ALL {
            let event = entry(record(kind));
            let name = kind.event_type();
            let (family, _) = name.split_once('.').unwrap();
            assert!(heard(Audience::Staff, &event).is_some(), "{name}");
            let is_audit = matches!(family, "key" | "auth" | "signing" | "instance_key" | "user");
            assert_eq!(heard(Audience::Reader, &event).is_some(), !is_audit, "{name}");
            let is_open = matches!(family, "stock" | "item");
            let others = heard(storefront("other"), &event);
            assert_eq!(others.is_some(), is_open, "{name}");
            if let Some(others) = others {
                let text = others.to_string();
                for secret in ["1001", "web", "office", "why", "prefix", "batch", "reverses"] {
                    assert!(!text.contains(secret), "{name} tells {secret}: {text}");
                }
            }
            let own = heard(storefront("web"), &event);
            let is_own = is_open || matches!(family, "order" | "payment");
            assert_eq!(own.is_some(), is_own, "{name}");
            if let Some(own) = own {
                assert_eq!(own["subject"]["order_id"], "1001", "{name}");
                assert!(own["data"].get("account").is_none(), "{name}");
            }
        }
    }

    #[test]
    fn where_somebody_asked_from_is_only_for_who_looks_after_that() {
        let data = r#"{"address":"192.0.2.9","request_id":"r-1","why":"x"}"#;
        for &kind in Kind::ALL {
            let record = EntryRecord { data: Some(data.to_owned()), ..record(kind) };
            let event = entry(record);
            let tells = |frame: &Frame| {
                let text = String::from_utf8(frame.sse().to_vec()).unwrap();
                text.contains("192.0.2.9") || text.contains("r-1")
            };
            assert_eq!(tells(event.full()), concern(kind) == Concern::Audit, "{kind:?}");
            assert!(!tells(event.own()) && !tells(event.public()), "{kind:?}");
        }
    }

    #[test]
    fn an_entry_without_an_order_is_nobodys_own() {
        let storefront = Audience::Storefront { own_source: "web".to_owned() };
        for kind in [Kind::KeyCreated, Kind::ChannelDrift, Kind::BatchApplied] {
            let event = entry(EntryRecord { order: None, ..record(kind) });
            assert_eq!(heard(storefront.clone(), &event), None);
        }
    }

    #[test]
    fn words_are_made_once() {
        let event = entry(record(Kind::Reserve));
        assert_eq!(event.full().sse().as_ptr(), event.full().sse().as_ptr());
        let words = [event.full(), event.own(), event.public()];
        let bytes: usize = words.iter().map(|frame| frame.sse().len()).sum();
        assert!(bytes < Event::Entry(Box::new(event)).bytes(), "{bytes}");
    }

    #[test]
    fn what_an_entry_measures_is_not_written_over_by_what_it_says() {
        let event = entry(record(Kind::Reserve));
        let data = &document(event.full())["data"];
        assert_eq!((&data["on_hand"], &data["reason"]), (&json!(9), &json!("why")));
        assert_eq!(data["change"]["reserved"], 2);
    }

    #[test]
    fn what_cannot_be_read_is_told_as_far_as_it_can() {
        let broken = EntryRecord { data: Some("[1]".to_owned()), ..record(Kind::Reserve) };
        let (event, wrong) = Event::of(Ok(broken));
        let Event::Entry(entry) = event else { panic!("{event:?}") };
        assert_eq!(document(entry.full())["data"]["on_hand"], 9);
        assert_eq!(wrong.unwrap().seq, 7);
        let broken = EntryRecord { at: i64::MAX, ..record(Kind::Reserve) };
        let (event, wrong) = Event::of(Ok(broken));
        assert!(wrong.unwrap().why.to_string().contains("events"));
        let types = Types::parse("order.*").unwrap();
        for audience in [Audience::Staff, Audience::Reader] {
            // Nobody knows whether it was asked for.
            let selection = Selection { types, ..Selection::all(audience) };
            let heard = document(selection.pick(&event).unwrap());
            assert_eq!((&heard["seq"], &heard["type"]), (&json!(7), &json!(UNREADABLE)));
        }
    }
}
