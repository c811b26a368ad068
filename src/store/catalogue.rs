//! The tables `item`, `item_sku` and `bundle_part`.

use std::collections::{BTreeMap, HashSet};

use super::bulk::{Bulk, bulk};
use super::statement::{Row, Rows, Type, args, cells, statement};
use super::{Conn, Statement, StoreError};
use crate::domain::{Barcode, BundlePart, Item, ItemId, ItemStatus, Quantity, Sku, Title};
use crate::ledger::catalogue::{ItemFields, NewItem};

statement!(
    RESOLVE_SKUS,
    sqlite "select i.id, i.sku, i.sale, i.bundle, i.reorder_point, i.low, i.version, s.sku
            from json_each($1) as wanted
            cross join item_sku as s on s.sku = wanted.value
            cross join item as i on i.id = s.item_id",
    postgres "select i.id, i.sku, i.sale, i.bundle, i.reorder_point, i.low, i.version, s.sku
              from unnest($1::text[]) as wanted (sku)
              join item_sku as s on s.sku = wanted.sku join item as i on i.id = s.item_id"
);

/// The items that names resolve to; unknown names are left out.
pub(crate) async fn resolve(
    conn: &mut Conn<'_>,
    skus: Vec<String>,
) -> Result<Vec<(Sku, Item)>, StoreError> {
    let rows = conn.all(&RESOLVE_SKUS, args![skus]).await?;
    rows.iter().map(|row| Ok((row.parsed(7, Sku::new)?, item(row)?))).collect()
}

statement!(
    ITEMS,
    sqlite "select i.id, i.sku, i.sale, i.bundle, i.reorder_point, i.low, i.version
            from json_each($1) as wanted cross join item as i on i.id = wanted.value",
    postgres "select id, sku, sale, bundle, reorder_point, low, version
              from item where id = any($1::bigint[])"
);

/// Items as decisions see them.
pub(crate) async fn items(conn: &mut Conn<'_>, ids: Vec<i64>) -> Result<Vec<Item>, StoreError> {
    conn.all(&ITEMS, args![ids]).await?.iter().map(item).collect()
}

fn item(row: &Row) -> Result<Item, StoreError> {
    let status = ItemStatus::parse(&row.text(2)?);
    Ok(Item {
        id: ItemId::new(row.int(0)?),
        sku: row.parsed(1, Sku::new)?,
        status: status.ok_or_else(|| row.decode_error("an unknown item status"))?,
        bundle: row.flag(3)?,
        reorder_point: row.int_opt(4)?,
        low: row.flag(5)?,
        version: row.int(6)?,
    })
}

statement!(
    RECORDS,
    sqlite "select i.id, i.title, i.barcode, i.price, i.cost, i.currency, i.reorder_point,
                   i.attributes
            from json_each($1) as wanted cross join item as i on i.id = wanted.value",
    postgres "select id, title, barcode, price, cost, currency, reorder_point, attributes
              from item where id = any($1::bigint[])"
);

/// Full catalogue entries.
pub(crate) async fn records(
    conn: &mut Conn<'_>,
    ids: Vec<i64>,
) -> Result<Vec<(ItemId, ItemFields)>, StoreError> {
    let rows = conn.all(&RECORDS, args![ids]).await?;
    rows.iter().map(|row| Ok((ItemId::new(row.int(0)?), fields(row, 1)?))).collect()
}

/// Reads the catalogue fields from eight columns on.
pub(crate) fn fields(row: &Row, from: usize) -> Result<ItemFields, StoreError> {
    let barcode = row.text_opt(from + 1)?.map(|text| Barcode::new(&text)).transpose();
    let reorder_point = row.int_opt(from + 5)?.map(Quantity::new).transpose();
    Ok(ItemFields {
        title: row.parsed(from, Title::new)?,
        barcode: barcode.map_err(|error| row.decode_error(error.to_string()))?,
        price: row.int_opt(from + 2)?,
        cost: row.int_opt(from + 3)?,
        currency: row.text_opt(from + 4)?,
        reorder_point: reorder_point.map_err(|error| row.decode_error(error.to_string()))?,
        attributes: row.text_opt(from + 6)?,
    })
}

statement!(
    RECIPES,
    sqlite "select p.bundle_id, p.part_id, p.per_unit from json_each($1) as wanted
            cross join bundle_part as p on p.bundle_id = wanted.value
            order by p.bundle_id, p.part_id",
    postgres "select bundle_id, part_id, per_unit from bundle_part
              where bundle_id = any($1::bigint[]) order by bundle_id, part_id"
);

