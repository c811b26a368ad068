//! `order forget-customer`: erasing who ordered, where nobody was registered.

use invshop::domain::OrderRef;
use invshop::shop::Shop;
use invshop::writer::Command;
use serde_json::{Value, json};

use super::Forget;
use super::show::{read, read_whole, resolve};
use crate::app::App;
use crate::failure::Failure;
use crate::output::Reply;
use crate::user::{LOG_REMAINS, LOG_TRIES};

/// Forgets order by order. That all of them can be is looked at before the first.
pub(super) async fn run(app: &App<'_>, shop: &Shop, asked: Forget) -> Result<Reply, Failure> {
    if asked.orders.len() > 1 && asked.key.key.is_some() {
        return Err(Failure::usage("--key is of one order"));
    }
    let mut found: Vec<OrderRef> = Vec::new();
    for text in &asked.orders {
        let reference = resolve(shop, text).await?;
        if let Some(user) = read(shop, &reference).await?.user_id {
            let message = format!("{reference} is of {user}");
            let hint = format!("invshop user erase {user} takes away all that is known of them");
            return Err(Failure::refused("invalid", message).hint(hint));
        }
        if !found.contains(&reference) {
            found.push(reference);
        }
    }
    if asked.dry_run {
        return planned(shop, &found).await;
    }
    let (count, plural) = (found.len(), if found.len() == 1 { "" } else { "s" });
    app.confirm(&format!("erase who placed {count} order{plural}, for good")).await?;
    let (mut lines, mut orders) = (Vec::new(), Vec::new());
    for reference in found {
        let command = Command::ForgetCustomer(reference.clone());
        let answer = shop.submit(command, asked.key.key.clone()).await?;
        lines.push(if answer.replayed {
            format!("the customer of {reference} was forgotten before")
        } else {
            format!("forgot the customer of {reference}")
        });
        orders.push(entry(&reference, ("replayed", answer.replayed)));
    }
    let log_remains = !shop.db.cut_off_log(LOG_TRIES).await?;
    if log_remains {
        app.output.note(LOG_REMAINS);
    }
    let document = json!({ "orders": orders, "log_remains": log_remains });
    Ok(Reply::one(lines.join("\n"), document))
}

/// Of which orders something is known.
async fn planned(shop: &Shop, found: &[OrderRef]) -> Result<Reply, Failure> {
    let (mut lines, mut orders) = (Vec::new(), Vec::new());
    for reference in found {
        let is_known = read_whole(shop, reference).await?.customer.is_some();
        lines.push(if is_known {
            format!("would forget the customer of {reference}")
        } else {
            format!("nothing is known of the customer of {reference}")
        });
        orders.push(entry(reference, ("known", is_known)));
    }
    Ok(Reply::one(lines.join("\n"), json!({ "dry_run": true, "orders": orders })))
}

fn entry(order: &OrderRef, (name, value): (&str, bool)) -> Value {
    json!({ "order_id": order.to_string(), name: value })
}
