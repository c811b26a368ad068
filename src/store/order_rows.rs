//! Writing orders: new ones, and what changed of those that were loaded.

use super::statement::{Rows, Type, args, cells, statement};
use super::{Conn, Statement, StoreError};
use crate::domain::{ItemId, Line, LocationId, Order, OrderId};
use crate::ledger::OrderSlot;

statement!(
    UPDATE_ORDERS,
    sqlite "with given as materialized (select value from jsonb_each($1))
            update orders set
              decision = d.decision, payment = d.payment, accepted = d.accepted,
              expires_at = d.expires_at, cancel_reason = d.cancel_reason,
              updated_at = d.updated_at, total = d.total, content_hash = d.content_hash,
              source_version = d.source_version, version = d.version, ordered = d.ordered,
              held = d.held, shipped = d.shipped, shortfall = d.shortfall,
              cancelled = d.cancelled, returned = d.returned
            from (select value->>0 as id, value->>3 as decision, value->>4 as payment,
                         value->>5 as accepted, value->>7 as expires_at,
                         value->>8 as cancel_reason, value->>10 as updated_at,
                         value->>12 as total, unhex(value->>13) as content_hash,
                         value->>14 as source_version, value->>15 as version,
                         value->>16 as ordered, value->>17 as held, value->>18 as shipped,
                         value->>19 as shortfall, value->>20 as cancelled, value->>21 as returned
                  from given) as d
            where orders.id = d.id and orders.version = d.version - 1",
    postgres "update orders set
                decision = d.decision, payment = d.payment, accepted = d.accepted,
                expires_at = d.expires_at, cancel_reason = d.cancel_reason,
                updated_at = d.updated_at, total = d.total, content_hash = d.content_hash,
                source_version = d.source_version, version = d.version, ordered = d.ordered,
                held = d.held, shipped = d.shipped, shortfall = d.shortfall,
                cancelled = d.cancelled, returned = d.returned
              from (select unnest($1::bigint[]) as id, unnest($2::text[]) as source,
                unnest($3::text[]) as external_id, unnest($4::text[]) as decision,
                unnest($5::text[]) as payment, unnest($6::bigint[]) as accepted,
                unnest($7::bigint[]) as location_id, unnest($8::bigint[]) as expires_at,
                unnest($9::text[]) as cancel_reason, unnest($10::bigint[]) as placed_at,
                unnest($11::bigint[]) as updated_at, unnest($12::text[]) as currency,
                unnest($13::bigint[]) as total, unnest($14::bytea[]) as content_hash,
                unnest($15::bigint[]) as source_version, unnest($16::bigint[]) as version,
                unnest($17::bigint[]) as ordered, unnest($18::bigint[]) as held,
                unnest($19::bigint[]) as shipped, unnest($20::bigint[]) as shortfall,
                unnest($21::bigint[]) as cancelled, unnest($22::bigint[]) as returned) as d
              where orders.id = d.id and orders.version = d.version - 1"
);

fn order_rows(rows: usize) -> Rows {
    use Type::{Bytes, Int, Text};
    let types = [
        Int, Text, Text, Text, Text, Int, Int, Int, Text, Int, Int, Text, Int, Bytes, Int, Int,
        Int, Int, Int, Int, Int, Int,
    ];
    Rows::with_capacity(&types, rows)
}

fn push_order(rows: &mut Rows, order: &Order, now: i64) {
    let counts = order.counts();
    rows.push(cells![
        order.id.get(),
        order.reference.source.as_str(),
        order.reference.external_id.as_str(),
        order.decision.as_str(),
        order.payment.as_str(),
        i64::from(order.accepted),
        order.location.map(LocationId::get),
        order.expires_at,
        order.cancel_reason.clone(),
        order.placed_at,
        now,
        order.currency.clone(),
        order.total(),
        order.content_hash,
        order.source_version,
        order.version + 1,
        counts.ordered,
        counts.held,
        counts.shipped,
        counts.shortfall,
        counts.cancelled,
        counts.returned,
    ]);
}

