//! Forgetting who ordered, where no user is known by whom all of it could be erased.

use super::Ended;
use crate::domain::{Kind, OrderId, OrderRef, Refusal, UserId};
use crate::ledger::{Added, Decided, Working};

/// Nothing is known of an order's customer any more, and nothing of it is kept again. The
/// order of a user is not decided here: what else is known of them would stay.
pub fn forget_customer(set: &mut Working, reference: &OrderRef) -> Decided<(OrderId, Ended)> {
    let id = set.order_by_ref(reference)?;
    match customer_of(set, id) {
        Customer::Forgotten => return Ok((id, Ended::Replayed)),
        Customer::User(user) => {
            let message = format!("{reference} is of {user}: erase the user");
            return Err(Refusal::invalid("order", message).into());
        }
        Customer::Nobody => {}
    }
    set.added.push(Added::CustomerForgotten(id));
    let mut entry = set.entry(Kind::OrderCustomerForgotten);
    entry.order = Some(id);
    set.append(entry);
    Ok((id, Ended::Done))
}

/// Whose an order is.
enum Customer {
    /// A user's.
    User(UserId),
    /// Of somebody of whom nothing is known any more.
    Forgotten,
    /// Of nobody who is registered.
    Nobody,
}

/// By this batch, or as it was read.
fn customer_of(set: &Working, id: OrderId) -> Customer {
    let of_batch = set.added.iter().rev().find_map(|added| match added {
        Added::OrderUser(order, user) if *order == id => Some(Customer::User(*user)),
        Added::CustomerForgotten(order) if *order == id => Some(Customer::Forgotten),
        _ => None,
    });
    of_batch.unwrap_or_else(|| match set.customers.get(&id) {
        Some(Some(user)) => Customer::User(*user),
        Some(None) => Customer::Forgotten,
        None => Customer::Nobody,
    })
}
