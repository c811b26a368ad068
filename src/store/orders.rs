//! The tables of orders: reading them whole and under lock, finding who is due,
//! owed or holding.

use std::collections::{BTreeMap, HashMap};

use super::statement::{Row, Rows, Type, args, cells, statement};
use super::{Conn, Statement, StoreError};
use crate::domain::{
    Allocation, Decision, ExternalId, Fact, FactId, FactKind, FulfilledBy, ItemId, LevelKey, Line,
    LocationId, Order, OrderId, OrderRef, Part, Payment, Sku,
};
use crate::ledger::ShortWindow;

statement!(
    FIND_ORDERS,
    sqlite "select o.source, o.external_id, o.id from jsonb_each($1) as wanted
            cross join orders as o
              on o.source = wanted.value->>0 and o.external_id = wanted.value->>1",
    postgres "select o.source, o.external_id, o.id
              from unnest($1::text[], $2::text[]) as wanted (source, external_id)
              join orders as o
                on o.source = wanted.source and o.external_id = wanted.external_id"
);

/// The orders that names belong to; unknown names are left out.
pub(crate) async fn find<'r>(
    conn: &mut Conn<'_>,
    wanted: impl Iterator<Item = &'r OrderRef>,
) -> Result<Vec<(OrderRef, OrderId)>, StoreError> {
    let mut rows = Rows::new(&[Type::Text, Type::Text]);
    for reference in wanted {
        rows.push(cells![reference.source.as_str(), reference.external_id.as_str()]);
    }
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let rows = conn.all(&FIND_ORDERS, args![rows]).await?;
    rows.iter()
        .map(|row| {
            let external_id = row.parsed(1, ExternalId::new)?;
            Ok((OrderRef { source: row.text(0)?, external_id }, OrderId::new(row.int(2)?)))
        })
        .collect()
}

statement!(
    ITEMS_OF_ORDERS,
    sqlite "select distinct a.item_id from json_each($1) as wanted
            cross join allocation as a on a.order_id = wanted.value
            union
            select l.item_id from json_each($1) as wanted
            cross join order_line as l on l.order_id = wanted.value where l.item_id is not null
            union
            select p.item_id from json_each($1) as wanted
            cross join order_part as p on p.order_id = wanted.value",
    postgres "select item_id from allocation where order_id = any($1::bigint[])
              union
              select item_id from order_line
              where order_id = any($1::bigint[]) and item_id is not null
              union
              select item_id from order_part where order_id = any($1::bigint[])"
);

/// The items that orders are about.
pub(crate) async fn items(
    conn: &mut Conn<'_>,
    orders: Vec<i64>,
) -> Result<Vec<ItemId>, StoreError> {
    if orders.is_empty() {
        return Ok(Vec::new());
    }
    let rows = conn.all(&ITEMS_OF_ORDERS, args![orders]).await?;
    rows.iter().map(|row| row.int(0).map(ItemId::new)).collect()
}

/// Orders expired in one batch, or by one sweep; the next sweep does the rest.
pub(crate) const DUE_MAX: i64 = 200;

// From the due orders to their items, not the other way: an item in demand has
// far more holds than there are due orders.
statement!(
    DUE_ON_ITEMS,
    sqlite "select o.id from orders as o
            where o.expires_at is not null and o.expires_at <= $1
              and exists (select 1 from allocation as a
                          where a.order_id = o.id and (a.held > 0 or a.shortfall > 0)
                            and a.item_id in (select value from json_each($2)))
            order by o.expires_at, o.id limit $3",
    postgres "select o.id from orders as o
              where o.expires_at is not null and o.expires_at <= $1
                and exists (select 1 from allocation as a
                            where a.order_id = o.id and (a.held > 0 or a.shortfall > 0)
                              and a.item_id = any($2::bigint[]))
              order by o.expires_at, o.id limit $3"
);

/// Due orders with units on any of the items.
pub(crate) async fn due_on(
    conn: &mut Conn<'_>,
    now: i64,
    items: Vec<i64>,
) -> Result<Vec<OrderId>, StoreError> {
    let rows = conn.all(&DUE_ON_ITEMS, args![now, items, DUE_MAX]).await?;
    rows.iter().map(|row| row.int(0).map(OrderId::new)).collect()
}

statement!(
    DUE_ANYWHERE,
    "select id from orders where expires_at is not null and expires_at <= $1
     order by expires_at, id limit $2"
);

/// The orders that are due longest, wherever they hold.
pub(crate) async fn due(
    conn: &mut Conn<'_>,
    now: i64,
    limit: i64,
) -> Result<Vec<OrderId>, StoreError> {
    let rows = conn.all(&DUE_ANYWHERE, args![now, limit]).await?;
    rows.iter().map(|row| row.int(0).map(OrderId::new)).collect()
}

