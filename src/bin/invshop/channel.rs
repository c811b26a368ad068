//! `channel …`, `reconcile`: the shops that sell the stock.

mod reconcile;

use std::sync::Arc;

use clap::{Args, Subcommand};
use invshop::config::ChannelMode;
use invshop::sync::{self, Channel, Difference};
use serde_json::{Value, json};

use crate::app::App;
use crate::arguments::Format;
use crate::failure::Failure;
use crate::output::{Reply, Table};

pub(crate) use reconcile::{Reconcile, reconcile};
use reconcile::{compare, differences};

/// Of a channel's numbers so many hundredths may change without a special yes.
const LARGE_PERCENT: usize = 10;

/// What can be done.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Verb {
    /// How every channel stands
    List,
    /// Ask a channel what it can do, and say what should be done about it
    Check(Named),
    /// Read the orders of a channel now
    Pull(Named),
    /// Have all numbers of a channel looked at; --dry-run shows what would change
    Push(Push),
    /// Tell a channel nothing any more; its orders still come in
    Pause(Named),
    /// Leave it to the configuration again what a channel is for
    Resume(Named),
    /// Set what a channel is for: shadow, live or paused
    Mode(Mode),
    /// Tell a channel once more what it did not take of shipments and cancellations
    Tell(Tell),
}

/// A channel.
#[derive(Clone, Debug, Args)]
pub(crate) struct Named {
    /// Its name in the configuration
    channel: String,
}

/// What to push.
#[derive(Clone, Debug, Args)]
pub(crate) struct Push {
    /// Its name in the configuration
    channel: String,
    /// Show what would change and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// What to tell.
#[derive(Clone, Debug, Args)]
pub(crate) struct Tell {
    /// Its name in the configuration
    channel: String,
    /// The channel's id of one order [default: all that it did not take]
    order: Option<String>,
    /// It was told there by hand: nothing is said any more
    #[arg(long)]
    by_hand: bool,
}

/// What it is to be for.
#[derive(Clone, Debug, Args)]
pub(crate) struct Mode {
    /// Its name in the configuration
    channel: String,
    #[arg(value_name = "MODE", help = "shadow, live or paused")]
    wanted: ChannelMode,
    /// Go live although more than a tenth of the numbers would change
    #[arg(long)]
    yes_large: bool,
}

/// Does one verb.
pub(crate) async fn run(
    app: &App<'_>,
    channels: &[Arc<Channel>],
    verb: Verb,
) -> Result<Reply, Failure> {
    match verb {
        Verb::List => list(channels).await,
        Verb::Check(named) => check(find(channels, &named.channel)?).await,
        Verb::Pull(named) => pull(find(channels, &named.channel)?).await,
        Verb::Push(push) if push.dry_run => {
            let found = compare(app, find(channels, &push.channel)?, false).await?;
            Ok(differences(&[found], Format::Table))
        }
        Verb::Push(push) => {
            let channel = find(channels, &push.channel)?;
            let numbers = channel.push_all().await?;
            let line = format!("{numbers} numbers of {} are looked at by the daemon", push.channel);
            Ok(Reply::one(line, json!({ "channel": push.channel, "numbers": numbers })))
        }
        Verb::Pause(named) => set(find(channels, &named.channel)?, Some(ChannelMode::Paused)).await,
        Verb::Resume(named) => set(find(channels, &named.channel)?, None).await,
        Verb::Tell(asked) => tell(find(channels, &asked.channel)?, &asked).await,
        Verb::Mode(mode) => set_mode(app, find(channels, &mode.channel)?, &mode).await,
    }
}

async fn tell(channel: &Channel, asked: &Tell) -> Result<Reply, Failure> {
    let order = asked.order.as_deref().unwrap_or_default();
    // With its source or without.
    let order = order.strip_prefix(&format!("{}:", channel.name())).unwrap_or(order);
    let (count, done) = if asked.by_hand {
        (sync::told_by_hand(channel.shop(), channel.name(), order).await?, "was told by hand")
    } else {
        let count = sync::tell_again(channel.shop(), channel.name(), order).await?;
        (count, "is told once more by the daemon")
    };
    let document = json!({ "channel": channel.name(), "count": count });
    if count == 0 && asked.order.is_some() {
        let message = format!("{} took all it was told of the order {order}", channel.name());
        return Err(Failure::refused("nothing_to_tell", message));
    }
    Ok(Reply::one(format!("{count} of what {} did not take {done}", channel.name()), document))
}

/// The channel of a name.
pub(crate) fn find<'c>(
    channels: &'c [Arc<Channel>],
    name: &str,
) -> Result<&'c Arc<Channel>, Failure> {
    channels.iter().find(|channel| channel.name() == name).ok_or_else(|| {
        let names: Vec<&str> = channels.iter().map(|channel| channel.name()).collect();
        let hint = if names.is_empty() {
            "a [[channel]] in the configuration connects one".to_owned()
        } else {
            format!("there are: {}", names.join(", "))
        };
        Failure::refused("unknown_channel", format!("there is no channel {name}")).hint(&hint)
    })
}

