//! What was true at a moment stays what was true (R75), whatever is recorded later.

use invshop::clock::Timestamp;
use invshop::domain::{Delta, LocationKind};
use invshop::ledger::stock::{Basis, Change, StockCommand};
use invshop::reports::{self, AsOf};
use invshop::writer::Command;

use crate::both;
use crate::dice::Dice;
use crate::harness::{TestShop, movement, place, sku, units};

const STEPS: i64 = 60;
const PLACES: [&str; 2] = ["main", "store"];

both!(r75_as_of_now_is_the_present_and_the_past_never_changes, |shop| {
    let seed = std::env::var("INVSHOP_AS_OF_SEED").map_or(75, |seed| seed.parse().unwrap());
    println!("INVSHOP_AS_OF_SEED={seed}");
    let mut dice = Dice::new(seed);
    shop.location("store", LocationKind::Store).await;
    shop.item("MUG", 20).await;
    let mut known: Vec<AsOf> = Vec::new();
    for step in 0..STEPS {
        shop.clock.advance_millis(1 + u64::try_from(dice.range(0, 2_000)).unwrap());
        act(&shop, &mut dice, step).await;
        let now = shop.clock_now();
        let present = as_of(&shop, now, now).await;
        let item = reports::item(&shop.shop.db, &sku("MUG"), SPLIT).await.unwrap().unwrap();
        assert_eq!(present.totals, item.totals, "as of now is the present");
        // The present answer may still change, in the same millisecond; what was
        // answered for a moment before it must not.
        for past in &known {
            let again = as_of(&shop, past.at, now).await;
            assert_eq!(again.is_final, present.seq > past.seq, "{past:?}");
            assert_eq!((again.seq, &again.levels), (past.seq, &past.levels), "step {step}");
        }
        if present.seq > known.last().map_or(0, |last| last.seq) {
            known.push(present);
        }
    }
    assert!(known.len() > 20, "too little was recorded to prove anything: {}", known.len());
});

const SPLIT: invshop::domain::AllocationPolicy = invshop::domain::AllocationPolicy::Split;

async fn as_of(shop: &TestShop, at: Timestamp, now: Timestamp) -> AsOf {
    reports::as_of(&shop.shop.db, &sku("MUG"), at, now).await.unwrap()
}

/// Something that is recorded, or refused: now, or as a fact of the past.
async fn act(shop: &TestShop, dice: &mut Dice, step: i64) {
    let location = *dice.pick(&PLACES);
    let back = dice.chance(50).then(|| shop.clock_now().as_millis() - dice.range(1, 60_000));
    let count = Change::Count {
        quantity: units(dice.range(0, 30)),
        basis: Basis::Physical,
        observer: None,
    };
    let change = match dice.below(5) {
        0 => Change::Receive(units(dice.range(1, 9))),
        1 => count,
        2 => Change::WriteOff(units(dice.range(1, 4))),
        3 => Change::Adjust(Delta::new(dice.range(1, 5)).unwrap()),
        _ => {
            let order = place(&step.to_string(), &[("MUG", dice.range(1, 3))]);
            // A refusal is as good: it records nothing.
            let _refused_or_done = shop.run(Command::Place(order)).await;
            return;
        }
    };
    let effective_at = back.filter(|_| !matches!(change, Change::Adjust(_)));
    let command = StockCommand { effective_at, ..movement("MUG", location, change) };
    shop.run(Command::Stock(command)).await.unwrap();
}
