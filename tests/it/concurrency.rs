//! Many callers, two writers of one shop, and what goes wrong between them.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use futures_util::future::{join, join_all};
use invshop::domain::{Delta, Key, LocationCode, LocationKind, Refusal};
use invshop::ledger::stock::Change;
use invshop::orders::Reassign;
use invshop::secret::SeededRandom;
use invshop::shop::Shop;
use invshop::store::Db;
use invshop::writer::{Answer, Command, Injected, QUEUE_MAX, Request, Step, WriteError};
use tokio::time::Instant;

use crate::both;
use crate::dice::Dice;
use crate::gate::{at_once, gated};
use crate::harness::{Backend, TestShop, has_postgres, movement, place, reference, units};
use crate::raw::Raw;

type Reply = Result<Answer, WriteError>;

fn order(id: &str, lines: &[(&str, i64)]) -> Command {
    Command::Place(place(id, lines))
}

fn is_short(reply: &Reply) -> bool {
    matches!(reply, Err(WriteError::Refused(Refusal::InsufficientStock { .. })))
}

fn is_clash(reply: &Reply) -> bool {
    matches!(reply, Err(WriteError::Refused(Refusal::IdempotencyMismatch { .. })))
}

fn count(replies: &[Reply], like: impl Fn(&Reply) -> bool) -> usize {
    replies.iter().filter(|reply| like(reply)).count()
}

/// A counter of a second writer must be 0 as well.
async fn close(other: Shop) {
    assert_eq!(other.counters.invariant_violations.get(), 0);
    other.close().await;
}

// Each writer decides its hundred in one batch, so that it is not chance whether
// the order that is sold the unit has others beside it: see scripts/mutations.
both!(r1_two_hundred_orders_for_the_last_unit_sell_it_once, |shop| {
    shop.item("MUG", 1).await;
    shop.item("LID", 0).await;
    let writers = [gated(&shop).await, gated(&shop).await];
    let hundred = |name: &str| -> Vec<(Command, Option<Key>)> {
        (0..100).map(|n| (order(&format!("{name}{n}"), &[("MUG", 1)]), None)).collect()
    };
    let [(here, one), (there, two)] = &writers;
    let orders = join(at_once(here, one, hundred("a")), at_once(there, two, hundred("b")));
    // Beside them a third writer keeps writing something else.
    let noise = async {
        for _ in 0..20 {
            let receive = movement("LID", "main", Change::Receive(units(1)));
            shop.run(Command::Stock(receive)).await.unwrap();
        }
    };
    let ((mut replies, more), ()) = join(orders, noise).await;
    replies.extend(more);
    // First of all: the decision refused them, not the last line of defence.
    for (writer, _) in &writers {
        assert_eq!(writer.counters.invariant_violations.get(), 0, "broken invariants");
    }
    assert_eq!(count(&replies, Reply::is_ok), 1);
    assert_eq!(count(&replies, is_short), 199);
    let mut raw = Raw::open(&shop.opening.place).await;
    assert_eq!(raw.number("select count(*) from orders").await, 1);
    assert_eq!(raw.number("select cast(sum(reserved) as bigint) from level").await, 1);
    for (writer, _) in writers {
        close(writer).await;
    }
});