statement!(
    USED_IN_BUNDLES,
    sqlite "select distinct p.part_id from json_each($1) as wanted
            cross join bundle_part as p on p.part_id = wanted.value",
    postgres "select distinct part_id from bundle_part where part_id = any($1::bigint[])"
);

/// Which of the items are components of a bundle.
pub(crate) async fn used_in_bundles(
    conn: &mut Conn<'_>,
    items: Vec<i64>,
) -> Result<HashSet<ItemId>, StoreError> {
    let rows = conn.all(&USED_IN_BUNDLES, args![items]).await?;
    rows.iter().map(|row| row.int(0).map(ItemId::new)).collect()
}

/// The recipes of bundles; other items have none.
pub(crate) async fn recipes(
    conn: &mut Conn<'_>,
    bundles: Vec<i64>,
) -> Result<Vec<(ItemId, BundlePart)>, StoreError> {
    let rows = conn.all(&RECIPES, args![bundles]).await?;
    rows.iter()
        .map(|row| {
            let part = BundlePart { item: ItemId::new(row.int(1)?), per_unit: row.int(2)? };
            Ok((ItemId::new(row.int(0)?), part))
        })
        .collect()
}

statement!(
    NEXT_ITEM_IDS,
    sqlite "select coalesce(max(id), 0) + 1 from item where $1 > 0",
    postgres "select nextval('item_id_seq') from generate_series(1, $1::bigint)"
);

/// Ids for new items; on SQLite they count up from the first, under its write lock.
pub(crate) async fn next_item_ids(conn: &mut Conn<'_>, count: i64) -> Result<Vec<i64>, StoreError> {
    super::next_ids(conn, &NEXT_ITEM_IDS, count).await
}

// `or fail` as in the journal: there is no statement journal, so every error
// must roll the whole transaction back.
bulk!(
    NEW_ITEMS,
    11,
    "insert or fail into item (id, sku, title, status, bundle, barcode, price, cost, currency,
                       reorder_point, attributes, version, created_at, updated_at)
     select column1, column2, column3, 'active', column4, column5, column6, column7, column8,
            column9, column10, 1, column11, column11
     from ({rows}) where column1 is not null"
);
statement!(
    INSERT_ITEMS,
    postgres "insert into item (id, sku, title, status, bundle, barcode, price, cost, currency,
                                reorder_point, attributes, version, created_at, updated_at)
              select id, sku, title, 'active', bundle, barcode, price, cost, currency,
                     reorder_point, attributes, 1, at, at
              from (select unnest($1::bigint[]) as id, unnest($2::text[]) as sku,
                unnest($3::text[]) as title, unnest($4::bigint[]) as bundle,
                unnest($5::text[]) as barcode, unnest($6::bigint[]) as price,
                unnest($7::bigint[]) as cost, unnest($8::text[]) as currency,
                unnest($9::bigint[]) as reorder_point, unnest($10::text[]) as attributes,
                unnest($11::bigint[]) as at) as d"
);

bulk!(
    NEW_SKUS,
    2,
    "insert into item_sku (sku, item_id) select * from ({rows}) where column1 is not null"
);
statement!(
    INSERT_SKUS,
    postgres "insert into item_sku (sku, item_id)
              select unnest($1::text[]), unnest($2::bigint[])"
);

statement!(
    INSERT_PARTS,
    sqlite "insert into bundle_part (bundle_id, part_id, per_unit)
            select value->>0, value->>1, value->>2 from (select value from jsonb_each($1) limit -1) where true",
    postgres "insert into bundle_part (bundle_id, part_id, per_unit)
              select unnest($1::bigint[]), unnest($2::bigint[]), unnest($3::bigint[])"
);

