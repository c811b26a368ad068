//! Orders over HTTP: the daemon beside its writer alone in a loop, which runs the same
//! statements at the same batch size, and beside a server that stores nothing; then more
//! orders than it can take.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use futures_util::future::join_all;
use invshop::shop::Shop;
use tokio::task::JoinSet;

use crate::arguments::Arguments;
use crate::check::{self, Numbers};
use crate::drive::{Answers, Load, Outcome, Sample, float, medians, place};
use crate::machine;
use crate::report::{Goal, Line, Report};
use crate::served::{Connection, Server, key, order_of};
use crate::shops::{Bed, Kind, Made};
use crate::wanted::{Pattern, Wanted};

/// Connections of the two loads.
const CONNECTIONS: [usize; 2] = [64, 256];
/// Orders that are written before a run, for each millisecond of it: more than the daemon
/// places.
const WRITTEN_A_MILLISECOND: u64 = 20;
/// How many times as many clients as those of the best load are too many.
const OVERLOAD: usize = 10;

/// A server and whoever asks it.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) server: Server,
    pub(crate) key: String,
    next: Arc<AtomicU64>,
    accepted: u64,
}

/// Measures both databases.
pub(crate) async fn measure(
    arguments: &Arguments,
    bed: &Bed,
    report: &mut Report,
) -> anyhow::Result<()> {
    for &kind in &arguments.database {
        for connections in CONNECTIONS {
            let [ours, alone, nothing] = beside(arguments, bed, kind, connections).await?;
            let what = format!("{} over HTTP, {connections} connections, hot", kind.name());
            let goal = Goal::AtLeast { floor: 0.6, aim: 0.8 };
            report.add(Line::of_rates(
                format!("{what}, beside its writer in a loop"),
                &ours,
                &alone,
                goal,
            ));
            let what = format!("{what}, beside a POST that stores nothing");
            report.add(Line::of_rates(what, &ours, &nothing, Goal::None));
        }
        overload(arguments, bed, kind, report).await?;
    }
    Ok(())
}

/// The daemon, the writer alone and the empty server, in turn.
async fn beside(
    arguments: &Arguments,
    bed: &Bed,
    kind: Kind,
    connections: usize,
) -> anyhow::Result<[Sample; 3]> {
    let (made, mut daemon) = daemon(bed, kind).await?;
    let (loop_made, shop) = bed.stocked(kind).await?;
    let mut nothing = target(Server::nothing()?, String::new());
    let loop_next = AtomicU64::new(0);
    let load = load(arguments, connections);
    let mut samples: [Vec<Sample>; 3] = Default::default();
    let mut loop_accepted = 0;
    for repetition in 0..arguments.repetitions {
        for turn in 0..3 {
            let variant = (repetition + turn) % 3;
            let sample = match variant {
                0 => drive(&mut daemon, load).await?,
                1 => {
                    let sample = batches(&shop, load, &loop_next).await?;
                    loop_accepted += sample.accepted;
                    sample
                }
                _ => drive(&mut nothing, load).await?,
            };
            samples[variant].push(sample);
        }
    }
    nothing.server.kill()?;
    end(bed, made, daemon).await?;
    shop.close().await;
    check::orders(&loop_made, loop_accepted, Numbers::Dense).await?;
    bed.remove(&loop_made).await?;
    Ok(samples.map(|samples| medians(&samples)))
}

/// Ten times the clients of the best load: what is accepted, and the memory it takes.
async fn overload(
    arguments: &Arguments,
    bed: &Bed,
    kind: Kind,
    report: &mut Report,
) -> anyhow::Result<()> {
    let (made, mut daemon) = daemon(bed, kind).await?;
    let clients = CONNECTIONS[1] * OVERLOAD;
    let process = daemon.server.process();
    let (mut best, mut over, mut memory) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..arguments.repetitions {
        best.push(drive(&mut daemon, load(arguments, CONNECTIONS[1])).await?);
        over.push(drive(&mut daemon, load(arguments, clients)).await?);
        memory.push(machine::resident_kib(&process).context("the daemon is gone")?);
    }
    let accepted = |samples: &[Sample]| {
        let mut sample = medians(samples);
        let all = float(sample.accepted + sample.refused);
        sample.rate *= float(sample.accepted) / all;
        sample
    };
    let (best, over) = (accepted(&best), accepted(&over));
    let what = format!(
        "{} over HTTP, {clients} clients, accepted, beside {}",
        kind.name(),
        CONNECTIONS[1]
    );
    report.add(Line::of_rates(what, &over, &best, Goal::AtLeast { floor: 0.8, aim: 1.0 }));
    let (first, last) = (memory[0], memory[memory.len() - 1]);
    report.add(Line {
        what: format!(
            "{} over HTTP, memory after the last overload, beside the first",
            kind.name()
        ),
        ours: format!("{} MB", last / 1024),
        beside: format!("{} MB", first / 1024),
        figure: float(last) / float(first),
        unit: "x",
        goal: Goal::AtMost { floor: 1.2, aim: 1.05 },
        detail: Default::default(),
    });
    end(bed, made, daemon).await
}

