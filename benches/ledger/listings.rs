//! Very many listings: comparing a million of them with the ledger, against reading the
//! channel's pages alone; and what the daemon needs while it looks at all numbers of three
//! channels with 100 000 listings each.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use invshop::connectors::registry::KINDS;
use invshop::shop::Shop;
use invshop::sync;
use serde_json::Value;
use tokio::io::AsyncReadExt as _;
use tokio::task::JoinSet;

use crate::arguments::{Arguments, ShopArguments};
use crate::channels::config;
use crate::drive::float;
use crate::machine;
use crate::pages::{Shown, serve};
use crate::plain;
use crate::report::{Goal, Line, Report, note};
use crate::served::Server;
use crate::shops::{Bed, Kind, Made, Plain};

/// Channels of the daemon.
const NAMES: [&str; 3] = ["web", "outlet", "market"];
/// What a channel is asked with: fields of its credentials, and where their values stand.
const FIELDS: [&str; 2] = ["consumer_key", "consumer_secret"];
const SECRETS: [(&str, &str); 2] = [("BENCH_KEY", "ck_BENCH"), ("BENCH_SECRET", "cs_BENCH")];
/// Requests a second that a channel takes: the most that is believed.
const REQUESTS: u32 = 10_000;
/// How often a process is looked at; the kernel keeps the peak of its memory.
const LOOK: Duration = Duration::from_millis(20);
/// How long the daemon may take to have looked at all numbers.
const SETTLE_MAX: Duration = Duration::from_mins(10);
/// How long the daemon is left alone before its memory is looked at.
const STILL: Duration = Duration::from_secs(5);

/// Measures both databases.
pub(crate) async fn measure(
    arguments: &Arguments,
    bed: &Bed,
    report: &mut Report,
) -> anyhow::Result<()> {
    for &kind in &arguments.database {
        compare(arguments, bed, kind, report).await?;
        look(arguments, bed, kind, report).await?;
    }
    Ok(())
}

fn line(
    kind: Kind,
    what: &str,
    ours: String,
    beside: String,
    figure: f64,
    unit: &'static str,
    goal: Goal,
) -> Line {
    Line {
        what: format!("{}, {what}", kind.name()),
        ours,
        beside,
        figure,
        unit,
        goal,
        detail: Default::default(),
    }
}

/// Compares as many listings as the import has rows.
async fn compare(
    arguments: &Arguments,
    bed: &Bed,
    kind: Kind,
    report: &mut Report,
) -> anyhow::Result<()> {
    let rows = arguments.rows;
    let shown = Shown { seed: arguments.seed, products: u64::try_from(rows)?, wrong: true };
    let mut running = JoinSet::new();
    let url = serve(shown, &mut running).await?;
    let world = World::open(arguments, bed, kind, (rows, &["web"], &url)).await?;
    let begun = Instant::now();
    let (output, peak_kib) = world.reconcile().await?;
    let ours = begun.elapsed().as_secs_f64();
    check(&output, shown)?;
    note(&format!("{}: {rows} listings compared in {ours:.1} s", kind.name()));
    let alone = read_alone(&world, shown).await?;
    let what = format!("comparing {rows} listings against reading their pages");
    let goal = Goal::AtMost { floor: 8.0, aim: 3.0 };
    let told = (format!("{ours:.1} s"), format!("{alone:.1} s"));
    report.add(line(kind, &what, told.0, told.1, ours / alone, "x time", goal));
    let peak = float(peak_kib) / 1024.0;
    let goal = Goal::AtMost { floor: 64.0, aim: 32.0 };
    report.add(line(
        kind,
        "peak memory of that comparison",
        format!("{peak:.0} MB"),
        String::new(),
        peak,
        "MB",
        goal,
    ));
    world.end(bed).await
}

