//! Registering somebody, and changing what is known.

use std::sync::Arc;

use thiserror::Error;
use tokio::time::Instant;

use super::Asker;
use super::profile::{Change, Profile, ProfileError};
use super::read::{self, UserView};
use crate::domain::{Key, Refusal, UserId, Versions};
use crate::shop::Shop;
use crate::store::{self, StoreError};
use crate::writer::{Answer, ChangeUser, Command, Detail, OneUser, Request, WriteError};

/// How often a change is made anew because somebody else was faster.
const CHANGES_MAX: u32 = 5;

/// Why nothing was done or shown.
#[derive(Debug, Error)]
pub enum PeopleError {
    /// What is asked for cannot be known of somebody.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// It was refused, or its outcome is not known.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The database.
    #[error(transparent)]
    Store(StoreError),
    /// What is known of a user cannot be opened.
    #[error("what is known of {user} cannot be read: {error}")]
    Unreadable {
        /// The user.
        user: UserId,
        /// Why.
        error: ProfileError,
    },
    /// It was done, and cannot be shown now.
    #[error("it was done, but cannot be shown now: {0}")]
    AfterCommit(Box<PeopleError>),
    /// An order of a user cannot be shown.
    #[error(transparent)]
    Report(#[from] crate::reports::ReportError),
}

impl From<Refusal> for PeopleError {
    fn from(refusal: Refusal) -> Self {
        Self::Write(WriteError::Refused(refusal))
    }
}

/// Who has something done, under which key, and until when it waits.
#[derive(Clone, Debug)]
pub struct Doing {
    /// Who.
    pub asker: Asker,
    /// The idempotency key.
    pub key: Option<Key>,
    /// When the caller gives up.
    pub deadline: Option<Instant>,
}

impl Doing {
    pub(super) async fn submit(&self, shop: &Shop, command: Command) -> Result<Answer, WriteError> {
        let mut request = Request::new(self.asker.account(), command).with_key(self.key.clone());
        request.deadline = self.deadline;
        shop.writer.submit(request).await
    }

    pub(super) const fn one(&self, id: UserId) -> OneUser {
        OneUser { id, only_own: self.asker.only_own() }
    }
}

/// A user after a command, and whether it was done before.
#[derive(Clone, Debug)]
pub struct Written {
    /// The user as it is now.
    pub user: UserView,
    /// What the writer said.
    pub answer: Answer,
}

/// Registers somebody for the asker. The same again is a repetition; an address of another
/// user of the asker's is refused with that user's id.
pub async fn register(shop: &Shop, doing: Doing, change: Change) -> Result<Written, PeopleError> {
    let profile = Profile::changed(None, change)?;
    let sealed = profile.seal(&shop.key, doing.asker.account(), shop.random.as_ref());
    let answer = doing.submit(shop, Command::CreateUser(sealed)).await?;
    let id = match (&answer.detail, answer.seq) {
        (Detail::Id(id), _) => Some(UserId::new(*id)),
        (_, Some(seq)) => {
            let mut reader = shop.db.read().await?;
            store::users::created_by(&mut reader.conn(), seq.get()).await?
        }
        _ => None,
    };
    let id = id.ok_or_else(|| WriteError::Broken("a user without an id".to_owned()))?;
    shown(shop, &doing, id, answer).await
}

/// The user after a command.
async fn shown(
    shop: &Shop,
    doing: &Doing,
    id: UserId,
    answer: Answer,
) -> Result<Written, PeopleError> {
    let user = read::user(shop, doing.asker, id).await;
    let user = user.map_err(|error| PeopleError::AfterCommit(Box::new(error)))?;
    Ok(Written { user, answer })
}

/// Changes what is known of a user, in one of the versions that were read where such are given.
pub async fn change(
    shop: &Shop,
    doing: Doing,
    (id, expected): (UserId, Option<Versions>),
    change: Change,
) -> Result<Written, PeopleError> {
    let asked = change.digest(&shop.key, expected.as_ref());
    let may_be = |version| expected.as_ref().is_none_or(|versions| versions.contains(version));
    let mut tries = 0;
    let answer = loop {
        tries += 1;
        let stored = read::stored(shop, doing.asker, id).await?;
        let known = Profile::open(&shop.key, stored.account, &stored.sealed)
            .map_err(|error| PeopleError::Unreadable { user: id, error })?;
        let known = Profile::changed(Some(known), change.clone())?;
        let command = Command::ChangeUser(ChangeUser {
            user: doing.one(id),
            known: known.seal(&shop.key, stored.account, shop.random.as_ref()),
            read_version: match &expected {
                Some(versions) if !versions.contains(stored.version) => versions.newest(),
                _ => stored.version,
            },
            asked,
        });
        match doing.submit(shop, command).await {
            // Somebody else was faster, and what is there now is meant too.
            Err(WriteError::Refused(Refusal::VersionConflict { actual, .. }))
                if may_be(actual) && tries < CHANGES_MAX => {}
            answer => break answer?,
        }
    };
    shown(shop, &doing, id, answer).await
}

impl From<Arc<StoreError>> for PeopleError {
    fn from(error: Arc<StoreError>) -> Self {
        Self::Write(WriteError::Store(error))
    }
}
