//! What is wrong right now, and the command that solves it.

use serde::Serialize;

use super::ReportError;
use super::orders::shown_id;
use super::view::time;
use crate::clock::Timestamp;
use crate::store::attention::{self, OrderTrouble};
use crate::store::{self, Conn, Db, StoreError};

/// The most rows of one kind.
pub const ATTENTION_MAX: usize = 200;
/// Orders that wait longer for their decision wait for a daemon that does not run.
const WAITING_MS: i64 = 60_000;
/// Attempts after which what a channel is to be told is somebody's to look at.
const STUCK_ATTEMPTS: i64 = 5;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TroubleKind {
    /// An order is owed units.
    ShortOrder,
    /// Nobody knows the item of an order's line.
    UnmappedLine,
    /// More left a level than the books had there.
    Discrepancy,
    /// A payment has nothing to pay for.
    RefundDue,
    /// Fulfilment has begun, and nobody paid.
    UnpaidAccepted,
    /// Orders wait for their decision.
    OrdersWaiting,
    /// An import is neither whole nor taken back.
    ImportUnfinished,
    /// The last run of a job failed.
    JobFailed,
    /// A channel cannot be asked, or falls behind.
    ChannelFails,
    /// The orders of a channel could not be read for too long.
    ChannelBlind,
    /// Numbers on a channel were off when they were last compared.
    Drift,
    /// Something that came in from a channel cannot be used.
    DeadLetter,
    /// A channel did not take what became of one of its orders here.
    NotTold,
    /// A number on a channel is not what it should be, and trying again did not help.
    ListingProblem,
}

impl TroubleKind {
    /// The name in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ShortOrder => "short_order",
            Self::UnmappedLine => "unmapped_line",
            Self::Discrepancy => "discrepancy",
            Self::RefundDue => "refund_due",
            Self::UnpaidAccepted => "unpaid_accepted",
            Self::OrdersWaiting => "orders_waiting",
            Self::ImportUnfinished => "import_unfinished",
            Self::JobFailed => "job_failed",
            Self::ChannelFails => "channel_fails",
            Self::ChannelBlind => "channel_blind",
            Self::Drift => "drift",
            Self::DeadLetter => "dead_letter",
            Self::NotTold => "not_told",
            Self::ListingProblem => "listing_problem",
        }
    }
}

/// One thing that somebody has to look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Trouble {
    /// What is wrong.
    pub kind: TroubleKind,
    /// What it is about: an order, a SKU at a location, an import, a job, a channel.
    pub subject: String,
    /// Since when.
    pub since: Timestamp,
    /// What there is to say.
    pub detail: String,
    /// The command that solves it.
    pub command: String,
}

/// What is wrong right now: kind by kind, the oldest first, at most [`ATTENTION_MAX`]
/// of each.
pub async fn attention(db: &Db, now: Timestamp) -> Result<Vec<Trouble>, ReportError> {
    let mut reader = db.snapshot().await?;
    let mut conn = reader.conn();
    let limit = i64::try_from(ATTENTION_MAX).unwrap_or(i64::MAX);
    let mut all = Vec::new();
    for one in attention::short(&mut conn, limit).await? {
        let (detail, order) = (format!("{} units are owed", one.number), id(&one));
        let command = format!("invshop order allocate {}", word(&order));
        all.push(trouble(TroubleKind::ShortOrder, order, one.since, (detail, command))?);
    }
    for one in attention::unmapped(&mut conn, limit).await? {
        let detail = format!("line {}: nobody said which item '{}' is", one.number, one.name);
        let order = id(&one);
        let command = format!("invshop order map {} --line {} SKU", word(&order), one.number);
        all.push(trouble(TroubleKind::UnmappedLine, order, one.since, (detail, command))?);
    }
    for one in attention::discrepancies(&mut conn, limit).await? {
        let detail = format!(
            "{} units left that the books did not have; they say {} now: count them",
            one.units, one.on_hand
        );
        let (sku, location) = (word(&one.sku), &one.location);
        let command = format!("invshop stock count {sku} N --location {location}");
        let subject = format!("{} at {location}", one.sku);
        all.push(trouble(TroubleKind::Discrepancy, subject, one.since, (detail, command))?);
    }
    for one in attention::unmatched(&mut conn, limit).await? {
        let order = id(&one);
        let detail = format!("payment '{}' is to be given back; then record it", one.name);
        let command =
            format!("invshop order refund {} --payment-id {}", word(&order), word(&one.name));
        all.push(trouble(TroubleKind::RefundDue, order, one.since, (detail, command))?);
    }
    for one in attention::unpaid(&mut conn, limit).await? {
        let order = id(&one);
        let detail = match one.number {
            0 => "everything has left, nobody paid".to_owned(),
            units => format!("fulfilment has begun, {units} units are held, not paid"),
        };
        let command = format!("invshop order pay {}", word(&order));
        all.push(trouble(TroubleKind::UnpaidAccepted, order, one.since, (detail, command))?);
    }
    if let Some((count, since)) =
        attention::waiting(&mut conn, now.as_millis() - WAITING_MS).await?
    {
        let said = (format!("{count} orders wait to be decided"), "invshopd".to_owned());
        all.push(trouble(TroubleKind::OrdersWaiting, "orders".to_owned(), since, said)?);
    }
    for one in attention::unfinished(&mut conn, limit).await? {
        let detail = format!(
            "{}: {}, {} of {} rows: it goes on, or was broken off",
            one.file_name, one.status, one.rows_done, one.rows_total
        );
        let command = going_on(&one.status, one.id, &one.file_name);
        let said = (detail, command);
        let subject = format!("batch {}", one.id);
        all.push(trouble(TroubleKind::ImportUnfinished, subject, one.since, said)?);
    }
    of_jobs(&mut conn, &mut all).await?;
    of_channels(&mut conn, limit, &mut all).await?;
    Ok(all)
}

