//! What a history does: plain values that both the shop and the auditor read.

use invshop::domain::{
    DecisionTerms, Delta, ExternalId, FactId, FulfilledBy, LocationCode, OrderRef, Payment as Paid,
    Quantity, Sku,
};
use invshop::ledger::stock::{Basis, Change, Place as At, StockCommand};
use invshop::orders::{
    Cancel, Decide, Disposition, Import, ImportLine, LineRequest, Payment, Place, Reassign, Refund,
    RefundLine, Return, ReturnLine, Ship, ShipLine,
};
use invshop::writer::Command;

/// The locations of every history, in the order they are created.
pub(crate) const PLACES: [&str; 4] = ["main", "shop", "yard", "pen"];

/// One step of a history. Items are named by SKU, locations by their index in [`PLACES`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Stock {
        item: String,
        at: usize,
        move_: Move,
        when: Option<i64>,
        if_version: Option<i64>,
    },
    Place(Wish),
    /// The same, decided later.
    Later(Wish),
    /// On the terms it was taken with.
    Decide {
        order: String,
        backorder: bool,
        hold_ms: Option<i64>,
    },
    Import(State),
    Pay {
        order: String,
        id: String,
    },
    Accept {
        order: String,
    },
    Ship {
        order: String,
        id: String,
        lines: Option<Vec<Units>>,
        at: Option<usize>,
        when: Option<i64>,
    },
    Cancel {
        order: String,
        lines: Option<Vec<(i64, i64)>>,
    },
    Return {
        order: String,
        id: String,
        lines: Vec<(Units, Fate)>,
        at: Option<usize>,
        when: Option<i64>,
    },
    Refund {
        order: String,
        id: String,
        lines: Vec<(i64, i64, bool)>,
    },
    Allocate {
        order: String,
    },
    FillItem {
        item: String,
    },
    Reassign {
        order: String,
        line: Option<i64>,
        from: usize,
        to: usize,
    },
    ExpireDue,
    Rename {
        from: String,
        to: String,
    },
    Discontinue {
        item: String,
    },
    StopSale {
        item: String,
    },
    ResumeSale {
        item: String,
    },
}

/// A movement of one level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Move {
    Receive(i64),
    Adjust(i64),
    Count(i64),
    CountAvailable(i64),
    Transfer(i64, usize),
    WriteOff(i64),
    Safety(i64),
}

/// An order that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wish {
    pub(crate) order: String,
    pub(crate) lines: Vec<(String, i64)>,
    pub(crate) at: Option<usize>,
    pub(crate) pay: bool,
    pub(crate) backorder: bool,
    pub(crate) hold_ms: Option<i64>,
}

/// The state of an order at its source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) order: String,
    pub(crate) version: Option<i64>,
    pub(crate) lines: Vec<StateLine>,
    pub(crate) at: Option<usize>,
    pub(crate) pay: Known,
    pub(crate) when: Option<i64>,
}

/// What a source knows of the payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    Nothing,
    Awaited,
    Paid,
}

/// One line of a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StateLine {
    pub(crate) number: i64,
    pub(crate) item: String,
    pub(crate) units: i64,
    pub(crate) shipped: i64,
    pub(crate) by_channel: bool,
}

/// Units of a line, or of one part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_field_names, reason = "units is the word for it")]
pub(crate) struct Units {
    pub(crate) line: i64,
    pub(crate) part: Option<i64>,
    pub(crate) units: i64,
}

/// What becomes of goods that come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Restock,
    SetAside,
    Throw,
}

fn sku(name: &str) -> Sku {
    Sku::new(name).unwrap()
}

fn quantity(units: i64) -> Quantity {
    Quantity::new(units).unwrap()
}

fn code(place: usize) -> LocationCode {
    LocationCode::new(PLACES[place]).unwrap()
}

fn reference(order: &str) -> OrderRef {
    OrderRef { source: "cli".to_owned(), external_id: ExternalId::new(order).unwrap() }
}

fn fact(id: &str) -> FactId {
    FactId::new(id).unwrap()
}

impl Act {
    /// The act as the shop is asked for it.
    pub(crate) fn command(&self) -> Command {
        match self {
            Self::Stock { item, at, move_, when, if_version } => Command::Stock(StockCommand {
                place: At { sku: sku(item), location: Some(code(*at)) },
                change: move_.change(),
                reason: None,
                effective_at: *when,
                if_version: *if_version,
            }),
            Self::Place(wish) => Command::Place(wish.command()),
            Self::Later(wish) => Command::PlaceLater(wish.command()),
            Self::Import(state) => Command::Import(state.command()),
            Self::Pay { order, id } => Command::Pay(Payment {
                reference: reference(order),
                payment_id: fact(id),
                amount: None,
                currency: None,
            }),
            Self::Accept { order } => Command::Accept(reference(order)),
            Self::Ship { order, id, lines, at, when } => Command::Ship(Ship {
                reference: reference(order),
                shipment_id: fact(id),
                lines: lines.as_ref().map(|lines| lines.iter().map(ship_line).collect()),
                location: at.map(code),
                effective_at: *when,
                tracking: None,
            }),
            Self::Cancel { order, lines } => Command::Cancel(Cancel {
                reference: reference(order),
                lines: lines.as_ref().map(|lines| {
                    lines.iter().map(|&(line, units)| (line, quantity(units))).collect()
                }),
                reason: None,
            }),
            Self::Return { order, id, lines, at, when } => Command::Return(Return {
                reference: reference(order),
                return_id: fact(id),
                lines: lines.iter().map(return_line).collect(),
                location: at.map(code),
                effective_at: *when,
            }),
            other => other.rare_command(),
        }
    }