/// Adds items with their names and recipes.
pub(crate) async fn insert_items(
    conn: &mut Conn<'_>,
    items: &[(ItemId, &NewItem)],
    now: i64,
) -> Result<(), StoreError> {
    use Type::{Int, Text};
    let types = [Int, Text, Text, Int, Text, Int, Int, Text, Int, Text, Int];
    let mut rows = Rows::with_capacity(&types, items.len());
    let mut skus = Rows::with_capacity(&[Text, Int], items.len());
    let mut parts = Rows::new(&[Int, Int, Int]);
    for (id, new) in items {
        let fields = &new.fields;
        rows.push(cells![
            id.get(),
            new.sku.as_str(),
            fields.title.as_str(),
            i64::from(!new.recipe.is_empty()),
            fields.barcode.as_ref().map(ToString::to_string),
            fields.price,
            fields.cost,
            fields.currency.clone(),
            fields.reorder_point.map(Quantity::get),
            fields.attributes.clone(),
            now,
        ]);
        skus.push(cells![new.sku.as_str(), id.get()]);
        push_parts(&mut parts, *id, &new.recipe);
    }
    let items_and_skus = [(&INSERT_ITEMS, &NEW_ITEMS, rows), (&INSERT_SKUS, &NEW_SKUS, skus)];
    conn.write_rows(items_and_skus).await?;
    lock_recipe(conn, None, items.iter().flat_map(|(_, new)| &new.recipe)).await?;
    conn.write(&INSERT_PARTS, parts).await
}

// Nothing else locks an item without levels. In the order of their ids, because
// recipes of two nodes may name the same items. `for update` also keeps others
// from adding a level to an item that becomes a bundle.
statement!(
    LOCK_ITEMS,
    postgres "select id, bundle from item where id = any($1::bigint[]) order by id for update"
);

// Asked after the lock, so that what was committed meanwhile is seen. A level that
// came since the batch locked the others is not waited for: its owner may be about
// to wait for the item.
statement!(
    HINDRANCES,
    postgres "with own as materialized (
                select version from level where item_id = $1 for update nowait)
              select (select count(*) from own where version > 0)
                   + (select count(*) from bundle_part where part_id = $1)"
);

/// Locks the components of recipes, and the item that becomes a bundle, until the
/// transaction ends. One of them that became what it must not be since it was read,
/// on another node, fails the whole: the batch is redone. On SQLite nobody else
/// writes meanwhile.
async fn lock_recipe(
    conn: &mut Conn<'_>,
    bundle: Option<ItemId>,
    parts: impl Iterator<Item = &BundlePart>,
) -> Result<(), StoreError> {
    let mut ids: Vec<i64> = parts.map(|part| part.item.get()).collect();
    if matches!(conn, Conn::Sqlite(_)) || ids.is_empty() {
        return Ok(());
    }
    ids.extend(bundle.map(ItemId::get));
    for row in conn.all(&LOCK_ITEMS, args![ids]).await? {
        if row.flag(1)? && bundle != Some(ItemId::new(row.int(0)?)) {
            return Err(overtaken(&LOCK_ITEMS, 1));
        }
    }
    let Some(bundle) = bundle else {
        return Ok(());
    };
    match conn.one(&HINDRANCES, args![bundle.get()]).await?.int(0)? {
        0 => Ok(()),
        found => Err(overtaken(&HINDRANCES, found)),
    }
}

fn overtaken(statement: &Statement, found: i64) -> StoreError {
    let changed = u64::try_from(found).unwrap_or(u64::MAX);
    StoreError::RowsAffected { statement: statement.name, changed, expected: 0 }
}

fn push_parts(rows: &mut Rows, bundle: ItemId, recipe: &[BundlePart]) {
    for part in recipe {
        rows.push(cells![bundle.get(), part.item.get(), part.per_unit]);
    }
}

statement!(DELETE_RECIPE, "delete from bundle_part where bundle_id = $1");

statement!(MARK_BUNDLE, "update item set bundle = 1 where id = $1");

/// Replaces a recipe. Open orders keep the one they froze.
pub(crate) async fn replace_recipe(
    conn: &mut Conn<'_>,
    bundle: ItemId,
    recipe: &[BundlePart],
) -> Result<(), StoreError> {
    lock_recipe(conn, Some(bundle), recipe.iter()).await?;
    conn.execute(&DELETE_RECIPE, args![bundle.get()]).await?;
    conn.execute(&MARK_BUNDLE, args![bundle.get()]).await?;
    let mut rows = Rows::new(&[Type::Int, Type::Int, Type::Int]);
    push_parts(&mut rows, bundle, recipe);
    conn.write(&INSERT_PARTS, rows).await
}

