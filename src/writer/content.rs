//! What a command asks for, in one fixed form, and its hash: it tells a repetition
//! under the same key from something else.

use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::command::Command;
use crate::domain::{LocationCode, Quantity, Reason, Sku, UserId};
use crate::ledger::catalogue::{ItemRow, Upsert};
use crate::ledger::stock::{Change, StockCommand};
use crate::orders::{Import, LineRequest, Payment, Place, Refund, Return, Ship};

impl Command {
    /// The hash of what is asked for: the same key with another hash is refused.
    /// The form below it is fixed for ever; new fields may only be added where
    /// they were absent before.
    pub fn content_hash(&self) -> [u8; 32] {
        // What shops send all day is not taken through a tree of values.
        let placed = match self {
            // Decided now or later, it is one request.
            Self::Place(place) | Self::PlaceLater(place) => {
                serde_json::to_string(&("place", PlaceContent::of(place))).ok()
            }
            _ => None,
        };
        let content = placed.unwrap_or_else(|| json!([self.name(), self.content()]).to_string());
        Sha256::digest(content.as_bytes()).into()
    }

    fn content(&self) -> Value {
        match self {
            Self::Stock(command) => stock_content(command),
            Self::Item { sku, row, mode } => item_content(sku, row, mode),
            Self::DiscontinueAt(sku, versions) => json!([sku.as_str(), versions.content()]),
            Self::Discontinue(sku) | Self::FillItem(sku) | Self::ResumeSale(sku) => {
                json!(sku.as_str())
            }
            Self::StopSale(sku, reason) => {
                json!([sku.as_str(), reason.as_ref().map(Reason::as_str)])
            }
            Self::Rename { from, to } => json!([from.as_str(), to.as_str()]),
            Self::CreateLocation(new) => json!([new.code.as_str(), new.kind.as_str()]),
            // Each try makes another secret: the same command is one for the same holder.
            Self::CreateKey(new) => json!([new.account.as_str(), new.role, new.expires_at]),
            Self::RevokeKey(prefix) => json!(prefix),
            Self::CreateAccount(new) => json!([new.name.as_str(), new.role]),
            // Keyed hashes: what is asked for may be guessed from any other.
            Self::CreateUser(new) => json!(new.digest),
            Self::ChangeUser(change) => json!([change.user.id.get(), change.asked]),
            Self::EraseUser(erase) => match &erase.expected {
                Some(versions) => json!([erase.user.id.get(), versions.content()]),
                None => json!(erase.user.id.get()),
            },
            Self::Place(place) | Self::PlaceLater(place) => json!(PlaceContent::of(place)),
            Self::Decide(one) => json!(one.reference.to_string()),
            Self::Import(import) => json!({
                "state": import_content(import),
                "source_version": import.source_version,
                "effective_at": import.effective_at,
            }),
            Self::Cancel(cancel) => json!({
                "order": cancel.reference.to_string(),
                "lines": cancel.lines.as_ref().map(|lines| {
                    lines.iter().map(|(line, units)| json!([line, units.get()])).collect::<Vec<_>>()
                }),
            }),
            Self::Pay(payment) => payment_content(payment),
            Self::Accept(reference)
            | Self::Allocate(reference)
            | Self::ForgetCustomer(reference) => json!(reference.to_string()),
            Self::Ship(ship) => ship_content(ship),
            Self::Return(back) => return_content(back),
            Self::Refund(refund) => refund_content(refund),
            Self::Reassign(one) => json!({
                "order": one.reference.to_string(),
                "line": one.line,
                "from": one.from.as_str(),
                "to": one.to.as_str(),
            }),
            Self::MapLine(one) => {
                json!([one.reference.to_string(), one.line, one.sku.as_str()])
            }
            Self::Fill(key) => json!([key.item.get(), key.location.get()]),
            Self::ExpireDue => Value::Null,
            Self::BatchOpen(new) => json!([new.kind, new.file_name, new.content_hash]),
            Self::ItemRows { chunk, .. }
            | Self::StockRows { chunk, .. }
            | Self::OrderRows { chunk, .. } => {
                json!([chunk.batch.get(), chunk.done_before, chunk.done_after])
            }
            Self::BatchApplied(batch) | Self::RevertOpen(batch) | Self::BatchReverted(batch) => {
                json!(batch.get())
            }
            Self::Revert { batch, rows, .. } => {
                let seqs: Vec<i64> = rows.iter().map(|row| row.seq.get()).collect();
                json!([batch.get(), seqs])
            }
        }
    }
}