    fn rare_command(&self) -> Command {
        match self {
            Self::Refund { order, id, lines } => Command::Refund(Refund {
                payment_id: None,
                reference: reference(order),
                refund_id: fact(id),
                lines: lines
                    .iter()
                    .map(|&(line, units, restock)| RefundLine {
                        line,
                        quantity: quantity(units),
                        restock,
                    })
                    .collect(),
                amount: None,
            }),
            Self::Decide { order, backorder, hold_ms } => Command::Decide(Decide {
                reference: reference(order),
                terms: DecisionTerms { allow_backorder: *backorder, hold_ms: *hold_ms },
                refusal: None,
            }),
            Self::Allocate { order } => Command::Allocate(reference(order)),
            Self::FillItem { item } => Command::FillItem(sku(item)),
            Self::Reassign { order, line, from, to } => Command::Reassign(Reassign {
                reference: reference(order),
                line: *line,
                from: code(*from),
                to: code(*to),
            }),
            Self::Rename { from, to } => Command::Rename { from: sku(from), to: sku(to) },
            Self::Discontinue { item } => Command::Discontinue(sku(item)),
            Self::StopSale { item } => Command::StopSale(sku(item), None),
            Self::ResumeSale { item } => Command::ResumeSale(sku(item)),
            _ => Command::ExpireDue,
        }
    }

    /// Whether it asks for the same: an order is one request, decided now or later.
    pub(crate) fn is_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Place(one) | Self::Later(one), Self::Place(other) | Self::Later(other)) => {
                one == other
            }
            (Self::Decide { order: one, .. }, Self::Decide { order: other, .. }) => one == other,
            _ => self == other,
        }
    }

    /// The order it is about.
    pub(crate) fn order(&self) -> Option<&str> {
        match self {
            Self::Place(wish) | Self::Later(wish) => Some(&wish.order),
            Self::Import(state) => Some(&state.order),
            Self::Decide { order, .. }
            | Self::Pay { order, .. }
            | Self::Accept { order }
            | Self::Ship { order, .. }
            | Self::Cancel { order, .. }
            | Self::Return { order, .. }
            | Self::Refund { order, .. }
            | Self::Allocate { order }
            | Self::Reassign { order, .. } => Some(order),
            _ => None,
        }
    }

    /// The SKUs it names.
    pub(crate) fn names(&self) -> Vec<&str> {
        match self {
            Self::Stock { item, .. }
            | Self::FillItem { item }
            | Self::Discontinue { item }
            | Self::StopSale { item }
            | Self::ResumeSale { item } => {
                vec![item]
            }
            Self::Place(wish) | Self::Later(wish) => {
                wish.lines.iter().map(|(item, _)| item.as_str()).collect()
            }
            Self::Import(state) => state.lines.iter().map(|line| line.item.as_str()).collect(),
            Self::Rename { from, to } => vec![from, to],
            _ => Vec::new(),
        }
    }
}

impl Move {
    fn change(self) -> Change {
        let counted =
            |units, basis| Change::Count { quantity: quantity(units), basis, observer: None };
        match self {
            Self::Receive(units) => Change::Receive(quantity(units)),
            Self::Adjust(units) => Change::Adjust(Delta::new(units).unwrap()),
            Self::Count(units) => counted(units, Basis::Physical),
            Self::CountAvailable(units) => counted(units, Basis::Available),
            Self::Transfer(units, to) => {
                Change::Transfer { quantity: quantity(units), to: code(to) }
            }
            Self::WriteOff(units) => Change::WriteOff(quantity(units)),
            Self::Safety(units) => Change::Safety(quantity(units)),
        }
    }
}

impl Wish {
    fn command(&self) -> Place {
        Place {
            reference: reference(&self.order),
            lines: self.lines.iter().map(|(item, units)| request(item, *units)).collect(),
            location: self.at.map(code),
            payment_required: self.pay,
            allow_backorder: self.backorder,
            hold_ms: self.hold_ms,
            currency: None,
            placed_at: None,
            personal: None,
            user: None,
        }
    }
}

impl State {
    fn command(&self) -> Import {
        Import {
            is_current: false,
            reference: reference(&self.order),
            source_version: self.version,
            placed_at: 1,
            effective_at: self.when,
            payment: match self.pay {
                Known::Nothing => Paid::None,
                Known::Awaited => Paid::Required,
                Known::Paid => Paid::Paid,
            },
            lines: self.lines.iter().map(state_line).collect(),
            location: self.at.map(code),
            currency: None,
            personal: None,
        }
    }
}

fn state_line(line: &StateLine) -> ImportLine {
    ImportLine {
        is_mapped: true,
        number: line.number,
        request: request(&line.item, line.units),
        shipped: quantity(line.shipped),
        came_back: quantity(0),
        fulfilled_by: if line.by_channel { FulfilledBy::Channel } else { FulfilledBy::Ledger },
    }
}

fn request(item: &str, units: i64) -> LineRequest {
    LineRequest { sku: sku(item), quantity: quantity(units), unit_price: None }
}

fn ship_line(units: &Units) -> ShipLine {
    ShipLine { line: units.line, part: units.part, quantity: quantity(units.units) }
}

fn return_line((units, fate): &(Units, Fate)) -> ReturnLine {
    ReturnLine {
        line: units.line,
        part: units.part,
        quantity: quantity(units.units),
        disposition: match fate {
            Fate::Restock => Disposition::Restock,
            Fate::SetAside => Disposition::Quarantine,
            Fate::Throw => Disposition::WriteOff,
        },
    }
}
