//! Stock value, low stock, and sales by business day.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate};
use invshop::clock::Timestamp;
use invshop::domain::{AllocationPolicy, LocationCode, LocationKind, OrderRef, Quantity};
use invshop::ledger::catalogue::{ItemRow, Upsert};
use invshop::ledger::stock::Change;
use invshop::orders::{Cancel, Import};
use invshop::reports::{self, ReportError, SalesPeriod, StockValueSum};
use invshop::secret::{Random, SeededRandom};
use invshop::writer::Command;

use crate::both;
use crate::harness::place;
use crate::harness::{TestShop, sku, units};
use crate::reads::{bundle, imported};

async fn priced(shop: &TestShop, name: &str, on_hand: i64, row: ItemRow) {
    let row = ItemRow {
        location: LocationCode::new("main").ok(),
        on_hand: Quantity::new(on_hand).ok(),
        ..row
    };
    let command = Command::Item { sku: sku(name), row: Box::new(row), mode: Upsert::Create };
    shop.run(command).await.unwrap();
}

fn money(cost: Option<i64>, price: Option<i64>, currency: &str) -> ItemRow {
    ItemRow { cost, price, currency: Some(currency.to_owned()), ..ItemRow::default() }
}

both!(unknown_costs_are_counted_and_never_as_nothing, |shop| {
    shop.location("store", LocationKind::Store).await;
    priced(&shop, "MUG", 10, money(Some(400), Some(1290), "EUR")).await;
    priced(&shop, "LID", 3, money(None, Some(500), "EUR")).await;
    priced(&shop, "POT", 2, money(Some(7000), None, "JPY")).await;
    priced(&shop, "BOX", 5, ItemRow::default()).await;
    priced(&shop, "NIL", 0, money(Some(1), Some(1), "EUR")).await;
    shop.stock("MUG", "store", Change::Receive(units(1))).await.unwrap();
    let mut rows = Vec::new();
    let value = reports::stock_value(&shop.shop.db, &mut |row| rows.push(row)).await.unwrap();
    let sum = |location: Option<&str>, currency: Option<&str>, counts: [i64; 5]| {
        let [on_hand, cost, on_hand_without_cost, price, on_hand_without_price] = counts;
        StockValueSum {
            location: location.map(str::to_owned),
            currency: currency.map(str::to_owned),
            on_hand,
            cost,
            on_hand_without_cost,
            price,
            on_hand_without_price,
        }
    };
    assert_eq!(
        value.totals,
        [
            sum(None, None, [5, 0, 5, 0, 5]),
            sum(None, Some("EUR"), [14, 4400, 3, 15690, 0]),
            sum(None, Some("JPY"), [2, 14000, 0, 0, 2]),
        ]
    );
    assert_eq!(
        value.locations,
        [
            sum(Some("main"), None, [5, 0, 5, 0, 5]),
            sum(Some("main"), Some("EUR"), [13, 4000, 3, 14400, 0]),
            sum(Some("main"), Some("JPY"), [2, 14000, 0, 0, 2]),
            sum(Some("store"), Some("EUR"), [1, 400, 0, 1290, 0]),
        ]
    );
    let names: Vec<_> = rows.iter().map(|row| (row.sku.as_str(), row.cost)).collect();
    let expected = [
        ("MUG", Some(4000)),
        ("MUG", Some(400)),
        ("LID", None),
        ("POT", Some(14000)),
        ("BOX", None),
    ];
    assert_eq!(names, expected);
});

both!(a_value_beyond_counting_is_an_error_that_names_the_item, |shop| {
    priced(&shop, "GOLD", 1_000_000_000, money(Some(1_000_000_000_000_000), None, "EUR")).await;
    let error = reports::stock_value(&shop.shop.db, &mut |_| {}).await.unwrap_err();
    assert!(matches!(&error, ReportError::Overflow { what } if what.contains("GOLD")));
});

