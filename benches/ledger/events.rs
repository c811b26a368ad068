//! How soon a thousand who listen hear of an order, and what they cost.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::arguments::Arguments;
use crate::drive::float;
use crate::machine;
use crate::report::{Goal, Line, Report};
use crate::served::{Connection, Server, get, key, order_of};
use crate::shops::{Bed, Kind};
use crate::wanted::{LINES, Pattern, Wanted};

/// Clients that listen, all by server-sent events.
const LISTENERS: usize = 1_000;
/// Orders that are heard of.
const ORDERS: usize = 200;
/// The same for a look.
const ORDERS_QUICK: usize = 20;
/// Between an order that all heard of and the next.
const PAUSE: Duration = Duration::from_millis(20);
/// Events of an order: its own, and one for each line.
const EVENTS: usize = LINES + 1;
/// What every event has once.
const MARK: &[u8] = b"\nevent: ";
/// How long one client may take to hear of an order.
const HEARD_MAX: Duration = Duration::from_secs(10);

/// Measures both databases.
pub(crate) async fn measure(
    arguments: &Arguments,
    bed: &Bed,
    report: &mut Report,
) -> anyhow::Result<()> {
    for &kind in &arguments.database {
        of_kind(arguments, bed, kind, report).await?;
    }
    Ok(())
}

async fn of_kind(
    arguments: &Arguments,
    bed: &Bed,
    kind: Kind,
    report: &mut Report,
) -> anyhow::Result<()> {
    let (made, shop) = bed.stocked(kind).await?;
    let key = key(&shop).await?;
    shop.close().await;
    let server = Server::daemon(&made)?;
    server.ready().await?;
    let before = machine::resident_kib(&server.process()).context("the daemon is gone")?;
    let (heard, mut hearing) = mpsc::channel(LISTENERS);
    let mut listeners = JoinSet::new();
    for _ in 0..LISTENERS {
        let stream = open(server.address(), &key).await?;
        listeners.spawn(listen(stream, heard.clone()));
    }
    drop(heard);
    let mut times = Vec::new();
    let mut connection = Connection::open(server.address()).await?;
    let orders = if arguments.quick { ORDERS_QUICK } else { ORDERS };
    for number in 0.. {
        if times.len() == orders {
            break;
        }
        let wanted = Wanted::of(arguments.seed, Pattern::Spread, number);
        let request = order_of(&wanted, server.address(), &key);
        let begun = Instant::now();
        if connection.send(&request).await? != 201 {
            continue;
        }
        let mut last = begun;
        for _ in 0..LISTENERS {
            let at = tokio::time::timeout(HEARD_MAX, hearing.recv()).await?;
            last = last.max(at.context("nobody listens any more")?);
        }
        times.push(last.duration_since(begun).as_secs_f64() * 1000.0);
        tokio::time::sleep(PAUSE).await;
    }
    let after = machine::resident_kib(&server.process()).context("the daemon is gone")?;
    listeners.shutdown().await;
    server.end()?;
    bed.remove(&made).await?;
    add(report, kind, &mut times, (before, after));
    Ok(())
}

fn add(report: &mut Report, kind: Kind, times: &mut [f64], (before, after): (u64, u64)) {
    times.sort_by(f64::total_cmp);
    let at = |percent: usize| times.get(times.len() * percent / 100).copied().unwrap_or_default();
    let (median, late) = (at(50), at(99));
    report.add(Line {
        what: format!(
            "{}, an order until the last of {LISTENERS} who listen heard of it, p99",
            kind.name()
        ),
        ours: format!("{late:.0} ms"),
        beside: format!("p50 {median:.0} ms"),
        figure: late,
        unit: "ms",
        goal: Goal::AtMost { floor: 1_000.0, aim: 250.0 },
        detail: Default::default(),
    });
    let grown = float(after.saturating_sub(before)) / 1024.0;
    report.add(Line {
        what: format!(
            "{}, the daemon's memory with {LISTENERS} who listen, beside none",
            kind.name()
        ),
        ours: format!("{} MB", after / 1024),
        beside: format!("{} MB", before / 1024),
        figure: grown,
        unit: "MB",
        goal: Goal::AtMost { floor: 128.0, aim: 64.0 },
        detail: Default::default(),
    });
}

/// Somebody who listens and was told where it begins.
async fn open(address: &str, key: &str) -> anyhow::Result<TcpStream> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(&get("/v1/events", address, key)).await?;
    let mut read = Vec::new();
    while !read.windows(5).any(|five| five == b"\nid: ") {
        ensure!(stream.read_buf(&mut read).await? > 0, "{}", String::from_utf8_lossy(&read));
    }
    ensure!(read.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&read));
    Ok(stream)
}

/// Says when all events of an order were heard, order by order.
async fn listen(mut stream: TcpStream, heard: mpsc::Sender<Instant>) {
    let (mut read, mut events) = (Vec::with_capacity(4096), 0);
    while stream.read_buf(&mut read).await.is_ok_and(|bytes| bytes > 0) {
        let marks = read.windows(MARK.len()).filter(|some| *some == MARK).count();
        events += marks;
        // A mark may be cut in two: its beginning is looked at again.
        let keep = MARK.len() - 1;
        read.drain(..read.len().saturating_sub(keep));
        while events >= EVENTS {
            events -= EVENTS;
            if heard.send(Instant::now()).await.is_err() {
                return;
            }
        }
    }
}