fn item_content(sku: &Sku, row: &ItemRow, mode: &Upsert) -> Value {
    let units = |units: Option<Quantity>| units.map(Quantity::get);
    let part = |(sku, units): &(Sku, Quantity)| json!([sku.as_str(), units.get()]);
    json!({
        "sku": sku.as_str(),
        "mode": match mode {
            Upsert::Create => "create".to_owned(),
            Upsert::Update => "update".to_owned(),
            Upsert::UpdateAt(versions) => format!("update at {versions}"),
            Upsert::Either => "either".to_owned(),
        },
        "title": row.title.as_ref().map(AsRef::as_ref),
        "barcode": row.barcode.as_ref().map(AsRef::as_ref),
        "price": row.price,
        "cost": row.cost,
        "currency": row.currency,
        "location": row.location.as_ref().map(AsRef::as_ref),
        "on_hand": units(row.on_hand),
        "safety": units(row.safety),
        "reorder_point": units(row.reorder_point),
        "attributes": row.attributes,
        "components": row.components.as_ref().map(|all| all.iter().map(part).collect::<Vec<_>>()),
    })
}

fn stock_content(command: &StockCommand) -> Value {
    let change = match &command.change {
        Change::Receive(units) | Change::WriteOff(units) | Change::Safety(units) => {
            json!(units.get())
        }
        Change::Adjust(delta) => json!(delta.get()),
        Change::Count { quantity, basis, observer } => {
            json!([quantity.get(), format!("{basis:?}").to_lowercase(), observer])
        }
        Change::Transfer { quantity, to } => json!([quantity.get(), to.as_str()]),
    };
    json!({
        "sku": command.place.sku.as_str(),
        "location": command.place.location.as_ref().map(LocationCode::as_str),
        "change": change,
        "reason": command.reason.as_ref().map(Reason::as_str),
        "effective_at": command.effective_at,
        "if_version": command.if_version,
    })
}

/// Its fields stand in the order of their names, as in every form.
#[derive(Serialize)]
struct PlaceContent<'p> {
    allow_backorder: bool,
    currency: Option<&'p str>,
    hold_ms: Option<i64>,
    lines: Vec<(&'p str, i64, Option<i64>)>,
    location: Option<&'p str>,
    order: String,
    payment_required: bool,
    personal: Option<&'p [u8; 32]>,
    placed_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<i64>,
}

impl<'p> PlaceContent<'p> {
    fn of(place: &'p Place) -> Self {
        let line =
            |line: &'p LineRequest| (line.sku.as_str(), line.quantity.get(), line.unit_price);
        Self {
            allow_backorder: place.allow_backorder,
            currency: place.currency.as_deref(),
            hold_ms: place.hold_ms,
            lines: place.lines.iter().map(line).collect(),
            location: place.location.as_ref().map(LocationCode::as_str),
            order: place.reference.to_string(),
            payment_required: place.payment_required,
            personal: place.personal.as_ref().map(|personal| &personal.digest),
            placed_at: place.placed_at,
            user: place.user.map(UserId::get),
        }
    }
}

/// The hash of what a source says of an order, whenever it says it: the same
/// state under a newer version changes nothing but the version.
pub(super) fn state_hash(import: &Import) -> [u8; 32] {
    Sha256::digest(import_content(import).to_string().as_bytes()).into()
}