statement!(
    SHORT_AT,
    "select a.order_id, (select min(j.seq) from journal as j where j.order_id = a.order_id) as age
     from allocation as a
     where a.item_id = $1 and a.location_id = $2 and (a.held > 0 or a.shortfall > 0)
       and a.shortfall > 0
     order by age, a.order_id, a.line, a.part limit $3"
);
statement!(
    SHORT_ELSEWHERE,
    "select a.order_id, (select min(j.seq) from journal as j where j.order_id = a.order_id) as age
     from allocation as a
     join orders as o on o.id = a.order_id
     where a.item_id = $1 and a.location_id <> $2 and (a.held > 0 or a.shortfall > 0)
       and a.shortfall > 0 and (o.location_id is null or o.location_id = $2)
     order by age, a.order_id, a.line, a.part limit $3"
);

/// The orders owed longest that a level may fill: here, and elsewhere where the
/// level's location serves orders.
pub(crate) async fn shorts(
    conn: &mut Conn<'_>,
    key: LevelKey,
    lines: i64,
    serves: bool,
) -> Result<(Vec<OrderId>, ShortWindow), StoreError> {
    let mut orders = Vec::new();
    let here_age_max = short_lines(conn, &SHORT_AT, key, lines, &mut orders).await?;
    let mut elsewhere_age_max = i64::MAX;
    if serves {
        elsewhere_age_max = short_lines(conn, &SHORT_ELSEWHERE, key, lines, &mut orders).await?;
    }
    orders.sort_unstable();
    orders.dedup();
    Ok((orders, ShortWindow { lines, here_age_max, elsewhere_age_max }))
}

/// Adds the orders of the oldest short lines; the age up to which they are all there.
async fn short_lines(
    conn: &mut Conn<'_>,
    statement: &'static Statement,
    key: LevelKey,
    lines: i64,
    orders: &mut Vec<OrderId>,
) -> Result<i64, StoreError> {
    let args = args![key.item.get(), key.location.get(), lines];
    let rows = conn.all(statement, args).await?;
    for row in &rows {
        orders.push(OrderId::new(row.int(0)?));
    }
    let complete = i64::try_from(rows.len()).is_ok_and(|count| count < lines);
    match rows.last() {
        Some(last) if !complete => last.int(1),
        _ => Ok(i64::MAX),
    }
}

statement!(
    HOLDERS,
    "select a.order_id, a.held,
            case when o.accepted = 1 or l.shipped > 0
                   or exists (select 1 from allocation as s
                              where s.order_id = a.order_id and s.line = a.line and s.shipped > 0)
                 then 1 else 0 end as accepted,
            case when o.payment = 'required' then 0 else 1 end as paid,
            (select min(j.seq) from journal as j where j.order_id = a.order_id) as age
     from allocation as a
     join orders as o on o.id = a.order_id
     join order_line as l on l.order_id = a.order_id and l.line = a.line
     where a.item_id = $1 and a.location_id = $2 and (a.held > 0 or a.shortfall > 0)
       and a.held > 0
     order by accepted, paid, age desc, a.order_id desc, a.line desc, a.part desc
     limit $3"
);

/// The orders whose holds at a level go first, with at least so many units
/// between them; whether that is all of them.
pub(crate) async fn holders(
    conn: &mut Conn<'_>,
    key: LevelKey,
    units: i64,
) -> Result<(Vec<OrderId>, bool), StoreError> {
    // Each holder has at least one unit, so `units` rows are always enough.
    let rows = conn.all(&HOLDERS, args![key.item.get(), key.location.get(), units]).await?;
    let complete = i64::try_from(rows.len()).is_ok_and(|count| count < units);
    let mut orders = Vec::new();
    let mut held = 0;
    for row in &rows {
        if held >= units {
            break;
        }
        held += row.int(1)?;
        orders.push(OrderId::new(row.int(0)?));
    }
    let complete = complete && orders.len() == rows.len();
    orders.sort_unstable();
    orders.dedup();
    Ok((orders, complete))
}