async fn list(channels: &[Arc<Channel>]) -> Result<Reply, Failure> {
    let statuses = sync::statuses(channels).await?;
    let names = [
        "channel",
        "kind",
        "mode",
        "from",
        "#numbers",
        "#dirty",
        "#problems",
        "#inbox",
        "pulled",
        "agreed",
        "blind since",
        "failure",
    ];
    let mut table =
        Table::new(&names, "no channels: a [[channel]] in the configuration connects one");
    for one in &statuses {
        table.row(vec![
            one.name.clone(),
            one.kind.clone(),
            one.mode.to_owned(),
            one.mode_from.to_owned(),
            one.numbers.to_string(),
            one.dirty.to_string(),
            one.problems.to_string(),
            one.inbox_pending.to_string(),
            one.pulled_at.map(|at| at.to_string()).unwrap_or_default(),
            one.agreement
                .map(|one| format!("{} of {}", one.right, one.numbers))
                .unwrap_or_default(),
            one.blind_since.map(|at| at.to_string()).unwrap_or_default(),
            one.failure.clone().unwrap_or_default(),
        ]);
    }
    Ok(Reply::list(table, &statuses))
}

async fn check(channel: &Channel) -> Result<Reply, Failure> {
    let probe = channel.check().await?;
    let mut table = Table::new(&["state", "finding"], "nothing was found");
    for finding in &probe.findings {
        let state = if finding.is_problem { "problem" } else { "ok" };
        table.row(vec![state.to_owned(), finding.text.clone()]);
    }
    let document = |finding: &invshop::connectors::Finding| json!({ "is_problem": finding.is_problem, "text": finding.text });
    let data: Vec<Value> = probe.findings.iter().map(document).collect();
    let has_problem = probe.findings.iter().any(|finding| finding.is_problem);
    Ok(Reply::list(table, &data).with_findings(has_problem))
}

async fn pull(channel: &Arc<Channel>) -> Result<Reply, Failure> {
    let pulled = channel.pull_now().await?;
    let (listed, new) = (pulled.listed, pulled.new);
    let line = format!("{listed} orders are listed, {new} states are new; the daemon records them");
    Ok(Reply::one(line, json!({ "channel": channel.name(), "listed": listed, "new": new })))
}

async fn set(channel: &Channel, mode: Option<ChannelMode>) -> Result<Reply, Failure> {
    channel.set_mode(mode).await?;
    let status = channel.status().await?;
    let line = format!("{} is {} ({})", status.name, status.mode, status.mode_from);
    Ok(Reply::one(line, json!(status)))
}

/// Going live shows first what it would change.
async fn set_mode(app: &App<'_>, channel: &Channel, given: &Mode) -> Result<Reply, Failure> {
    if given.wanted == ChannelMode::Live && channel.status().await?.mode != "live" {
        let found = compare(app, channel, false).await?;
        let ours = |one: &&Difference| one.wanted.is_some() && one.shown.is_some();
        let changes = found.differences.iter().filter(ours).count();
        let zeros =
            found.differences.iter().filter(ours).filter(|one| one.wanted == Some(0)).count();
        let all = found.right + changes;
        let question = format!(
            "{} of {all} numbers of {} change, {zeros} of them to 0; go live",
            changes,
            channel.name()
        );
        if changes * 100 > all * LARGE_PERCENT && !given.yes_large {
            let message = format!("{changes} of {all} numbers would change, {zeros} of them to 0");
            return Err(Failure::refused("large_change", message)
                .field("changes", json!(changes))
                .field("zeros", json!(zeros))
                .hint("`invshop channel push CHANNEL --dry-run` lists them; --yes-large does it"));
        }
        app.confirm(&question).await?;
    }
    set(channel, Some(given.wanted)).await
}