/// Jobs whose last run failed.
async fn of_jobs(conn: &mut Conn<'_>, all: &mut Vec<Trouble>) -> Result<(), StoreError> {
    for run in store::job_runs::last_of_each(conn).await? {
        if run.outcome.as_deref() == Some("failed") {
            let detail = run.detail.unwrap_or_default();
            let command = match run.job.as_str() {
                "backup" => "invshop db backup FILE",
                "reconcile" => "invshop reconcile",
                _ => "invshop db verify",
            };
            let said = (detail, command.to_owned());
            let since = run.finished_at.unwrap_or(run.due_at);
            all.push(trouble(TroubleKind::JobFailed, run.job, since, said)?);
        }
    }
    Ok(())
}

/// How an import that is neither whole nor taken back goes on.
fn going_on(status: &str, id: i64, file_name: &str) -> String {
    if status == "open" {
        format!("invshop batch resume {id} {}", word(file_name))
    } else {
        format!("invshop batch revert {id}")
    }
}

/// What is wrong with channels.
async fn of_channels(
    conn: &mut Conn<'_>,
    limit: i64,
    all: &mut Vec<Trouble>,
) -> Result<(), StoreError> {
    for channel in store::channels::all(conn).await? {
        if let Some((since, detail)) = channel.trouble() {
            let command = format!("invshop channel check {}", channel.name);
            let said = (detail.to_owned(), command);
            all.push(trouble(TroubleKind::ChannelFails, channel.name.clone(), since, said)?);
        }
        if let Some(since) = channel.blind_at {
            let detail = "its orders cannot be read: what it sells is not known here".to_owned();
            let said = (detail, format!("invshop channel check {}", channel.name));
            all.push(trouble(TroubleKind::ChannelBlind, channel.name, since, said)?);
        }
    }
    for one in store::drift::now(conn).await? {
        // What is no item of ours is for `listing list --unmapped`, and may stay so.
        let found = one.found.filter(|(cause, _)| cause != "unmapped");
        if let Some((cause, count)) = found {
            let detail = format!("{count} numbers were off when it was last compared: {cause}");
            let command = format!("invshop reconcile --channel {} --fix push", one.channel);
            let said = (detail, command);
            all.push(trouble(TroubleKind::Drift, one.channel, one.compared_at, said)?);
        }
    }
    for dead in store::inbox::list(conn, i64::MAX, "dead", limit).await? {
        let detail = dead.reason.unwrap_or_default();
        let command = format!("invshop inbox show {0}; invshop inbox replay {0}", dead.id);
        let subject = format!("{} {}", dead.channel, dead.kind);
        let said = (detail, command);
        all.push(trouble(TroubleKind::DeadLetter, subject, dead.received_at, said)?);
    }
    for one in store::push_backs::not_told(conn, limit, STUCK_ATTEMPTS).await? {
        let order = shown_id(&one.source, &one.external_id, None);
        let (channel, id) = (word(&one.channel), word(&one.external_id));
        let command = format!("invshop channel tell {channel} {id}");
        let said = (format!("{} here: {}", one.kind, one.reason), command);
        all.push(trouble(TroubleKind::NotTold, order, one.since, said)?);
    }
    for one in attention::listing_problems(conn, limit).await? {
        let place = if one.place.is_empty() { String::new() } else { format!("@{}", one.place) };
        let subject = format!("{} on {} {}{place}", one.sku, one.channel, one.holder);
        let command = format!("invshop channel push {}", one.channel);
        let said = (one.problem, command);
        all.push(trouble(TroubleKind::ListingProblem, subject, one.since, said)?);
    }
    Ok(())
}

fn trouble(
    kind: TroubleKind,
    subject: String,
    since: i64,
    (detail, command): (String, String),
) -> Result<Trouble, StoreError> {
    Ok(Trouble { kind, subject, since: time(since)?, detail, command })
}

fn id(one: &OrderTrouble) -> String {
    shown_id(&one.source, &one.external_id, None)
}

/// A name as one word of a command: ids and SKUs may hold anything printable.
fn word(text: &str) -> String {
    let plain = |character: char| character.is_ascii_alphanumeric() || "-_.:/@".contains(character);
    if !text.is_empty() && !text.starts_with('-') && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::word;

    #[test]
    fn what_is_no_plain_word_is_quoted() {
        assert_eq!(word("web:1001"), "web:1001");
        assert_eq!(word("A 1"), "'A 1'");
        assert_eq!(word("$(reboot)"), "'$(reboot)'");
        assert_eq!(word("it's"), r"'it'\''s'");
    }
}
