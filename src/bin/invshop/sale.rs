//! `stop-sale` and `resume-sale`: nothing of an item is offered any more, at once.

use clap::Args;
use invshop::domain::{Reason, Sku};
use invshop::shop::Shop;
use invshop::writer::Command;

use crate::app::App;
use crate::arguments::KeyArgument;
use crate::failure::Failure;
use crate::item;
use crate::output::Reply;

/// What is not to be sold any more.
#[derive(Debug, Args)]
pub(crate) struct Stop {
    /// Its SKU
    sku: Sku,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: Option<Reason>,
    #[command(flatten)]
    key: KeyArgument,
}

/// What is to be sold again.
#[derive(Debug, Args)]
pub(crate) struct Resume {
    /// Its SKU
    sku: Sku,
    #[command(flatten)]
    key: KeyArgument,
}

/// Stops the sale of an item; orders that have it keep it.
pub(crate) async fn stop(app: &App<'_>, shop: &Shop, stop: Stop) -> Result<Reply, Failure> {
    let command = Command::StopSale(stop.sku.clone(), stop.reason);
    let answer = shop.submit(command, stop.key.key).await?;
    let line = format!("stopped the sale of {}", stop.sku);
    item::answered(app, shop, &answer, &line, &stop.sku).await
}

/// Offers it again.
pub(crate) async fn resume(app: &App<'_>, shop: &Shop, resume: Resume) -> Result<Reply, Failure> {
    let answer = shop.submit(Command::ResumeSale(resume.sku.clone()), resume.key.key).await?;
    let line = format!("resumed the sale of {}", resume.sku);
    item::answered(app, shop, &answer, &line, &resume.sku).await
}
