//! What goes wrong in the demo: everybody wants the same, a shop breaks down, and the daemon
//! is killed in the middle of its work and begun again on what it left.

use std::net::SocketAddr;
use std::time::Duration;

use invshop::config::Config;
use invshop::daemon::{self, DaemonError};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::market::Market;
use super::screen::Screen;
use crate::failure::Failure;

/// How long the shop that breaks down is down.
const OUTAGE: Duration = Duration::from_secs(3);
/// How long nobody begins the daemon again.
const DEATH: Duration = Duration::from_secs(1);
/// How often it is begun before that is a failure: what it left to threads of its own may
/// hold its files and its port for a moment.
const TRIES: u32 = 20;
/// How long it is looked at whether it stays.
const STAYS: Duration = Duration::from_millis(300);

/// The daemon.
pub(super) struct Running<'c> {
    config: &'c Config,
    address: SocketAddr,
    stop: CancellationToken,
    tasks: JoinSet<Result<(), DaemonError>>,
    /// How often it was killed.
    pub(super) kills: u32,
}

impl<'c> Running<'c> {
    /// Begins it.
    pub(super) fn begin(config: &'c Config, address: SocketAddr, listener: TcpListener) -> Self {
        let (stop, tasks) = (CancellationToken::new(), JoinSet::new());
        let mut running = Self { config, address, stop, tasks, kills: 0 };
        running.spawn(listener);
        running
    }

    fn spawn(&mut self, listener: TcpListener) {
        let (config, stop) = (self.config.clone(), self.stop.clone());
        self.tasks.spawn(async move { daemon::run(&config, listener, stop).await });
    }

    /// Ends it wherever it is: nothing is finished, told or put in order.
    async fn kill(&mut self) {
        self.tasks.shutdown().await;
        self.kills += 1;
    }

    async fn begin_again(&mut self) -> Result<(), Failure> {
        let mut why = String::new();
        for _ in 0..TRIES {
            match daemon::listen(self.address).await {
                Ok(listener) => self.spawn(listener),
                Err(error) => why = error.to_string(),
            }
            sleep(STAYS).await;
            match self.tasks.try_join_next() {
                None if !self.tasks.is_empty() => return Ok(()),
                Some(Ok(Err(error))) => why = error.to_string(),
                _ => {}
            }
        }
        Err(Failure::failed("daemon", why))
    }

    /// Ends it in order.
    pub(super) async fn end(mut self) -> Result<(), Failure> {
        self.stop.cancel();
        match self.tasks.join_next().await {
            Some(Ok(Ok(()))) => Ok(()),
            Some(Ok(Err(error))) => Err(Failure::failed("daemon", error.to_string())),
            _ => Err(Failure::failed("daemon", "the daemon did not end well")),
        }
    }
}

/// What is to go wrong, by the number of the order before which it does.
pub(super) struct Troubles {
    burst: u32,
    outage: u32,
    death: u32,
    down_until: Option<Instant>,
    dead_until: Option<Instant>,
}

impl Troubles {
    /// Those of so many orders.
    pub(super) const fn of(orders: u32) -> Self {
        let death = orders / 4 * 3;
        let (burst, outage) = (orders / 3, orders / 2);
        Self { burst, outage, death, down_until: None, dead_until: None }
    }

    /// Whatever is to happen before an order.
    pub(super) async fn before(
        &mut self,
        number: u32,
        (market, screen, running): (&mut Market, &mut Screen<'_>, &mut Running<'_>),
    ) -> Result<(), Failure> {
        if number == self.burst {
            screen.note("everybody wants the last lamps, in all shops at once");
            market.burst();
        }
        if number == self.outage {
            screen.note("the shop 'outlet' breaks down, and forgets what it had to tell");
            market.break_down(true);
            self.down_until = Some(Instant::now() + OUTAGE);
        }
        if number == self.death {
            screen.note("the daemon is killed in the middle of its work");
            running.kill().await;
            self.dead_until = Some(Instant::now() + DEATH);
        }
        if self.down_until.is_some_and(|until| Instant::now() >= until) {
            self.bring_back(market, screen);
        }
        if self.dead_until.is_some_and(|until| Instant::now() >= until) {
            self.revive(screen, running).await?;
        }
        Ok(())
    }

    /// Waits for the end of all of it.
    pub(super) async fn end(
        &mut self,
        (market, screen, running): (&mut Market, &mut Screen<'_>, &mut Running<'_>),
    ) -> Result<(), Failure> {
        if let Some(until) = self.dead_until {
            sleep_until(until).await;
            self.revive(screen, running).await?;
        }
        if let Some(until) = self.down_until {
            sleep_until(until).await;
            self.bring_back(market, screen);
        }
        Ok(())
    }

    fn bring_back(&mut self, market: &mut Market, screen: &mut Screen<'_>) {
        screen.note("the shop 'outlet' is back");
        market.break_down(false);
        self.down_until = None;
    }

    async fn revive(
        &mut self,
        screen: &mut Screen<'_>,
        running: &mut Running<'_>,
    ) -> Result<(), Failure> {
        screen.note("the daemon is begun again on what it left");
        self.dead_until = None;
        running.begin_again().await
    }
}
