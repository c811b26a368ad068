//! Journal entries: every fact of the ledger, in the words of the outside.

use super::{AccountId, BatchId, Deltas, ItemId, Key, LevelKey, LocationId, OrderId, Seq, Totals};

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $event:literal;)*) => {
        /// What a journal entry says. Movements carry a level; the rest do not.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Kind { $($(#[$doc])* $variant,)* }

        impl Kind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The name stored in `journal.kind`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The event type shown to consumers of the journal.
            pub const fn event_type(self) -> &'static str {
                match self { $(Self::$variant => $event,)* }
            }

            /// Reads the stored name; `None` when it is not one.
            pub fn parse(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

kinds! {
    /// Goods came in; fills shortfall.
    Receipt = "receipt", "stock.received";
    /// Units were held for an order line, or its shortfall was recorded.
    Reserve = "reserve", "stock.reserved";
    /// A hold or shortfall was given up.
    Release = "release", "stock.released";
    /// A hold ran out.
    Expire = "expire", "stock.expired";
    /// Goods left to a customer.
    Ship = "ship", "stock.shipped";
    /// Goods came back from a customer.
    Return = "return", "stock.returned";
    /// A correction: never a receipt, never fills shortfall (R56).
    Adjustment = "adjustment", "stock.adjusted";
    /// A physical count: a fixed point.
    Count = "count", "stock.counted";
    /// Goods left for another location.
    TransferOut = "transfer_out", "stock.transferred";
    /// Goods arrived from another location; fills shortfall.
    TransferIn = "transfer_in", "stock.transferred";
    /// Goods were lost, broken or given away.
    WriteOff = "write_off", "stock.written_off";
    /// The withheld units changed.
    Safety = "safety", "stock.safety_changed";
    /// The books and the shelf disagree; somebody should count.
    Discrepancy = "stock.discrepancy", "stock.discrepancy";
    /// An item's ATP fell to its reorder point.
    Low = "stock.low", "stock.low";
    /// An order was taken that is decided later.
    OrderQueued = "order.queued", "order.queued";
    /// An order that was taken before was refused.
    OrderRejected = "order.rejected", "order.rejected";
    /// An order was accepted from a request.
    OrderPlaced = "order.placed", "order.placed";
    /// An order came in as a fact.
    OrderImported = "order.imported", "order.imported";
    /// Something of an order changed that no other kind says.
    OrderUpdated = "order.updated", "order.updated";
    /// A hold was re-assigned, or shortfall filled on purpose.
    OrderAllocated = "order.allocated", "order.allocated";
    /// An order is owed units.
    OrderShort = "order.short", "order.short";
    /// An order was paid.
    OrderPaid = "order.paid", "order.paid";
    /// Units of an order left.
    OrderShipped = "order.shipped", "order.shipped";
    /// Units of an order were cancelled.
    OrderCancelled = "order.cancelled", "order.cancelled";
    /// Units of an order came back.
    OrderReturned = "order.returned", "order.returned";
    /// Money of an order went back; it moves stock only where it says so.
    OrderRefunded = "order.refunded", "order.refunded";
    /// What was known of an order's customer was erased, and nothing of it is kept again.
    OrderCustomerForgotten = "order.customer_forgotten", "order.customer_forgotten";
    /// A payment has no order to pay for: money to give back.
    PaymentUnmatched = "payment.unmatched", "payment.unmatched";
    /// An item was added to the catalogue.
    ItemCreated = "item.created", "item.created";
    /// An item's catalogue entry changed.
    ItemUpdated = "item.updated", "item.updated";
    /// An item is no longer sold.
    ItemDiscontinued = "item.discontinued", "item.discontinued";
    /// An item's sale was stopped: nothing of it is offered.
    SaleStopped = "item.sale_stopped", "item.sale_stopped";
    /// A stopped item is offered again.
    SaleResumed = "item.sale_resumed", "item.sale_resumed";
    /// A location was added.
    LocationCreated = "location.created", "location.created";
    /// An import began.
    BatchOpened = "batch.opened", "batch.opened";
    /// Rows of an import were read that changed nothing.
    BatchAdvanced = "batch.advanced", "batch.advanced";
    /// Taking an import back began.
    BatchReverting = "batch.reverting", "batch.reverting";
    /// An import was written whole.
    BatchApplied = "batch.applied", "batch.applied";
    /// An import was undone.
    BatchReverted = "batch.reverted", "batch.reverted";
    /// Somebody said which item a listing is.
    ListingMapped = "listing.mapped", "listing.mapped";
    /// A listing is no item any more.
    ListingUnmapped = "listing.unmapped", "listing.unmapped";
    /// The rules of a listing's own were changed.
    ListingRules = "listing.rules", "listing.rules";
    /// A channel is told nothing any more, by command.
    ChannelPaused = "channel.paused", "channel.paused";
    /// What a channel is for was set by command: shadow, live, or what the file says.
    ChannelResumed = "channel.resumed", "channel.resumed";
    /// The rules of a channel were changed: all its numbers are computed anew.
    ChannelRules = "channel.rules", "channel.rules";
    /// A channel showed a number that nothing explains.
    ChannelDrift = "channel.drift", "channel.drift";
    /// The orders of a channel could not be read for too long.
    ChannelBlind = "channel.blind", "channel.blind";
    /// The orders of a channel that was blind can be read again.
    ChannelSeen = "channel.seen", "channel.seen";
    /// An API key was made.
    KeyCreated = "key.created", "key.created";
    /// An API key was revoked.
    KeyRevoked = "key.revoked", "key.revoked";
    /// Somebody showed a key, a token or a signature that was not believed.
    AuthRefused = "auth.refused", "auth.refused";
    /// Tokens are signed with another key from now on, or from a moment on.
    SigningRotated = "signing.rotated", "signing.rotated";
    /// All that is sealed was sealed anew, with another instance key.
    InstanceKeyRotated = "instance_key.rotated", "instance_key.rotated";
    /// A key holder registered somebody.
    UserCreated = "user.created", "user.created";
    /// What is known of a user was changed.
    UserUpdated = "user.updated", "user.updated";
    /// What was known of a user was erased.
    UserErased = "user.erased", "user.erased";
}

impl Kind {
    /// Whether entries of this kind move a level.
    pub const fn is_movement(self) -> bool {
        matches!(
            self,
            Self::Receipt
                | Self::Reserve
                | Self::Release
                | Self::Expire
                | Self::Ship
                | Self::Return
                | Self::Adjustment
                | Self::Count
                | Self::TransferOut
                | Self::TransferIn
                | Self::WriteOff
                | Self::Safety
        )
    }
}

/// What a movement did to its level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LevelMark {
    /// The level.
    pub key: LevelKey,
    /// The level's version after it.
    pub version: i64,
    /// What changed.
    pub deltas: Deltas,
    /// The totals after it.
    pub totals: Totals,
}

