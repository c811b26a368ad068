//! What listings are and by which rules they are shown, changed together: looked at as a
//! plan first, then written whole or not at all.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use serde::Serialize;
use serde_json::json;

use super::Channel;
use super::target::over;
use crate::config::ChannelMode;
use crate::domain::{Entry, ItemId, Kind, Sku};
use crate::reports::Shelf;
use crate::store::listings::{self, ListingChange, ListingRules, StoredListing};
use crate::store::{self, Conn, StoreError, pushes};

/// Listings and numbers that are looked up together.
const CHUNK: usize = 500;
/// Of a live channel's numbers so many hundredths may change without a special yes.
const LARGE_PERCENT: usize = 10;

/// What becomes of one rule of a listing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RuleChange {
    /// It stays.
    #[default]
    Keep,
    /// The channel's goes from now on.
    Clear,
    /// The listing has its own; 0 to 1 000 000 000, a share 0 to 100.
    Set(i64),
}

impl RuleChange {
    const fn over(self, was: Option<i64>) -> Option<i64> {
        match self {
            Self::Keep => was,
            Self::Clear => None,
            Self::Set(value) => Some(value),
        }
    }
}

/// What is wanted of one listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListingWish {
    /// Where it stands in a file, to be told with what is wrong.
    pub line: u64,
    /// The channel's id of it.
    pub listing: String,
    /// The channel's place of it; empty where it has none.
    pub place: String,
    /// The item it is; it stays what it is without.
    pub sku: Option<Sku>,
    /// The text that stands for a SKU there, where it is given: it has to be so.
    pub sku_text: Option<String>,
    /// Units that are held back.
    pub buffer: RuleChange,
    /// Of the rest, so many hundredths.
    pub share_percent: RuleChange,
    /// Never more than this.
    pub max_quantity: RuleChange,
    /// Less than this is shown as 0.
    pub min_quantity: RuleChange,
}

/// Why something wanted cannot be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WishProblem {
    /// The line of the wish.
    pub line: u64,
    /// The column it is about.
    pub column: &'static str,
    /// What is wrong.
    pub message: String,
}

/// How much a plan changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ListingFigures {
    /// Listings that are looked at.
    pub listings: usize,
    /// Of these, those of which nothing changes.
    pub unchanged: usize,
    /// Listings that become an item, or another one.
    pub mapped: usize,
    /// Listings whose own rules change.
    pub rules: usize,
    /// Numbers of the channel afterwards.
    pub numbers: i64,
    /// Numbers that are shown for the first time.
    pub new: usize,
    /// Numbers that are published otherwise than before.
    pub changes: usize,
    /// New or changed numbers that are published as 0.
    pub zeros: usize,
}

/// A number before and after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NumberChange {
    /// What carries it.
    pub holder: String,
    /// The place of it, where the channel has places.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub place: String,
    /// The item afterwards.
    pub sku: String,
    /// What is published now; none where it is shown for the first time.
    pub before: Option<i64>,
    /// What is published then.
    pub after: i64,
}

/// What would be changed of a channel's listings.
#[derive(Clone, Debug)]
pub struct ListingPlan {
    /// What is wrong; such wishes are not part of the plan.
    pub problems: Vec<WishProblem>,
    /// How much changes.
    pub figures: ListingFigures,
    /// Numbers that are new or change.
    pub numbers: Vec<NumberChange>,
    /// Whether the channel is live.
    pub is_live: bool,
    channel: Arc<Channel>,
    changes: Vec<Changed>,
    shown: Vec<(String, String, ItemId)>,
}

impl ListingPlan {
    /// Whether so much of a live channel changes that it needs a special yes.
    pub fn is_large(&self) -> bool {
        let changes = self.figures.new + self.figures.changes;
        let all = usize::try_from(self.figures.numbers).unwrap_or(usize::MAX);
        self.is_live && changes.saturating_mul(100) > all.saturating_mul(LARGE_PERCENT)
    }

    /// The channel.
    pub fn channel(&self) -> &Arc<Channel> {
        &self.channel
    }
}

/// A listing of which something changes.
#[derive(Clone, Debug)]
struct Changed {
    was: StoredListing,
    item: Option<ItemId>,
    rules: ListingRules,
}

