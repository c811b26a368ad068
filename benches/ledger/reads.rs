//! Reading many items: what one request for 500 saves beside 500 requests.

use std::time::Instant;

use anyhow::ensure;
use serde_json::json;

use crate::arguments::Arguments;
use crate::drive::{Sample, medians};
use crate::report::{Goal, Line, Report};
use crate::served::{Connection, Server, get, key, post_of};
use crate::shops::Bed;
use crate::wanted::sku;

/// Items that are read: as many as one request may name.
const READ: u64 = 500;

/// Measures both databases.
pub(crate) async fn measure(
    arguments: &Arguments,
    bed: &Bed,
    report: &mut Report,
) -> anyhow::Result<()> {
    for &kind in &arguments.database {
        let (made, shop) = bed.stocked(kind).await?;
        let key = key(&shop).await?;
        shop.close().await;
        let server = Server::daemon(&made)?;
        server.ready().await?;
        let address = server.address().to_owned();
        let mut connection = Connection::open(&address).await?;
        let each: Vec<Vec<u8>> = (0..READ)
            .map(|item| get(&format!("/v1/inventory/{}", sku(item)), &address, &key))
            .collect();
        let skus: Vec<String> = (0..READ).map(sku).collect();
        let body = json!({ "skus": skus });
        let all = [post_of("/v1/inventory/batch-get", &address, &key, &body)];
        let (mut one_by_one, mut at_once) = (Vec::new(), Vec::new());
        for _ in 0..arguments.repetitions {
            one_by_one.push(read(&mut connection, &each).await?);
            at_once.push(read(&mut connection, &all).await?);
        }
        let what = format!("{}, {READ} items in one request, beside {READ} requests", kind.name());
        let (ours, beside) = (medians(&at_once), medians(&one_by_one));
        report.add(Line::of_rates(what, &ours, &beside, Goal::None));
        server.end()?;
        bed.remove(&made).await?;
    }
    Ok(())
}

/// Items a second over one connection.
async fn read(connection: &mut Connection, requests: &[Vec<u8>]) -> anyhow::Result<Sample> {
    let begun = Instant::now();
    for request in requests {
        let status = connection.send(request).await?;
        ensure!(status == 200, "a read was answered {status}");
    }
    let seconds = begun.elapsed().as_secs_f64();
    Ok(Sample { rate: f64::from(u32::try_from(READ)?) / seconds, ..Sample::default() })
}
