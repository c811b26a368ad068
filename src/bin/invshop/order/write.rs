//! The verbs that write one order.

use std::collections::BTreeMap;

use invshop::clock::Timestamp;
use invshop::domain::{
    Currency, ExternalId, FactId, Key, Money, OrderRef, Quantity, Sku, has_card_number,
};
use invshop::orders::{self, Disposition, LineRequest, Personal, ReturnLine, ShipLine};
use invshop::reports::OrderView;
use invshop::shop::{CLI_ACCOUNT, Shop};
use invshop::writer::{Answer, Command, Detail};
use serde_json::{Value, json};

use super::show::{lines, read, resolve};
use super::{Cancel, DispositionArgument, Pay, PaymentArgument, Place, Refund, Return, Ship};
use crate::arguments::{KeyArgument, LineUnits};
use crate::failure::Failure;
use crate::output::{Reply, Text};

/// The most bytes of an e-mail address (RFC 5321, section 4.5.3.1: 64 + 1 + 255).
const EMAIL_BYTES_MAX: usize = 320;

pub(super) async fn place(shop: &Shop, place: Place) -> Result<Reply, Failure> {
    let own = format!("{CLI_ACCOUNT}:");
    let id = place.id.strip_prefix(&own).unwrap_or(&place.id);
    if id.contains(':') {
        let message = format!("order id '{id}': a colon stands between a source and its id");
        return Err(Failure::usage(message));
    }
    let reference = OrderRef { source: CLI_ACCOUNT.to_owned(), external_id: ExternalId::new(id)? };
    let currency = place.currency.as_deref().map(Currency::parse).transpose()?;
    let personal = place.email.as_deref().map(|email| seal(shop, &reference, email)).transpose()?;
    let request = orders::Place {
        lines: requested(&place, currency)?,
        reference: reference.clone(),
        location: place.location,
        payment_required: place.payment == PaymentArgument::Required,
        allow_backorder: place.allow_backorder,
        hold_ms: place.reserve_for.map(|seconds| i64::from(seconds) * 1000),
        currency: currency.map(|currency| currency.code().to_owned()),
        placed_at: place.placed_at.map(Timestamp::as_millis),
        personal,
        user: place.user,
    };
    let answer = shop.submit(Command::Place(request), place.key.key).await?;
    answered(shop, &answer, "placed", &reference, json!({})).await
}

/// The lines with their prices; a price for a SKU that was not ordered is a slip.
fn requested(place: &Place, currency: Option<Currency>) -> Result<Vec<LineRequest>, Failure> {
    let mut prices: BTreeMap<&Sku, i64> = BTreeMap::new();
    for price in &place.prices {
        let sku = &price.sku;
        if !place.lines.iter().any(|line| line.sku == *sku) {
            return Err(Failure::usage(format!("--price: {sku} is not ordered")));
        }
        let Some(currency) = currency else {
            return Err(Failure::usage("--price needs --currency"));
        };
        let money = Money::parse(&price.price, currency)
            .map_err(|error| Failure::usage(format!("--price of {sku}: {error}")))?;
        prices.insert(sku, money.amount());
    }
    let line = |line: &crate::arguments::SkuUnits| LineRequest {
        sku: line.sku.clone(),
        quantity: line.units,
        unit_price: prices.get(&line.sku).copied(),
    };
    Ok(place.lines.iter().map(line).collect())
}

/// Seals the address with the instance key, for this order only: see [`Personal::seal`].
fn seal(shop: &Shop, reference: &OrderRef, email: &str) -> Result<Personal, Failure> {
    let sound = email.len() <= EMAIL_BYTES_MAX
        && !email.contains(|character: char| character.is_control() || character == ' ')
        && email.split_once('@').is_some_and(|(who, host)| !who.is_empty() && !host.is_empty());
    if !sound {
        return Err(Failure::usage("--email: that is not an e-mail address"));
    }
    if has_card_number(email) {
        let message = "--email: has what looks like the number of a payment card; these are \
                       never kept";
        return Err(Failure::usage(message));
    }
    let plain = json!({ "email": email });
    Ok(Personal::seal(&shop.key, reference, &plain, shop.random.as_ref()))
}