statement!(
    UPDATE_FIELDS,
    sqlite "update item set title = d.title, barcode = d.barcode, price = d.price, cost = d.cost,
              currency = d.currency, reorder_point = d.reorder_point, attributes = d.attributes,
              version = d.version, updated_at = d.at
            from (select value->>0 as id, value->>1 as read_version, value->>2 as version,
                         value->>3 as title, value->>4 as barcode, value->>5 as price,
                         value->>6 as cost, value->>7 as currency, value->>8 as reorder_point,
                         value->>9 as attributes, value->>10 as at
                  from json_each($1)) as d
            where item.id = d.id and item.version = d.read_version",
    postgres "update item set title = d.title, barcode = d.barcode, price = d.price, cost = d.cost,
                currency = d.currency, reorder_point = d.reorder_point, attributes = d.attributes,
                version = d.version, updated_at = d.at
              from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::text[],
                          $6::bigint[], $7::bigint[], $8::text[], $9::bigint[], $10::text[],
                          $11::bigint[])
                as d (id, read_version, version, title, barcode, price, cost, currency,
                      reorder_point, attributes, at)
              where item.id = d.id and item.version = d.read_version"
);
statement!(
    UPDATE_STATUS,
    "update item set
       status = case when $3 = 'discontinued' then $3 else status end,
       stopped = case $3 when 'stopped' then 1 when 'active' then 0 else stopped end,
       version = version + 1, updated_at = $4
     where id = $1 and version = $2"
);
statement!(
    UPDATE_SKU,
    "update item set sku = $3, version = version + 1, updated_at = $4
     where id = $1 and version = $2"
);
statement!(UPDATE_LOW, "update item set low = $2 where id = $1");
statement!(
    INSERT_ALIAS,
    "insert into item_sku (sku, item_id) values ($1, $2)
     on conflict (sku) do update set item_id = item_sku.item_id
     where item_sku.item_id = excluded.item_id"
);

/// Writes catalogue fields: by item the version that was read, the new one and
/// the fields. An entry whose version is no longer the one read fails the whole.
pub(crate) async fn update_fields(
    conn: &mut Conn<'_>,
    entries: &BTreeMap<ItemId, (i64, i64, &ItemFields)>,
    now: i64,
) -> Result<(), StoreError> {
    use Type::{Int, Text};
    let mut rows = Rows::new(&[Int, Int, Int, Text, Text, Int, Int, Text, Int, Text, Int]);
    for (id, (read_version, version, fields)) in entries {
        rows.push(cells![
            id.get(),
            *read_version,
            *version,
            fields.title.as_str(),
            fields.barcode.as_ref().map(ToString::to_string),
            fields.price,
            fields.cost,
            fields.currency.clone(),
            fields.reorder_point.map(Quantity::get),
            fields.attributes.clone(),
            now,
        ]);
    }
    conn.write(&UPDATE_FIELDS, rows).await
}

/// Writes an item's status; `version` is the new one.
pub(crate) async fn update_status(
    conn: &mut Conn<'_>,
    id: ItemId,
    status: ItemStatus,
    version: i64,
    now: i64,
) -> Result<(), StoreError> {
    conn.execute_one(&UPDATE_STATUS, args![id.get(), version - 1, status.as_str(), now]).await
}

/// Gives an item another SKU; the old one keeps resolving.
pub(crate) async fn rename(
    conn: &mut Conn<'_>,
    id: ItemId,
    sku: &Sku,
    version: i64,
    now: i64,
) -> Result<(), StoreError> {
    conn.execute_one(&INSERT_ALIAS, args![sku.as_str(), id.get()]).await?;
    conn.execute_one(&UPDATE_SKU, args![id.get(), version - 1, sku.as_str(), now]).await
}

/// Remembers whether an item is low.
pub(crate) async fn set_low(conn: &mut Conn<'_>, id: ItemId, low: bool) -> Result<(), StoreError> {
    conn.execute_one(&UPDATE_LOW, args![id.get(), i64::from(low)]).await
}

pub(super) const STATEMENTS: &[&Statement] = &[
    &RESOLVE_SKUS,
    &ITEMS,
    &RECORDS,
    &RECIPES,
    &USED_IN_BUNDLES,
    &NEXT_ITEM_IDS,
    &INSERT_ITEMS,
    &INSERT_SKUS,
    &INSERT_PARTS,
    &LOCK_ITEMS,
    &HINDRANCES,
    &DELETE_RECIPE,
    &MARK_BUNDLE,
    &UPDATE_FIELDS,
    &UPDATE_STATUS,
    &UPDATE_SKU,
    &UPDATE_LOW,
    &INSERT_ALIAS,
];
pub(super) static BULKS: &[&Bulk] = &[&NEW_ITEMS, &NEW_SKUS];
