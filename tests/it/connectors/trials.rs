//! Channels that are not there, to prove that the shape holds what `channels` of every
//! kind need: a write that is done later, a whole document a write, one that is only
//! polled, and one whose count is mirrored.

use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, ready};
use invshop::connectors::{
    Answer, Authority, Capability, Catalog, ChannelError, Compare, Connector, Cursor, DecodeError,
    Deducts, Fetched, Fulfilment, Group, Grouping, Holder, Intake, IntakeKind, ListedOrder,
    Measure, OrderSource, OrderWindow, Page, Probe, QuantityMeaning, Queue, Quota, RemoteLevel,
    RemoteListing, RemoteOrder, Restores, StockMeaning, StockOutcome, StockRead, StockTarget,
    StockWrite, Ticket, TicketState, Urgency, Window, WriteAnswer, WriteRules, Zero,
};
use invshop::domain::{RemoteId, RemoteQuantity};

/// A channel that answers at once, as its capability says.
#[derive(Debug)]
pub(crate) struct Trial {
    pub(crate) capability: Capability,
    writes: bool,
    queue: bool,
    catalog: bool,
}

pub(crate) fn all() -> Vec<Box<dyn Connector>> {
    vec![Box::new(ticket()), Box::new(whole()), Box::new(poll_only()), Box::new(mirrored())]
}

fn quota(capacity: u32, fills_in: Duration) -> Quota {
    Quota { measure: Measure::Requests, capacity, fills_in, reserve: capacity / 5 }
}

fn window() -> OrderWindow {
    OrderWindow {
        granularity: Duration::from_secs(1),
        is_inclusive: true,
        lag: Duration::from_mins(2),
        overlap: Duration::from_mins(5),
        span_max: None,
        history_max: Some(Duration::from_hours(2 * 365 * 24)),
        page_max: 100,
        pages_move: false,
        omits: &[],
    }
}

fn meaning() -> StockMeaning {
    StockMeaning {
        quantity: QuantityMeaning::Available,
        authority: Authority::Ledger,
        has_locations: false,
        deducts: Deducts::AtOrder,
        restores_on_cancel: Restores::Always,
        tells_every_change: false,
        read_max: 20,
    }
}

fn rules() -> WriteRules {
    WriteRules {
        targets_max: 1,
        grouping: Grouping::Free,
        answer: WriteAnswer::Stored,
        compare: Compare::None,
        quantity_max: 999,
        zero: Zero::Number,
        daily_max: None,
    }
}

/// Events come by a queue, a write gets a ticket and is done minutes later.
pub(crate) fn ticket() -> Trial {
    let write = WriteRules { targets_max: 25_000, answer: WriteAnswer::Ticket, ..rules() };
    let capability = Capability {
        kind: "trial-ticket",
        orders: Some(window()),
        stock: Some(meaning()),
        write: Some(write),
        has_catalog: false,
        fulfilment: None,
        intake: IntakeKind::Queue,
        quotas: vec![quota(20, Duration::from_hours(1))],
    };
    Trial { capability, writes: true, queue: true, catalog: false }
}

/// A listing with all its variations is one document that is written whole.
pub(crate) fn whole() -> Trial {
    let write = WriteRules {
        targets_max: 100,
        grouping: Grouping::PerGroup,
        zero: Zero::Deactivate,
        daily_max: Some(250),
        ..rules()
    };
    let capability = Capability {
        kind: "trial-whole",
        orders: Some(OrderWindow { pages_move: true, ..window() }),
        stock: Some(meaning()),
        write: Some(write),
        has_catalog: true,
        fulfilment: None,
        intake: IntakeKind::PollOnly,
        quotas: vec![quota(10, Duration::from_secs(1)), quota(10_000, Duration::from_hours(24))],
    };
    Trial { capability, writes: true, queue: false, catalog: true }
}

/// Nothing comes by itself, and an answer to a write says nothing.
pub(crate) fn poll_only() -> Trial {
    let window = OrderWindow { is_inclusive: false, lag: Duration::ZERO, ..window() };
    let capability = Capability {
        kind: "trial-poll-only",
        orders: Some(window),
        stock: Some(StockMeaning { quantity: QuantityMeaning::OnHand, ..meaning() }),
        write: Some(WriteRules { answer: WriteAnswer::Blind, ..rules() }),
        has_catalog: true,
        fulfilment: None,
        intake: IntakeKind::PollOnly,
        quotas: Vec::new(),
    };
    Trial { capability, writes: true, queue: false, catalog: true }
}