/// Every number was compared, and those that are wrong were found, and no others.
fn check(output: &str, shown: Shown) -> anyhow::Result<()> {
    let found: Value = serde_json::from_str(output).context("what reconcile printed")?;
    let right = found["right"].as_u64().context("no numbers are right")?;
    let off = found["data"].as_array().context("no differences")?.len() as u64;
    ensure!(off == shown.wrong(), "{off} differ of {} that are wrong", shown.wrong());
    ensure!(right + off == shown.products, "{right} and {off} of {}", shown.products);
    Ok(())
}

/// Reads all pages of the channel and does nothing with them; seconds.
async fn read_alone(world: &World, shown: Shown) -> anyhow::Result<f64> {
    let shop = Shop::open(world.made.opening.clone()).await?;
    let config = config("web", &world.url, REQUESTS)?;
    let mut connectors = sync::connectors(&shop, KINDS, std::slice::from_ref(&config))
        .map_err(|error| anyhow::anyhow!("{error:?}"))?;
    let connector = connectors.pop().context("no connector")?;
    let reads = connector.stock_read().context("it shows no numbers")?;
    let begun = Instant::now();
    let (mut cursor, mut read) = (None, 0);
    loop {
        let page = reads.read_all(cursor.as_ref()).await?;
        read += page.rows.len() as u64;
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    ensure!(read == shown.products, "{read} of {} were read", shown.products);
    shop.close().await;
    Ok(seconds)
}

/// Has the daemon look at all numbers of three channels, and looks at its memory.
async fn look(
    arguments: &Arguments,
    bed: &Bed,
    kind: Kind,
    report: &mut Report,
) -> anyhow::Result<()> {
    let rows = (arguments.rows / 10).max(1000);
    let shown = Shown { seed: arguments.seed, products: u64::try_from(rows)?, wrong: false };
    let mut running = JoinSet::new();
    let url = serve(shown, &mut running).await?;
    let world = World::open(arguments, bed, kind, (rows, &NAMES, &url)).await?;
    let mut plain = Plain::open(&world.made).await?;
    // Nothing is known of what they show.
    plain.run("update push set pushed_seq = 0, baseline = null, confirmed_at = null").await?;
    let begun = Instant::now();
    let server = Server::configured(&world.config, SECRETS)?;
    server.ready().await?;
    loop {
        let dirty = "select count(*) from push where dirty_seq > pushed_seq or remote_changed > 0";
        if plain.number(dirty).await? == 0 {
            break;
        }
        ensure!(begun.elapsed() < SETTLE_MAX, "not all numbers were looked at");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let seconds = begun.elapsed().as_secs_f64();
    tokio::time::sleep(STILL).await;
    let process = server.process();
    let peak = float(machine::peak_kib(&process).context("it is gone")?) / 1024.0;
    let still = float(machine::resident_kib(&process).context("it is gone")?) / 1024.0;
    server.end()?;
    plain.close().await?;
    let what = format!("peak memory of the daemon that looks at 3 x {rows} numbers");
    let goal = Goal::AtMost { floor: 300.0, aim: 150.0 };
    let told = (format!("{peak:.0} MB"), format!("then {still:.0} MB"));
    report.add(line(kind, &what, told.0, told.1, peak, "MB", goal));
    let rate = float(u64::try_from(rows * NAMES.len())?) / seconds;
    let told = format!("{rate:.0} numbers/s");
    report.add(line(
        kind,
        "all of them are looked at",
        told,
        String::new(),
        seconds,
        "s",
        Goal::None,
    ));
    world.end(bed).await
}

/// A shop whose items are all listed on channels, and a configuration of it.
struct World {
    made: Made,
    url: String,
    config: PathBuf,
}

impl World {
    async fn open(
        arguments: &Arguments,
        bed: &Bed,
        kind: Kind,
        (rows, names, url): (usize, &[&str], &str),
    ) -> anyhow::Result<Self> {
        let (made, shop) = bed.empty(kind).await?;
        let configs =
            names.iter().map(|name| config(name, url, REQUESTS)).collect::<Result<Vec<_>, _>>()?;
        let shop = std::sync::Arc::new(shop);
        let channels = sync::open_all(&shop, KINDS, &configs)
            .await
            .map_err(|error| anyhow::anyhow!("{error:?}"))?;
        drop(channels);
        std::sync::Arc::into_inner(shop).context("the shop is still open")?.close().await;
        plain::load(&made, arguments.seed, rows).await?;
        note(&format!("{}: listing {rows} items on {} channels", kind.name(), names.len()));
        let mut plain = Plain::open(&made).await?;
        for sql in LIST {
            plain.run(sql).await?;
        }
        if kind == Kind::Postgres {
            // It would do so by itself within a minute.
            plain.run("analyze").await?;
        }
        plain.close().await?;
        let config = bed.folder().join("listings.toml");
        std::fs::write(&config, file(&made.arguments, names, url)?)?;
        Ok(Self { made, url: url.to_owned(), config })
    }

    /// Compares in a process of its own; what it printed, and the most memory it had.
    async fn reconcile(&self) -> anyhow::Result<(String, u64)> {
        let mut child = tokio::process::Command::new(env!("CARGO_BIN_EXE_invshop"))
            .args(["--config", &self.config.display().to_string(), "--json"])
            .args(["reconcile", "--channel", "web", "--fix", "push"])
            .envs(SECRETS)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let process = child.id().context("a process without an id")?.to_string();
        let mut stdout = child.stdout.take().context("no stdout")?;
        let reading = async {
            let mut text = String::new();
            stdout.read_to_string(&mut text).await.map(|_| text)
        };
        let mut peak_kib = 0;
        let ending = async {
            loop {
                peak_kib = machine::peak_kib(&process).unwrap_or(0).max(peak_kib);
                if let Ok(status) = tokio::time::timeout(LOOK, child.wait()).await {
                    break status;
                }
            }
        };
        let (text, status) = tokio::join!(reading, ending);
        let status = status?;
        // Something differs: it says so.
        ensure!(status.code() == Some(1), "reconcile ended with {status}");
        Ok((text?, peak_kib))
    }

    async fn end(self, bed: &Bed) -> anyhow::Result<()> {
        std::fs::remove_file(&self.config)?;
        bed.remove(&self.made).await
    }
}

/// Every item is a product of every channel, under the item's number, and shows what there is.
const LIST: [&str; 2] = [
    "insert into listing (channel_id, external_id, place, holder, item_id, sku_text, title, seen_at)
     select c.id, cast(i.id as text), '', cast(i.id as text), i.id, i.sku, i.title, 0
     from channel as c cross join item as i",
    "insert into push (channel_id, holder, place, item_id, dirty_seq, pushed_seq, baseline,
                       taken_until, given_until, confirmed_at)
     select c.id, cast(l.item_id as text), '', l.item_id, 1, 1, l.on_hand, 0, 0, 0
     from channel as c cross join level as l",
];

/// The same shop and channels as a configuration file.
fn file(made: &ShopArguments, names: &[&str], url: &str) -> anyhow::Result<String> {
    let place = &made.place;
    let database =
        if place.starts_with("postgres://") { place.clone() } else { format!("sqlite:{place}") };
    let mut text = String::new();
    writeln!(text, "[database]\nurl = \"{database}\"\nkey = \"file:{}\"", made.key.display())?;
    writeln!(text, "[server]\nlisten = \"127.0.0.1:0\"\n[schedule]\nverify = \"never\"")?;
    for name in names {
        writeln!(text, "[[channel]]\nname = \"{name}\"\nkind = \"woocommerce\"\nurl = \"{url}\"")?;
        writeln!(text, "mode = \"live\"\nrequests_per_second = {REQUESTS}")?;
        writeln!(text, "[channel.credentials]")?;
        for (field, (variable, _)) in FIELDS.into_iter().zip(SECRETS) {
            writeln!(text, "{field} = \"env:{variable}\"")?;
        }
    }
    Ok(text)
}
