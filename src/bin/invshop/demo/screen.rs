//! What a demo shows while it runs: on a terminal a table that changes in place, with what
//! happens above it; elsewhere a line now and then.

use indicatif::ProgressBar;
use invshop::shop::Shop;
use tokio::time::{Duration, Instant};

use super::market::{COLUMNS, Market};
use crate::failure::Failure;
use crate::output::{Output, Table};

/// Between two lines where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(1);
/// Between two looks of the table.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The screen of a demo.
pub(super) struct Screen<'a> {
    output: &'a Output,
    table: Option<ProgressBar>,
    shown_at: Instant,
    /// Since when some shop shows something else than the ledger.
    behind_since: Option<Instant>,
}

impl<'a> Screen<'a> {
    pub(super) fn new(output: &'a Output) -> Self {
        Self { output, table: output.live(), shown_at: Instant::now(), behind_since: None }
    }

    /// Says what happens.
    pub(super) fn note(&self, line: &str) {
        match &self.table {
            Some(table) => table.suspend(|| self.output.note(line)),
            None => self.output.note(line),
        }
    }

    /// Shows how everything stands, where it is time.
    pub(super) async fn show(&mut self, market: &Market, shop: &Shop) -> Result<(), Failure> {
        let every = if self.table.is_some() { LOOK_EVERY } else { LINE_EVERY };
        if self.shown_at.elapsed() < every {
            return Ok(());
        }
        self.shown_at = Instant::now();
        match self.table.clone() {
            None => self.output.note(&market.line(shop).await?),
            Some(table) => table.set_message(self.table_of(market, shop).await?),
        }
        Ok(())
    }

    async fn table_of(&mut self, market: &Market, shop: &Shop) -> Result<String, Failure> {
        let mut table = Table::new(&COLUMNS, "");
        let mut behind = 0;
        for good in market.ledger(shop).await? {
            let wanted = good.totals.available_to_promise;
            let mut row = vec![good.sku.clone(), wanted.to_string()];
            for shown in market.shown(&good.sku) {
                let differs = shown != Some(wanted);
                behind += usize::from(differs);
                let units = shown.map_or("?".to_owned(), |units| units.to_string());
                row.push(if differs { format!("*{units}") } else { units });
            }
            table.row(row);
        }
        if behind == 0 {
            self.behind_since = None;
        }
        let lag = match (behind, *self.behind_since.get_or_insert_with(Instant::now)) {
            (0, _) => {
                self.behind_since = None;
                "every shop shows what the ledger says".to_owned()
            }
            (numbers, since) => {
                format!("{numbers} numbers (*) on their way for {} ms", since.elapsed().as_millis())
            }
        };
        Ok(format!("{}\n{} orders; {lag}", table.render(), market.orders()))
    }

    /// The table is not shown any more.
    pub(super) fn end(&self) {
        if let Some(table) = &self.table {
            table.finish_and_clear();
        }
    }
}
