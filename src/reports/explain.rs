//! Why a number is what it is: the terms that add up to an item's ATP.
//!
//! `on_hand` is added up from the movements themselves, what is subtracted from
//! the claims of open orders; none of it is derived from the number explained.
//! So the terms add up only if the books are sound (R74).

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::ReportError;
use super::items::find;
use super::orders::shown_id;
use super::shelf::Shelf;
use super::view::time;
use crate::clock::Timestamp;
use crate::domain::{AllocationPolicy, ItemId, ItemStatus, Location, Refusal, Sku};
use crate::store::journal_reads::{self, KindSum, SafetySum};
use crate::store::order_reads::{self, OpenClaim};
use crate::store::{Conn, Db, StoreError};

/// What a term is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TermName {
    /// Units moved by one kind of movement.
    OnHand,
    /// Units an open order holds.
    Reserved,
    /// Units withheld from sale.
    Safety,
    /// Units owed to an order.
    Shortfall,
    /// What lifts a negative difference to 0.
    Floor,
    /// What is not offered because the location does not serve orders.
    NotSoldHere,
    /// What is not offered because the item's sale was stopped.
    Stopped,
    /// What is not offered because the item is discontinued.
    Discontinued,
    /// What a bundle's components make up.
    Components,
}

/// Why an order keeps the units it holds, and for how long (R16).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HoldPolicy {
    /// Kept until they are shipped or cancelled.
    UntilShipped,
    /// Given up at `expires_at` unless the order is paid.
    UntilExpiry,
    /// Would run out, but fulfilment was accepted: extended rather than given up.
    Extended,
}

/// The entries behind a term.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Entries {
    /// How many there are.
    pub count: i64,
    /// The first.
    pub first_seq: i64,
    /// The last.
    pub last_seq: i64,
}

/// An order's claim behind a term.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Claim {
    /// The order's full id.
    pub order_id: String,
    /// Its line.
    pub line: i64,
    /// The part of a bundle's line; 0 for other lines.
    pub part: i64,
    /// Why and how long it is kept.
    pub policy: HoldPolicy,
    /// When it runs out.
    #[schema(required)]
    pub expires_at: Option<Timestamp>,
    /// The last entry that moved the level for it.
    #[schema(required)]
    pub seq: Option<i64>,
}

/// One term of a sum.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Term {
    /// What it is.
    pub name: TermName,
    /// The kind of movement, of `on_hand`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// What it adds; negative where it takes away.
    pub units: i64,
    /// The entries behind it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entries: Option<Entries>,
    /// The claim behind it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim: Option<Claim>,
}

impl Term {
    const fn new(name: TermName, units: i64) -> Self {
        Self { name, kind: None, units, entries: None, claim: None }
    }
}

/// The terms of one location.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ExplainedLocation {
    /// Its code.
    pub location: String,
    /// What adds up to its share of the item's ATP.
    pub terms: Vec<Term>,
    /// Its share of the item's ATP.
    pub available_to_promise: i64,
}

/// One component of a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ExplainedPart {
    /// Units of it in one unit of the bundle.
    pub per_unit: i64,
    /// Units of it that count for the bundle.
    pub available: i64,
    /// Units of the bundle they make.
    pub makes: i64,
    /// Why it has what it has.
    #[schema(no_recursion)]
    pub item: Explained,
}

/// Why an item's ATP is what it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Explained {
    /// Its current SKU.
    pub sku: String,
    /// What a request may have.
    pub available_to_promise: i64,
    /// What adds up to it: the terms of all locations, by name and kind.
    pub terms: Vec<Term>,
    /// The same by location, claim by claim.
    pub locations: Vec<ExplainedLocation>,
    /// Of a bundle where orders may not be split: the location that has most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub best_location: Option<String>,
    /// The components of a bundle; the least of what they make is its ATP.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<ExplainedPart>,
}

