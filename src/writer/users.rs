//! Deciding what becomes of people that key holders register.
//!
//! Only keyed hashes are looked at: what is known of somebody was sealed before.

use std::collections::BTreeSet;

use super::Job;
use super::command::{ChangeUser, Command, Detail, EraseUser, OneUser};
use crate::domain::{AccountId, Kind, OrderRef, Refusal, SealedUser, UserId, UserMark, Versions};
use crate::ledger::{Added, Decided, Stop, Working};
use crate::orders::Ended;
use crate::store::{self, Conn, StoreError};

/// The users that a batch is about.
#[derive(Debug, Default)]
pub(super) struct UsersWanted {
    new: i64,
    ids: BTreeSet<i64>,
    /// Addresses that must be nobody else's among a key holder's.
    emails: BTreeSet<(AccountId, [u8; 32])>,
    /// Addresses that users get, whoever's they are.
    changed: Vec<(UserId, [u8; 32])>,
    /// Orders whose customer is forgotten.
    forgotten: Vec<OrderRef>,
}

impl UsersWanted {
    /// Adds those that a command is about.
    pub(super) fn plan(&mut self, job: &Job) {
        match &job.command {
            Command::CreateUser(new) => {
                self.new += 1;
                self.emails.insert((job.account, new.email));
            }
            Command::ChangeUser(change) => {
                self.ids.insert(change.user.id.get());
                self.changed.push((change.user.id, change.known.email));
            }
            Command::EraseUser(erase) => drop(self.ids.insert(erase.user.id.get())),
            Command::Place(place) | Command::PlaceLater(place) => {
                self.ids.extend(place.user.map(UserId::get));
            }
            Command::ForgetCustomer(reference) => self.forgotten.push(reference.clone()),
            _ => {}
        }
    }

    /// How many ids new ones may take.
    pub(super) const fn new_ids(&self) -> i64 {
        self.new
    }

    /// Reads them under lock: the last rows that are, by their ids.
    pub(super) async fn read(
        &self,
        conn: &mut Conn<'_>,
        working: &mut Working,
    ) -> Result<(), StoreError> {
        let (mut ids, mut emails) = (self.ids.clone(), self.emails.clone());
        if !self.changed.is_empty() {
            // Whose they are says whose other users may have the address.
            for user in store::users::marks(conn, ids.iter().copied().collect()).await? {
                let of_it = self.changed.iter().filter(|(id, _)| *id == user.id);
                emails.extend(of_it.map(|(_, email)| (user.account, *email)));
            }
        }
        for (account, email) in emails {
            ids.extend(store::users::by_email(conn, account, email).await?.map(UserId::get));
        }
        let users = store::users::lock(conn, ids.into_iter().collect()).await?;
        working.users = users.into_iter().map(|user| (user.id, user)).collect();
        let orders = self.forgotten.iter().filter_map(|reference| working.refs.get(reference));
        let orders = orders.map(|id| id.get()).collect();
        working.customers = store::users::customers(conn, orders).await?.into_iter().collect();
        Ok(())
    }
}

/// Somebody new. The same again is a repetition; the address of somebody else is taken.
pub(super) fn create(set: &mut Working, new: &SealedUser) -> Decided<(Detail, Ended)> {
    let Some(account) = set.account() else {
        return Err(Refusal::invalid("user", "a user needs a key holder").into());
    };
    if let Some((id, known)) = holder_of(set, account, new.email) {
        if known == new.digest {
            return Ok((Detail::Id(id.get()), Ended::Replayed));
        }
        return Err(taken(id));
    }
    let Some(id) = set.rare_ids.users.pop_front() else {
        return Err(Refusal::invalid("user", "no id was set aside for it").into());
    };
    let known = Some((new.email, new.digest));
    set.users.insert(id, UserMark { id, account, known, version: 1 });
    set.added.push(Added::User(new.clone(), id, account));
    enter(set, Kind::UserCreated, id);
    Ok((Detail::Id(id.get()), Ended::Done))
}

/// What is known of somebody, all of it anew.
pub(super) fn change(set: &mut Working, change: &ChangeUser) -> Decided<(Detail, Ended)> {
    let user = found(set, change.user)?;
    let id = user.id;
    let Some((_, digest)) = user.known else {
        return Err(unknown(id));
    };
    check_version(user, &change.read_version.into())?;
    if digest == change.known.digest {
        return Ok((Detail::Id(id.get()), Ended::Replayed));
    }
    if let Some((other, _)) = holder_of(set, user.account, change.known.email)
        && other != id
    {
        return Err(taken(other));
    }
    let version = user.version + 1;
    let known = Some((change.known.email, change.known.digest));
    set.users.insert(id, UserMark { known, version, ..user });
    set.added.push(Added::UserUpdated(change.known.clone(), id, version));
    enter(set, Kind::UserUpdated, id);
    Ok((Detail::Id(id.get()), Ended::Done))
}

/// Nothing is known of somebody any more. To erase again is a repetition.
pub(super) fn erase(set: &mut Working, erase: &EraseUser) -> Decided<(Detail, Ended)> {
    let user = found(set, erase.user)?;
    if user.known.is_none() {
        return Ok((Detail::Id(user.id.get()), Ended::Replayed));
    }
    if let Some(versions) = &erase.expected {
        check_version(user, versions)?;
    }
    let version = user.version + 1;
    set.users.insert(user.id, UserMark { known: None, version, ..user });
    set.added.push(Added::UserErased(user.id));
    enter(set, Kind::UserErased, user.id);
    Ok((Detail::Id(user.id.get()), Ended::Done))
}

/// Whether a user is as it was read.
fn check_version(user: UserMark, versions: &Versions) -> Decided<()> {
    if versions.contains(user.version) {
        return Ok(());
    }
    let (what, actual) = (format!("user {}", user.id), user.version);
    let expected = versions.newest();
    Err(Refusal::VersionConflict { what, expected, actual, on_hand: None }.into())
}

fn found(set: &Working, user: OneUser) -> Decided<UserMark> {
    let may = |mark: &&UserMark| !user.only_own || set.account() == Some(mark.account);
    set.users.get(&user.id).filter(may).copied().ok_or_else(|| unknown(user.id))
}

/// Who of a key holder's users has an address, and the hash of what is known of it.
fn holder_of(set: &Working, account: AccountId, email: [u8; 32]) -> Option<(UserId, [u8; 32])> {
    set.users.values().find_map(|user| match user.known {
        Some((has, digest)) if user.account == account && has == email => Some((user.id, digest)),
        _ => None,
    })
}

fn unknown(id: UserId) -> Stop {
    Refusal::UnknownUser { user: id.to_string() }.into()
}

fn taken(id: UserId) -> Stop {
    Refusal::AlreadyExists { what: "user", name: id.to_string() }.into()
}

fn enter(set: &mut Working, kind: Kind, id: UserId) {
    let mut entry = set.entry(kind);
    entry.data = Some(serde_json::json!({ "user_id": id.to_string() }).to_string());
    set.append(entry);
}
