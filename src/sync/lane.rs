//! A lane: everything that goes on with one channel, one step after another.
//!
//! What came in is dealt with before anything is written, and a bulk of numbers goes out a
//! call at a time, so that nothing waits behind it. A failure makes the lane wait, longer
//! each time, and no other lane.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::behind::Backlog;
use super::errand::Errand;
use super::ingest::retry_of;
use super::judge::Doubt;
use super::pull::{BIN_UNREAD, MOMENT_MS, Pulled, Seen};
use super::push_back::Resting;
use super::quiet::Quiet;
use super::retry::Pauses;
use super::{Channel, SyncError, sweep};
use crate::clock::Timestamp;
use crate::config::ChannelMode;
use crate::shop::turn::Turn;
use crate::store::{StoreError, push_flows, pushes};

/// How often a lane looks for something to do.
const EVERY: Duration = Duration::from_millis(100);
/// How often orders are looked for that the list of changes leaves out: a webhook tells of
/// most of them.
const OMITTED_EVERY: Duration = Duration::from_mins(10);
/// How long a node that died keeps its channels from the others, milliseconds.
pub(super) const LEASE_MS: i64 = 28_000;

/// The lane of one channel.
#[derive(Debug)]
pub struct Lane {
    pub(super) channel: Arc<Channel>,
    pub(super) turn: Turn,
    seen: Seen,
    /// By how much numbers were off that nothing explained when they were last looked at.
    pub(super) doubts: HashMap<(String, String), Doubt>,
    /// After a step that failed nothing is tried for a while.
    pub(super) steps: Pauses,
    /// The same of telling the channel of its orders, which the numbers do not wait for.
    pub(super) telling: Pauses,
    /// Numbers that are left alone, by the order for which something is under way there.
    pub(super) resting: HashMap<String, Resting>,
    polled_at: Option<Instant>,
    /// When a list of orders was begun that is still to be followed by another, milliseconds.
    listed_at: Option<i64>,
    /// Looking for orders that the list of changes leaves out.
    omitted: Errand,
    /// Asking for orders that nothing was heard of for long.
    quiet: Quiet,
    /// Looking at numbers that nothing was heard of.
    sweep: Errand,
    pub(super) was_ours: bool,
    /// Whether it is written down that the channel is blind; none while that was not read.
    pub(super) is_blind: Option<bool>,
    /// Whether more of its numbers become due than are settled.
    pub(super) backlog: Backlog,
    /// Where its webhooks go, and when they were last looked at.
    hooks: super::webhook::Hooks,
}

impl Lane {
    /// The lane of a channel on a node; its webhooks are told to call below an address.
    pub fn new(channel: Arc<Channel>, node: String, public_url: Option<&str>) -> Self {
        let lease = format!("lane {}", channel.name());
        let turn = Turn::new(&channel.shop, &lease, node).held_for(LEASE_MS);
        let hooks = super::webhook::Hooks::new(public_url, channel.name());
        Self {
            channel,
            turn,
            seen: Seen::default(),
            doubts: HashMap::new(),
            steps: Pauses::default(),
            telling: Pauses::default(),
            resting: HashMap::new(),
            polled_at: None,
            listed_at: None,
            omitted: Errand::new(OMITTED_EVERY, BIN_UNREAD),
            quiet: Quiet::new(),
            sweep: sweep::errand(),
            was_ours: false,
            is_blind: None,
            backlog: Backlog::default(),
            hooks,
        }
    }

