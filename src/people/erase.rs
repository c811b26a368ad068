//! Taking away what is known of somebody.
//!
//! The rows go in one transaction. What SQLite frees it overwrites (`secure_delete`), and
//! its log, which has the pages as they were, is cut off afterwards: by the daemon beside
//! its writer, or by whoever has no daemon.

use super::write::{Doing, PeopleError};
use crate::domain::UserId;
use crate::shop::Shop;
use crate::store::{self, StoreError};
use crate::writer::{Answer, Command};

/// How it went.
#[derive(Clone, Debug)]
pub struct Erased {
    /// Orders that were the user's a moment before.
    pub orders: i64,
    /// What the writer said.
    pub answer: Answer,
}

/// Erases a user: what is known of it, what its orders have of it, and whose they are.
pub async fn erase(shop: &Shop, doing: Doing, id: UserId) -> Result<Erased, PeopleError> {
    let orders = store::users::orders_of(&mut shop.db.read().await?.conn(), id).await?;
    let answer = doing.submit(shop, Command::EraseUser(doing.one(id))).await?;
    Ok(Erased { orders, answer })
}

/// Cuts off the log of the database, in so many tries of a tenth of a second; false where
/// somebody reads an old state all the time.
pub async fn cut_off_log(shop: &Shop, tries: u32) -> Result<bool, StoreError> {
    shop.db.cut_off_log(tries).await
}
