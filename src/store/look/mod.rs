//! The look a batch takes at everything its commands name: one statement, so
//! that a batch costs one round trip for it however much it names.

mod cells;

use std::collections::HashMap;

use futures_util::TryStreamExt as _;
use sqlx::{Either, Executor as _, Postgres, Sqlite};

use cells::Cells;

use super::statement::{Arg, Row, Rows, Type, args, cells, statement};
use super::statement::{postgres_arguments, sqlite_arguments};
use super::{Conn, Statement, StoreError};
use crate::domain::{
    AccountId, BatchId, BundlePart, ExternalId, Item, ItemId, ItemStatus, Key, Level, LevelKey,
    Location, LocationCode, LocationId, LocationKind, OrderId, OrderRef, Seq, Sku, Totals,
};
use crate::ledger::Kept;

/// Groups of rows, in this order: the moment, locations, items, orders, keys,
/// order ids, recipes. SQLite answers the first five as statements of their own,
/// PostgreSQL all as one union whose first column is the number of the group.
const GROUPS: usize = 7;

/// Whole numbers of each group: on SQLite its texts follow them.
const NUMBERS: [usize; GROUPS] = [4, 3, 12, 1, 4, 1, 4];
/// Numbers of an item. On SQLite those of one of its levels follow, on PostgreSQL
/// how many levels it has.
const ITEM_NUMBERS: usize = 5;
/// Numbers of a recipe before how many levels the component has.
const RECIPE_NUMBERS: usize = 3;
/// Numbers and texts of each row on PostgreSQL.
const POSTGRES_NUMBERS: usize = 6;
const POSTGRES_TEXTS: usize = 4;

// SQLite hands out order ids by its write lock and locks no rows: it names no
// order ids, and brings the levels, which PostgreSQL locked before this. There the
// look counts them, with the recipes that lead to some: both of one moment, or a
// component between them would be overlooked. Levels are never deleted, so that as
// many as are locked are the same ones. A group is one JSON document on SQLite:
// every value of a row costs more than the text it makes.
statement!(
    LOOK,
    sqlite "select json_array(json_array(
                     (select seq from journal order by seq desc limit 1),
                     (select at from journal order by seq desc limit 1),
                     exists (select 1 from orders
                             where expires_at is not null and expires_at <= $1),
                     (select coalesce(max(id), 0) + 1 from orders)));
            select json_group_array(json_array(id, sellable, priority, code, name, kind, authority))
            from location;
            select json_group_array(json_array(
                     i.id, i.bundle, i.reorder_point, i.low, i.version,
                     l.location_id, l.on_hand, l.reserved, l.shortfall, l.safety, l.version,
                     l.counted_at, i.sku, i.sale, w.sku))
            from (select s.item_id, s.sku from json_each($2) as wanted
                  cross join item_sku as s on s.sku = wanted.value
                  union all
                  select value, null from json_each($3)) as w
            cross join item as i on i.id = w.item_id
            left join level as l on l.item_id = i.id;
            select json_group_array(json_array(o.id, o.source, o.external_id))
            from jsonb_each($4) as wanted
            cross join orders as o
              on o.source = wanted.value->>0 and o.external_id = wanted.value->>1;
            select json_group_array(json_array(
                     j.account_id, j.seq, j.order_id, j.batch_id, j.idem_key,
                     case when j.content_hash is not null then hex(j.content_hash) end))
            from jsonb_each($5) as wanted
            cross join journal as j
              on j.account_id = wanted.value->>0 and j.idem_key = wanted.value->>1",
    postgres "select 0::bigint, j.seq, j.at,
                exists (select 1 from orders
                        where expires_at is not null and expires_at <= $1)::int::bigint,
                null::bigint, null::bigint, null::bigint,
                null::text, null::text, null::text, null::text, null::bytea
              from (values (1)) as one
              left join (select seq, at from journal order by seq desc limit 1) as j on true
              union all
              select 1, id, sellable, priority, null, null, null, code, name, kind, authority, null
              from location
              union all
              select 2, i.id, i.bundle, i.reorder_point, i.low, i.version,
                     (select count(*) from level as l where l.item_id = i.id),
                     i.sku, i.sale, s.sku, null, null
              from unnest($2::text[]) as wanted (sku)
              join item_sku as s on s.sku = wanted.sku join item as i on i.id = s.item_id
              union all
              select 2, i.id, i.bundle, i.reorder_point, i.low, i.version,
                     (select count(*) from level as l where l.item_id = i.id),
                     i.sku, i.sale, null, null, null
              from item as i where i.id = any($3::bigint[])
              union all
              select 3, o.id, null, null, null, null, null,
                     o.source, o.external_id, null, null, null
              from unnest($4::text[], $5::text[]) as wanted (source, external_id)
              join orders as o
                on o.source = wanted.source and o.external_id = wanted.external_id
              union all
              select 4, j.account_id, j.seq, j.order_id, j.batch_id, null, null,
                     j.idem_key, null, null, null, j.content_hash
              from unnest($6::bigint[], $7::text[]) as wanted (account_id, idem_key)
              join journal as j
                on j.account_id = wanted.account_id and j.idem_key = wanted.idem_key
              union all
              select 5, nextval('orders_id_seq'), null, null, null, null, null,
                     null, null, null, null, null
              from generate_series(1, $8::bigint)
              union all
              select 6, p.bundle_id, p.part_id, p.per_unit,
                     (select count(*) from level as l where l.item_id = p.part_id), null, null,
                     null, null, null, null, null
              from (select s.item_id from unnest($2::text[]) as wanted (sku)
                    join item_sku as s on s.sku = wanted.sku
                    union
                    select unnest($3::bigint[])) as named
              join bundle_part as p on p.bundle_id = named.item_id"
);