both!(what_should_be_bought_is_what_is_at_its_reorder_point, |shop| {
    shop.location("aside", LocationKind::Quarantine).await;
    let watched =
        |point: i64| ItemRow { reorder_point: Quantity::new(point).ok(), ..ItemRow::default() };
    priced(&shop, "AT", 5, watched(5)).await;
    priced(&shop, "OVER", 6, watched(5)).await;
    priced(&shop, "HELD", 6, watched(5)).await;
    priced(&shop, "ASIDE", 0, watched(0)).await;
    priced(&shop, "GONE", 0, watched(5)).await;
    priced(&shop, "PLAIN", 0, ItemRow::default()).await;
    bundle(&shop, "SET", &[("OVER", 3)]).await;
    let row = Box::new(watched(2));
    let update = Command::Item { sku: sku("SET"), row, mode: Upsert::Update };
    shop.run(update).await.unwrap();
    shop.stock("ASIDE", "aside", Change::Receive(units(50))).await.unwrap();
    shop.run(Command::Place(place("1", &[("HELD", 1)]))).await.unwrap();
    shop.run(Command::Discontinue(sku("GONE"))).await.unwrap();
    let low = reports::low_stock(&shop.shop.db, AllocationPolicy::Split).await.unwrap();
    let shown: Vec<_> =
        low.iter().map(|row| (row.sku.as_str(), row.available_to_promise)).collect();
    assert_eq!(shown, [("ASIDE", 0), ("AT", 5), ("HELD", 5), ("SET", 2)]);
});

/// A zone told by its offsets alone, so that nothing is checked against itself.
struct Zone {
    name: chrono_tz::Tz,
    winter_minutes: i64,
    summer: Option<(&'static str, &'static str)>,
}

const ZONES: [Zone; 3] = [
    Zone {
        name: chrono_tz::Europe::Berlin,
        winter_minutes: 60,
        summer: Some(("2026-03-29T01:00:00Z", "2026-10-25T01:00:00Z")),
    },
    Zone {
        name: chrono_tz::America::St_Johns,
        winter_minutes: -210,
        summer: Some(("2026-03-08T05:30:00Z", "2026-11-01T04:30:00Z")),
    },
    Zone { name: chrono_tz::Asia::Kolkata, winter_minutes: 330, summer: None },
];

fn millis(text: &str) -> i64 {
    Timestamp::parse(text).unwrap().as_millis()
}

impl Zone {
    fn date(&self, moment: i64) -> NaiveDate {
        let summer =
            self.summer.is_some_and(|(start, end)| millis(start) <= moment && moment < millis(end));
        let minutes = self.winter_minutes + if summer { 60 } else { 0 };
        DateTime::from_timestamp_millis(moment + minutes * 60_000).unwrap().date_naive()
    }
}

struct Dice(SeededRandom);

impl Dice {
    fn below(&self, bound: i64) -> i64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        (u64::from_le_bytes(bytes) % u64::try_from(bound).unwrap()).try_into().unwrap()
    }
}

/// What an order adds to its day: (units, units without price, EUR, USD).
type Sold = (i64, i64, i64, i64);

/// Orders around every edge: the changes of the clocks, and the midnights of
/// each zone before and after them, to the millisecond.
async fn orders_at_the_edges(shop: &TestShop, dice: &Dice) -> Vec<(i64, Sold)> {
    const EDGES: [&str; 8] = [
        "2026-03-08T05:30:00Z",
        "2026-03-29T01:00:00Z",
        "2026-10-25T01:00:00Z",
        "2026-11-01T04:30:00Z",
        "2026-03-28T23:00:00Z",
        "2026-03-29T22:00:00Z",
        "2026-10-24T22:00:00Z",
        "2026-11-01T02:30:00Z",
    ];
    let mut orders = Vec::new();
    for number in 0..160 {
        let edge = millis(EDGES[usize::try_from(number % 8).unwrap()]);
        let off = match dice.below(4) {
            0 => 0,
            1 => -1,
            2 => (dice.below(2 * 60) - 60) * 60_000,
            _ => (dice.below(100) - 50) * 3_600_000 + dice.below(3_600_000),
        };
        let lines = [("MUG", 1 + dice.below(5), 0), ("LID", 1 + dice.below(5), 0)];
        let mut import = imported("web", &number.to_string(), &lines);
        import.placed_at = edge + off;
        let currency = if dice.below(2) == 0 { "EUR" } else { "USD" };
        import.currency = Some(currency.to_owned());
        let price = dice.below(1000);
        import.lines[0].request.unit_price = Some(price);
        import.lines[1].request.unit_price = None;
        let cancelled = dice.below(lines[0].1 + 1);
        let sold = lines[0].1 - cancelled;
        let revenue = sold * price;
        let (eur, usd) = if currency == "EUR" { (revenue, 0) } else { (0, revenue) };
        orders.push((import.placed_at, (sold + lines[1].1, lines[1].1, eur, usd)));
        record(shop, import, cancelled).await;
    }
    orders
}