statement!(
    LOCK_ORDERS,
    postgres "select 1::bigint from orders where id = any($1::bigint[]) order by id for update"
);
statement!(
    ORDERS,
    sqlite "select o.id, o.source, o.external_id, o.decision, o.payment, o.accepted, o.location_id,
                   o.expires_at, o.cancel_reason, o.placed_at, o.currency, o.content_hash,
                   o.source_version, o.version,
                   (select min(j.seq) from journal as j where j.order_id = o.id)
            from json_each($1) as wanted cross join orders as o on o.id = wanted.value",
    postgres "select o.id, o.source, o.external_id, o.decision, o.payment, o.accepted,
                     o.location_id, o.expires_at, o.cancel_reason, o.placed_at, o.currency,
                     o.content_hash, o.source_version, o.version,
                     (select min(j.seq) from journal as j where j.order_id = o.id)
              from orders as o where o.id = any($1::bigint[])"
);
statement!(
    LINES,
    sqlite "select l.order_id, l.line, l.item_id, l.sku, l.bundle, l.unit_price, l.fulfilled_by,
                   l.held, l.shipped, l.shortfall, l.cancelled, l.returned, l.expired
            from json_each($1) as wanted cross join order_line as l on l.order_id = wanted.value
            order by l.order_id, l.line",
    postgres "select order_id, line, item_id, sku, bundle, unit_price, fulfilled_by,
                     held, shipped, shortfall, cancelled, returned, expired
              from order_line where order_id = any($1::bigint[]) order by order_id, line"
);
statement!(
    PARTS,
    sqlite "select p.order_id, p.line, p.part, p.item_id, p.per_unit, p.held, p.shipped,
                   p.shortfall, p.cancelled, p.returned, p.expired
            from json_each($1) as wanted cross join order_part as p on p.order_id = wanted.value
            order by p.order_id, p.line, p.part",
    postgres "select order_id, line, part, item_id, per_unit, held, shipped,
                     shortfall, cancelled, returned, expired
              from order_part where order_id = any($1::bigint[]) order by order_id, line, part"
);
statement!(
    ALLOCATIONS,
    sqlite "select a.order_id, a.line, a.part, a.location_id, a.held, a.shipped, a.shortfall
            from json_each($1) as wanted cross join allocation as a on a.order_id = wanted.value
            order by a.order_id, a.line, a.part, a.location_id",
    postgres "select order_id, line, part, location_id, held, shipped, shortfall
              from allocation where order_id = any($1::bigint[])
              order by order_id, line, part, location_id"
);
statement!(
    FACTS,
    sqlite "select f.order_id, f.kind, f.fact_id, f.content_hash, f.data
            from json_each($1) as wanted cross join order_fact as f on f.order_id = wanted.value",
    postgres "select order_id, kind, fact_id, content_hash, data
              from order_fact where order_id = any($1::bigint[])"
);

/// Orders whole, locked in id order until the transaction ends.
pub(crate) async fn lock(conn: &mut Conn<'_>, ids: &[OrderId]) -> Result<Vec<Order>, StoreError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    if matches!(conn, Conn::Postgres(_)) {
        let raw: Vec<i64> = ids.iter().map(|id| id.get()).collect();
        conn.all(&LOCK_ORDERS, args![raw]).await?;
    }
    load(conn, ids).await
}

/// Orders whole, as they are.
pub(crate) async fn load(conn: &mut Conn<'_>, ids: &[OrderId]) -> Result<Vec<Order>, StoreError> {
    let raw: Vec<i64> = ids.iter().map(|id| id.get()).collect();
    let mut orders: BTreeMap<i64, Order> = BTreeMap::new();
    for row in conn.all(&ORDERS, args![raw.clone()]).await? {
        let order = order(&row)?;
        orders.insert(order.id.get(), order);
    }
    let mut totals: HashMap<(i64, i64, i64), [i64; 3]> = HashMap::new();
    for row in conn.all(&LINES, args![raw.clone()]).await? {
        if let Some(order) = orders.get_mut(&row.int(0)?) {
            let (line, counts) = line(&row)?;
            totals.insert((order.id.get(), line.number, 0), counts);
            order.lines.push(line);
        }
    }
    let bundles = orders.values().flat_map(|order| &order.lines).any(|line| line.bundle);
    if bundles {
        for row in conn.all(&PARTS, args![raw.clone()]).await? {
            let (id, number) = (row.int(0)?, row.int(1)?);
            if let Some(line) = line_of(&mut orders, id, number) {
                let (part, counts) = part(&row)?;
                totals.insert((id, number, part.number), counts);
                line.parts.push(part);
            }
        }
    }
    for row in conn.all(&ALLOCATIONS, args![raw.clone()]).await? {
        let (id, number, part) = (row.int(0)?, row.int(1)?, row.int(2)?);
        let found = line_of(&mut orders, id, number);
        if let Some(part) = found.and_then(|l| l.parts.iter_mut().find(|p| p.number == part)) {
            part.allocations.push(Allocation {
                location: LocationId::new(row.int(3)?),
                held: row.int(4)?,
                shipped: row.int(5)?,
                shortfall: row.int(6)?,
            });
        }
    }
    for row in conn.all(&FACTS, args![raw]).await? {
        if let Some(order) = orders.get_mut(&row.int(0)?) {
            let (key, fact) = fact(&row)?;
            order.facts.insert(key, fact);
        }
    }
    for order in orders.values_mut() {
        set_loose(order, &totals);
    }
    Ok(orders.into_values().collect())
}

