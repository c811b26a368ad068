//! Items with what tells their states apart, in as few statements as there can be: it is what
//! storefronts ask for most.

use std::collections::HashMap;

use super::items::{ItemState, Shown};
use super::shelf::Shelf;
use crate::domain::{AllocationPolicy, BundlePart, ItemId, Sku};
use crate::store::item_reads::{self, ItemRecord, LevelRecord};
use crate::store::{self, Conn, Db, StoreError};

/// Items by any of their names, in the order asked for, read in one moment.
pub(super) async fn item_states(
    db: &Db,
    skus: &[Sku],
    policy: AllocationPolicy,
) -> Result<Vec<Option<ItemState>>, StoreError> {
    let mut reader = db.lookup().await?;
    let mut conn = reader.conn();
    let names = skus.iter().map(ToString::to_string).collect();
    let (mut found, mut records) = (HashMap::new(), HashMap::new());
    for (name, record) in item_reads::named_records(&mut conn, names).await? {
        found.insert(name, record.id);
        records.insert(record.id, record);
    }
    let recipes = recipes(&mut conn, &mut records).await?;
    let mut levels: HashMap<ItemId, Vec<LevelRecord>> = HashMap::with_capacity(records.len());
    let mut moved: HashMap<ItemId, i64> = HashMap::with_capacity(records.len());
    let ids = records.keys().map(|item| item.get()).collect();
    for (level, seq) in item_reads::levels_and_movements(&mut conn, ids).await? {
        let newest = moved.entry(level.key.item).or_default();
        *newest = seq.max(*newest);
        levels.entry(level.key.item).or_default().push(level);
    }
    let locations = store::locations::all(&mut conn).await?;
    drop(reader);
    let items = records.values().map(|record| (record.id, record.brief()));
    let shelf = Shelf::new(items, locations, levels, recipes);
    let shown = Shown { records, shelf };
    let state = |id: ItemId| {
        let parts = shown.shelf.parts(id).iter();
        let versions = parts.clone().filter_map(|part| shown.records.get(&part.item));
        let parts_version = versions.map(|record| record.version).sum();
        let all = parts.map(|part| part.item).chain([id]);
        let stock_seq = all.filter_map(|item| moved.get(&item)).max().copied().unwrap_or(0);
        let view = shown.view(id, policy)?;
        Ok(view.map(|item| ItemState { item, stock_seq, parts_version }))
    };
    skus.iter().map(|sku| found.get(sku).map_or(Ok(None), |id| state(*id))).collect()
}

/// What bundles among the items are made of; their components become items too.
async fn recipes(
    conn: &mut Conn<'_>,
    records: &mut HashMap<ItemId, ItemRecord>,
) -> Result<HashMap<ItemId, Vec<BundlePart>>, StoreError> {
    let bundles = records.values().filter(|record| record.is_bundle);
    let bundles: Vec<i64> = bundles.map(|record| record.id.get()).collect();
    let mut recipes: HashMap<ItemId, Vec<BundlePart>> = HashMap::new();
    if bundles.is_empty() {
        return Ok(recipes);
    }
    let mut parts = Vec::new();
    for (bundle, part) in store::catalogue::recipes(conn, bundles).await? {
        parts.push(part.item.get());
        recipes.entry(bundle).or_default().push(part);
    }
    parts.sort_unstable();
    parts.dedup();
    for record in item_reads::records(conn, parts).await? {
        records.insert(record.id, record);
    }
    Ok(recipes)
}
