//! What a command is about, for log lines that must name it.

use super::command::Command;

impl Command {
    /// The order, item, location, account or import it is about, by its id or
    /// name. Never what was asked of it: that may be personal.
    pub(super) fn subject(&self) -> String {
        match self {
            Self::Stock(stock) => match &stock.place.location {
                Some(location) => format!("{} at {location}", stock.place.sku),
                None => stock.place.sku.to_string(),
            },
            Self::Item { sku, .. }
            | Self::Discontinue(sku)
            | Self::DiscontinueAt(sku, _)
            | Self::FillItem(sku)
            | Self::StopSale(sku, _)
            | Self::ResumeSale(sku) => sku.to_string(),
            Self::Rename { from, to } => format!("{from} to {to}"),
            Self::CreateLocation(new) => new.code.to_string(),
            Self::CreateKey(new) => new.account.to_string(),
            Self::RevokeKey(prefix) => format!("key {prefix}"),
            Self::CreateAccount(new) => new.name.to_string(),
            Self::CreateUser(_) => "a user".to_owned(),
            Self::ChangeUser(one) => one.user.id.to_string(),
            Self::EraseUser(one) => one.user.id.to_string(),
            Self::Place(one) | Self::PlaceLater(one) => one.reference.to_string(),
            Self::Decide(one) => one.reference.to_string(),
            Self::Import(one) => one.reference.to_string(),
            Self::Cancel(one) => one.reference.to_string(),
            Self::Pay(one) => one.reference.to_string(),
            Self::Ship(one) => one.reference.to_string(),
            Self::Return(one) => one.reference.to_string(),
            Self::Refund(one) => one.reference.to_string(),
            Self::Reassign(one) => one.reference.to_string(),
            Self::MapLine(one) => one.reference.to_string(),
            Self::Accept(reference)
            | Self::Allocate(reference)
            | Self::ForgetCustomer(reference) => reference.to_string(),
            Self::Fill(key) => {
                format!("item {} at location {}", key.item.get(), key.location.get())
            }
            Self::ExpireDue => "what is due".to_owned(),
            Self::BatchOpen(new) => new.file_name.clone(),
            Self::ItemRows { chunk, .. }
            | Self::StockRows { chunk, .. }
            | Self::OrderRows { chunk, .. } => {
                format!(
                    "rows {} to {} of import {}",
                    chunk.done_before,
                    chunk.done_after,
                    chunk.batch.get()
                )
            }
            Self::BatchApplied(batch) | Self::RevertOpen(batch) | Self::BatchReverted(batch) => {
                format!("import {}", batch.get())
            }
            Self::Revert { batch, rows, .. } => {
                format!("{} entries of import {}", rows.len(), batch.get())
            }
        }
    }
}