/// Explains an item's ATP.
pub async fn explain(
    db: &Db,
    sku: &Sku,
    policy: AllocationPolicy,
) -> Result<Explained, ReportError> {
    let mut reader = db.snapshot().await?;
    let mut conn = reader.conn();
    let Some(id) = find(&mut conn, sku).await? else {
        return Err(Refusal::UnknownSku { sku: sku.clone() }.into());
    };
    let shelf = Shelf::load(&mut conn, vec![id]).await?;
    if shelf.parts(id).is_empty() {
        return Ok(stocked(&mut conn, &shelf, id).await?);
    }
    Ok(bundle(&mut conn, &shelf, id, policy).await?)
}

/// What is known of an item's movements and claims.
struct Ground {
    kinds: Vec<KindSum>,
    safety: Vec<SafetySum>,
    claims: Vec<OpenClaim>,
}

async fn stocked(
    conn: &mut Conn<'_>,
    shelf: &Shelf,
    item: ItemId,
) -> Result<Explained, StoreError> {
    let ground = Ground {
        kinds: journal_reads::kind_sums(conn, item).await?,
        safety: journal_reads::safety_sums(conn, item).await?,
        claims: order_reads::open_claims(conn, item).await?,
    };
    let mut locations = Vec::new();
    for location in &shelf.locations {
        locations.extend(at_location(shelf, item, location, &ground)?);
    }
    Ok(Explained {
        sku: shelf.sku(item),
        available_to_promise: locations.iter().map(|one| one.available_to_promise).sum(),
        terms: summed(&locations),
        locations,
        best_location: None,
        parts: Vec::new(),
    })
}

/// The terms of one level; `None` where the item never was.
fn at_location(
    shelf: &Shelf,
    item: ItemId,
    location: &Location,
    ground: &Ground,
) -> Result<Option<ExplainedLocation>, StoreError> {
    let Some(level) = shelf.level(item, location).filter(|level| level.version > 0) else {
        return Ok(None);
    };
    let mut terms: Vec<Term> =
        ground.kinds.iter().filter(|sum| sum.location == location.id).map(moved).collect();
    for claim in ground.claims.iter().filter(|claim| claim.location == location.id) {
        terms.extend(claimed(claim)?);
    }
    if level.totals.safety > 0 {
        let entries = ground.safety.iter().find(|sum| sum.location == location.id);
        terms.push(Term {
            entries: entries.map(|sum| Entries {
                count: sum.count,
                first_seq: sum.first_seq,
                last_seq: sum.last_seq,
            }),
            ..Term::new(TermName::Safety, -level.totals.safety)
        });
    }
    terms.sort_by_key(|term| term.name);
    let sum: i64 = terms.iter().map(|term| term.units).sum();
    if sum < 0 {
        terms.push(Term::new(TermName::Floor, -sum));
    }
    let available = level.totals.available_to_promise();
    let offered = shelf.available_at(item, location);
    if available > offered {
        let name =
            if location.serves_orders() { off_sale(shelf, item) } else { TermName::NotSoldHere };
        terms.push(Term::new(name, offered - available));
    }
    let location = location.code.to_string();
    Ok(Some(ExplainedLocation { location, terms, available_to_promise: offered }))
}

/// Why an item that is not sold is not.
fn off_sale(shelf: &Shelf, item: ItemId) -> TermName {
    match shelf.status(item) {
        Some(ItemStatus::Stopped) => TermName::Stopped,
        _ => TermName::Discontinued,
    }
}

fn moved(sum: &KindSum) -> Term {
    let entries = Entries { count: sum.count, first_seq: sum.first_seq, last_seq: sum.last_seq };
    Term {
        kind: Some(sum.kind.as_str().to_owned()),
        entries: Some(entries),
        ..Term::new(TermName::OnHand, sum.units)
    }
}