both!(r7_orders_transfers_and_corrections_never_share_a_unit, |shop| {
    shop.location("attic", LocationKind::Store).await;
    shop.item("MUG", 6).await;
    shop.stock("MUG", "attic", Change::Receive(units(1))).await.unwrap();
    shop.run(order("old", &[("MUG", 2)])).await.unwrap();
    let other = shop.another().await;
    let attic = LocationCode::new("attic").unwrap();
    let stock = |change| Command::Stock(movement("MUG", "main", change));
    let mut here = Vec::new();
    let mut there = Vec::new();
    for n in 0..6 {
        here.push(order(&format!("n{n}"), &[("MUG", 1)]));
        there.push(stock(Change::Adjust(Delta::new(-1).unwrap())));
        here.push(stock(Change::Transfer { quantity: units(1), to: attic.clone() }));
        there.push(order(&format!("m{n}"), &[("MUG", 1)]));
    }
    let main = LocationCode::new("main").unwrap();
    let move_hold = Reassign { reference: reference("old"), line: None, from: main, to: attic };
    there.insert(3, Command::Reassign(move_hold));
    let here = join_all(here.into_iter().map(|command| shop.run(command)));
    let there = join_all(there.into_iter().map(|command| other.submit(command, None)));
    let (here, there) = join(here, there).await;
    let taken = count(&here, Reply::is_ok) + count(&there, Reply::is_ok);
    assert!(taken >= 4, "the four free units went: {here:?} {there:?}");
    let refused = here.iter().chain(&there).filter_map(|reply| reply.as_ref().err());
    let codes: Vec<&str> = refused
        .map(|error| match error {
            WriteError::Refused(refusal) => refusal.code(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert!(
        !codes.is_empty() && codes.iter().all(|code| *code == "insufficient_stock"),
        "{codes:?}"
    );
    let mut raw = Raw::open(&shop.opening.place).await;
    let held = raw.number("select cast(sum(held) as bigint) from orders").await;
    let reserved = raw.number("select cast(sum(reserved) as bigint) from level").await;
    assert_eq!(held, reserved);
    close(other).await;
});

both!(one_order_id_from_two_writers_is_one_order, |shop| {
    shop.item("MUG", 100).await;
    let other = shop.another().await;
    let here = (0..20).map(|_| shop.run(order("1", &[("MUG", 2)])));
    let there = (0..20).map(|_| other.submit(order("1", &[("MUG", 2)]), None));
    let (mut replies, more) = join(join_all(here), join_all(there)).await;
    replies.extend(more);
    let done = |reply: &Reply| reply.as_ref().is_ok_and(|answer| !answer.replayed);
    let replayed = |reply: &Reply| reply.as_ref().is_ok_and(|answer| answer.replayed);
    assert_eq!((count(&replies, done), count(&replies, replayed)), (1, 39));
    let here = (1..20).map(|n| shop.run(order("2", &[("MUG", n)])));
    let there = (20..40).map(|n| other.submit(order("2", &[("MUG", n)]), None));
    let (mut replies, more) = join(join_all(here), join_all(there)).await;
    replies.extend(more);
    assert_eq!((count(&replies, done), count(&replies, is_clash)), (1, 38));
    close(other).await;
});

both!(one_key_on_two_items_does_one_of_them, |shop| {
    shop.item("MUG", 0).await;
    shop.item("LID", 0).await;
    let other = shop.another().await;
    for round in 0..10 {
        let key = Key::new(&format!("key-{round}")).unwrap();
        let receive = |name| Command::Stock(movement(name, "main", Change::Receive(units(1))));
        let here = shop.shop.submit(receive("MUG"), Some(key.clone()));
        let there = other.submit(receive("LID"), Some(key));
        let (here, there) = join(here, there).await;
        let replies = [here, there];
        assert_eq!(
            (count(&replies, Reply::is_ok), count(&replies, is_clash)),
            (1, 1),
            "{replies:?}"
        );
    }
    let mut raw = Raw::open(&shop.opening.place).await;
    assert_eq!(raw.number("select cast(sum(on_hand) as bigint) from level").await, 10);
    close(other).await;
});

/// Orders of several lines in any order of items, from two writers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r9_r11_two_writers_on_postgres_never_deadlock() {
    if !has_postgres() {
        return;
    }
    let mut shop = TestShop::new(Backend::Postgres).await;
    shop.location("attic", LocationKind::Transit).await;
    let names = ["A", "B", "C", "D", "E", "F"];
    for name in names {
        shop.item(name, 60).await;
        shop.stock(name, "attic", Change::Receive(units(5))).await.unwrap();
    }
    let other = shop.another().await;
    let mut dice = Dice::new(11);
    let (mut accepted, mut refused) = (0, 0);
    for round in 0..12 {
        let mut work = |writer: &str| {
            (0..16).map(|n| random(&mut dice, names, &format!("{writer}{round}-{n}"))).collect()
        };
        let (here, there): (Vec<Command>, Vec<Command>) = (work("a"), work("b"));
        let here = join_all(here.into_iter().map(|command| shop.run(command)));
        let there = join_all(there.into_iter().map(|command| other.submit(command, None)));
        let (here, there) = join(here, there).await;
        for reply in here.iter().chain(&there) {
            match reply {
                Ok(_) => accepted += 1,
                Err(WriteError::Refused(_)) => refused += 1,
                Err(error) => panic!("{error:?}"),
            }
        }
    }
    assert!(accepted > 50 && refused > 50, "{accepted} accepted, {refused} refused");
    let retries = shop.shop.counters.deadlock_retries.get() + other.counters.deadlock_retries.get();
    assert_eq!(retries, 0);
    close(other).await;
    // A server process tells its statistics at the latest when it ends.
    shop.reopen(None).await;
    let mut raw = Raw::open(&shop.opening.place).await;
    let deadlocks = "select deadlocks from pg_stat_database where datname = current_database()";
    assert_eq!(raw.number(deadlocks).await, 0);
    drop(raw);
    shop.end().await;
}

fn random(dice: &mut Dice, names: [&str; 6], id: &str) -> Command {
    if dice.chance(15) {
        let to = LocationCode::new("main").unwrap();
        let change = Change::Transfer { quantity: units(1), to };
        return Command::Stock(movement(names[dice.below(names.len())], "attic", change));
    }
    let lines: Vec<(&str, i64)> =
        (0..dice.range(2, 4)).map(|_| (names[dice.below(names.len())], dice.range(1, 2))).collect();
    order(id, &lines)
}

both!(a_poisoned_batch_fails_for_the_bad_command_alone, |shop| {
    for name in ["MUG", "BAD", "LID"] {
        shop.item(name, 5).await;
    }
    let mut raw = Raw::open(&shop.opening.place).await;
    let bad = raw.number("select id from item where sku = 'BAD'").await;
    raw.execute(&poison(shop.backend(), bad)).await;
    let (gated, gate) = gated(&shop).await;
    let batch = vec![
        (order("1", &[("MUG", 1)]), None),
        (order("2", &[("LID", 1)]), None),
        (order("3", &[("MUG", 1), ("BAD", 1)]), None),
        (order("4", &[("LID", 1), ("MUG", 1)]), None),
        (Command::Stock(movement("LID", "main", Change::Receive(units(2)))), None),
    ];
    let replies = at_once(&gated, &gate, batch).await;
    assert!(matches!(replies[2], Err(WriteError::Store(_))), "{:?}", replies[2]);
    assert_eq!(count(&replies, Reply::is_ok), 4, "{replies:?}");
    let found = raw.texts("select external_id from orders").await;
    assert_eq!(found, ["1", "2", "4"]);
    // What a constraint had to refuse is counted: here it was made up.
    assert!(gated.counters.invariant_violations.get() > 0);
    gated.close().await;
    let healed = match shop.backend() {
        Backend::Sqlite => "drop trigger poison",
        Backend::Postgres => "drop trigger poison on level",
    };
    raw.execute(healed).await;
});

/// Makes the database refuse every change of an item's levels.
fn poison(backend: Backend, item: i64) -> String {
    match backend {
        Backend::Sqlite => format!(
            "create trigger poison before update on level when new.item_id = {item}
             begin select raise(abort, 'poison'); end"
        ),
        Backend::Postgres => format!(
            "create function poison() returns trigger language plpgsql as $$
             begin
               if new.item_id = {item} then
                 raise exception 'poison' using errcode = 'check_violation';
               end if;
               return new;
             end $$;
             create trigger poison before update on level for each row execute function poison()"
        ),
    }
}

both!(a_full_queue_answers_busy, |shop| {
    let (gated, gate) = gated(&shop).await;
    // The batch at the gate has taken up to 257 of them, the plug included.
    let count_all = QUEUE_MAX + 300;
    let commands = (0..count_all).map(|_| (Command::Accept(reference("none")), None)).collect();
    let replies = at_once(&gated, &gate, commands).await;
    let busy = count(&replies, |reply| matches!(reply, Err(WriteError::Busy)));
    let done = count(&replies, |reply| {
        matches!(reply, Err(WriteError::Refused(Refusal::UnknownOrder { .. })))
    });
    assert_eq!(busy + done, count_all);
    assert!((43..=301).contains(&busy), "{busy} were told to come again");
    close(gated).await;
});

both!(a_command_past_its_deadline_is_not_begun, |shop| {
    shop.item("MUG", 1).await;
    let mut request = Request::new(shop.shop.account, order("1", &[("MUG", 1)]));
    request.deadline = Some(Instant::now());
    let reply = shop.shop.writer.submit(request).await;
    assert!(matches!(reply, Err(WriteError::Expired)), "{reply:?}");
    let mut raw = Raw::open(&shop.opening.place).await;
    assert_eq!(raw.number("select count(*) from orders").await, 0);
});

both!(an_unknown_outcome_names_the_key_that_tells_it, |shop| {
    shop.item("MUG", 9).await;
    for (number, (step, was_done)) in (0..).zip([(Step::Loaded, false), (Step::Committed, true)]) {
        let mut opening = shop.opening.clone();
        opening.random = Arc::new(SeededRandom::new(0xdead + number));
        let crash = move |at| if at == step { Injected::Crash } else { Injected::Nothing };
        opening.faults = Some(Arc::new(crash));
        let dying = Shop::open(opening).await.unwrap();
        let receive = || Command::Stock(movement("MUG", "main", Change::Receive(units(1))));
        let reply = dying.submit(receive(), None).await;
        let Err(WriteError::Unknown(key)) = reply else { panic!("{step:?}: {reply:?}") };
        // Its writer is gone, so this one was not even begun.
        let own = Key::new("own").unwrap();
        let reply = dying.submit(receive(), Some(own.clone())).await;
        assert!(matches!(&reply, Err(WriteError::Unknown(key)) if *key == own), "{reply:?}");
        dying.close().await;
        let answer = shop.shop.submit(receive(), Some(key)).await.unwrap();
        assert_eq!(answer.replayed, was_done, "{step:?}");
    }
    assert_eq!(shop.level("MUG", "main").await, [11, 0, 0, 0]);
});

both!(whoever_stops_waiting_does_not_stop_the_command, |shop| {
    shop.item("MUG", 2).await;
    let (gated, gate) = gated(&shop).await;
    let open = gate.shut();
    let mut context = Context::from_waker(Waker::noop());
    let mut leaving = Box::pin(gated.submit(order("1", &[("MUG", 1)]), None));
    assert!(leaving.as_mut().poll(&mut context).is_pending());
    drop(leaving);
    drop(open);
    gated.submit(order("2", &[("MUG", 1)]), None).await.unwrap();
    let mut raw = Raw::open(&shop.opening.place).await;
    assert_eq!(raw.texts("select external_id from orders").await, ["1", "2"]);
    close(gated).await;
});

// sqlx 0.9 leaves a pooled connection inside a transaction when a begin is
// dropped half-way; writes acknowledged on it later are lost.
both!(a_begin_that_is_dropped_leaves_no_transaction_behind, |shop| {
    shop.item("MUG", 0).await;
    let mut raw = Raw::open(&shop.opening.place).await;
    let db: &Db = &shop.shop.db;
    let mut context = Context::from_waker(Waker::noop());
    let mut left = 0;
    for round in 0..200 {
        let mut beginning = Box::pin(db.begin());
        for _ in 0..=round % 7 {
            match beginning.as_mut().poll(&mut context) {
                Poll::Pending => tokio::task::yield_now().await,
                Poll::Ready(begun) => {
                    begun.unwrap().rollback().await;
                    break;
                }
            }
        }
        drop(beginning);
        left += 1;
    }
    assert_eq!(left, 200);
    shop.stock("MUG", "main", Change::Receive(units(3))).await.unwrap();
    assert_eq!(raw.number("select cast(sum(on_hand) as bigint) from level").await, 3);
    if shop.backend() == Backend::Postgres {
        let stuck = "select count(*) from pg_stat_activity where datname = current_database()
                     and state like 'idle in transaction%'";
        // The last of them may be on its way back: each look is a round trip.
        let mut looks = 0;
        while raw.number(stuck).await > 0 {
            looks += 1;
            assert!(looks < 1000, "connections stay inside a transaction");
        }
    }
});
