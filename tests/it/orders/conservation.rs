//! Whatever happens to orders in whatever order, what is reserved is what is held.

use invshop::orders::Disposition;
use invshop::secret::{Random as _, SeededRandom};

use crate::acts::Outcome;
use crate::both;
use crate::harness::TestShop;
use invshop::writer::WriteError;

const SEED: u64 = 15;
const STEPS: u32 = 150;

/// A number below a bound.
fn below(random: &SeededRandom, bound: u64) -> u64 {
    let mut bytes = [0; 8];
    random.fill(&mut bytes);
    u64::from_le_bytes(bytes) % bound
}

async fn step(shop: &TestShop, random: &SeededRandom, number: u32) -> Outcome {
    let id = format!("{}", below(random, 8));
    let units = i64::try_from(1 + below(random, 4)).unwrap();
    let fact = format!("f{number}");
    match below(random, 10) {
        0 | 1 => shop.unpaid(&id, &[("POT", units), ("SET", 1)]).await,
        2 => shop.backorder(&id, &[("SET", units)]).await,
        3 => shop.cancel_lines(&id, &[(1, units)]).await,
        4 => shop.cancel(&id).await,
        5 => shop.pay(&id, &fact).await,
        6 => shop.ship_lines(&id, &fact, &[(1, units)]).await,
        7 => shop.give_back(&id, &fact, units, Disposition::Restock).await,
        8 => shop.refund(&id, &fact, units, true).await,
        _ => {
            shop.expire(below(random, 1_800_000)).await;
            shop.allocate(&id).await
        }
    }
}

// R15: reserved is the sum of open holds after every sequence of what can happen to orders.
both!(r15_what_is_reserved_is_what_orders_hold_after_any_sequence, |shop| {
    println!("seed {SEED}");
    let random = SeededRandom::new(SEED);
    shop.item("POT", 12).await;
    shop.item("LID", 9).await;
    shop.bundle("SET", &[("POT", 1), ("LID", 2)]).await.unwrap();
    let (mut done, mut not_done) = (0, 0);
    for number in 0..STEPS {
        match step(&shop, &random, number).await {
            Ok(_) => done += 1,
            Err(WriteError::Refused(_)) => not_done += 1,
            Err(error) => panic!("step {number}: {error}"),
        }
        if number % 10 == 0 {
            shop.audit().await;
        }
    }
    assert!(done > 40 && not_done > 10, "{done} done, {not_done} refused");
});
