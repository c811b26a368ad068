//! Taking away what is known of somebody.
//!
//! The rows go in one transaction. What SQLite frees it overwrites (`secure_delete`), and
//! its log, which has the pages as they were, is cut off afterwards: by the daemon beside
//! its writer, or by whoever has no daemon.

use super::write::{Doing, PeopleError};
use crate::domain::{UserId, Versions};
use crate::shop::Shop;
use crate::store;
use crate::writer::{Answer, Command, EraseUser};

/// How it went.
#[derive(Clone, Debug)]
pub struct Erased {
    /// Orders that were the user's a moment before.
    pub orders: i64,
    /// What the writer said.
    pub answer: Answer,
}

/// Erases a user, in one of the versions that were read where such are given: what is known of
/// it, what its orders have of it, and whose they are.
pub async fn erase(
    shop: &Shop,
    doing: Doing,
    (id, expected): (UserId, Option<Versions>),
) -> Result<Erased, PeopleError> {
    let orders = store::users::orders_of(&mut shop.db.read().await?.conn(), id).await?;
    let command = Command::EraseUser(EraseUser { user: doing.one(id), expected });
    let answer = doing.submit(shop, command).await?;
    Ok(Erased { orders, answer })
}
