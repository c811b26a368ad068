//! A server that has orders placed as the daemon does and asks nobody who they are: what
//! is left of a request without its key, its limits, its name and its metrics.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use invshop::domain::{ExternalId, OrderRef, Quantity, Sku};
use invshop::orders::{LineRequest, Place};
use invshop::reports::{self, Given, OrderView, Viewer};
use invshop::shop::{CLI_ACCOUNT, Shop};
use invshop::writer::{Command, Request};
use serde::Deserialize;
use tokio::net::TcpListener;

use crate::arguments::ShopArguments;
use crate::shops::opening;

#[derive(Debug, Deserialize)]
struct Line {
    sku: String,
    quantity: i64,
}

#[derive(Debug, Deserialize)]
struct Order {
    order_id: String,
    lines: Vec<Line>,
}

impl Order {
    fn place(self) -> anyhow::Result<Place> {
        let line = |line: Line| {
            let quantity = Quantity::positive(line.quantity)?;
            Ok(LineRequest { sku: Sku::new(&line.sku)?, quantity, unit_price: None })
        };
        Ok(Place {
            reference: OrderRef {
                source: CLI_ACCOUNT.to_owned(),
                external_id: ExternalId::new(&self.order_id)?,
            },
            lines: self.lines.into_iter().map(line).collect::<anyhow::Result<_>>()?,
            location: None,
            payment_required: false,
            allow_backorder: false,
            hold_ms: None,
            currency: None,
            placed_at: None,
            personal: None,
            user: None,
        })
    }
}

/// Serves it, until the process is killed.
#[expect(clippy::print_stderr, reason = "the parent reads it")]
pub(crate) async fn child(arguments: ShopArguments) -> anyhow::Result<()> {
    let shop = Arc::new(Shop::open(opening(&arguments)).await?);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    eprintln!("address={}", listener.local_addr()?);
    let router = Router::new().route("/v1/orders", post(answer)).with_state(shop);
    axum::serve(listener, router).await?;
    Ok(())
}

async fn answer(
    State(shop): State<Arc<Shop>>,
    Json(order): Json<Order>,
) -> Result<(StatusCode, Json<OrderView>), StatusCode> {
    let place = order.place().map_err(|_| StatusCode::UNPROCESSABLE_ENTITY)?;
    let mut request = Request::new(shop.account, Command::Place(place));
    request.show = true;
    let answer = shop.writer.submit(request).await.map_err(|_| StatusCode::CONFLICT)?;
    let left = answer.order.ok_or(StatusCode::INTERNAL_SERVER_ERROR)?;
    let viewer = Viewer { own_source: Some(CLI_ACCOUNT), key: None };
    let order = reports::left_order(*left, Given::default(), viewer)
        .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok((StatusCode::CREATED, Json(order)))
}