/// What to look for.
#[derive(Debug)]
pub(crate) struct Wanted<'w> {
    /// The time at which orders count as due.
    pub(crate) due_at: i64,
    /// SKUs, old ones too.
    pub(crate) skus: Vec<String>,
    /// Items by id.
    pub(crate) items: Vec<i64>,
    /// Orders by their names outside.
    pub(crate) orders: Vec<&'w OrderRef>,
    /// Idempotency keys.
    pub(crate) keys: &'w [(AccountId, Key)],
    /// How many orders may become new ones.
    pub(crate) new_orders: i64,
    /// The levels that are locked, on PostgreSQL.
    pub(crate) locked: Vec<LevelKey>,
}

/// What there is of it; what is not known is left out.
#[derive(Debug)]
pub(crate) struct Seen {
    /// The newest seq and its time; (0, 0) while the journal is empty.
    pub(crate) newest: (i64, i64),
    /// Whether any order is due.
    pub(crate) due: bool,
    /// By priority, then code.
    pub(crate) locations: Vec<Location>,
    /// Items, with the name asked for where they were named.
    pub(crate) items: Vec<(Option<Sku>, Item)>,
    /// Orders.
    pub(crate) orders: Vec<(OrderRef, OrderId)>,
    /// What came of keys that were used before.
    pub(crate) keys: Vec<((AccountId, Key), Kept)>,
    /// All levels of the items, on SQLite.
    pub(crate) levels: Vec<(LevelKey, Level)>,
    /// An id for each order that may be new.
    pub(crate) order_ids: Vec<OrderId>,
    /// Recipes of the bundles among the items, on PostgreSQL; by bundle and component.
    pub(crate) recipes: Vec<(ItemId, BundlePart)>,
    /// Items, and components of bundles among them, with a level that is not
    /// locked; on PostgreSQL.
    pub(crate) unlocked: Vec<ItemId>,
}