pub(crate) const fn load(arguments: &Arguments, callers: usize) -> Load {
    Load { callers, pattern: Pattern::Hot, seconds: arguments.seconds, seed: arguments.seed }
}

pub(crate) fn target(server: Server, key: String) -> Target {
    Target { server, key, next: Arc::new(AtomicU64::new(0)), accepted: 0 }
}

/// The daemon on a new shop.
pub(crate) async fn daemon(bed: &Bed, kind: Kind) -> anyhow::Result<(Made, Target)> {
    let (made, shop) = bed.stocked(kind).await?;
    let key = key(&shop).await?;
    shop.close().await;
    let server = Server::daemon(&made)?;
    server.ready().await?;
    Ok((made, target(server, key)))
}

/// Ends the daemon, checks what it wrote and removes it.
pub(crate) async fn end(bed: &Bed, made: Made, daemon: Target) -> anyhow::Result<()> {
    daemon.server.end()?;
    check::orders(&made, daemon.accepted, Numbers::Dense).await?;
    bed.remove(&made).await
}

/// Drives clients, each over one connection, for as long as the load says. Processor
/// time is the server's.
pub(crate) async fn drive(target: &mut Target, load: Load) -> anyhow::Result<Sample> {
    let process = target.server.process();
    let mut connections = Vec::with_capacity(load.callers);
    for _ in 0..load.callers {
        connections.push(Connection::open(target.server.address()).await?);
    }
    let orders = Arc::new(Orders::of(target, load));
    let cpu_before = machine::cpu_us_of(&process)?;
    let begun = Instant::now();
    let end = begun + Duration::from_secs_f64(load.seconds);
    let mut clients = JoinSet::new();
    for connection in connections {
        clients.spawn(call(connection, Arc::clone(&orders), end));
    }
    let mut all = Answers::default();
    while let Some(answers) = clients.join_next().await {
        all.add(answers??);
    }
    let seconds = begun.elapsed().as_secs_f64();
    let cpu = machine::cpu_us_of(&process)? - cpu_before;
    target.accepted += all.accepted;
    Ok(all.sample(seconds, cpu))
}

/// The requests of a run, most of them written before it: whoever asks has the same
/// cores as whoever answers.
#[derive(Debug)]
struct Orders {
    address: String,
    key: String,
    load: Load,
    next: Arc<AtomicU64>,
    /// The number of the first one that is written.
    first: u64,
    written: Vec<Vec<u8>>,
}

impl Orders {
    fn of(target: &Target, load: Load) -> Self {
        let first = target.next.load(Ordering::Relaxed);
        let mut orders = Self {
            address: target.server.address().to_owned(),
            key: target.key.clone(),
            load,
            next: Arc::clone(&target.next),
            first,
            written: Vec::new(),
        };
        let seconds = Duration::from_secs_f64(load.seconds).as_millis();
        let count = u64::try_from(seconds).unwrap_or(0) * WRITTEN_A_MILLISECOND;
        orders.written = (first..first + count).map(|number| orders.write(number)).collect();
        orders
    }

    fn write(&self, number: u64) -> Vec<u8> {
        let wanted = Wanted::of(self.load.seed, self.load.pattern, number);
        order_of(&wanted, &self.address, &self.key)
    }

    /// The next one.
    fn next(&self) -> Cow<'_, [u8]> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let index = usize::try_from(number - self.first).unwrap_or(usize::MAX);
        match self.written.get(index) {
            Some(request) => Cow::Borrowed(request),
            None => Cow::Owned(self.write(number)),
        }
    }
}

async fn call(
    mut connection: Connection,
    orders: Arc<Orders>,
    end: Instant,
) -> anyhow::Result<Answers> {
    let mut answers = Answers::default();
    while Instant::now() < end {
        let request = orders.next();
        let begun = Instant::now();
        match connection.send(&request).await? {
            201 => answers.accepted += 1,
            // Too little stock, or too many at once: both are answers.
            409 | 503 => {}
            status => bail!("an order was answered {status}"),
        }
        answers.times_us.push(u32::try_from(begun.elapsed().as_micros())?);
    }
    Ok(answers)
}

/// The writer alone: one task has batches of orders done, one after the other.
async fn batches(shop: &Shop, load: Load, next: &AtomicU64) -> anyhow::Result<Sample> {
    let cpu_before = machine::cpu_us()?;
    let begun = Instant::now();
    let end = begun + Duration::from_secs_f64(load.seconds);
    let mut answers = Answers::default();
    while Instant::now() < end {
        let batch = Instant::now();
        let orders = (0..load.callers).map(|_| {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let wanted = Wanted::of(load.seed, load.pattern, number);
            async move { place(shop, &wanted).await }
        });
        for outcome in join_all(orders).await {
            answers.accepted += u64::from(outcome? == Outcome::Accepted);
            answers.times_us.push(u32::try_from(batch.elapsed().as_micros())?);
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    Ok(answers.sample(seconds, machine::cpu_us()? - cpu_before))
}
