//! Everything that is held on a person.

use serde::Serialize;
use utoipa::ToSchema;

use super::Asker;
use super::read::{self, UserView};
use super::write::PeopleError;
use crate::clock::Timestamp;
use crate::domain::UserId;
use crate::reports::{self, OrderFilter, OrderView, Page, Viewer};
use crate::shop::Shop;

/// One page of what is held: who it is, and orders with what they have of it.
#[derive(Clone, Serialize, ToSchema)]
pub struct Held {
    /// When it was put together.
    pub exported_at: Timestamp,
    /// What is known of the user.
    pub user: UserView,
    /// Its orders, the last recorded first, with the personal data of each.
    pub orders: Vec<OrderView>,
    /// Where the next page of orders starts.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Held({:?}, {} orders)", self.user, self.orders.len())
    }
}

/// What is held on a user, with one page of its orders.
pub async fn held(
    shop: &Shop,
    asker: Asker,
    id: UserId,
    (own_source, cursor, limit): (&str, Option<&str>, usize),
) -> Result<Held, PeopleError> {
    let user = read::user(shop, asker, id).await?;
    let filter = OrderFilter { user: Some(id), ..OrderFilter::default() };
    let viewer = Viewer { own_source: Some(own_source), key: Some(&shop.key) };
    let Page { data: orders, next_cursor } =
        reports::orders(&shop.db, &filter, viewer, cursor, limit).await?;
    Ok(Held { exported_at: shop.clock.now(), user, orders, next_cursor })
}