statement!(
    UPSERT_LINES,
    sqlite "insert into order_line
              (order_id, line, item_id, sku, bundle, unit_price, fulfilled_by, ordered, held,
               shipped, shortfall, cancelled, returned, expired)
            select value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6,
                   value->>7, value->>8, value->>9, value->>10, value->>11, value->>12, value->>13
            from (select value from jsonb_each($1) limit -1) where true
            on conflict (order_id, line) do update set
              item_id = excluded.item_id, bundle = excluded.bundle, ordered = excluded.ordered,
              held = excluded.held, shipped = excluded.shipped, shortfall = excluded.shortfall,
              cancelled = excluded.cancelled, returned = excluded.returned,
              expired = excluded.expired",
    postgres "insert into order_line
                (order_id, line, item_id, sku, bundle, unit_price, fulfilled_by, ordered, held,
                 shipped, shortfall, cancelled, returned, expired)
              select unnest($1::bigint[]), unnest($2::bigint[]), unnest($3::bigint[]),
                unnest($4::text[]), unnest($5::bigint[]), unnest($6::bigint[]),
                unnest($7::text[]), unnest($8::bigint[]), unnest($9::bigint[]),
                unnest($10::bigint[]), unnest($11::bigint[]), unnest($12::bigint[]),
                unnest($13::bigint[]), unnest($14::bigint[])
              on conflict (order_id, line) do update set
                item_id = excluded.item_id, bundle = excluded.bundle, ordered = excluded.ordered,
                held = excluded.held, shipped = excluded.shipped, shortfall = excluded.shortfall,
                cancelled = excluded.cancelled, returned = excluded.returned,
                expired = excluded.expired"
);
statement!(
    UPSERT_ALLOCATIONS,
    sqlite "insert into allocation
              (order_id, line, part, location_id, item_id, held, shipped, shortfall)
            select value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6,
                   value->>7
            from (select value from jsonb_each($1) limit -1) where true
            on conflict (order_id, line, part, location_id) do update set
              held = excluded.held, shipped = excluded.shipped, shortfall = excluded.shortfall",
    postgres "insert into allocation
                (order_id, line, part, location_id, item_id, held, shipped, shortfall)
              select unnest($1::bigint[]), unnest($2::bigint[]), unnest($3::bigint[]),
                unnest($4::bigint[]), unnest($5::bigint[]), unnest($6::bigint[]),
                unnest($7::bigint[]), unnest($8::bigint[])
              on conflict (order_id, line, part, location_id) do update set
                held = excluded.held, shipped = excluded.shipped, shortfall = excluded.shortfall"
);
statement!(
    UPSERT_PARTS,
    sqlite "insert into order_part
              (order_id, line, part, item_id, per_unit, ordered, held, shipped, shortfall,
               cancelled, returned, expired)
            select value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6,
                   value->>7, value->>8, value->>9, value->>10, value->>11
            from (select value from jsonb_each($1) limit -1) where true
            on conflict (order_id, line, part) do update set
              ordered = excluded.ordered, held = excluded.held, shipped = excluded.shipped,
              shortfall = excluded.shortfall, cancelled = excluded.cancelled,
              returned = excluded.returned, expired = excluded.expired",
    postgres "insert into order_part
                (order_id, line, part, item_id, per_unit, ordered, held, shipped, shortfall,
                 cancelled, returned, expired)
              select unnest($1::bigint[]), unnest($2::bigint[]), unnest($3::bigint[]),
                unnest($4::bigint[]), unnest($5::bigint[]), unnest($6::bigint[]),
                unnest($7::bigint[]), unnest($8::bigint[]), unnest($9::bigint[]),
                unnest($10::bigint[]), unnest($11::bigint[]), unnest($12::bigint[])
              on conflict (order_id, line, part) do update set
                ordered = excluded.ordered, held = excluded.held, shipped = excluded.shipped,
                shortfall = excluded.shortfall, cancelled = excluded.cancelled,
                returned = excluded.returned, expired = excluded.expired"
);
statement!(
    INSERT_FACTS,
    sqlite "insert into order_fact (order_id, kind, fact_id, content_hash, data, recorded_at)
            select value->>0, value->>1, value->>2, unhex(value->>3), value->>4, value->>5
            from (select value from jsonb_each($1) limit -1) where true",
    postgres "insert into order_fact (order_id, kind, fact_id, content_hash, data, recorded_at)
              select unnest($1::bigint[]), unnest($2::text[]), unnest($3::text[]),
                unnest($4::bytea[]), unnest($5::text[]), unnest($6::bigint[])"
);
statement!(
    INSERT_PERSONAL,
    // Of somebody erased nothing comes back.
    "insert into personal (order_id, sealed)
     select cast($1 as bigint), $2
     where not exists (select 1 from order_user where order_id = $1 and user_id is null)
     on conflict (order_id) do update set sealed = excluded.sealed"
);

/// Rows of orders to write, by table.
#[derive(Debug)]
pub(super) struct Tables {
    /// Orders that are new.
    pub(super) new: Rows,
    /// Their lines.
    pub(super) lines: Rows,
    /// Where the units of their lines stand.
    pub(super) allocations: Rows,
    /// What is written after them.
    pub(super) rest: Rest,
}

/// Rows of orders that were there before, and what few orders have.
#[derive(Debug)]
pub(super) struct Rest {
    changed: Rows,
    lines: Rows,
    allocations: Rows,
    parts: Rows,
    facts: Rows,
}

impl Rest {
    /// Whether there is nothing to write.
    pub(super) const fn is_empty(&self) -> bool {
        self.changed.is_empty()
            && self.lines.is_empty()
            && self.allocations.is_empty()
            && self.parts.is_empty()
            && self.facts.is_empty()
    }