type At = (String, String);

/// What wishes would change, all of one moment. Nothing is written.
pub async fn plan_listings(
    channel: &Arc<Channel>,
    wishes: &[ListingWish],
) -> Result<ListingPlan, StoreError> {
    let is_live = channel.mode().await? == ChannelMode::Live;
    let mut reader = channel.shop.db.snapshot().await?;
    let mut conn = reader.conn();
    let mut looked = Looked::default();
    let mut seen: HashMap<At, u64> = HashMap::new();
    for chunk in wishes.chunks(CHUNK) {
        let ids = chunk.iter().map(|wish| wish.listing.clone()).collect();
        let found = listings::of_ids(&mut conn, channel.id, ids).await?;
        let found: HashMap<At, StoredListing> = found
            .into_iter()
            .map(|one| ((one.external_id.clone(), one.place.clone()), one))
            .collect();
        let skus = chunk.iter().filter_map(|wish| wish.sku.as_ref()).map(ToString::to_string);
        let items: HashMap<Sku, ItemId> = store::catalogue::resolve(&mut conn, skus.collect())
            .await?
            .into_iter()
            .map(|(sku, item)| (sku, item.id))
            .collect();
        for wish in chunk {
            let at = (wish.listing.clone(), wish.place.clone());
            if let Some(before) = seen.insert(at.clone(), wish.line) {
                let message = format!("line {before} is about the same listing");
                looked.wrong(wish, "external_id", message);
                continue;
            }
            looked.wish(channel, wish, found.get(&at), &items);
        }
    }
    let holders = looked.holders(&mut conn, channel.id).await?;
    looked.refuse_shared(&holders);
    let (numbers, shown) = looked.numbers(&mut conn, channel, &holders).await?;
    let state = store::push_state::state(&mut conn, channel.id).await?;
    let mut figures = looked.figures;
    figures.new = numbers.iter().filter(|one| one.before.is_none()).count();
    figures.changes = numbers.len() - figures.new;
    figures.zeros = numbers.iter().filter(|one| one.after == 0).count();
    figures.numbers = state.numbers + i64::try_from(figures.new).unwrap_or(i64::MAX);
    figures.mapped = looked.changed.iter().filter(|(_, one)| one.was.item != one.item).count();
    figures.rules = looked.changed.iter().filter(|(_, one)| one.was.rules != one.rules).count();
    Ok(ListingPlan {
        problems: looked.problems,
        figures,
        numbers,
        is_live,
        channel: Arc::clone(channel),
        changes: looked.changed.into_iter().map(|(_, one)| one).collect(),
        shown,
    })
}

/// What came of looking at wishes.
#[derive(Debug, Default)]
struct Looked {
    problems: Vec<WishProblem>,
    figures: ListingFigures,
    /// By the line of the wish.
    changed: Vec<(u64, Changed)>,
}

impl Looked {
    fn wrong(&mut self, wish: &ListingWish, column: &'static str, message: String) {
        self.problems.push(WishProblem { line: wish.line, column, message });
    }

    fn wish(
        &mut self,
        channel: &Channel,
        wish: &ListingWish,
        found: Option<&StoredListing>,
        items: &HashMap<Sku, ItemId>,
    ) {
        let name = channel.name();
        let Some(was) = found else {
            let place =
                if wish.place.is_empty() { String::new() } else { format!("@{}", wish.place) };
            let listing = &wish.listing;
            let message = format!(
                "{name} has no listing {listing}{place}; `invshop listing discover {name}` reads what it has"
            );
            return self.wrong(wish, "external_id", message);
        };
        let item = match &wish.sku {
            None => was.item,
            Some(sku) => match items.get(sku) {
                Some(item) => Some(*item),
                None => return self.wrong(wish, "sku", format!("there is no item {sku}")),
            },
        };
        if let Some(text) = wish.sku_text.as_ref().filter(|text| **text != was.sku_text) {
            let message = format!("{name} has '{}' there now, not '{text}'", was.sku_text);
            return self.wrong(wish, "external_sku", message);
        }
        if was.holder.is_empty() && item.is_some() {
            let message = format!("{name} does not count the listing: switch that on there");
            return self.wrong(wish, "external_id", message);
        }
        let rules = ListingRules {
            buffer: wish.buffer.over(was.rules.buffer),
            share_percent: wish.share_percent.over(was.rules.share_percent),
            max_quantity: wish.max_quantity.over(was.rules.max_quantity),
            min_quantity: wish.min_quantity.over(was.rules.min_quantity),
        };
        self.figures.listings += 1;
        if item == was.item && rules == was.rules {
            self.figures.unchanged += 1;
        } else {
            self.changed.push((wish.line, Changed { was: was.clone(), item, rules }));
        }
    }