async fn record(shop: &TestShop, import: Import, cancelled: i64) {
    let reference: OrderRef = import.reference.clone();
    shop.run(Command::Import(import)).await.unwrap();
    if cancelled > 0 {
        let lines = Some(vec![(1, units(cancelled))]);
        shop.run(Command::Cancel(Cancel { reference, lines, reason: None })).await.unwrap();
    }
}

fn sold_of(sum: &reports::SalesSum) -> Sold {
    let of = |currency: &str| {
        let found = sum.revenue.iter().find(|amount| amount.currency == currency);
        found.map_or(0, |amount| amount.amount)
    };
    (sum.units, sum.units_without_price, of("EUR"), of("USD"))
}

fn plus(one: Sold, other: Sold) -> Sold {
    (one.0 + other.0, one.1 + other.1, one.2 + other.2, one.3 + other.3)
}

both!(r46_r48_days_add_up_to_the_period_in_every_calendar, |shop| {
    let seed = 20_260_329;
    println!("seed {seed}");
    let dice = Dice(SeededRandom::new(seed));
    shop.clock.set(Timestamp::parse("2026-12-01T00:00:00Z").unwrap());
    shop.item("MUG", 10_000).await;
    shop.item("LID", 10_000).await;
    let orders = orders_at_the_edges(&shop, &dice).await;
    let mut periods = vec![("2026-01-01", "2026-12-31"), ("2026-03-29", "2026-03-29")];
    periods.extend([("2026-03-08", "2026-10-25"), ("2026-10-25", "2026-11-01")]);
    for zone in &ZONES {
        for (from, to) in &periods {
            let from: NaiveDate = from.parse().unwrap();
            let to: NaiveDate = to.parse().unwrap();
            let period = SalesPeriod { from, to, time_zone: zone.name };
            let sales = reports::sales(&shop.shop.db, period).await.unwrap();
            let mut expected: BTreeMap<NaiveDate, (i64, Sold)> = BTreeMap::new();
            for (placed_at, sold) in &orders {
                let date = zone.date(*placed_at);
                if from <= date && date <= to {
                    let day = expected.entry(date).or_default();
                    *day = (day.0 + 1, plus(day.1, *sold));
                }
            }
            let mut total = (0, (0, 0, 0, 0));
            let mut dates = from.iter_days();
            for day in &sales.days {
                assert_eq!(Some(day.date), dates.next());
                let (count, sold) = expected.remove(&day.date).unwrap_or_default();
                let place = format!("{} {}", zone.name, day.date);
                assert_eq!((day.sum.orders, sold_of(&day.sum)), (count, sold), "{place}");
                total = (total.0 + count, plus(total.1, sold));
            }
            assert_eq!(sales.days.last().map(|day| day.date), Some(to));
            assert!(expected.is_empty());
            assert_eq!((sales.total.orders, sold_of(&sales.total)), total);
            assert_eq!(sales.time_zone, zone.name.name());
        }
    }
});

both!(what_was_cancelled_whole_was_not_sold, |shop| {
    shop.item("MUG", 5).await;
    shop.run(Command::Place(place("1", &[("MUG", 2)]))).await.unwrap();
    shop.run(Command::Place(place("2", &[("MUG", 3)]))).await.unwrap();
    let cancel = Cancel { reference: crate::harness::reference("2"), lines: None, reason: None };
    shop.run(Command::Cancel(cancel)).await.unwrap();
    let day: NaiveDate = "2026-03-02".parse().unwrap();
    let period = SalesPeriod { from: day, to: day, time_zone: chrono_tz::UTC };
    let sales = reports::sales(&shop.shop.db, period).await.unwrap();
    assert_eq!((sales.total.orders, sales.total.units), (1, 2));
    assert_eq!(sales.total.units_without_price, 2);
    assert!(sales.total.revenue.is_empty());
    let backwards = SalesPeriod { to: day.pred_opt().unwrap(), ..period };
    let refused = reports::sales(&shop.shop.db, backwards).await;
    assert!(matches!(refused, Err(ReportError::Refused(_))));
});
