//! What can be asked of the ledger, and what it answers.

use std::sync::Arc;

use thiserror::Error;
use tokio::time::Instant;

use crate::domain::{
    AccountId, BatchId, ItemId, Key, LevelKey, LocationCode, LocationId, Order, OrderId, OrderRef,
    Reason, Refusal, SealedUser, Seq, Sku, UserId, Versions,
};
use crate::ledger::RevertRow;
use crate::ledger::catalogue::{
    ItemRow, NewAccount, NewBatch, NewKey, NewLocation, RowOutcome, Upsert,
};
use crate::ledger::stock::{Change, ImportMode, StockCommand, StockRow};
use crate::orders::{
    Cancel, Decide, Import, MapLine, PayOutcome, Payment, Place, Reassign, Refund, Return, Ship,
};
use crate::store::StoreError;

/// The most rows of an import in one transaction.
pub const CHUNK_ROWS_MAX: usize = 500;

/// One command: a request that may be refused, or a fact that is recorded.
#[derive(Clone, Debug)]
pub enum Command {
    /// A movement of one level.
    Stock(StockCommand),
    /// Create or update one item.
    Item {
        /// Its SKU.
        sku: Sku,
        /// Its fields.
        row: Box<ItemRow>,
        /// What may be done.
        mode: Upsert,
    },
    /// Take an item out of sale.
    Discontinue(Sku),
    /// The same, in one of the versions that were read.
    DiscontinueAt(Sku, Versions),
    /// Offer nothing of an item any more, until its sale is resumed.
    StopSale(Sku, Option<Reason>),
    /// Offer a stopped item again.
    ResumeSale(Sku),
    /// Give an item another SKU.
    Rename {
        /// The present SKU, or an old one.
        from: Sku,
        /// The new one.
        to: Sku,
    },
    /// Add a location.
    CreateLocation(NewLocation),
    /// Add a key holder, with or without a key.
    CreateAccount(NewAccount),
    /// Give a key holder a further key, or make a new one with its first.
    CreateKey(NewKey),
    /// End the key of a prefix.
    RevokeKey(String),
    /// Register somebody, for the key holder the command is done for.
    CreateUser(SealedUser),
    /// Change what is known of a user.
    ChangeUser(ChangeUser),
    /// Take away what is known of a user, here and with its orders.
    EraseUser(EraseUser),
    /// Place an order (a request).
    Place(Place),
    /// Take a request for an order and decide it later.
    PlaceLater(Place),
    /// Decide an order that was taken before.
    Decide(Decide),
    /// Record the state of an order (a fact).
    Import(Import),
    /// Cancel what was not shipped.
    Cancel(Cancel),
    /// Record a payment.
    Pay(Payment),
    /// Fulfilment has begun.
    Accept(OrderRef),
    /// Record a shipment.
    Ship(Ship),
    /// Record goods that came back.
    Return(Return),
    /// Record money that went back.
    Refund(Refund),
    /// Take away what is known of who ordered.
    ForgetCustomer(OrderRef),
    /// Fill an order's shortfall on purpose.
    Allocate(OrderRef),
    /// Fill an item's shortfall on purpose, whoever is owed.
    FillItem(Sku),
    /// Fill shortfall at a level: what one transaction left over.
    Fill(LevelKey),
    /// Move an order's holds.
    Reassign(Reassign),
    /// Say which item an unmapped line is.
    MapLine(MapLine),
    /// Expire the orders that are due longest, wherever they hold.
    ExpireDue,
    /// Begin an import.
    BatchOpen(NewBatch),
    /// Rows of an items import.
    ItemRows {
        /// Where they belong.
        chunk: Chunk,
        /// The rows.
        rows: Vec<(Sku, ItemRow)>,
    },
    /// Rows of a stock import.
    StockRows {
        /// Where they belong.
        chunk: Chunk,
        /// The rows.
        rows: Vec<StockRow>,
        /// How they are meant.
        mode: ImportMode,
        /// When they were observed, UTC milliseconds.
        observed_at: Option<i64>,
    },
    /// Orders of an orders import.
    OrderRows {
        /// Where they belong.
        chunk: Chunk,
        /// The orders.
        orders: Vec<Import>,
    },
    /// All rows of an import are written.
    BatchApplied(BatchId),
    /// Taking an import back begins.
    RevertOpen(BatchId),
    /// Take movements of an import back.
    Revert {
        /// The import.
        batch: BatchId,
        /// The movements.
        rows: Vec<RevertRow>,
        /// Whether blocked ones are left out rather than refused.
        skip_blocked: bool,
    },
    /// All of an import that could be taken back was.
    BatchReverted(BatchId),
}