pub(super) async fn pay(shop: &Shop, pay: Pay) -> Result<Reply, Failure> {
    let reference = resolve(shop, &pay.order).await?;
    let (amount, currency) = match &pay.amount {
        Some(text) => {
            let (amount, named) = amount(shop, &reference, text, pay.currency.as_deref()).await?;
            (Some(amount), named)
        }
        None => (None, None),
    };
    let (payment_id, key) = fact_id(shop, pay.payment_id, pay.key)?;
    let document = json!({ "payment_id": payment_id.as_str() });
    let command = Command::Pay(orders::Payment {
        reference: reference.clone(),
        payment_id,
        amount,
        currency,
    });
    let answer = shop.submit(command, key).await?;
    let Detail::Payment(_, outcome) = answer.detail else {
        return answered(shop, &answer, "paid", &reference, document).await;
    };
    let mut document = document;
    document["outcome"] = json!(outcome.as_str());
    let did = match outcome {
        orders::PayOutcome::Confirmed => "paid",
        orders::PayOutcome::Reopened => "paid late, held again:",
        orders::PayOutcome::RefundDue => "paid too late, the money is to be refunded:",
    };
    answered(shop, &answer, did, &reference, document).await
}

/// Records money that went back: goods that come back are a fact of their own.
pub(super) async fn refund(shop: &Shop, refund: Refund) -> Result<Reply, Failure> {
    let reference = resolve(shop, &refund.order).await?;
    let amount = match &refund.amount {
        Some(text) => Some(amount(shop, &reference, text, refund.currency.as_deref()).await?.0),
        None => None,
    };
    let (refund_id, key) = fact_id(shop, refund.id, refund.key)?;
    let document = json!({ "refund_id": refund_id.as_str() });
    let refund = orders::Refund {
        reference: reference.clone(),
        refund_id,
        lines: Vec::new(),
        amount,
        payment_id: refund.payment_id,
    };
    let answer = shop.submit(Command::Refund(refund), key).await?;
    answered(shop, &answer, "recorded a refund of", &reference, document).await
}

/// Says which item a line is.
pub(super) async fn map(
    shop: &Shop,
    order: &str,
    (line, sku): (i64, Sku),
    key: KeyArgument,
) -> Result<Reply, Failure> {
    let reference = resolve(shop, order).await?;
    let map = orders::MapLine { reference: reference.clone(), line, sku };
    let answer = shop.submit(Command::MapLine(map), key.key).await?;
    answered(shop, &answer, "mapped a line of", &reference, json!({})).await
}

/// Minor units of an amount, in the currency named or the order's own; the currency where
/// the order has none.
async fn amount(
    shop: &Shop,
    reference: &OrderRef,
    text: &str,
    currency: Option<&str>,
) -> Result<(i64, Option<String>), Failure> {
    let order = read(shop, reference).await?;
    let priced = order.lines.iter().find_map(|line| line.unit_price.as_ref());
    let own = order.total.as_ref().or(priced).map(|amount| amount.currency.as_str());
    let Some(code) = currency.or(own) else {
        let message = format!("order {} has no currency", order.order_id);
        return Err(Failure::usage(message).hint("add --currency"));
    };
    let money = Money::parse(text, Currency::parse(code)?)?;
    Ok((money.amount(), own.is_none().then(|| code.to_owned())))
}

pub(super) async fn accept(shop: &Shop, order: &str, key: KeyArgument) -> Result<Reply, Failure> {
    let reference = resolve(shop, order).await?;
    let answer = shop.submit(Command::Accept(reference.clone()), key.key).await?;
    answered(shop, &answer, "accepted", &reference, json!({})).await
}

pub(super) async fn ship(shop: &Shop, ship: Ship) -> Result<Reply, Failure> {
    let reference = resolve(shop, &ship.order).await?;
    let (shipment_id, key) = fact_id(shop, ship.shipment_id, ship.key)?;
    let document = json!({ "shipment_id": shipment_id.as_str() });
    let line = |one: &LineUnits| ShipLine { line: one.line, part: one.part, quantity: one.units };
    let lines: Vec<ShipLine> = ship.lines.iter().map(line).collect();
    let command = Command::Ship(orders::Ship {
        reference: reference.clone(),
        shipment_id,
        lines: Some(lines).filter(|lines| !lines.is_empty()),
        location: ship.location,
        effective_at: ship.at.map(Timestamp::as_millis),
        tracking: ship.tracking,
    });
    let answer = shop.submit(command, key).await?;
    answered(shop, &answer, "shipped", &reference, document).await
}