fn line_of(orders: &mut BTreeMap<i64, Order>, id: i64, number: i64) -> Option<&mut Line> {
    orders.get_mut(&id)?.lines.iter_mut().find(|line| line.number == number)
}

/// What a part has beyond its allocations stands on no level.
fn set_loose(order: &mut Order, totals: &HashMap<(i64, i64, i64), [i64; 3]>) {
    let id = order.id.get();
    for line in &mut order.lines {
        for part in &mut line.parts {
            let Some([held, shipped, shortfall]) = totals.get(&(id, line.number, part.number))
            else {
                continue;
            };
            let sum =
                |count: fn(&Allocation) -> i64| part.allocations.iter().map(count).sum::<i64>();
            part.loose = Allocation {
                location: Part::NOWHERE,
                held: held - sum(|one| one.held),
                shipped: shipped - sum(|one| one.shipped),
                shortfall: shortfall - sum(|one| one.shortfall),
            };
        }
    }
}

fn order(row: &Row) -> Result<Order, StoreError> {
    let bad = |what: &str| row.decode_error(format!("an unknown {what}"));
    let external_id = row.parsed(2, ExternalId::new)?;
    Ok(Order {
        id: OrderId::new(row.int(0)?),
        reference: OrderRef { source: row.text(1)?, external_id },
        decision: Decision::parse(&row.text(3)?).ok_or_else(|| bad("decision"))?,
        payment: Payment::parse(&row.text(4)?).ok_or_else(|| bad("payment"))?,
        accepted: row.flag(5)?,
        location: row.int_opt(6)?.map(LocationId::new),
        expires_at: row.int_opt(7)?,
        cancel_reason: row.text_opt(8)?,
        placed_at: row.int(9)?,
        currency: row.text_opt(10)?,
        content_hash: row.hash_opt(11)?,
        source_version: row.int_opt(12)?,
        version: row.int(13)?,
        age: row.int_opt(14)?.unwrap_or(i64::MAX),
        lines: Vec::new(),
        facts: BTreeMap::new(),
    })
}

fn line(row: &Row) -> Result<(Line, [i64; 3]), StoreError> {
    let fulfilled_by = FulfilledBy::parse(&row.text(6)?);
    let item = row.int_opt(2)?.map(ItemId::new);
    let bundle = row.flag(4)?;
    let mut parts = Vec::new();
    if !bundle {
        let mut part = Part::new(0, item, 1);
        part.cancelled = row.int(10)?;
        part.returned = row.int(11)?;
        part.expired = row.int(12)?;
        parts.push(part);
    }
    let line = Line {
        number: row.int(1)?,
        item,
        sku: row.parsed(3, Sku::new)?,
        bundle,
        unit_price: row.int_opt(5)?,
        fulfilled_by: fulfilled_by.ok_or_else(|| row.decode_error("an unknown fulfilled_by"))?,
        parts,
    };
    Ok((line, [row.int(7)?, row.int(8)?, row.int(9)?]))
}

fn part(row: &Row) -> Result<(Part, [i64; 3]), StoreError> {
    let mut part = Part::new(row.int(2)?, Some(ItemId::new(row.int(3)?)), row.int(4)?);
    part.cancelled = row.int(8)?;
    part.returned = row.int(9)?;
    part.expired = row.int(10)?;
    Ok((part, [row.int(5)?, row.int(6)?, row.int(7)?]))
}

fn fact(row: &Row) -> Result<((FactKind, FactId), Fact), StoreError> {
    let kind = FactKind::parse(&row.text(1)?);
    let kind = kind.ok_or_else(|| row.decode_error("an unknown kind of fact"))?;
    let hash = row.hash_opt(3)?;
    let fact = Fact {
        content_hash: hash.ok_or_else(|| row.decode_error("a fact without its hash"))?,
        data: row.text(4)?,
    };
    Ok(((kind, row.parsed(2, FactId::new)?), fact))
}

pub(super) const STATEMENTS: &[&Statement] = &[
    &FIND_ORDERS,
    &ITEMS_OF_ORDERS,
    &DUE_ON_ITEMS,
    &DUE_ANYWHERE,
    &SHORT_AT,
    &SHORT_ELSEWHERE,
    &HOLDERS,
    &LOCK_ORDERS,
    &ORDERS,
    &LINES,
    &PARTS,
    &ALLOCATIONS,
    &FACTS,
];