/// A user that a command is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OneUser {
    /// Its id.
    pub id: UserId,
    /// Whether only those of the key holder the command is done for count: others' users
    /// are unknown then.
    pub only_own: bool,
}

/// A user of whom nothing is to be known any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EraseUser {
    /// Which one.
    pub user: OneUser,
    /// The versions that it may be in, where somebody insists on it.
    pub expected: Option<Versions>,
}

/// What is known of a user from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeUser {
    /// Whose.
    pub user: OneUser,
    /// All of it.
    pub known: SealedUser,
    /// The version that was read to make it.
    pub read_version: i64,
    /// A keyed hash of what was asked for: the same again is the same change, whatever is
    /// known by then.
    pub asked: [u8; 32],
}

/// Which rows of an import a chunk holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// The import.
    pub batch: BatchId,
    /// Rows written before it.
    pub done_before: i64,
    /// Rows written with it.
    pub done_after: i64,
}

impl Command {
    /// Whether it is a chunk of a long job, which yields to everything else.
    pub const fn is_bulk(&self) -> bool {
        matches!(
            self,
            Self::ItemRows { .. }
                | Self::StockRows { .. }
                | Self::OrderRows { .. }
                | Self::Revert { .. }
        )
    }

    /// The import it writes rows of.
    pub(crate) const fn batch(&self) -> Option<BatchId> {
        match self {
            Self::ItemRows { chunk, .. }
            | Self::StockRows { chunk, .. }
            | Self::OrderRows { chunk, .. } => Some(chunk.batch),
            // The compensating entries of a revert are not part of the import.
            _ => None,
        }
    }

    /// A short name for logs and metrics.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Stock(command) => match command.change {
                Change::Receive(_) => "receive",
                Change::Adjust(_) => "adjust",
                Change::Count { .. } => "count",
                Change::Transfer { .. } => "transfer",
                Change::WriteOff(_) => "write_off",
                Change::Safety(_) => "safety",
            },
            Self::Item { .. } => "item",
            Self::Discontinue(_) | Self::DiscontinueAt(..) => "discontinue",
            Self::StopSale(..) => "stop_sale",
            Self::ResumeSale(_) => "resume_sale",
            Self::Rename { .. } => "rename",
            Self::CreateLocation(_) => "create_location",
            Self::CreateAccount(_) => "create_account",
            Self::CreateKey(_) => "create_key",
            Self::RevokeKey(_) => "revoke_key",
            Self::CreateUser(_) => "create_user",
            Self::ChangeUser(_) => "change_user",
            Self::EraseUser(_) => "erase_user",
            Self::Place(_) => "place",
            Self::PlaceLater(_) => "place_later",
            Self::Decide(_) => "decide",
            Self::Import(_) => "import",
            Self::Cancel(_) => "cancel",
            Self::Pay(_) => "pay",
            Self::Accept(_) => "accept",
            Self::Ship(_) => "ship",
            Self::Return(_) => "return",
            Self::Refund(_) => "refund",
            Self::ForgetCustomer(_) => "forget_customer",
            Self::Allocate(_) => "allocate",
            Self::FillItem(_) | Self::Fill(_) => "fill",
            Self::Reassign(_) => "reassign",
            Self::MapLine(_) => "map_line",
            Self::ExpireDue => "expire_due",
            Self::BatchOpen(_) => "batch_open",
            Self::ItemRows { .. } => "item_rows",
            Self::StockRows { .. } => "stock_rows",
            Self::OrderRows { .. } => "order_rows",
            Self::BatchApplied(_) => "batch_applied",
            Self::RevertOpen(_) => "revert_open",
            Self::Revert { .. } => "revert",
            Self::BatchReverted(_) => "batch_reverted",
        }
    }
}

