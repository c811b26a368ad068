//! Writing what a batch decided beside levels, orders and the journal.

use std::collections::BTreeMap;

use crate::domain::ItemId;
use crate::ledger::catalogue::{ItemFields, NewItem};
use crate::ledger::{Added, Working};
use crate::store::{self, Conn, StoreError};

/// Whether something is erased that the database's log may still have.
pub(super) fn is_erasure(working: &Working) -> bool {
    let is_erasure =
        |added: &Added| matches!(added, Added::UserErased(_) | Added::CustomerForgotten(_));
    working.added.iter().any(is_erasure)
}

/// Writes all but what orders must be there for.
pub(super) async fn write_before_orders(
    conn: &mut Conn<'_>,
    working: &Working,
    now: i64,
) -> Result<(), StoreError> {
    let mut items: Vec<(ItemId, &NewItem)> = Vec::new();
    for added in &working.added {
        if let Added::Item(new, id) = added {
            items.push((*id, new));
        }
    }
    items.sort_unstable_by(|(_, one), (_, two)| one.sku.cmp(&two.sku));
    store::catalogue::insert_items(conn, &items, now).await?;
    // One statement writes a run of changed entries; what else changes an item's
    // version comes before or after it, as it was decided.
    let mut entries = Entries::new();
    for added in &working.added {
        if matches!(added, Added::Status(..) | Added::Sku(..)) {
            store::catalogue::update_fields(conn, &std::mem::take(&mut entries), now).await?;
        }
        match added {
            Added::Item(..)
            | Added::Personal(..)
            | Added::OrderUser(..)
            | Added::CustomerForgotten(_)
            | Added::Waits(..)
            | Added::Decided(..) => {}
            Added::Fields(fields, id, version) => {
                let entry = entries.entry(*id).or_insert((*version - 1, *version, fields));
                (entry.1, entry.2) = (*version, fields);
            }
            Added::Status(id, status, version) => {
                store::catalogue::update_status(conn, *id, *status, *version, now).await?;
            }
            Added::Low(id, low) => store::catalogue::set_low(conn, *id, *low).await?,
            Added::Sku(id, sku, version) => {
                store::catalogue::rename(conn, *id, sku, *version, now).await?;
            }
            Added::Recipe(id, parts) => {
                store::catalogue::replace_recipe(conn, *id, parts).await?;
            }
            Added::Location(new, id) => store::locations::insert(conn, *id, new, now).await?,
            Added::Key(new, id) => store::accounts::insert(conn, *id, new, now).await?,
            Added::NextKey(new, id) => {
                store::accounts::insert_key(conn, *id, new, now).await?;
            }
            Added::KeyRevoked(prefix) => store::accounts::revoke_key(conn, prefix, now).await?,
            Added::User(new, id, account) => {
                store::users::insert(conn, (*id, *account), new, now).await?;
            }
            Added::UserErased(id) => store::users::erase(conn, *id, now).await?,
            Added::UserUpdated(known, id, version) => {
                store::users::update(conn, (*id, *version), known, now).await?;
            }
            Added::Batch(new, id, account) => {
                store::batches::insert(conn, *id, new, *account, now).await?;
            }
            Added::BatchProgress(id, before, after) => {
                store::batches::advance(conn, *id, *before, *after).await?;
            }
            Added::BatchStatus(id, from, to) => {
                store::batches::set_status(conn, *id, from, to, now).await?;
            }
            Added::BatchReverting(id) => store::batches::begin_revert(conn, *id).await?,
            Added::FillRest(key, rest) => store::fills::set_rest(conn, *key, *rest).await?,
        }
    }
    store::catalogue::update_fields(conn, &entries, now).await
}

/// Catalogue entries that changed and are not written yet: by item the version
/// before its first change, after its last one, and the fields after it.
type Entries<'w> = BTreeMap<ItemId, (i64, i64, &'w ItemFields)>;

/// Whether something is written that orders must be there for.
pub(super) fn comes_after_orders(working: &Working) -> bool {
    let comes_after = |added: &Added| {
        matches!(
            added,
            Added::Personal(..)
                | Added::OrderUser(..)
                | Added::CustomerForgotten(_)
                | Added::UserErased(_)
                | Added::Waits(..)
                | Added::Decided(..)
        )
    };
    working.added.iter().any(comes_after)
}

/// Writes that, in the order in which it was decided.
pub(super) async fn write_after_orders(
    conn: &mut Conn<'_>,
    working: &Working,
    now: i64,
) -> Result<(), StoreError> {
    for added in &working.added {
        match added {
            Added::Personal(id, sealed) => {
                store::order_rows::insert_personal(conn, *id, sealed).await?;
            }
            Added::OrderUser(id, user) => store::users::link(conn, *id, *user).await?,
            // After what the same batch keeps of its orders.
            Added::UserErased(id) => store::users::erase_of_orders(conn, *id).await?,
            Added::CustomerForgotten(id) => store::users::forget(conn, *id).await?,
            Added::Waits(id, terms) => store::waiting::insert(conn, *id, *terms, now).await?,
            Added::Decided(id, refusal) => {
                store::waiting::remove(conn, *id, refusal.as_deref()).await?;
            }
            _ => {}
        }
    }
    Ok(())
}