    /// Writes it. An order whose version is no longer the one read fails the
    /// whole: the batch is redone.
    pub(super) async fn write(self, conn: &mut Conn<'_>) -> Result<(), StoreError> {
        conn.write(&UPDATE_ORDERS, self.changed).await?;
        conn.write(&UPSERT_LINES, self.lines).await?;
        conn.write(&UPSERT_ALLOCATIONS, self.allocations).await?;
        conn.write(&UPSERT_PARTS, self.parts).await?;
        conn.write(&INSERT_FACTS, self.facts).await
    }
}

impl Tables {
    /// What is new of orders, and what changed of others.
    pub(super) fn of(slots: &[&OrderSlot], now: i64) -> Self {
        let new = slots.iter().filter(|slot| slot.read.is_none());
        let (orders, lines) =
            new.fold((0, 0), |(orders, lines), slot| (orders + 1, lines + slot.now.lines.len()));
        let mut tables = Self::with_capacity(orders, lines);
        for slot in slots {
            tables.push(slot, now);
        }
        tables
    }

    /// No rows yet, with room for new orders and their lines.
    fn with_capacity(orders: usize, lines: usize) -> Self {
        use Type::{Bytes, Int, Text};
        let mut line = [Int; 14];
        line[3] = Text;
        line[6] = Text;
        Self {
            new: order_rows(orders),
            lines: Rows::with_capacity(&line, lines),
            allocations: Rows::with_capacity(&[Int; 8], lines),
            rest: Rest {
                changed: order_rows(0),
                lines: Rows::new(&line),
                allocations: Rows::new(&[Int; 8]),
                parts: Rows::new(&[Int; 12]),
                facts: Rows::new(&[Int, Text, Text, Bytes, Text, Int]),
            },
        }
    }

    fn push(&mut self, slot: &OrderSlot, now: i64) {
        let order = &slot.now;
        let before = slot.read.as_ref();
        let orders = if before.is_some() { &mut self.rest.changed } else { &mut self.new };
        push_order(orders, order, now);
        for (index, line) in order.lines.iter().enumerate() {
            let was = before.and_then(|before| {
                let same = |known: &&Line| known.number == line.number;
                before.lines.get(index).filter(same).or_else(|| before.lines.iter().find(same))
            });
            if was != Some(line) {
                self.push_line(order.id, line, was, before.is_none());
            }
        }
        for ((kind, id), fact) in &order.facts {
            let known = before.is_some_and(|was| was.facts.contains_key(&(*kind, id.clone())));
            if !known {
                let (hash, data) = (fact.content_hash, fact.data.as_str());
                let id = id.as_str();
                self.rest.facts.push(cells![order.id.get(), kind.as_str(), id, hash, data, now]);
            }
        }
    }

    fn push_line(&mut self, id: OrderId, line: &Line, was: Option<&Line>, new: bool) {
        let counts = line.counts();
        let expired = if line.bundle { 0 } else { line.parts.first().map_or(0, |p| p.expired) };
        let lines = if new { &mut self.lines } else { &mut self.rest.lines };
        lines.push(cells![
            id.get(),
            line.number,
            line.item.map(ItemId::get),
            line.sku.as_str(),
            i64::from(line.bundle),
            line.unit_price,
            line.fulfilled_by.as_str(),
            counts.ordered,
            counts.held,
            counts.shipped,
            counts.shortfall,
            counts.cancelled,
            counts.returned,
            expired,
        ]);
        for (index, part) in line.parts.iter().enumerate() {
            let Some(item) = part.item else { continue };
            let known = was.and_then(|was| was.parts.get(index));
            if line.bundle && known != Some(part) {
                let counts = part.counts();
                self.rest.parts.push(cells![
                    id.get(),
                    line.number,
                    part.number,
                    item.get(),
                    part.per_unit,
                    counts.ordered,
                    counts.held,
                    counts.shipped,
                    counts.shortfall,
                    counts.cancelled,
                    counts.returned,
                    part.expired,
                ]);
            }
            let rest = &mut self.rest.allocations;
            let allocations = if new { &mut self.allocations } else { rest };
            for one in &part.allocations {
                if known.and_then(|known| known.at(one.location)) != Some(one) {
                    allocations.push(cells![
                        id.get(),
                        line.number,
                        part.number,
                        one.location.get(),
                        item.get(),
                        one.held,
                        one.shipped,
                        one.shortfall,
                    ]);
                }
            }
        }
    }
}

/// Keeps personal data of an order, sealed.
pub(crate) async fn insert_personal(
    conn: &mut Conn<'_>,
    id: OrderId,
    sealed: &[u8],
) -> Result<(), StoreError> {
    conn.execute(&INSERT_PERSONAL, args![id.get(), sealed.to_vec()]).await.map(drop)
}

pub(super) const STATEMENTS: &[&Statement] =
    &[&UPDATE_ORDERS, &UPSERT_PARTS, &INSERT_FACTS, &INSERT_PERSONAL];
