//! What it costs to be known: orders with a token and limits beside a server that asks
//! nobody who they are, and a read beside a route that answers a constant.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::arguments::Arguments;
use crate::drive::{Answers, Sample, medians};
use crate::http::{self, drive, load};
use crate::machine;
use crate::report::{Goal, Line, Report};
use crate::served::{Connection, Server, get, key};
use crate::shops::{Bed, Kind};
use crate::wanted::sku;

/// Connections of the loads.
const CONNECTIONS: usize = 64;
/// Items that are read in turn.
const ITEMS: u64 = 500;

/// Measures both databases.
pub(crate) async fn measure(
    arguments: &Arguments,
    bed: &Bed,
    report: &mut Report,
) -> anyhow::Result<()> {
    for &kind in &arguments.database {
        orders(arguments, bed, kind, report).await?;
        reads(arguments, bed, kind, report).await?;
    }
    Ok(())
}

/// The daemon asked with a token, and the same without anybody being asked for it.
async fn orders(
    arguments: &Arguments,
    bed: &Bed,
    kind: Kind,
    report: &mut Report,
) -> anyhow::Result<()> {
    let (made, mut daemon) = http::daemon(bed, kind).await?;
    daemon.key = token(daemon.server.address(), &daemon.key).await?;
    let (bare_made, shop) = bed.stocked(kind).await?;
    shop.close().await;
    let mut bare = http::target(Server::bare(&bare_made)?, String::new());
    let load = load(arguments, CONNECTIONS);
    let (mut ours, mut beside) = (Vec::new(), Vec::new());
    for repetition in 0..arguments.repetitions {
        for turn in 0..2 {
            if (repetition + turn) % 2 == 0 {
                ours.push(drive(&mut daemon, load).await?);
            } else {
                beside.push(drive(&mut bare, load).await?);
            }
        }
    }
    bare.server.kill()?;
    http::end(bed, made, daemon).await?;
    bed.remove(&bare_made).await?;
    let what =
        format!("{} orders over HTTP with a token and limits, beside nobody asked", kind.name());
    // At most 15 % more work for each.
    let goal = Goal::AtLeast { floor: 1.0 / 1.15, aim: 0.95 };
    report.add(Line::of_rates(what, &medians(&ours), &medians(&beside), goal));
    Ok(())
}

/// One item at a time over many connections, beside a constant of the same size.
async fn reads(
    arguments: &Arguments,
    bed: &Bed,
    kind: Kind,
    report: &mut Report,
) -> anyhow::Result<()> {
    let (made, shop) = bed.stocked(kind).await?;
    let key = key(&shop).await?;
    shop.close().await;
    let daemon = Server::daemon(&made)?;
    daemon.ready().await?;
    let token = token(daemon.address(), &key).await?;
    let paths: Vec<String> =
        (0..ITEMS).map(|item| format!("/v1/inventory/{}", sku(item))).collect();
    let mut first = Connection::open(daemon.address()).await?;
    first.send(&get(&paths[0], daemon.address(), &token)).await?;
    let size = first.body_bytes();
    let constant = Server::nothing()?;
    let nothing = vec![format!("/constant/{size}")];
    let (mut ours, mut beside) = (Vec::new(), Vec::new());
    for repetition in 0..arguments.repetitions {
        for turn in 0..2 {
            if (repetition + turn) % 2 == 0 {
                ours.push(read(arguments, &daemon, &token, &paths).await?);
            } else {
                beside.push(read(arguments, &constant, "", &nothing).await?);
            }
        }
    }
    constant.kill()?;
    daemon.end()?;
    bed.remove(&made).await?;
    let what = format!("{} reads of one item, beside a constant of {size} bytes", kind.name());
    let goal = Goal::AtLeast { floor: 0.25, aim: 0.5 };
    report.add(Line::of_rates(what, &medians(&ours), &medians(&beside), goal));
    Ok(())
}

/// A token for a key.
async fn token(address: &str, key: &str) -> anyhow::Result<String> {
    let (id, secret) =
        key.strip_prefix("inv_").and_then(|key| key.split_once('_')).context("no key")?;
    // Plain HTTP needs no cryptography, but a client is not made without.
    rustls::crypto::ring::default_provider().install_default().ok();
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build()?;
    let request = client
        .post(format!("http://{address}/oauth/token"))
        .basic_auth(id, Some(secret))
        .header("content-type", "application/x-www-form-urlencoded")
        .body("grant_type=client_credentials");
    let answer: Value = request.send().await?.json().await?;
    Ok(answer["access_token"].as_str().context("no token")?.to_owned())
}

/// Reads a second over all connections.
async fn read(
    arguments: &Arguments,
    server: &Server,
    key: &str,
    paths: &[String],
) -> anyhow::Result<Sample> {
    let address = server.address();
    let requests: Vec<Vec<u8>> = paths.iter().map(|path| get(path, address, key)).collect();
    let requests = Arc::new(requests);
    let process = server.process();
    let cpu_before = machine::cpu_us_of(&process)?;
    let begun = Instant::now();
    let end = begun + Duration::from_secs_f64(arguments.seconds);
    let mut clients = JoinSet::new();
    for client in 0..CONNECTIONS {
        let mut connection = Connection::open(address).await?;
        let requests = Arc::clone(&requests);
        clients.spawn(async move {
            let mut answers = Answers::default();
            for request in requests.iter().cycle().skip(client) {
                let asked = Instant::now();
                if asked >= end {
                    break;
                }
                let status = connection.send(request).await?;
                ensure!(status == 200, "a read was answered {status}");
                answers.accepted += 1;
                answers.times_us.push(u32::try_from(asked.elapsed().as_micros())?);
            }
            Ok(answers)
        });
    }
    let mut all = Answers::default();
    while let Some(answers) = clients.join_next().await {
        all.add(answers??);
    }
    let seconds = begun.elapsed().as_secs_f64();
    Ok(all.sample(seconds, machine::cpu_us_of(&process)? - cpu_before))
}
