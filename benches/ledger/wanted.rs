//! The orders that are placed: each follows from the seed and its number, so
//! every variant gets the same ones.

use clap::ValueEnum;
use invshop::secret::SeededRandom;

/// Items of the shop.
pub(crate) const ITEMS: u64 = 10_000;
/// Lines of an order.
pub(crate) const LINES: usize = 3;
/// Opening stock of every item: no run uses it up.
pub(crate) const ON_HAND: i64 = 500_000_000;
/// More than there is of anything.
const TOO_MANY: i64 = 900_000_000;
/// Of so many orders one is refused: 2 %.
const REFUSED_ONE_IN: u64 = 50;

/// How the lines are spread over the items.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Pattern {
    /// The first line of every order is the same item.
    Hot,
    /// Every line is any item.
    Spread,
}

impl Pattern {
    /// As the table says it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Hot => "hot",
            Self::Spread => "spread",
        }
    }
}

/// One order: items by their number from 0, ascending, and units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) number: u64,
    pub(crate) lines: [(u64, i64); LINES],
}

impl Wanted {
    /// The order of a number.
    pub(crate) fn of(seed: u64, pattern: Pattern, number: u64) -> Self {
        let random =
            SeededRandom::new(seed.wrapping_add(number.wrapping_mul(0x2545_f491_4f6c_dd1d)));
        let mut items = Vec::with_capacity(LINES);
        if pattern == Pattern::Hot {
            items.push(0);
        }
        while items.len() < LINES {
            let item = random.next_u64() % ITEMS;
            if !items.contains(&item) {
                items.push(item);
            }
        }
        items.sort_unstable();
        let refused = random.next_u64().is_multiple_of(REFUSED_ONE_IN);
        let mut lines = [(0, 1); LINES];
        for (line, item) in lines.iter_mut().zip(items) {
            *line = (item, if random.next_u64().is_multiple_of(4) { 2 } else { 1 });
        }
        if refused {
            lines[LINES - 1].1 = TOO_MANY;
        }
        Self { number, lines }
    }

    /// Its id outside, which is its idempotency key too.
    pub(crate) fn id(&self) -> String {
        format!("order-{}", self.number)
    }

    /// Units of all lines.
    pub(crate) fn units(&self) -> i64 {
        self.lines.iter().map(|(_, units)| units).sum()
    }
}

/// The SKU of an item.
pub(crate) fn sku(item: u64) -> String {
    format!("ITEM-{item:07}")
}
