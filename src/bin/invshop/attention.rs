//! `attention`: what is wrong right now, with the command that solves it.

use invshop::reports;
use invshop::shop::Shop;

use crate::failure::Failure;
use crate::output::{Reply, Table};

/// Shows it; anything is a finding.
pub(crate) async fn run(shop: &Shop) -> Result<Reply, Failure> {
    let troubles = reports::attention(&shop.db, shop.clock.now()).await?;
    let names = ["what", "about", "since", "detail", "command"];
    let mut table = Table::new(&names, "nothing needs attention");
    for one in &troubles {
        table.row(vec![
            one.kind.as_str().to_owned(),
            one.subject.clone(),
            one.since.to_string(),
            one.detail.clone(),
            one.command.clone(),
        ]);
    }
    Ok(Reply::list(table, &troubles).with_findings(!troubles.is_empty()))
}
