//! Two processes that write to one PostgreSQL database.

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use anyhow::{Context as _, ensure};
use invshop::shop::Shop;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::arguments::{Arguments, NodeArguments};
use crate::check::{self, Numbers};
use crate::drive::{Load, Placer, Sample, drive, float, medians};
use crate::report::{Goal, Line, Report};
use crate::shops::{Bed, Kind, Made, Plain, opening};
use crate::wanted::Pattern;

/// Callers of each process.
const CALLERS: usize = 64;
/// Order numbers set aside for a process.
const NUMBERS: u64 = 1 << 32;

const DEADLOCKS: &str = "select deadlocks from pg_stat_database where datname = current_database()";

/// A process that places orders: it says `ready`, waits for a line, and answers
/// with its sample.
#[expect(clippy::print_stdout, reason = "the parent reads it")]
pub(crate) async fn child(arguments: NodeArguments) -> anyhow::Result<()> {
    let shop = Arc::new(Shop::open(opening(&arguments.shop)).await?);
    println!("ready");
    let mut line = String::new();
    // Nothing else runs here yet, so the thread may wait.
    std::io::stdin().read_line(&mut line)?;
    let load = Load {
        callers: arguments.callers,
        pattern: arguments.pattern,
        seconds: arguments.seconds,
        seed: arguments.seed,
    };
    let next = Arc::new(AtomicU64::new(arguments.first));
    let sample = drive(&Placer::Writer(Arc::clone(&shop)), load, &next).await?;
    ensure!(shop.counters.invariant_violations.get() == 0, "broken invariants");
    Arc::into_inner(shop).context("a caller still has the shop")?.close().await;
    println!("{}", serde_json::to_string(&sample)?);
    Ok(())
}

/// A started process.
#[derive(Debug)]
struct Node {
    child: Child,
    stdin: ChildStdin,
    lines: tokio::io::Lines<BufReader<ChildStdout>>,
}

impl Node {
    async fn start(
        arguments: &Arguments,
        made: &Made,
        pattern: Pattern,
        first: u64,
    ) -> anyhow::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("node")
            .args(["--place", &made.arguments.place])
            .arg("--key")
            .arg(&made.arguments.key)
            .args(["--seconds", &arguments.seconds.to_string()])
            .args(["--callers", &CALLERS.to_string()])
            .args(["--first", &first.to_string()])
            .args(["--seed", &arguments.seed.to_string()])
            .args(["--pattern", pattern.name()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let stdin = child.stdin.take().context("a child without stdin")?;
        let stdout = child.stdout.take().context("a child without stdout")?;
        let mut node = Self { child, stdin, lines: BufReader::new(stdout).lines() };
        let ready = node.lines.next_line().await?;
        ensure!(ready.as_deref() == Some("ready"), "a node did not start: {ready:?}");
        Ok(node)
    }

    async fn finish(mut self) -> anyhow::Result<Sample> {
        let line = self.lines.next_line().await?.context("a node without a sample")?;
        ensure!(self.child.wait().await?.success(), "a node failed");
        Ok(serde_json::from_str(&line)?)
    }
}

/// Measures one process and two, in turn.
pub(crate) async fn measure(
    arguments: &Arguments,
    bed: &Bed,
    report: &mut Report,
) -> anyhow::Result<()> {
    let (made, shop) = bed.stocked(Kind::Postgres).await?;
    shop.close().await;
    let mut plain = Plain::open(&made).await?;
    let before = plain.number(DEADLOCKS).await?;
    let (mut numbers, mut accepted) = (0, 0);
    for (pattern, goal) in
        [(Pattern::Hot, Goal::AtLeast { floor: 0.8, aim: 1.5 }), (Pattern::Spread, Goal::None)]
    {
        let (mut one, mut two) = (Vec::new(), Vec::new());
        for _ in 0..arguments.repetitions {
            for (count, samples) in [(1, &mut one), (2, &mut two)] {
                let sample = together(arguments, &made, (pattern, count), &mut numbers).await?;
                accepted += sample.accepted;
                samples.push(sample);
            }
        }
        let what = format!("PostgreSQL, two processes against one, {}", pattern.name());
        report.add(Line::of_rates(what, &medians(&two), &medians(&one), goal));
    }
    // A session reports its figures when it ends, and all of theirs have ended.
    let deadlocks = plain.number(DEADLOCKS).await? - before;
    plain.close().await?;
    // Levels that do not add up end the bench here: there is no row for them.
    check::orders(&made, accepted, Numbers::Dense).await?;
    report.add(none_allowed("PostgreSQL, two processes: deadlocks", deadlocks));
    bed.remove(&made).await
}

fn none_allowed(what: &str, found: i64) -> Line {
    Line {
        what: what.to_owned(),
        ours: found.to_string(),
        beside: String::new(),
        figure: if found == 0 { 0.0 } else { 1.0 },
        unit: "",
        goal: Goal::AtMost { floor: 0.0, aim: 0.0 },
        detail: [String::new(), String::new()],
    }
}

/// Runs nodes at the same time: rates add up, times are the slowest node's.
async fn together(
    arguments: &Arguments,
    made: &Made,
    (pattern, count): (Pattern, usize),
    numbers: &mut u64,
) -> anyhow::Result<Sample> {
    let mut nodes = Vec::new();
    for _ in 0..count {
        nodes.push(Node::start(arguments, made, pattern, *numbers).await?);
        *numbers += NUMBERS;
    }
    for node in &mut nodes {
        node.stdin.write_all(b"go\n").await?;
    }
    let mut all = Sample::default();
    let mut cpu_us = 0.0;
    for node in nodes {
        let sample = node.finish().await?;
        let orders = float(sample.accepted + sample.refused);
        cpu_us += sample.cpu_us * orders;
        all.accepted += sample.accepted;
        all.refused += sample.refused;
        all.rate += sample.rate;
        all.p50_ms = all.p50_ms.max(sample.p50_ms);
        all.p99_ms = all.p99_ms.max(sample.p99_ms);
    }
    all.cpu_us = cpu_us / float((all.accepted + all.refused).max(1));
    Ok(all)
}
