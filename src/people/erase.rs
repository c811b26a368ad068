//! Taking away what is known of somebody.
//!
//! The rows go in one transaction. What SQLite frees it overwrites (`secure_delete`), and
//! its log, which has the pages as they were, is folded and cut off afterwards.

use super::write::{Doing, PeopleError};
use crate::domain::UserId;
use crate::shop::Shop;
use crate::store;
use crate::writer::{Answer, Command};

/// How it went.
#[derive(Clone, Debug)]
pub struct Erased {
    /// Orders that are nobody's now.
    pub orders: i64,
    /// What the writer said.
    pub answer: Answer,
    /// Whether the log of the database still has pages as they were: somebody reads an old
    /// state, and the daemon, or whoever opens the file next, cuts it off.
    pub log_remains: bool,
}

/// Erases a user: what is known of it, what its orders have of it, and whose they are.
/// Its log is cut off in so many tries, each of which is in the way of writers for a tenth of
/// a second at most.
pub async fn erase(
    shop: &Shop,
    doing: Doing,
    id: UserId,
    tries: u32,
) -> Result<Erased, PeopleError> {
    let orders = store::users::orders_of(&mut shop.db.read().await?.conn(), id).await?;
    let answer = doing.submit(shop, Command::EraseUser(doing.one(id))).await?;
    let log_remains = match shop.db.cut_off_log(tries).await {
        Ok(is_cut) => !is_cut,
        Err(error) => {
            tracing::warn!(error = %error, "the log could not be cut off after an erasure");
            true
        }
    };
    Ok(Erased { orders, answer, log_remains })
}