fn import_content(import: &Import) -> Value {
    let line = |line: &crate::orders::ImportLine| {
        let mut content = vec![
            json!(line.number),
            json!(line.request.sku.as_str()),
            json!(line.request.quantity.get()),
            json!(line.request.unit_price),
            json!(line.shipped.get()),
            json!(line.fulfilled_by.as_str()),
        ];
        // Only where there are some: what was recorded before stays the same.
        if line.came_back > Quantity::ZERO {
            content.push(json!(line.came_back.get()));
        }
        Value::Array(content)
    };
    json!({
        "order": import.reference.to_string(),
        "lines": import.lines.iter().map(line).collect::<Vec<_>>(),
        "payment": import.payment.as_str(),
        "placed_at": import.placed_at,
        "location": import.location.as_ref().map(LocationCode::as_str),
        "currency": import.currency,
        "personal": import.personal.as_ref().map(|personal| personal.digest),
    })
}

fn ship_content(ship: &Ship) -> Value {
    let lines = ship.lines.as_ref().map(|lines| {
        let line = |one: &crate::orders::ShipLine| json!([one.line, one.part, one.quantity.get()]);
        lines.iter().map(line).collect::<Vec<_>>()
    });
    json!({
        "order": ship.reference.to_string(),
        "shipment_id": ship.shipment_id.as_str(),
        "lines": lines,
        "location": ship.location.as_ref().map(LocationCode::as_str),
        "effective_at": ship.effective_at,
        "tracking": ship.tracking,
    })
}

fn return_content(back: &Return) -> Value {
    let line = |one: &crate::orders::ReturnLine| {
        json!([one.line, one.part, one.quantity.get(), one.disposition.as_str()])
    };
    json!({
        "order": back.reference.to_string(),
        "return_id": back.return_id.as_str(),
        "lines": back.lines.iter().map(line).collect::<Vec<_>>(),
        "location": back.location.as_ref().map(LocationCode::as_str),
        "effective_at": back.effective_at,
    })
}

fn payment_content(payment: &Payment) -> Value {
    let mut content = json!({
        "order": payment.reference.to_string(),
        "payment_id": payment.payment_id.as_str(),
        "amount": payment.amount,
    });
    if let Some(currency) = &payment.currency {
        content["currency"] = json!(currency);
    }
    content
}

fn refund_content(refund: &Refund) -> Value {
    let line = |one: &crate::orders::RefundLine| json!([one.line, one.quantity.get(), one.restock]);
    let mut content = json!({
        "order": refund.reference.to_string(),
        "refund_id": refund.refund_id.as_str(),
        "lines": refund.lines.iter().map(line).collect::<Vec<_>>(),
        "amount": refund.amount,
    });
    if let Some(payment_id) = &refund.payment_id {
        content["payment_id"] = json!(payment_id.as_str());
    }
    content
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ExternalId, OrderRef};

    #[test]
    fn a_request_for_an_order_has_the_form_of_all_commands() {
        let place = Place {
            reference: OrderRef {
                source: "web".to_owned(),
                external_id: ExternalId::new("ä\"1").unwrap(),
            },
            lines: vec![LineRequest {
                sku: Sku::new("MUG").unwrap(),
                quantity: Quantity::new(2).unwrap(),
                unit_price: Some(-1),
            }],
            location: Some(LocationCode::new("main").unwrap()),
            payment_required: true,
            allow_backorder: false,
            hold_ms: Some(5),
            currency: Some("EUR".to_owned()),
            placed_at: None,
            personal: None,
            user: Some(UserId::new(3)),
        };
        let command = Command::Place(place);
        let form = json!([command.name(), command.content()]).to_string();
        assert_eq!(command.content_hash(), <[u8; 32]>::from(Sha256::digest(form.as_bytes())));
    }
}
