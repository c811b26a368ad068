//! Taking away what is known of somebody.
//!
//! The rows go in one transaction. What SQLite frees it overwrites (`secure_delete`), and
//! its log, which has the pages as they were, is cut off afterwards: by the daemon beside
//! its writer, or by whoever has no daemon.

use super::write::{Doing, PeopleError};
use crate::domain::UserId;
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

/// Erases a user, in the version that was read where one is given: what is known of it, what
/// its orders have of it, and whose they are.
pub async fn erase(
    shop: &Shop,
    doing: Doing,
    (id, read_version): (UserId, Option<i64>),
) -> Result<Erased, PeopleError> {
    let orders = store::users::orders_of(&mut shop.db.read().await?.conn(), id).await?;
    let command = Command::EraseUser(EraseUser { user: doing.one(id), read_version });
    let answer = doing.submit(shop, command).await?;
    Ok(Erased { orders, answer })
}
