//! The types of events, and a listener's choice of them.

use thiserror::Error;

use crate::domain::Kind;

/// Types that are promised and that nothing raises yet: asking for them is no mistake.
const NOT_RAISED: [&str; 3] = ["channel.pushed", "payment.confirmed", "payment.failed"];

/// The type of what is in the journal and cannot be read. Everybody hears of it.
pub(super) const UNREADABLE: &str = "journal.unreadable";

/// Who an event is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Concern {
    /// Stock and items: everybody's, in as many words as each may read.
    Stock,
    /// An order: of whoever placed it, and of the staff.
    Order,
    /// How the shop is run: of the staff.
    Staff,
    /// Who may do what: of those who look after that.
    Audit,
}

/// Who an entry of a kind is for. A new kind does not compile until somebody says so.
pub(super) const fn concern(kind: Kind) -> Concern {
    match kind {
        Kind::Receipt
        | Kind::Reserve
        | Kind::Release
        | Kind::Expire
        | Kind::Ship
        | Kind::Return
        | Kind::Adjustment
        | Kind::Count
        | Kind::TransferOut
        | Kind::TransferIn
        | Kind::WriteOff
        | Kind::Safety
        | Kind::Discrepancy
        | Kind::Low
        | Kind::ItemCreated
        | Kind::ItemUpdated
        | Kind::ItemDiscontinued
        | Kind::SaleStopped
        | Kind::SaleResumed => Concern::Stock,
        Kind::OrderQueued
        | Kind::OrderRejected
        | Kind::OrderPlaced
        | Kind::OrderImported
        | Kind::OrderUpdated
        | Kind::OrderAllocated
        | Kind::OrderShort
        | Kind::OrderPaid
        | Kind::OrderShipped
        | Kind::OrderCancelled
        | Kind::OrderReturned
        | Kind::OrderRefunded
        | Kind::OrderCustomerForgotten
        | Kind::PaymentUnmatched => Concern::Order,
        Kind::LocationCreated
        | Kind::BatchOpened
        | Kind::BatchAdvanced
        | Kind::BatchReverting
        | Kind::BatchApplied
        | Kind::BatchReverted
        | Kind::ListingMapped
        | Kind::ListingUnmapped
        | Kind::ListingRules
        | Kind::ChannelPaused
        | Kind::ChannelResumed
        | Kind::ChannelRules
        | Kind::ChannelDrift
        | Kind::ChannelBlind
        | Kind::ChannelSeen => Concern::Staff,
        Kind::KeyCreated
        | Kind::KeyRevoked
        | Kind::SigningRotated
        | Kind::InstanceKeyRotated
        | Kind::UserCreated
        | Kind::UserUpdated
        | Kind::UserErased
        | Kind::AuthRefused => Concern::Audit,
    }
}

/// A type that no event has.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("there is no type '{0}'")]
pub struct UnknownType(pub String);

/// The types that somebody wants to hear of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Types(u128);

impl Default for Types {
    /// All of them.
    fn default() -> Self {
        Self(u128::MAX)
    }
}

impl Types {
    /// Reads a list as `order.placed,stock.*`: types, and beginnings of types before a `*`.
    pub fn parse(list: &str) -> Result<Self, UnknownType> {
        let mut wanted = 0;
        for name in list.split(',').map(str::trim) {
            let fits = |one: &str| match name.strip_suffix('*') {
                Some(beginning) => one.starts_with(beginning),
                None => one == name,
            };
            let kinds = Kind::ALL.iter().filter(|kind| fits(kind.event_type()));
            let found = kinds.fold(0, |all, kind| all | bit(*kind));
            if found == 0 && !NOT_RAISED.iter().chain([&UNREADABLE]).any(|one| fits(one)) {
                return Err(UnknownType(name.to_owned()));
            }
            wanted |= found;
        }
        Ok(Self(wanted))
    }

    /// Whether entries of a kind are among them.
    pub(super) const fn has(self, kind: Kind) -> bool {
        self.0 & bit(kind) != 0
    }
}

const fn bit(kind: Kind) -> u128 {
    1 << (kind as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(types: Types) -> Vec<&'static str> {
        Kind::ALL.iter().filter(|kind| types.has(**kind)).map(|kind| kind.as_str()).collect()
    }

    #[test]
    fn types_are_named_whole_or_by_their_beginning() {
        assert_eq!(names(Types::default()).len(), Kind::ALL.len());
        assert_eq!(names(Types::parse("*").unwrap()).len(), Kind::ALL.len());
        let one = Types::parse("order.placed, key.*").unwrap();
        assert_eq!(names(one), ["order.placed", "key.created", "key.revoked"]);
        let both = Types::parse("stock.transferred").unwrap();
        assert_eq!(names(both), ["transfer_out", "transfer_in"]);
        assert_eq!(names(Types::parse("payment.confirmed").unwrap()), [] as [&str; 0]);
        assert_eq!(names(Types::parse(UNREADABLE).unwrap()), [] as [&str; 0]);
    }

    #[test]
    fn a_type_that_does_not_exist_is_named() {
        for (list, unknown) in
            [("stock.reserved,stock.held", "stock.held"), ("", ""), ("*.placed", "*.placed")]
        {
            assert_eq!(Types::parse(list), Err(UnknownType(unknown.to_owned())), "{list}");
        }
    }

    #[test]
    fn every_type_that_is_promised_can_be_asked_for() {
        const PROMISED: &str = "stock.received stock.reserved stock.released stock.shipped \
            stock.returned stock.adjusted stock.counted stock.transferred stock.expired \
            stock.written_off stock.safety_changed stock.discrepancy stock.low order.placed \
            order.updated order.allocated order.imported order.short order.paid order.shipped \
            order.cancelled order.returned payment.confirmed payment.failed payment.unmatched \
            item.created item.updated item.discontinued channel.pushed channel.drift \
            channel.blind channel.paused channel.resumed listing.mapped listing.unmapped \
            batch.applied batch.reverted key.created key.revoked auth.refused";
        for name in PROMISED.split_whitespace() {
            let types = Types::parse(name);
            assert!(types.is_ok(), "{name}");
            assert_ne!(types == Ok(Types(0)), !NOT_RAISED.contains(&name), "{name}");
        }
    }

    #[test]
    fn every_kind_has_a_bit_of_its_own() {
        let all = Kind::ALL.iter().fold(0, |all, kind| all | bit(*kind));
        assert_eq!(usize::try_from(all.count_ones()).unwrap(), Kind::ALL.len());
    }
}