    /// All listings of the holders that are touched, as they are now.
    async fn holders(
        &self,
        conn: &mut Conn<'_>,
        channel: i64,
    ) -> Result<BTreeMap<At, Vec<StoredListing>>, StoreError> {
        let touched: HashSet<&str> =
            self.changed.iter().map(|(_, one)| one.was.holder.as_str()).collect();
        let touched: Vec<String> =
            touched.into_iter().filter(|one| !one.is_empty()).map(str::to_owned).collect();
        let mut all: BTreeMap<At, Vec<StoredListing>> = BTreeMap::new();
        for chunk in touched.chunks(CHUNK) {
            for one in listings::of_holders(conn, channel, chunk.to_vec()).await? {
                all.entry((one.holder.clone(), one.place.clone())).or_default().push(one);
            }
        }
        Ok(all)
    }

    /// One number shows one item: what would break that is not part of the plan.
    fn refuse_shared(&mut self, holders: &BTreeMap<At, Vec<StoredListing>>) {
        let after: HashMap<i64, Option<ItemId>> =
            self.changed.iter().map(|(_, one)| (one.was.id, one.item)).collect();
        let mut kept = Vec::new();
        for (line, one) in std::mem::take(&mut self.changed) {
            let at = (one.was.holder.clone(), one.was.place.clone());
            let beside = holders.get(&at).map_or(&[][..], Vec::as_slice);
            let other = beside.iter().find(|other| {
                let item = after.get(&other.id).copied().unwrap_or(other.item);
                other.id != one.was.id && item.is_some() && one.item.is_some() && item != one.item
            });
            match other {
                Some(other) => {
                    let message = format!(
                        "its number is also that of listing {}, which is another item",
                        other.external_id
                    );
                    self.problems.push(WishProblem { line, column: "sku", message });
                    self.figures.listings -= 1;
                }
                None => kept.push((line, one)),
            }
        }
        self.changed = kept;
    }

    /// Numbers before and after, and what shows an item from then on.
    async fn numbers(
        &self,
        conn: &mut Conn<'_>,
        channel: &Channel,
        holders: &BTreeMap<At, Vec<StoredListing>>,
    ) -> Result<(Vec<NumberChange>, Vec<(String, String, ItemId)>), StoreError> {
        let after: HashMap<i64, &Changed> =
            self.changed.iter().map(|(_, one)| (one.was.id, one)).collect();
        let (mut numbers, mut shown) = (Vec::new(), Vec::new());
        let stale = channel.stale_buffer(conn).await?;
        // What the channel counts itself is not pushed.
        let mirrored = channel.mirrored().await?;
        let all: Vec<_> = holders.iter().collect();
        for chunk in all.chunks(CHUNK) {
            let mut sides = Vec::new();
            for (at, listings) in chunk {
                let now = side(listings.iter().map(|one| (one.item, one.rules)));
                let then = side(listings.iter().map(|one| match after.get(&one.id) {
                    Some(changed) => (changed.item, changed.rules),
                    None => (one.item, one.rules),
                }));
                sides.push((*at, now, then));
            }
            let items = sides.iter().flat_map(|(_, now, then)| [now.0, then.0]).flatten();
            let items: HashSet<ItemId> = items.collect();
            let shelf = Shelf::load(conn, items.into_iter().collect()).await?;
            let published = |place: &str, (item, own): (Option<ItemId>, ListingRules)| {
                let is_told = channel.is_fed(place) && !mirrored.contains_key(place);
                let item = item.filter(|_| is_told)?;
                let sells = |location: &_| channel.sells_from(place, location);
                let available = shelf.available_from(item, sells);
                let rules = over(channel.rules(), own).holding_back(stale);
                Some((item, rules.published(available, channel.channel_max()).get()))
            };
            for ((holder, place), now, then) in sides {
                let Some((item, number)) = published(place, then) else { continue };
                let before = published(place, now).map(|(_, number)| number);
                if now.0 != then.0 {
                    shown.push((holder.clone(), place.clone(), item));
                }
                if before != Some(number) {
                    let (holder, place) = (holder.clone(), place.clone());
                    let sku = shelf.sku(item);
                    numbers.push(NumberChange { holder, place, sku, before, after: number });
                }
            }
        }
        Ok((numbers, shown))
    }
}