/// Looks for all of it at one moment.
pub(crate) async fn look(conn: &mut Conn<'_>, wanted: &Wanted<'_>) -> Result<Seen, StoreError> {
    let locks = matches!(conn, Conn::Postgres(_));
    let groups = groups(conn, arguments(wanted)).await?;
    let [moment, locations, items, orders, keys, order_ids, parts] = &groups;
    let moment = moment.first().ok_or(StoreError::Closed)?;
    let mut locations = each(locations, location)?;
    locations.sort_unstable_by(|one, two| {
        (one.priority, one.code.as_str()).cmp(&(two.priority, two.code.as_str()))
    });
    let order_ids = match moment.number_opt(3)? {
        Some(next) => (next..next + wanted.new_orders).map(OrderId::new).collect(),
        None => each(order_ids, |row| Ok(OrderId::new(row.number(0)?)))?,
    };
    let mut recipes = each(parts, recipe)?;
    recipes.sort_unstable_by_key(|(bundle, part)| (*bundle, part.item));
    Ok(Seen {
        newest: (moment.number_opt(0)?.unwrap_or(0), moment.number_opt(1)?.unwrap_or(0)),
        due: moment.number(2)? != 0,
        locations,
        items: each(items, item)?,
        orders: each(orders, order)?,
        keys: each(keys, key)?,
        levels: if locks { Vec::new() } else { levels(items)? },
        order_ids,
        recipes,
        unlocked: if locks { unlocked(&wanted.locked, items, parts)? } else { Vec::new() },
    })
}

fn arguments(wanted: &Wanted<'_>) -> Vec<Arg> {
    let mut orders = Rows::new(&[Type::Text, Type::Text]);
    for reference in &wanted.orders {
        orders.push(cells![reference.source.as_str(), reference.external_id.as_str()]);
    }
    let mut keys = Rows::new(&[Type::Int, Type::Text]);
    for (account, key) in wanted.keys {
        keys.push(cells![account.get(), key.as_str()]);
    }
    let (skus, items) = (wanted.skus.clone(), wanted.items.clone());
    args![wanted.due_at, skus, items, orders, keys, wanted.new_orders]
}

/// The one place beside `Conn` where the databases fork: SQLite runs several
/// statements in one go and answers them in turn.
async fn groups(conn: &mut Conn<'_>, args: Vec<Arg>) -> Result<[Vec<Cells>; GROUPS], StoreError> {
    let mut groups: [Vec<Cells>; GROUPS] = std::array::from_fn(|_| Vec::new());
    match conn {
        Conn::Sqlite(conn) => {
            let query = sqlx::query_with::<Sqlite, _>(LOOK.sqlite, sqlite_arguments(args)?);
            let mut answers = conn.fetch_many(query);
            let mut group = 0;
            while let Some(answer) = answers.try_next().await? {
                match answer {
                    Either::Left(_) => group += 1,
                    Either::Right(row) => {
                        let document = Row::Sqlite(LOOK.name, row).text(0)?;
                        let texts = NUMBERS.get(group).copied().unwrap_or_default();
                        let cells = groups.get_mut(group).ok_or(StoreError::Closed)?;
                        *cells = Cells::of_document(LOOK.name, &document, texts)?;
                    }
                }
            }
        }
        Conn::Postgres(conn) => {
            let query = sqlx::query_with::<Postgres, _>(LOOK.postgres, postgres_arguments(args)?);
            for row in query.fetch_all(&mut **conn).await? {
                let row = Row::Postgres(LOOK.name, row);
                let group = usize::try_from(row.int(0)?).unwrap_or(GROUPS);
                let cells = Cells::of_row(row, 1, POSTGRES_NUMBERS, POSTGRES_TEXTS);
                groups.get_mut(group).ok_or(StoreError::Closed)?.push(cells);
            }
        }
    }
    Ok(groups)
}

fn each<T>(
    rows: &[Cells],
    read: impl Fn(&Cells) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    rows.iter().map(read).collect()
}

