//! The order's life: pure decisions over rows read under lock.
//!
//! A request (placing) may be refused and then writes nothing. A fact (an
//! imported order, a payment, a shipment, a return) is always recorded; what
//! does not fit becomes shortfall or a review item, visibly.

mod allocate;
mod cancel;
mod forget;
mod hold;
mod import;
mod lines;
mod pay;
mod place;
mod returns;
mod ship;
mod waiting;

pub use allocate::{MapLine, Reassign, accept, allocate, map_line, reassign};
pub use cancel::{Cancel, cancel};
pub use forget::forget_customer;
pub use import::{Import, ImportLine, import};
pub use lines::LineRequest;
pub use pay::{PayOutcome, Payment, pay};
pub(crate) use place::context as sealed_context;
pub use place::{Personal, PersonalError, Place, place};
pub use returns::{Disposition, Refund, RefundLine, Return, ReturnLine, refund, take_back};
pub(crate) use ship::LEFT_UNMAPPED;
pub use ship::{Ship, ShipLine, ship};
pub use waiting::{Decide, WAITING_MAX, decide, place_later};

use crate::domain::{Fact, FactId, FactKind, OrderId, Refusal};
use crate::ledger::{Decided, Working};

/// How a decision about an order ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was done now.
    Done,
    /// It was done before under the same id, or there was nothing left to do.
    Replayed,
}

/// Whether a fact was recorded before: the same content is a replay, other
/// content under the same id is refused.
fn fact_is_replay(
    set: &Working,
    order: OrderId,
    kind: FactKind,
    id: &FactId,
    content_hash: &[u8; 32],
) -> Decided<bool> {
    match set.order(order)?.facts.get(&(kind, id.clone())) {
        None => Ok(false),
        Some(fact) if fact.content_hash == *content_hash => Ok(true),
        Some(_) => Err(Refusal::IdempotencyMismatch { key: id.to_string() }.into()),
    }
}

/// Records a fact under its sender's id.
fn record_fact(
    set: &mut Working,
    order: OrderId,
    kind: FactKind,
    id: &FactId,
    fact: Fact,
) -> Decided<()> {
    set.order_mut(order)?.facts.insert((kind, id.clone()), fact);
    Ok(())
}
