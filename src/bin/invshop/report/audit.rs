//! `report audit`: who did what to the shop itself, and who was not let in.

use invshop::reports::{self, AuditRow};
use invshop::shop::Shop;
use serde_json::json;

use super::{Period, shaped};
use crate::app::App;
use crate::arguments::Format;
use crate::failure::Failure;
use crate::output::{Reply, Table};

/// Acts and refused attempts, row by row.
pub(super) async fn audit(
    app: &App<'_>,
    shop: &Shop,
    period: Period,
    format: Format,
) -> Result<Reply, Failure> {
    let audit = reports::audit(&shop.db, period.days()).await?;
    let names = ["at", "date", "type", "actor", "address", "request_id", "about"];
    let mut table = Table::new(&names, "nothing was done or refused in those days");
    for row in &audit.data {
        table.row(cells(row));
    }
    if audit.refused_left_out > 0 {
        app.output.warn(&format!(
            "{} more entries of refused attempts are left out",
            audit.refused_left_out
        ));
    }
    Ok(shaped(format, table.clone(), table, json!(audit)))
}

fn cells(row: &AuditRow) -> Vec<String> {
    let batch = row.batch.map(|id| format!("batch {id}"));
    let fields = row.data.as_object().into_iter().flatten();
    let fields = fields.filter(|(_, value)| !value.is_null()).map(|(name, value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
        format!("{name} {value}")
    });
    vec![
        row.at.to_string(),
        row.date.to_string(),
        row.kind.clone(),
        row.actor.clone().unwrap_or_default(),
        row.address.clone().unwrap_or_default(),
        row.request_id.clone().unwrap_or_default(),
        batch.into_iter().chain(fields).collect::<Vec<_>>().join(", "),
    ]
}
