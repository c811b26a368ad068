//! People that a key holder registers: what is known of them, and taking it away again.
//!
//! A user belongs to the key holder who registered it: nobody else's storefront sees it, and
//! one address may be a user of several. What is known of somebody is sealed before it goes
//! to the writer, who looks at keyed hashes only; it is opened for whoever may read it, and
//! nowhere else. The journal has numbers of users and nothing of them.

mod erase;
mod export;
mod profile;
mod read;
mod write;

pub use erase::{Erased, erase};
pub use export::{Held, held};
pub use profile::{Change, Profile, ProfileError, Said};
pub use read::{UserView, find, list, user};
pub use write::{Doing, PeopleError, Written, change, register};

use crate::domain::AccountId;

/// Who asks about people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker {
    /// Somebody of the shop: may mean anybody's users.
    Staff(AccountId),
    /// A storefront: others' users are unknown to it.
    Storefront(AccountId),
}

impl Asker {
    /// The key holder it is.
    pub const fn account(self) -> AccountId {
        let (Self::Staff(account) | Self::Storefront(account)) = self;
        account
    }

    const fn only_own(self) -> bool {
        matches!(self, Self::Storefront(_))
    }

    fn may_see(self, account: AccountId) -> bool {
        !self.only_own() || self.account() == account
    }
}