/// One journal entry before it has its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it says.
    pub kind: Kind,
    /// The level it moved; set exactly for movements.
    pub level: Option<LevelMark>,
    /// The item of an entry that moves no level.
    pub item: Option<ItemId>,
    /// The location of an entry that moves no level.
    pub location: Option<LocationId>,
    /// The order it belongs to.
    pub order: Option<OrderId>,
    /// The order line.
    pub line: Option<i64>,
    /// The part of a bundle line.
    pub part: Option<i64>,
    /// Units the fact spoke of, where the deltas may say less.
    pub quantity: Option<i64>,
    /// When the fact took effect, UTC milliseconds, never after it was recorded.
    pub effective_at: i64,
    /// The import it is part of.
    pub batch: Option<BatchId>,
    /// Whoever asked for it; `None` for what the ledger does by itself.
    pub account: Option<AccountId>,
    /// The idempotency key of the command, on its first entry.
    pub key: Option<Key>,
    /// The hash of the command's content, beside its key.
    pub content_hash: Option<[u8; 32]>,
    /// The entry this one takes back.
    pub reverses: Option<Seq>,
    /// Further fields, a JSON object without personal data.
    pub data: Option<String>,
}

impl Entry {
    /// An entry of a kind, with nothing else said.
    pub const fn new(kind: Kind, effective_at: i64) -> Self {
        Self {
            kind,
            level: None,
            item: None,
            location: None,
            order: None,
            line: None,
            part: None,
            quantity: None,
            effective_at,
            batch: None,
            account: None,
            key: None,
            content_hash: None,
            reverses: None,
            data: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_reads_back_from_its_name() {
        for &kind in Kind::ALL {
            assert_eq!(Kind::parse(kind.as_str()), Some(kind));
            assert_eq!(kind.is_movement(), !kind.as_str().contains('.'));
        }
    }
}