fn location(row: &Cells) -> Result<Location, StoreError> {
    Ok(Location {
        id: LocationId::new(row.number(0)?),
        code: row.parsed(0, LocationCode::new)?,
        name: row.text(1)?,
        kind: row.parsed(2, str::parse::<LocationKind>)?,
        authority: row.text(3)?,
        sellable: row.number(1)? != 0,
        priority: row.number(2)?,
    })
}

fn item(row: &Cells) -> Result<(Option<Sku>, Item), StoreError> {
    let status = ItemStatus::parse(&row.text(1)?);
    let asked = row.text_opt(2)?.map(|text| Sku::new(&text)).transpose();
    let item = Item {
        id: ItemId::new(row.number(0)?),
        sku: row.parsed(0, Sku::new)?,
        status: status.ok_or_else(|| row.decode_error("an unknown item status"))?,
        bundle: row.number(1)? != 0,
        reorder_point: row.number_opt(2)?,
        low: row.number(3)? != 0,
        version: row.number(4)?,
    };
    Ok((asked.map_err(|error| row.decode_error(error.to_string()))?, item))
}

fn order(row: &Cells) -> Result<(OrderRef, OrderId), StoreError> {
    let external_id = row.parsed(1, ExternalId::new)?;
    Ok((OrderRef { source: row.text(0)?, external_id }, OrderId::new(row.number(0)?)))
}

fn key(row: &Cells) -> Result<((AccountId, Key), Kept), StoreError> {
    let hash = row.hash_opt()?;
    let kept = Kept {
        seq: Some(Seq::new(row.number(1)?)),
        index: None,
        content_hash: hash.ok_or_else(|| row.decode_error("a key without its hash"))?,
        order: row.number_opt(2)?.map(OrderId::new),
        batch: row.number_opt(3)?.map(BatchId::new),
    };
    Ok(((AccountId::new(row.number(0)?), row.parsed(0, Key::new)?), kept))
}

fn recipe(row: &Cells) -> Result<(ItemId, BundlePart), StoreError> {
    let part = BundlePart { item: ItemId::new(row.number(1)?), per_unit: row.number(2)? };
    Ok((ItemId::new(row.number(0)?), part))
}

/// Items, and components, that have more levels than are locked.
fn unlocked(
    locked: &[LevelKey],
    items: &[Cells],
    parts: &[Cells],
) -> Result<Vec<ItemId>, StoreError> {
    let mut counts: HashMap<ItemId, i64> = HashMap::with_capacity(locked.len());
    for key in locked {
        *counts.entry(key.item).or_default() += 1;
    }
    let item = |row: &Cells| Ok((ItemId::new(row.number(0)?), row.number(ITEM_NUMBERS)?));
    let part = |row: &Cells| Ok((ItemId::new(row.number(1)?), row.number(RECIPE_NUMBERS)?));
    let all = items.iter().map(item).chain(parts.iter().map(part));
    let all = all.collect::<Result<Vec<_>, StoreError>>()?;
    let fewer = |(item, levels)| (counts.get(&item).copied().unwrap_or(0) < levels).then_some(item);
    Ok(all.into_iter().filter_map(fewer).collect())
}

/// The levels that stand beside items; an item without one has nulls there.
fn levels(items: &[Cells]) -> Result<Vec<(LevelKey, Level)>, StoreError> {
    let mut levels = Vec::with_capacity(items.len());
    for row in items {
        let number = |index: usize| row.number(ITEM_NUMBERS + index);
        let Some(location) = row.number_opt(ITEM_NUMBERS)? else {
            continue;
        };
        let item = ItemId::new(row.number(0)?);
        let key = LevelKey { item, location: LocationId::new(location) };
        let totals = Totals {
            on_hand: number(1)?,
            reserved: number(2)?,
            shortfall: number(3)?,
            safety: number(4)?,
        };
        let counted_at = row.number_opt(ITEM_NUMBERS + 6)?;
        levels.push((key, Level { totals, version: number(5)?, counted_at }));
    }
    Ok(levels)
}

pub(super) const STATEMENTS: &[&Statement] = &[&LOOK];
