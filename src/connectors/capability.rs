//! What a kind of channel can do, as data: what differs between channels is looked up
//! here and asked nowhere by name.

use std::time::Duration;

use super::Quota;

/// What a channel's account can do. [`super::Connector::probe`] gives that of one
/// account, which may be less than its kind's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capability {
    /// The kind, as the configuration names it.
    pub kind: &'static str,
    /// How its orders are read; `None` where it has none for us.
    pub orders: Option<OrderWindow>,
    /// What its numbers mean; `None` where it shows none.
    pub stock: Option<StockMeaning>,
    /// How its numbers are written; `None` where they only can be read.
    pub write: Option<WriteRules>,
    /// Whether its listings can be found.
    pub has_catalog: bool,
    /// What it is told of shipments and cancellations.
    pub fulfilment: Option<FulfilmentRules>,
    /// How it tells that something happened.
    pub intake: IntakeKind,
    /// How fast it may be asked, as its vendor documents it.
    pub quotas: Vec<Quota>,
}

/// How a channel tells that something happened. Polling goes on whatever it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntakeKind {
    /// It calls us.
    HttpWebhook,
    /// It writes into a queue that we read.
    Queue,
    /// It is only asked.
    PollOnly,
}

/// What the number of a listing counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuantityMeaning {
    /// Units that can be sold.
    Available,
    /// Units that are there, those of the channel's own open orders among them: it is
    /// told what it may sell and its own open units (semantics: "what a channel is told").
    OnHand,
}

/// Whose count of a location is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authority {
    /// The ledger's: the channel is told.
    Ledger,
    /// The channel's: its count is mirrored, and its own orders move nothing.
    Channel,
}

/// What the numbers of a channel mean and how they move by themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StockMeaning {
    /// What a number counts.
    pub quantity: QuantityMeaning,
    /// Whose count is right, unless a location says otherwise.
    pub authority: Authority,
    /// Whether each listing has a number for each location of the channel.
    pub has_locations: bool,
    /// Whether it deducts what it sells from its number, and when.
    pub deducts: Deducts,
    /// Whether a cancelled order gives its units back to the number.
    pub restores_on_cancel: Restores,
    /// Whether it tells of every change of a number, whoever made it; else numbers are
    /// looked at in turn.
    pub tells_every_change: bool,
    /// Numbers that are read in one call at most.
    pub read_max: usize,
}

/// When a channel deducts what it sold from its own number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deducts {
    /// Never: it shows what it is told.
    Never,
    /// When an order is placed.
    AtOrder,
    /// When an order is paid, or goes on in another way.
    AtPayment,
}

/// Whether the channel's number gets back what an order will not take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restores {
    /// Always.
    Always,
    /// Never.
    Never,
    /// Somebody decides each time; the order says how.
    AsTold,
}

/// How numbers are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteRules {
    /// Targets of one call at most.
    pub targets_max: usize,
    /// Which targets may go together.
    pub grouping: Grouping,
    /// What an answer to a write says.
    pub answer: WriteAnswer,
    /// Whether a write can be made to depend on the number that is there.
    pub compare: Compare,
    /// The numbers it takes.
    pub quantity_max: i64,
    /// How it is told that there is nothing.
    pub zero: Zero,
    /// Changes of one number (of a listing, at a place where the channel has places) a day at
    /// most, where there is such a limit.
    pub daily_max: Option<u32>,
}

/// Which targets one call may carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grouping {
    /// Any.
    Free,
    /// Those of one group, as [`super::StockWrite::group_of`] says.
    PerGroup,
}

/// What the answer to a write says of the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteAnswer {
    /// The number as it is stored.
    Stored,
    /// Only that it was taken: the number has to be read.
    Blind,
    /// A ticket, under which the outcome can be asked for.
    Ticket,
}

/// Whether the channel refuses a write when its number is not the one expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    /// It writes whatever is there: the last writer wins.
    None,
    /// It compares and refuses.
    Number,
    /// It orders writes by their time: an older one than the number is lost.
    Time,
}

/// How a channel is told that there is nothing to sell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zero {
    /// By the number 0.
    Number,
    /// The listing is taken out of sale.
    Deactivate,
}

/// What a list of changed orders promises. Probed for each account, not believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderWindow {
    /// The step of its times.
    pub granularity: Duration,
    /// Whether what changed at the very beginning is in it.
    pub is_inclusive: bool,
    /// How long after a change it may be listed.
    pub lag: Duration,
    /// How much of the window before is read again.
    pub overlap: Duration,
    /// The longest window, where there is a limit.
    pub span_max: Option<Duration>,
    /// How far back it goes, where there is a limit.
    pub history_max: Option<Duration>,
    /// Orders of one page at most.
    pub page_max: usize,
    /// Whether an order that changes while pages are read may move between them.
    pub pages_move: bool,
    /// The states that the list of changes leaves out: they have a list of their own.
    pub omits: &'static [&'static str],
}

/// What a channel is told of what became of its orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FulfilmentRules {
    /// Whether some of an order can be shipped.
    pub ships_parts: bool,
    /// Whether an order can be cancelled from outside.
    pub cancels: bool,
}
