//! Rows of an orders file: one row a line of an order.
//!
//! The rows of one order stand together, in any number up to [`LINES_MAX`]. An
//! order that goes on elsewhere in the file is refused with both lines: to
//! gather it, the whole file would have to be kept in memory.

use super::finding::Finding;
use super::items::amount;
use super::table::{Columns, Row};
use crate::clock::Timestamp;
use crate::domain::{
    AccountName, Currency, ExternalId, FulfilledBy, OrderRef, Payment, Quantity, Sku,
    has_card_number,
};
use crate::orders::{Import, ImportLine, LineRequest, Personal};
use crate::shop::{CLI_ACCOUNT, Shop};

/// The most lines of an order: the rows of one fit in one transaction.
pub(super) const LINES_MAX: usize = 500;
/// The most bytes of an e-mail address (RFC 5321 §4.5.3.1.3, without its brackets).
const EMAIL_BYTES_MAX: usize = 254;

pub(super) const COLUMNS: Columns = Columns {
    required: &["order_id", "sku", "quantity"],
    optional: &["channel", "unit_price", "currency", "placed_at", "customer_email"],
};

/// One line of an order as the file has it.
#[derive(Clone, Debug)]
pub(super) struct OrderLine {
    pub(super) reference: OrderRef,
    pub(super) request: LineRequest,
    currency: Option<&'static str>,
    placed_at: Option<i64>,
    email: Option<String>,
}

/// Reads a row; every column that is wrong is told.
pub(super) fn parse(row: &Row, wrong: &mut Vec<Finding>) -> Option<OrderLine> {
    let before = wrong.len();
    let mut keep = |finding| wrong.push(finding);
    let external_id = row.required("order_id", ExternalId::new).map_err(&mut keep).ok();
    let channel = row.read("channel", AccountName::new).map_err(&mut keep).ok().flatten();
    let sku = row.required("sku", Sku::new).map_err(&mut keep).ok();
    let quantity = row.required("quantity", Quantity::parse).map_err(&mut keep).ok();
    let currency = row.read("currency", Currency::parse).map_err(&mut keep);
    let placed_at = row.read("placed_at", Timestamp::parse).map_err(&mut keep).ok().flatten();
    let email = row.read("customer_email", email).map_err(&mut keep).ok().flatten();
    let unit_price = match currency {
        Ok(currency) => amount(row, "unit_price", currency).map_err(&mut keep).ok().flatten(),
        Err(()) => None,
    };
    if wrong.len() > before {
        return None;
    }
    let source = channel.map_or(CLI_ACCOUNT.to_owned(), |name| name.to_string());
    Some(OrderLine {
        reference: OrderRef { source, external_id: external_id? },
        request: LineRequest { sku: sku?, quantity: quantity?, unit_price },
        currency: currency.ok().flatten().map(Currency::code),
        placed_at: placed_at.map(Timestamp::as_millis),
        email,
    })
}

/// The order a row belongs to, whatever else is wrong with it.
pub(super) fn reference(row: &Row) -> Option<OrderRef> {
    let channel = row.read("channel", AccountName::new).ok()?;
    let source = channel.map_or(CLI_ACCOUNT.to_owned(), |name| name.to_string());
    let external_id = row.required("order_id", ExternalId::new).ok()?;
    Some(OrderRef { source, external_id })
}

fn email(text: &str) -> Result<String, String> {
    let sound = text.len() <= EMAIL_BYTES_MAX
        && text.split_once('@').is_some_and(|(name, host)| !name.is_empty() && !host.is_empty())
        && !text.chars().any(|character| character.is_control() || character.is_whitespace());
    if has_card_number(text) {
        return Err("has what looks like the number of a payment card".to_owned());
    }
    // The address itself is not repeated: reports are kept and sent around.
    if sound { Ok(text.to_owned()) } else { Err("is not an e-mail address".to_owned()) }
}

/// What the lines of an order agree on so far.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) reference: OrderRef,
    pub(super) first_row: u32,
    pub(super) lines: usize,
    units: i64,
    currency: Option<&'static str>,
    placed_at: Option<i64>,
    email: Option<String>,
}

impl Group {
    pub(super) fn new(row: u32, line: &OrderLine) -> Self {
        Self::of(row, line.reference.clone())
    }

    /// An order of which only the name is known.
    pub(super) fn of(row: u32, reference: OrderRef) -> Self {
        Self {
            reference,
            first_row: row,
            lines: 0,
            units: 0,
            currency: None,
            placed_at: None,
            email: None,
        }
    }

    /// Adds a line; the column it disagrees in, and how.
    pub(super) fn add(&mut self, line: &OrderLine) -> Result<(), (&'static str, &'static str)> {
        const OTHER: &str = "differs from an earlier row of the order";
        fn agree<T: Clone + PartialEq>(known: &mut Option<T>, given: Option<&T>) -> bool {
            match (known.as_ref(), given) {
                (Some(known), Some(given)) => known == given,
                (None, Some(given)) => {
                    *known = Some(given.clone());
                    true
                }
                (_, None) => true,
            }
        }
        self.lines += 1;
        self.units += line.request.quantity.get();
        if self.lines > LINES_MAX {
            return Err(("order_id", "the order has more than 500 lines"));
        }
        if Quantity::new(self.units).is_err() {
            return Err(("quantity", "the order has too many units"));
        }
        if !agree(&mut self.currency, line.currency.as_ref()) {
            return Err(("currency", OTHER));
        }
        if !agree(&mut self.placed_at, line.placed_at.as_ref()) {
            return Err(("placed_at", OTHER));
        }
        if !agree(&mut self.email, line.email.as_ref()) {
            return Err(("customer_email", OTHER));
        }
        Ok(())
    }

    /// The order, with its personal data sealed; without a time of its own it was
    /// placed when the ledger first knew it.
    pub(super) fn order(self, lines: Vec<LineRequest>, shop: &Shop, known_at: i64) -> Import {
        let line = |(number, request)| ImportLine {
            is_mapped: true,
            number,
            request,
            shipped: Quantity::ZERO,
            came_back: Quantity::ZERO,
            fulfilled_by: FulfilledBy::Ledger,
        };
        let seal = |email: String| {
            let plain = serde_json::json!({ "email": email });
            Personal::seal(&shop.key, &self.reference, &plain, shop.random.as_ref())
        };
        Import {
            is_current: false,
            personal: self.email.map(seal),
            source_version: None,
            placed_at: self.placed_at.unwrap_or(known_at),
            effective_at: None,
            payment: Payment::None,
            lines: (1..).zip(lines).map(line).collect(),
            location: None,
            currency: self.currency.map(str::to_owned),
            reference: self.reference,
        }
    }

    /// When the file says it was placed.
    pub(super) fn placed_at(&self) -> Option<i64> {
        self.placed_at
    }
}