/// The item and the rules of a number, by its listings in the order of their ids: of
/// several with rules of their own the first has its way, as when it is published.
fn side(
    listings: impl Iterator<Item = (Option<ItemId>, ListingRules)>,
) -> (Option<ItemId>, ListingRules) {
    let (mut item, mut rules) = (None, ListingRules::default());
    for (is, own) in listings {
        item = item.or(is);
        if rules == ListingRules::default() {
            rules = own;
        }
    }
    (item, rules)
}

/// Writes plans, of several channels too, whole or not at all; how many listings changed.
/// What was mapped meanwhile by somebody else fails as changed rows.
pub async fn apply_listings(plans: Vec<ListingPlan>) -> Result<usize, StoreError> {
    let Some(first) = plans.first() else { return Ok(0) };
    let shop = Arc::clone(&first.channel.shop);
    let now = shop.clock.now().as_millis();
    let count = plans.iter().map(|plan| plan.changes.len()).sum();
    if count == 0 {
        return Ok(0);
    }
    let channels: Vec<Arc<Channel>> = plans.iter().map(|plan| Arc::clone(&plan.channel)).collect();
    let written = shop.db.write(move |mut conn| {
        Box::pin(async move {
            let (newest, _) = store::journal::newest(&mut conn).await?;
            let mut entries = Vec::new();
            for plan in &plans {
                for chunk in plan.changes.chunks(CHUNK) {
                    let change = |one: &Changed| ListingChange {
                        id: one.was.id,
                        was: one.was.item,
                        item: one.item,
                        rules: one.rules,
                    };
                    let changes: Vec<ListingChange> = chunk.iter().map(change).collect();
                    listings::change(&mut conn, &changes).await?;
                }
                for chunk in plan.shown.chunks(CHUNK) {
                    // The numbers of the entries are not known before: these or later ones.
                    pushes::map_many(&mut conn, plan.channel.id, chunk, newest + 1).await?;
                }
                entries.extend(plan.changes.iter().flat_map(|one| said(&plan.channel, one, now)));
            }
            store::journal::append_aside(&mut conn, &entries, now).await?;
            Ok(())
        })
    });
    written.await?;
    for channel in channels {
        if let Err(error) = channel.map_waiting().await {
            // The lane does it again with its next look at orders.
            tracing::warn!(channel = channel.name(), error = %error, "lines that wait are not mapped yet");
        }
    }
    Ok(count)
}

/// The entries of a change: what it is, and by which rules it is shown.
fn said(channel: &Channel, one: &Changed, now: i64) -> Vec<Entry> {
    let (name, was) = (channel.name(), &one.was);
    let mut entries = Vec::new();
    if one.item != was.item {
        let mut entry = Entry::new(Kind::ListingMapped, now);
        entry.item = one.item;
        let data = json!({ "channel": name, "listing": was.external_id, "place": was.place });
        entry.data = Some(data.to_string());
        entries.push(entry);
    }
    if one.rules != was.rules {
        let mut entry = Entry::new(Kind::ListingRules, now);
        entry.item = one.item;
        let rules = |rules: ListingRules| {
            json!({
                "buffer": rules.buffer, "share_percent": rules.share_percent,
                "max_quantity": rules.max_quantity, "min_quantity": rules.min_quantity,
            })
        };
        let data = json!({
            "channel": name, "listing": was.external_id, "place": was.place,
            "before": rules(was.rules), "after": rules(one.rules),
        });
        entry.data = Some(data.to_string());
        entries.push(entry);
    }
    entries
}