/// A warehouse of the channel's own: its count is read, and never written.
pub(crate) fn mirrored() -> Trial {
    let capability = Capability {
        kind: "trial-mirrored",
        orders: Some(window()),
        stock: Some(StockMeaning { authority: Authority::Channel, ..meaning() }),
        write: None,
        has_catalog: true,
        fulfilment: None,
        intake: IntakeKind::PollOnly,
        quotas: vec![quota(2, Duration::from_secs(1))],
    };
    Trial { capability, writes: false, queue: false, catalog: true }
}

fn answer<'a, T: Send + 'a>(value: T) -> Answer<'a, T> {
    ready(Ok(value)).boxed()
}

impl Connector for Trial {
    fn capability(&self) -> &Capability {
        &self.capability
    }

    fn intake(&self) -> Intake<'_> {
        if self.queue { Intake::Queue(self) } else { Intake::PollOnly }
    }

    fn orders(&self) -> Option<&dyn OrderSource> {
        Some(self)
    }

    fn stock_read(&self) -> Option<&dyn StockRead> {
        Some(self)
    }

    fn stock_write(&self) -> Option<&dyn StockWrite> {
        if self.writes { Some(self) } else { None }
    }

    fn catalog(&self) -> Option<&dyn Catalog> {
        if self.catalog { Some(self) } else { None }
    }

    fn fulfilment(&self) -> Option<&dyn Fulfilment> {
        None
    }

    fn probe(&self) -> Answer<'_, Probe> {
        answer(Probe { capability: self.capability.clone(), findings: Vec::new() })
    }
}

impl OrderSource for Trial {
    fn changed<'a>(
        &'a self,
        _window: Window,
        _after: Option<&'a Cursor>,
    ) -> Answer<'a, Page<ListedOrder>> {
        answer(Page { rows: Vec::new(), next: None })
    }

    fn fetch<'a>(&'a self, _id: &'a RemoteId) -> Answer<'a, Fetched> {
        answer(Fetched::Gone)
    }

    fn decode(&self, _body: &[u8]) -> Result<RemoteOrder, DecodeError> {
        Err(DecodeError { field: "id".to_owned(), why: "there is none".to_owned() })
    }
}

impl StockRead for Trial {
    fn read<'a>(
        &'a self,
        holders: &'a [Holder],
        _urgency: Urgency,
    ) -> Answer<'a, Vec<RemoteLevel>> {
        let level = |holder: &Holder| RemoteLevel {
            holder: holder.clone(),
            quantity: Some(RemoteQuantity::Untracked),
        };
        answer(holders.iter().map(level).collect())
    }

    fn read_all<'a>(&'a self, _after: Option<&'a Cursor>) -> Answer<'a, Page<RemoteLevel>> {
        answer(Page { rows: Vec::new(), next: None })
    }
}

impl StockWrite for Trial {
    fn group_of(&self, holder: &Holder) -> Group {
        Group(holder.id.to_string())
    }

    fn write<'a>(
        &'a self,
        targets: &'a [StockTarget],
        _urgency: Urgency,
    ) -> BoxFuture<'a, Result<Vec<StockOutcome>, ChannelError>> {
        let outcome = |target: &StockTarget| match self.capability.write.as_ref().unwrap().answer {
            WriteAnswer::Stored => {
                StockOutcome::Stored(RemoteQuantity::Known(target.quantity.get()))
            }
            WriteAnswer::Blind => StockOutcome::Taken,
            WriteAnswer::Ticket => StockOutcome::Accepted(Ticket(target.key.clone())),
        };
        answer(targets.iter().map(outcome).collect())
    }

    fn ticket<'a>(&'a self, _ticket: &'a Ticket) -> Answer<'a, TicketState> {
        answer(TicketState::Pending)
    }
}

impl Catalog for Trial {
    fn listings<'a>(&'a self, _after: Option<&'a Cursor>) -> Answer<'a, Page<RemoteListing>> {
        answer(Page { rows: Vec::new(), next: None })
    }
}

impl Queue for Trial {
    fn receive(&self) -> Answer<'_, Vec<invshop::connectors::Message>> {
        answer(Vec::new())
    }

    fn decode(&self, _body: &[u8]) -> Result<Vec<invshop::connectors::Hint>, DecodeError> {
        Ok(Vec::new())
    }

    fn remove<'a>(&'a self, _message: &'a invshop::connectors::Message) -> Answer<'a, ()> {
        answer(())
    }
}
