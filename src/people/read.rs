//! Users as they are shown.

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::profile::Profile;
use super::write::PeopleError;
use super::{Asker, ProfileError};
use crate::clock::Timestamp;
use crate::domain::{Email, Refusal, UserId};
use crate::reports::{LIMIT_MAX, Page};
use crate::shop::Shop;
use crate::store::users::StoredUser;
use crate::store::{self, StoreError};

/// A user as `GET /v1/users/{user_id}` shows it.
#[derive(Clone, PartialEq, Serialize, ToSchema)]
pub struct UserView {
    /// Its id.
    #[schema(value_type = UserId)]
    pub user_id: String,
    /// The key holder who registered it.
    pub account: String,
    /// The e-mail address.
    pub email: String,
    /// The name.
    #[schema(required)]
    pub name: Option<String>,
    /// A telephone number.
    #[schema(required)]
    pub phone: Option<String>,
    /// A postal address.
    #[schema(value_type = Option<Object>, required)]
    pub address: Option<Map<String, Value>>,
    /// Whatever else is kept.
    #[schema(value_type = Option<Object>, required)]
    pub attributes: Option<Map<String, Value>>,
    /// Grows by one with each change.
    pub version: i64,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl std::fmt::Debug for UserView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "UserView({})", self.user_id)
    }
}

/// A user that the asker may see.
pub async fn user(shop: &Shop, asker: Asker, id: UserId) -> Result<UserView, PeopleError> {
    let stored = stored(shop, asker, id).await?;
    view(shop, &stored)
}

/// The same as it is stored.
pub(super) async fn stored(
    shop: &Shop,
    asker: Asker,
    id: UserId,
) -> Result<StoredUser, PeopleError> {
    let found = store::users::read(&mut shop.db.read().await?.conn(), id).await?;
    let found = found.filter(|user| asker.may_see(user.account));
    found.ok_or_else(|| Refusal::UnknownUser { user: id.to_string() }.into())
}

/// The users with an address that the asker may see: one for each key holder.
pub async fn find(shop: &Shop, asker: Asker, email: &Email) -> Result<Vec<UserId>, PeopleError> {
    let mut reader = shop.db.read().await?;
    let accounts = match asker {
        Asker::Storefront(account) => vec![account],
        Asker::Staff(_) => store::users::accounts(&mut reader.conn()).await?,
    };
    let mut found = Vec::new();
    for account in accounts {
        let hash = Profile::email_hash(&shop.key, account, email);
        found.extend(store::users::by_email(&mut reader.conn(), account, hash).await?);
    }
    Ok(found)
}

/// Users that the asker may see, the first registered first. `cursor` is what the page
/// before named.
pub async fn list(
    shop: &Shop,
    asker: Asker,
    cursor: Option<&str>,
    limit: usize,
) -> Result<Page<UserView>, PeopleError> {
    let limit = limit.clamp(1, LIMIT_MAX);
    let after = match cursor {
        Some(cursor) => cursor
            .parse::<UserId>()
            .map_err(|_| Refusal::invalid("cursor", "it is not one this list gave"))?
            .get(),
        None => 0,
    };
    let account = asker.only_own().then(|| asker.account());
    let probe = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
    let mut reader = shop.db.read().await?;
    let found = store::users::page(&mut reader.conn(), account, after, probe).await?;
    let shown = found.iter().take(limit).map(|user| view(shop, user));
    let data = shown.collect::<Result<Vec<_>, _>>()?;
    let more = found.len() > limit;
    let next_cursor = data.last().filter(|_| more).map(|user| user.user_id.clone());
    Ok(Page { data, next_cursor })
}

pub(super) fn view(shop: &Shop, user: &StoredUser) -> Result<UserView, PeopleError> {
    let profile = Profile::open(&shop.key, user.account, &user.sealed)
        .map_err(|error| PeopleError::Unreadable { user: user.id, error })?;
    let Profile { email, name, phone, address, attributes } = profile;
    Ok(UserView {
        user_id: user.id.to_string(),
        account: user.account_name.clone(),
        email,
        name,
        phone,
        address,
        attributes,
        version: user.version,
        created_at: time(user.id, user.created_at)?,
        updated_at: time(user.id, user.updated_at)?,
    })
}

fn time(user: UserId, millis: i64) -> Result<Timestamp, PeopleError> {
    let bad = |_| PeopleError::Unreadable { user, error: ProfileError::Form };
    Timestamp::from_millis(millis).map_err(bad)
}

impl From<StoreError> for PeopleError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
