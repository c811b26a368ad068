//! Payments: facts, on time or late.

use super::hold::{Bound, Want, hold, plan};
use super::{Ended, fact_is_replay, record_fact, waiting};
use crate::domain::{
    self, AllocationPolicy, Decision, Fact, FactId, FactKind, Kind, OrderId, OrderRef,
};
use crate::ledger::{Decided, Working};

/// Money that came for an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// The order.
    pub reference: OrderRef,
    /// The caller's id of the payment.
    pub payment_id: FactId,
    /// How much, minor units, where it is known.
    pub amount: Option<i64>,
    /// The currency of the amount, where the order has none of its own.
    pub currency: Option<String>,
}

/// What a payment led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayOutcome {
    /// The order is paid.
    Confirmed,
    /// The order is paid, and what had run out is held again.
    Reopened,
    /// What it was for is gone: the money goes back.
    RefundDue,
}

impl PayOutcome {
    /// The name in answers and in the journal.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Reopened => "reopened",
            Self::RefundDue => "refund_due",
        }
    }

    /// What the data of a payment says: its field, because an id may be any text.
    fn parse(data: &str) -> Self {
        let data: serde_json::Value = serde_json::from_str(data).unwrap_or_default();
        match data["outcome"].as_str() {
            Some("refund_due") => Self::RefundDue,
            Some("reopened") => Self::Reopened,
            _ => Self::Confirmed,
        }
    }
}

/// Records a payment. It never fails for want of stock: what cannot be served is
/// to be refunded.
pub fn pay(
    set: &mut Working,
    payment: &Payment,
    content: &[u8; 32],
) -> Decided<(OrderId, Ended, PayOutcome)> {
    let id = set.order_by_ref(&payment.reference)?;
    let payment_id = &payment.payment_id;
    if fact_is_replay(set, id, FactKind::Payment, payment_id, content)? {
        let fact = set.order(id)?.facts.get(&(FactKind::Payment, payment_id.clone()));
        let outcome = fact.map_or(PayOutcome::Confirmed, |fact| PayOutcome::parse(&fact.data));
        return Ok((id, Ended::Replayed, outcome));
    }
    let counts = set.order(id)?.counts();
    // Whether an order that waits can be served is decided later.
    let waits = set.order(id)?.decision == Decision::Undecided;
    let all_cancelled = counts.cancelled == counts.ordered && !waits;
    let holds = if all_cancelled { late_holds(set, id)? } else { None };
    let outcome = match (all_cancelled, &holds) {
        (false, _) => PayOutcome::Confirmed,
        (true, Some(_)) => PayOutcome::Reopened,
        (true, None) => PayOutcome::RefundDue,
    };
    let mut data = serde_json::json!({
        "payment_id": payment_id.as_str(),
        "amount": payment.amount,
        "outcome": outcome.as_str(),
    });
    if let Some(currency) = &payment.currency {
        data["currency"] = serde_json::json!(currency);
    }
    let refund = outcome == PayOutcome::RefundDue;
    let mut entry = set.entry(if refund { Kind::PaymentUnmatched } else { Kind::OrderPaid });
    entry.order = Some(id);
    entry.data = Some(data.to_string());
    set.append(entry);
    let fact = Fact { content_hash: *content, data: data.to_string() };
    record_fact(set, id, FactKind::Payment, payment_id, fact)?;
    if !refund {
        let order = set.order_mut(id)?;
        order.payment = domain::Payment::Paid;
        order.expires_at = None;
    }
    if let Some((wants, plan)) = holds {
        reopen(set, id)?;
        hold(set, id, &wants, &plan)?;
    }
    Ok((id, Ended::Done, outcome))
}

/// The holds that would bring an expired order back, if every line of it can be
/// held again at this moment: never half of it.
fn late_holds(set: &Working, id: OrderId) -> Decided<Option<(Vec<Want>, super::hold::Plan)>> {
    let order = set.order(id)?;
    let mut wants = Vec::new();
    for line in &order.lines {
        for part in line.parts.iter().filter(|part| part.expired > 0) {
            let Some(item) = part.item else {
                return Ok(None);
            };
            let (line, part, units) = (line.number, part.number, part.expired);
            wants.push(Want { line, part, item, units, closed: false });
        }
    }
    if wants.is_empty() {
        return Ok(None);
    }
    let plan = plan(set, &wants, order.location, Bound::Fact, AllocationPolicy::Split)?;
    let whole = plan.missing.iter().all(|&missing| missing == 0);
    Ok(whole.then_some((wants, plan)))
}

/// Takes the expired units out of the cancelled ones, before they are held again.
fn reopen(set: &mut Working, id: OrderId) -> Decided<()> {
    let order = set.order_mut(id)?;
    order.cancel_reason = None;
    waiting::take_out(order.lines.iter_mut().flat_map(|line| &mut line.parts));
    Ok(())
}
