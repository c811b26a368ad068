//! Deciding what becomes of key holders and their keys.

use crate::domain::{AccountId, Kind, Refusal};
use crate::ledger::catalogue::{NewAccount, NewKey};
use crate::ledger::{Added, Decided, Working};
use crate::orders::Ended;

use super::command::Detail;

/// A new key holder, with or without a key.
pub(super) fn create_account(set: &mut Working, new: &NewAccount) -> Decided<(Detail, Ended)> {
    let name = new.name.to_string();
    if set.accounts.contains_key(&name) {
        return Err(Refusal::AlreadyExists { what: "account", name }.into());
    }
    free(set, &name)?;
    let id = account_id(set)?;
    set.accounts.insert(name, (id, new.role.to_owned()));
    set.added.push(Added::Key(new.clone(), id));
    let prefix = new.key.as_ref().map(|(prefix, _)| prefix.as_str());
    enter(set, Kind::KeyCreated, new.name.as_str(), Some(new.role), prefix);
    Ok((Detail::Id(id.get()), Ended::Done))
}

/// A further key for a key holder, or a new one with its first. The holder stays
/// the same: what was done under its keys is replayed under the new one (rotation).
pub(super) fn create(set: &mut Working, new: &NewKey) -> Decided<(Detail, Ended)> {
    // Before anything is added: a refusal takes back no key holder.
    if new.expires_at.is_some_and(|at| at <= set.now) {
        return Err(Refusal::invalid("expires", "is not in the future").into());
    }
    let name = new.account.to_string();
    let id = match set.accounts.get(&name) {
        Some((id, role)) if role == new.role => *id,
        Some((_, role)) => {
            let message = format!("'{name}' has the role {role}; a key holder keeps its role");
            return Err(Refusal::invalid("role", message).into());
        }
        None => {
            free(set, &name)?;
            let account = NewAccount { name: new.account.clone(), role: new.role, key: None };
            let id = account_id(set)?;
            set.accounts.insert(name, (id, new.role.to_owned()));
            set.added.push(Added::Key(account, id));
            id
        }
    };
    set.added.push(Added::NextKey(new.clone(), id));
    enter(set, Kind::KeyCreated, new.account.as_str(), Some(new.role), Some(&new.prefix));
    Ok((Detail::Id(id.get()), Ended::Done))
}

/// A channel's orders come under its name: a key holder of that name would have them all.
fn free(set: &Working, name: &str) -> Decided<()> {
    if set.channels.contains(name) {
        return Err(Refusal::AlreadyExists { what: "channel", name: name.to_owned() }.into());
    }
    Ok(())
}

/// Ends a key at once. Ending it again is a repeat.
pub(super) fn revoke(set: &mut Working, prefix: &str) -> Decided<(Detail, Ended)> {
    match set.api_keys.get(prefix) {
        None => Err(Refusal::UnknownName { what: "key", name: prefix.to_owned() }.into()),
        Some(true) => Ok((Detail::None, Ended::Replayed)),
        Some(false) => {
            set.api_keys.insert(prefix.to_owned(), true);
            set.added.push(Added::KeyRevoked(prefix.to_owned()));
            let mut entry = set.entry(Kind::KeyRevoked);
            entry.data = Some(serde_json::json!({ "prefix": prefix }).to_string());
            set.append(entry);
            Ok((Detail::None, Ended::Done))
        }
    }
}

fn account_id(set: &mut Working) -> Decided<AccountId> {
    let id = set.rare_ids.accounts.pop_front();
    id.ok_or_else(|| Refusal::invalid("account", "no id was set aside for it").into())
}

fn enter(set: &mut Working, kind: Kind, account: &str, role: Option<&str>, prefix: Option<&str>) {
    let mut entry = set.entry(kind);
    let data = serde_json::json!({ "account": account, "role": role, "prefix": prefix });
    entry.data = Some(data.to_string());
    set.append(entry);
}