    /// Serves the channel until it is stopped; of several nodes one does.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                _ = ticks.tick() => {}
            }
            tokio::select! {
                biased;
                // What was under way is looked for at the next start.
                () = stop.cancelled() => break,
                () = self.look() => {}
            }
        }
        self.turn.let_go().await;
    }

    /// The orders that changed are read with the next step, whenever they were read last.
    pub fn pull_next(&mut self) {
        self.polled_at = None;
    }

    /// Orders that were thrown away are looked for with the next step, whenever that was
    /// done last.
    pub fn look_for_omitted_next(&mut self) {
        self.polled_at = None;
        self.omitted.next();
    }

    /// Open orders that nothing was heard of for long are asked for from the next step on,
    /// whenever that was done last.
    pub fn ask_for_quiet_next(&mut self) {
        self.polled_at = None;
        self.quiet.next();
    }

    /// Numbers that nothing was heard of are looked at with the next step, whenever that was
    /// done last.
    pub fn sweep_next(&mut self) {
        self.sweep.next();
    }

    /// Whether the channel calls us is looked at with the next step, whenever that was done
    /// last.
    pub fn look_after_webhooks_next(&mut self) {
        self.polled_at = None;
        self.hooks.next();
    }

    /// What it waits for after failures is tried with the next step.
    pub fn forget_pauses(&mut self) {
        self.omitted.forget_pause();
        self.quiet.errand.forget_pause();
        self.sweep.forget_pause();
        self.steps.forget();
        self.telling.forget();
    }

    /// One look: whatever there is to do now. A failure is written down, and waited out.
    pub async fn look(&mut self) {
        if self.steps.lasts() {
            return;
        }
        match self.step().await {
            Ok(()) => self.steps.worked(),
            Err(error) => {
                let pause = self.steps.failed(retry_of(&error));
                let (channel, seconds) = (self.channel.name(), pause.as_secs());
                tracing::warn!(channel, error = %error, seconds, "a channel waits after a failure");
                self.channel.note_failure(&error).await;
            }
        }
        if let Err(error) = self.note_blindness().await {
            tracing::debug!(error = %error, "whether a channel is blind is not known");
        }
        if let Err(error) = self.watch_backlog().await {
            tracing::debug!(error = %error, "whether a channel falls behind is not known");
        }
    }

    /// One step: what came in, the orders where it is time, and some numbers.
    pub async fn step(&mut self) -> Result<(), SyncError> {
        if !self.turn.is_ours().await? {
            self.was_ours = false;
            return Ok(());
        }
        if !self.was_ours {
            self.take_over().await?;
            self.was_ours = true;
        }
        if !self.ingest().await? {
            return Ok(());
        }
        self.channel.heed_the_blind().await?;
        if self.is_poll_due() {
            self.catch_up().await?;
            self.look_for_omitted().await;
            self.quiet.ask(&self.channel).await;
            self.channel.mirror().await?;
            self.channel.map_waiting().await?;
            if let Err(error) = self.hooks.look_after(&self.channel).await {
                // Webhooks only make it sooner: orders and numbers go on without.
                tracing::warn!(channel = self.channel.name(), error = %error, "webhooks are not set up");
                self.channel.note_failure(&error).await;
            }
        }
        self.tell_of_orders().await?;
        if self.channel.mode().await? == ChannelMode::Live {
            sweep::sweep(&mut self.sweep, &self.channel).await;
            loop {
                self.watch_backlog().await?;
                let is_done = self.push_some().await? == 0;
                // Numbers without an end do not keep orders from being read.
                if is_done || self.is_poll_due() || !self.turn.is_ours().await? {
                    break;
                }
                if !self.ingest().await? {
                    break;
                }
                self.tell_of_orders().await?;
            }
        }
        Ok(())
    }

    /// Deals with everything that waits. It may be much: whether the channel is still ours is
    /// seen to on the way, and told.
    async fn ingest(&mut self) -> Result<bool, SyncError> {
        while self.channel.ingest_some().await? > 0 {
            self.watch_backlog().await?;
            if !self.turn.is_ours().await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn is_poll_due(&self) -> bool {
        let every = Duration::from_secs(u64::from(self.channel.config.poll_seconds));
        self.polled_at.is_none_or(|at| at.elapsed() >= every)
    }

    /// Reads orders that were thrown away into the inbox, now and then: they are recorded
    /// with the next step. Where that fails everything else goes on.
    async fn look_for_omitted(&mut self) {
        if self.omitted.is_due(&self.channel).await {
            let began = (Instant::now(), self.now());
            let pulled = self.channel.pull_omitted(self.omitted.last(), &mut self.seen).await;
            self.omitted.ended(&self.channel, began, pulled.map(drop)).await;
        }
    }

    /// Tells the channel of its orders, before each call of numbers: what a cancelled order
    /// gives back there must not come on top of a number that counts it already.
    async fn tell_of_orders(&mut self) -> Result<(), SyncError> {
        super::find_push_backs(&self.channel.shop).await?;
        if self.push_back().await? {
            self.catch_up().await?;
        }
        Ok(())
    }

    /// Whoever had the channel before may have a write under way: it is waited for.
    async fn take_over(&self) -> Result<(), StoreError> {
        let mut reader = self.channel.shop.db.read().await?;
        let until = pushes::sending_until(&mut reader.conn(), self.channel.id).await?;
        drop(reader);
        let wait = until.unwrap_or(0) - self.now().as_millis();
        if let Ok(wait @ 1..) = u64::try_from(wait)
            && !self.turn.is_alone()
        {
            tracing::info!(channel = self.channel.name(), wait_ms = wait, "waits out a write");
            tokio::time::sleep(Duration::from_millis(wait)).await;
        }
        self.channel.apply_rules().await
    }

    /// Reads the orders that changed, and records them: every sale from before is in the
    /// ledger then, and every number known by what it took.
    pub(super) async fn catch_up(&mut self) -> Result<Pulled, SyncError> {
        let begun_at = self.now().as_millis();
        let pulled = self.channel.pull(&mut self.seen).await?;
        self.polled_at = Some(Instant::now());
        if !self.ingest().await? {
            // What was read is recorded by whoever has the channel now.
            return Ok(pulled);
        }
        super::follow::find_urgent(&self.channel.shop).await?;
        if let Some(until) = self.all_is_in_until(begun_at) {
            let id = self.channel.id;
            let written = self.channel.shop.db.write(move |mut conn| {
                Box::pin(async move { push_flows::settle(&mut conn, id, until).await })
            });
            written.await?;
        }
        Ok(pulled)
    }

    /// Until when every change of an order is in, after a list that was begun at a moment. Where
    /// lists follow later it was in the one before, and two changes of one moment are told
    /// apart by then.
    fn all_is_in_until(&mut self, begun_at: i64) -> Option<i64> {
        let lag = self.channel.lag_ms();
        if lag == 0 {
            return Some(begun_at);
        }
        // A clock may be put back.
        let before = self.listed_at.filter(|at| *at <= begun_at);
        if before.is_some_and(|at| begun_at - at < MOMENT_MS) {
            return None;
        }
        self.listed_at = Some(begun_at);
        Some(before?.saturating_sub(lag))
    }

    pub(super) fn now(&self) -> Timestamp {
        self.channel.shop.clock.now()
    }
}
