//! `demo`: the whole system against simulated shops, ending in a proof.
//!
//! Nothing of it is a show: the daemon is the daemon, on a database file of its own; the
//! shops speak their vendor's protocol on loopback, take their own stock when they sell, and
//! know nothing of each other.

mod market;
mod proof;
mod screen;
mod stall;
mod trouble;

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use invshop::config::Config;
use invshop::daemon;
use invshop::shop::{Opening, Shop};
use invshop::sync;
use serde_json::json;
use tokio::time::Instant;

use crate::app::App;
use crate::failure::Failure;
use crate::output::{Reply, Text};
use market::Market;
use screen::Screen;
use trouble::{Running, Troubles};

/// How long everything may take to become equal after the last sale.
const CONVERGE_MAX: Duration = Duration::from_mins(1);

/// How much, and which chance.
#[derive(Clone, Debug, Args)]
pub(crate) struct Demo {
    /// Orders that buyers place
    #[arg(long, value_name = "N", default_value_t = 300)]
    orders: u32,
    /// The same number gives the same buyers
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// End after the orders; without it, buyers go on until Ctrl-C
    #[arg(long)]
    exit: bool,
}

/// Runs it.
pub(crate) async fn run(app: &App<'_>, demo: Demo) -> Result<Reply, Failure> {
    let folder = tempfile::tempdir().map_err(|error| Failure::io("a folder", &error))?;
    let mut market = Market::open(demo.seed).await?;
    let listener = daemon::listen(([127, 0, 0, 1], 0).into())
        .await
        .map_err(|error| Failure::failed("listen", error.to_string()))?;
    let address = listener.local_addr().map_err(|error| Failure::io("the address", &error))?;
    let file = folder.path().join("invshop.toml");
    std::fs::write(&file, market.configuration(&format!("http://{address}")))
        .map_err(|error| Failure::io("the configuration", &error))?;
    let config = Config::from_process(Some(&file), &[])?;
    app.output.note("a shop with its ledger, and four others that sell the same stock:");
    stock(&config, &market).await?;
    for line in market.describe() {
        app.output.note(&line);
    }

    let mut running = Running::begin(&config, address, listener);
    let shop = Shop::open(Opening::of(&config)).await?;
    let mut screen = Screen::new(app.output);
    let sold = sell(app, &demo, (&mut market, &mut screen, &mut running), &shop).await;
    let converged = match sold {
        Ok(()) => converge((&mut market, &mut screen), &shop).await,
        Err(failure) => Err(failure),
    };
    screen.end();
    shop.close().await;
    let kills = running.kills;
    let ended = running.end().await;
    let took = converged?;
    ended?;
    let proof = proof::prove(&config, &market, (took, kills)).await?;
    let document = json!(proof);
    Ok(Reply::one(Text::from(proof.text()), document).with_findings(!proof.holds()))
}

/// Items with stock in the ledger, the same in every shop, and mapped.
async fn stock(config: &Config, market: &Market) -> Result<(), Failure> {
    let (shop, _) = Shop::create(Opening::of(config)).await?;
    let shop = Arc::new(shop);
    let result = fill(config, market, &shop).await;
    if let Some(shop) = Arc::into_inner(shop) {
        shop.close().await;
    }
    result
}

async fn fill(config: &Config, market: &Market, shop: &Arc<Shop>) -> Result<(), Failure> {
    for (sku, row) in Market::items() {
        let command = invshop::writer::Command::Item {
            sku,
            row: Box::new(row),
            mode: invshop::ledger::catalogue::Upsert::Create,
        };
        shop.submit(command, None).await.map_err(Failure::of_step)?;
    }
    let kinds = invshop::connectors::registry::KINDS;
    let channels = sync::open_all(shop, kinds, &config.channels).await?;
    for channel in &channels {
        sync::discover(channel).await?;
        for (listing, sku) in market.listings(channel.name()) {
            sync::map(channel, &listing, &sku).await?;
        }
    }
    Ok(())
}

/// Buyers buy, and whatever goes wrong does.
async fn sell(
    app: &App<'_>,
    demo: &Demo,
    (market, screen, running): (&mut Market, &mut Screen<'_>, &mut Running<'_>),
    shop: &Shop,
) -> Result<(), Failure> {
    let mut troubles = Troubles::of(demo.orders);
    let mut number = 0;
    while (number < demo.orders || !demo.exit) && !app.is_interrupted() {
        troubles.before(number, (&mut *market, &mut *screen, &mut *running)).await?;
        market.buy();
        market.tell().await;
        number += 1;
        screen.show(market, shop).await?;
        tokio::time::sleep(market.pause()).await;
    }
    troubles.end((market, screen, running)).await
}

/// Waits until every shop shows what the ledger implies; how long it took.
async fn converge(
    (market, screen): (&mut Market, &mut Screen<'_>),
    shop: &Shop,
) -> Result<Option<Duration>, Failure> {
    screen.note("the last sale is made; everything comes to rest");
    let began = Instant::now();
    while began.elapsed() < CONVERGE_MAX {
        market.tell().await;
        screen.show(market, shop).await?;
        if market.is_equal(shop).await? {
            return Ok(Some(began.elapsed()));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(None)
}