/// What one order line takes from a level.
fn claimed(open: &OpenClaim) -> Result<Vec<Term>, StoreError> {
    let policy = match open.expires_at {
        None => HoldPolicy::UntilShipped,
        Some(_) if open.accepted => HoldPolicy::Extended,
        Some(_) => HoldPolicy::UntilExpiry,
    };
    let claim = Claim {
        order_id: shown_id(&open.source, &open.external_id, None),
        line: open.line,
        part: open.part,
        policy,
        expires_at: open.expires_at.map(time).transpose()?,
        seq: open.seq,
    };
    let parts = [(TermName::Reserved, open.held), (TermName::Shortfall, open.shortfall)];
    let term = |(name, units): (TermName, i64)| Term {
        claim: Some(claim.clone()),
        ..Term::new(name, -units)
    };
    Ok(parts.into_iter().filter(|(_, units)| *units > 0).map(term).collect())
}

/// The terms of all locations, added up by name and kind.
fn summed(locations: &[ExplainedLocation]) -> Vec<Term> {
    let mut sums: BTreeMap<(TermName, Option<String>), Term> = BTreeMap::new();
    for term in locations.iter().flat_map(|one| &one.terms) {
        let sum = sums
            .entry((term.name, term.kind.clone()))
            .or_insert_with(|| Term { kind: term.kind.clone(), ..Term::new(term.name, 0) });
        sum.units += term.units;
        sum.entries = match (sum.entries, term.entries) {
            (Some(one), Some(other)) => Some(Entries {
                count: one.count + other.count,
                first_seq: one.first_seq.min(other.first_seq),
                last_seq: one.last_seq.max(other.last_seq),
            }),
            (one, other) => one.or(other),
        };
    }
    sums.into_values().collect()
}

async fn bundle(
    conn: &mut Conn<'_>,
    shelf: &Shelf,
    item: ItemId,
    policy: AllocationPolicy,
) -> Result<Explained, StoreError> {
    let best = match policy {
        AllocationPolicy::Split => None,
        AllocationPolicy::OneLocation => best_location(shelf, item),
    };
    let mut parts = Vec::new();
    for part in shelf.parts(item) {
        let explained = stocked(conn, shelf, part.item).await?;
        let available = match &best {
            Some(best) => shelf.available_at(part.item, best),
            None => explained.available_to_promise,
        };
        let per_unit = part.per_unit;
        parts.push(ExplainedPart {
            per_unit,
            available,
            makes: available / per_unit,
            item: explained,
        });
    }
    let makes = parts.iter().map(|part| part.makes).min().unwrap_or(0);
    let mut terms = vec![Term::new(TermName::Components, makes)];
    if !shelf.is_sold(item) && makes > 0 {
        terms.push(Term::new(off_sale(shelf, item), -makes));
    }
    Ok(Explained {
        sku: shelf.sku(item),
        available_to_promise: shelf.available(item, policy),
        terms,
        locations: Vec::new(),
        best_location: best.map(|location| location.code.to_string()),
        parts,
    })
}

/// The location that makes most of a bundle, whatever its status; the first of equals.
fn best_location(shelf: &Shelf, bundle: ItemId) -> Option<&Location> {
    let makes = |location: &Location| {
        let of = |part: &crate::domain::BundlePart| {
            shelf.available_at(part.item, location) / part.per_unit
        };
        shelf.parts(bundle).iter().map(of).min().unwrap_or(0)
    };
    let serving = shelf.locations.iter().filter(|location| location.serves_orders());
    serving.rev().max_by_key(|location| makes(location))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_of_several_locations_are_added_up_by_name_and_kind() {
        let term = |units, first_seq| Term {
            kind: Some("receipt".to_owned()),
            entries: Some(Entries { count: 1, first_seq, last_seq: first_seq }),
            ..Term::new(TermName::OnHand, units)
        };
        let at = |location: &str, terms| ExplainedLocation {
            location: location.to_owned(),
            terms,
            available_to_promise: 0,
        };
        let floor = Term::new(TermName::Floor, 1);
        let sum = summed(&[at("a", vec![term(3, 9), floor.clone()]), at("b", vec![term(4, 2)])]);
        let entries = Entries { count: 2, first_seq: 2, last_seq: 9 };
        assert_eq!(sum, [Term { entries: Some(entries), ..term(7, 2) }, floor]);
    }
}