pub(super) async fn cancel(shop: &Shop, cancel: Cancel) -> Result<Reply, Failure> {
    let reference = resolve(shop, &cancel.order).await?;
    if cancel.lines.iter().any(|line| line.part.is_some()) {
        return Err(Failure::usage("--line: only whole units of a line are cancelled, not parts"));
    }
    let named: Vec<(i64, Quantity)> =
        cancel.lines.iter().map(|one| (one.line, one.units)).collect();
    if cancel.dry_run {
        return Ok(would_cancel(&read(shop, &reference).await?, &named));
    }
    let command = Command::Cancel(orders::Cancel {
        reference: reference.clone(),
        lines: Some(named).filter(|lines| !lines.is_empty()),
        reason: cancel.reason,
    });
    let answer = shop.submit(command, cancel.key.key).await?;
    answered(shop, &answer, "cancelled", &reference, json!({})).await
}

/// What a cancellation would take: of each line at most what is held or owed.
fn would_cancel(order: &OrderView, named: &[(i64, Quantity)]) -> Reply {
    let mut plan: Vec<Value> = Vec::new();
    let mut words: Vec<String> = Vec::new();
    for line in &order.lines {
        let asked = named.iter().filter(|(number, _)| *number == line.line);
        let asked: i64 = asked.map(|(_, units)| units.get()).sum();
        let open = line.held + line.shortfall;
        let units = if named.is_empty() { open } else { open.min(asked) };
        if units > 0 {
            plan.push(json!({ "line": line.line, "sku": line.sku, "quantity": units }));
            words.push(format!("{units} of {} (line {})", line.sku, line.line));
        }
    }
    let nothing = "nothing is left to cancel".to_owned();
    let line =
        if words.is_empty() { nothing } else { format!("would cancel {}", words.join(", ")) };
    let document = json!({ "dry_run": true, "lines": plan, "order": order });
    Reply::one(Text::Both(line, lines(order)), document)
}

pub(super) async fn take_back(shop: &Shop, back: Return) -> Result<Reply, Failure> {
    let reference = resolve(shop, &back.order).await?;
    let (return_id, key) = fact_id(shop, back.id, back.key)?;
    let document = json!({ "return_id": return_id.as_str() });
    let disposition = match back.disposition {
        DispositionArgument::Restock => Disposition::Restock,
        DispositionArgument::Quarantine => Disposition::Quarantine,
        DispositionArgument::WriteOff => Disposition::WriteOff,
    };
    let line = |one: &LineUnits| ReturnLine {
        line: one.line,
        part: one.part,
        quantity: one.units,
        disposition,
    };
    let command = Command::Return(orders::Return {
        reference: reference.clone(),
        return_id,
        lines: back.lines.iter().map(line).collect(),
        location: back.location,
        effective_at: back.at.map(Timestamp::as_millis),
    });
    let answer = shop.submit(command, key).await?;
    answered(shop, &answer, "returned", &reference, document).await
}

/// The id of a fact and the key it is recorded under. The id is the one given,
/// else the key, so that the key alone makes the command repeatable; where
/// neither is given, a new one is both.
fn fact_id(
    shop: &Shop,
    given: Option<FactId>,
    key: KeyArgument,
) -> Result<(FactId, Option<Key>), Failure> {
    if let Some(given) = given {
        return Ok((given, key.key));
    }
    let key = key.key.map_or_else(|| new_key(shop), Ok)?;
    Ok((FactId::new(key.as_str())?, Some(key)))
}

fn new_key(shop: &Shop) -> Result<Key, Failure> {
    let mut random = [0; 10];
    shop.random.fill(&mut random);
    let millis = u64::try_from(shop.clock.now().as_millis()).unwrap_or(0);
    let id = uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid();
    Ok(Key::new(&format!("{CLI_ACCOUNT}-{id}"))?)
}

/// What was done and how the order stands now.
pub(super) async fn answered(
    shop: &Shop,
    answer: &Answer,
    did: &str,
    reference: &OrderRef,
    mut document: Value,
) -> Result<Reply, Failure> {
    let order = read(shop, reference).await?;
    let line = format!("{did} order {}: now {}", order.order_id, order.status);
    document["order"] = json!(order);
    Ok(Reply::written(answer, &line, lines(&order), document))
}
