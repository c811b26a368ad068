//! The pure vocabulary: no async, no I/O, no clock.
//!
//! Every word of the ledger has its type here, and every bound of a field is
//! checked where the type is made, so the layers above handle only values that
//! can be stored. Allocation is here too: a pure function of demand, levels
//! and policy.

pub mod allocation;
pub mod card;
pub mod entry;
pub mod ids;
pub mod item;
pub mod level;
pub mod location;
pub mod money;
pub mod order;
pub mod publish;
pub mod quantity;
pub mod refusal;
pub mod remote;
pub mod text;
pub mod user;
pub mod versions;

pub use allocation::{AllocationPolicy, Demand, DemandLine, Placement, allocate};
pub use card::{attributes_have_card_number, has_card_number, value_has_card_number};
pub use entry::{Entry, Kind, LevelMark};
pub use ids::{AccountId, BatchId, ItemId, LocationId, OrderId, Seq, UserId};
pub use item::{ATTRIBUTES_BYTES_MAX, BundlePart, Item, ItemStatus};
pub use level::{Deltas, Level, LevelBroken, LevelKey, Totals};
pub use location::{Location, LocationKind};
pub use money::{Currency, Money, MoneyError};
pub use order::{
    Allocation, Counts, Decision, DecisionTerms, Fact, FactKind, FulfilledBy, Line, Order,
    OrderRef, OrderStatus, Part, Payment,
};
pub use publish::{PublishRules, PublishSteps};
pub use quantity::{Delta, QUANTITY_MAX, Quantity, QuantityError};
pub use refusal::{Refusal, Shortage};
pub use remote::RemoteQuantity;
pub use text::{
    AccountName, Barcode, ExternalId, FactId, Key, LocationCode, Reason, RemoteId, Sku, TextError,
    Title,
};
pub use user::{Email, EmailError, SealedUser, UserIdError, UserMark};
pub use versions::Versions;