/// A command with whom it is done for.
#[derive(Clone, Debug)]
pub struct Request {
    /// What is asked for.
    pub command: Command,
    /// The key holder.
    pub account: AccountId,
    /// The caller's idempotency key. Without one the command gets its own when
    /// it is queued, so that an unknown outcome can be resolved.
    pub key: Option<Key>,
    /// When the caller gives up: a command that waits in the queue or for others'
    /// transactions then is not done.
    pub deadline: Option<Instant>,
    /// Whether the answer is to bring the order as the command left it, so that it need
    /// not be read again.
    pub show: bool,
}

impl Request {
    /// A command without a key or a deadline.
    pub const fn new(account: AccountId, command: Command) -> Self {
        Self { command, account, key: None, deadline: None, show: false }
    }

    /// With the caller's key.
    #[must_use]
    pub fn with_key(mut self, key: Option<Key>) -> Self {
        self.key = key;
        self
    }
}

/// What a command led to, once it is committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its first entry in the journal; `None` when there was nothing to write.
    pub seq: Option<Seq>,
    /// How many entries it wrote; 0 for a replay.
    pub entries: u64,
    /// Whether it had been done before under the same key or id.
    pub replayed: bool,
    /// What else there is to say.
    pub detail: Detail,
    /// The order as it is stored now, where it was asked for and this changed it.
    pub order: Option<Box<LeftOrder>>,
}

/// An order as a command left it, with the names it is shown by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOrder {
    /// The order, at the version that is stored.
    pub order: Order,
    /// When it was changed, UTC milliseconds.
    pub updated_at: i64,
    /// Codes of the locations where its units stand or may stand.
    pub locations: Vec<(LocationId, LocationCode)>,
    /// SKUs of its items and of their parts, as they are now.
    pub skus: Vec<(ItemId, Sku)>,
}

/// The part of an answer that depends on the command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Detail {
    /// Nothing more.
    #[default]
    None,
    /// The order it was about.
    Order(OrderId),
    /// A payment and what it led to.
    Payment(OrderId, PayOutcome),
    /// The id of what was created: a location, an account, an import.
    Id(i64),
    /// What became of each item row.
    Rows(Vec<RowOutcome>),
    /// Lines of an import that were left as they are.
    Blocked(Vec<String>),
}

/// Why a command has no answer.
#[derive(Clone, Debug, Error)]
pub enum WriteError {
    /// It was refused; nothing of it was written.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The queue is full; nothing was begun. Try again in a moment.
    #[error("too many commands are waiting; try again in a moment")]
    Busy,
    /// The caller's deadline passed before it could be done; nothing was written.
    #[error("the deadline passed before the command could be done; nothing was written")]
    Expired,
    /// The database failed; nothing of it was written.
    #[error("{0}")]
    Store(Arc<StoreError>),
    /// An invariant would have been broken: a bug. Nothing was written.
    #[error("internal error, nothing was written: {0}")]
    Broken(String),
    /// The writer or the database ended before the outcome was known. The same
    /// command under this key, which is the caller's or was made for it, is done
    /// now or tells what became of it.
    #[error("the outcome of the command under the key '{0}' is not known")]
    Unknown(Key),
}

/// How a command ended, as a label of `invshop_ledger_commands_total`: `done`,
/// `replayed`, the code of a refusal, or why there is no answer.
pub(super) fn outcome(answer: &Result<Answer, WriteError>) -> &'static str {
    match answer {
        Ok(answer) if answer.replayed => "replayed",
        Ok(_) => "done",
        Err(WriteError::Refused(refusal)) => refusal.code(),
        Err(WriteError::Busy) => "busy",
        Err(WriteError::Expired) => "expired",
        Err(WriteError::Store(_)) => "failed",
        Err(WriteError::Broken(_)) => "broken",
        Err(WriteError::Unknown(_)) => "unknown",
    }
}
