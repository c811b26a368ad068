//! R10: a transaction that is not the program's stands in the writer's way.

use std::fs::File;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::{join, join_all};
use invshop::domain::{LocationKind, Refusal};
use invshop::ledger::catalogue::{ItemRow, Upsert};
use invshop::ledger::stock::Change;
use invshop::secret::SeededRandom;
use invshop::shop::Shop;
use invshop::store::Place;
use invshop::writer::{Answer, Command, Injected, Request, Step, WriteError};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::both;
use crate::harness::{Backend, TestShop, has_postgres, movement, place, sku, units};
use crate::raw::Raw;

/// Looks at something that is about to happen: each is a round trip or a turn
/// of the scheduler.
const LOOKS_MAX: u32 = 1_000_000;

/// Orders of the last units beside receipts of another item.
fn commands() -> Vec<Command> {
    let order = |number: i64| Command::Place(place(&number.to_string(), &[("MUG", 1), ("LID", 1)]));
    let receive = |_| Command::Stock(movement("CUP", "main", Change::Receive(units(1))));
    (0..4).flat_map(|number| [order(number), receive(number)]).collect()
}

async fn prepared(backend: Backend) -> TestShop {
    let shop = TestShop::new(backend).await;
    for (name, on_hand) in [("MUG", 4), ("LID", 4), ("CUP", 0)] {
        shop.item(name, on_hand).await;
    }
    shop
}

async fn all_done(shop: TestShop) {
    for name in ["MUG", "LID"] {
        assert_eq!(shop.level(name, "main").await, [4, 4, 0, 0]);
    }
    assert_eq!(shop.level("CUP", "main").await, [4, 0, 0, 0]);
    shop.end().await;
}

/// The foreign transaction has the journal lock and waits for a level; the
/// writer has the level and asks for the journal lock. It is the last to wait,
/// so it is the one that finds the deadlock and loses its transaction.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r10_a_deadlock_on_postgres_is_retried_and_every_command_is_done() {
    if !has_postgres() {
        return;
    }
    let shop = prepared(Backend::Postgres).await;
    let mut watcher = Raw::open(&shop.opening.place).await;
    let hasten = "do $$ begin
        execute format('alter database %I set deadlock_timeout = ''50ms''', current_database());
      end $$";
    watcher.execute(hasten).await;
    let (open, opened) = channel::<()>();
    let (reached, locked) = oneshot::channel();
    let (writer, reached) = (Mutex::new(Some(opened)), Mutex::new(Some(reached)));
    let mut opening = shop.opening.clone();
    opening.random = Arc::new(SeededRandom::new(0xdead_10cc));
    opening.faults = Some(Arc::new(move |step| {
        let shut = if step == Step::Loaded { writer.lock().unwrap().take() } else { None };
        if let Some(opened) = shut {
            let reached = reached.lock().unwrap().take().unwrap();
            reached.send(()).unwrap();
            // Others of this runtime must still be able to talk to the server.
            tokio::task::block_in_place(|| opened.recv().unwrap_or_default());
        }
        Injected::Nothing
    }));
    let other = Shop::open(opening).await.unwrap();
    let mut foreign = Raw::open(&shop.opening.place).await;
    let pid = foreign.number("select pg_backend_pid()::bigint").await;
    foreign.execute("begin; set local deadlock_timeout = '1h'").await;
    foreign.execute("select pg_advisory_xact_lock(29675938226959216)").await;
    let in_the_way = async {
        locked.await.unwrap();
        let ask = "select l.on_hand from level as l join item as i on i.id = l.item_id
                   where i.sku = 'MUG' for update of l";
        let waits = format!("select count(*) from pg_locks where pid = {pid} and not granted");
        let then_open = async {
            let mut looks = 0;
            while watcher.number(&waits).await == 0 {
                looks += 1;
                assert!(looks < LOOKS_MAX, "the level is not locked");
            }
            drop(open);
        };
        let (on_hand, ()) = join(foreign.number(ask), then_open).await;
        assert_eq!(on_hand, 4, "the writer's transaction was rolled back");
        foreign.execute("commit").await;
    };
    let asked = commands().into_iter().map(|command| other.submit(command, None));
    let (replies, ()) = join(join_all(asked), in_the_way).await;
    assert!(replies.iter().all(Result::is_ok), "{replies:?}");
    assert!(other.counters.deadlock_retries.get() > 0, "no deadlock was met");
    assert_eq!(other.counters.invariant_violations.get(), 0);
    other.close().await;
    drop((foreign, watcher));
    all_done(shop).await;
}

/// The order waits for the lock of a level of its item, and meanwhile another level
/// of it appears: it is not among those that are locked, so the batch is done again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r10_a_level_that_appears_while_others_are_locked_is_locked_too() {
    if !has_postgres() {
        return;
    }
    let shop = TestShop::new(Backend::Postgres).await;
    shop.item("MUG", 1).await;
    shop.location("attic", LocationKind::Warehouse).await;
    let other = shop.another().await;
    let mut foreign = Raw::open(&shop.opening.place).await;
    let lock = "select l.on_hand from level as l join item as i on i.id = l.item_id
                where i.sku = 'MUG' for update of l";
    foreign.execute("begin").await;
    assert_eq!(foreign.number(lock).await, 1);
    let in_the_way = async {
        let waits = "select count(*) from pg_stat_activity
                     where datname = current_database() and wait_event_type = 'Lock'";
        let mut watcher = Raw::open(&shop.opening.place).await;
        let mut looks = 0;
        while watcher.number(waits).await == 0 {
            looks += 1;
            assert!(looks < LOOKS_MAX, "nobody waits for the level");
        }
        let level = "insert into level
                       (item_id, location_id, on_hand, reserved, shortfall, safety, version)
                     select i.id, l.id, 0, 0, 0, 0, 0 from item as i cross join location as l
                     where i.sku = 'MUG' and l.code = 'attic'";
        foreign.execute(level).await;
        foreign.execute("commit").await;
    };
    let order = Command::Place(place("1", &[("MUG", 1)]));
    let (reply, ()) = join(other.submit(order, None), in_the_way).await;
    assert!(reply.is_ok(), "{reply:?}");
    assert_eq!(other.counters.batch_redos.get(), 1, "the new level was overlooked");
    other.close().await;
    drop(foreign);
    assert_eq!(shop.level("MUG", "main").await, [1, 1, 0, 0]);
    assert_eq!(shop.level("MUG", "attic").await, [0; 4]);
    shop.end().await;
}

fn recipe(name: &str, part: &str) -> Command {
    let components = Some(vec![(sku(part), units(1))]);
    let row = Box::new(ItemRow { components, ..ItemRow::default() });
    Command::Item { sku: sku(name), row, mode: Upsert::Either }
}

/// Between the reads and the writes of one node's batch another node does
/// something. What became of the batch.
async fn overtaken(shop: &TestShop, late: Command, first: Command) -> Result<Answer, WriteError> {
    let (open, opened) = channel::<()>();
    let (reached, loaded) = oneshot::channel();
    let once = Mutex::new(Some((opened, reached)));
    let mut opening = shop.opening.clone();
    opening.random = shop.random();
    opening.faults = Some(Arc::new(move |step| {
        let shut = if step == Step::Loaded { once.lock().unwrap().take() } else { None };
        if let Some((opened, reached)) = shut {
            reached.send(()).unwrap();
            // Others of this runtime must still be able to talk to the server.
            tokio::task::block_in_place(|| opened.recv().unwrap_or_default());
        }
        Injected::Nothing
    }));
    let other = Shop::open(opening).await.unwrap();
    let in_between = async {
        loaded.await.unwrap();
        shop.run(first).await.unwrap();
        drop(open);
    };
    let (reply, ()) = join(other.submit(late, None), in_between).await;
    assert!(other.counters.batch_redos.get() > 0, "what happened meanwhile was overlooked");
    other.close().await;
    reply
}

/// No row of a level stands between two nodes where the items have none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r10_two_nodes_make_no_bundle_of_bundles_and_none_with_stock() {
    if !has_postgres() {
        return;
    }
    let shop = TestShop::new(Backend::Postgres).await;
    for name in ["KNOB", "LID", "POT", "SET", "BOX"] {
        let row = Box::new(ItemRow::default());
        shop.run(Command::Item { sku: sku(name), row, mode: Upsert::Create }).await.unwrap();
    }
    // Meanwhile POT becomes a part, LID a bundle, and BOX gets stock.
    let receive = Command::Stock(movement("BOX", "main", Change::Receive(units(1))));
    for (late, first) in [
        (recipe("POT", "KNOB"), recipe("SET", "POT")),
        (recipe("NEW", "LID"), recipe("LID", "KNOB")),
        (recipe("BOX", "KNOB"), receive),
    ] {
        match overtaken(&shop, late, first).await {
            Err(WriteError::Refused(Refusal::Invalid { field, .. })) => {
                assert_eq!(field, "components");
            }
            other => panic!("{other:?}"),
        }
    }
    shop.end().await;
}

/// A program that knows nothing of our turns holds SQLite's write lock.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r10_a_foreign_write_lock_on_sqlite_is_waited_for() {
    let shop = prepared(Backend::Sqlite).await;
    let Place::Sqlite(path) = shop.opening.place.clone() else { unreachable!() };
    let mut foreign = Raw::open(&shop.opening.place).await;
    foreign.execute("begin immediate; update item set title = 'theirs' where sku = 'CUP'").await;
    let answered = AtomicU64::new(0);
    let asked = commands().into_iter().map(|command| async {
        let reply = shop.run(command).await;
        answered.fetch_add(1, Ordering::SeqCst);
        reply
    });
    let in_the_way = async {
        // Whoever has this lock is about to begin its transaction.
        let door = File::open(path.with_extension("db.write")).unwrap();
        let mut looks = 0;
        while door.try_lock().is_ok() {
            door.unlock().unwrap();
            looks += 1;
            assert!(looks < LOOKS_MAX, "the writer does not come to the door");
            tokio::task::yield_now().await;
        }
        assert_eq!(foreign.number("select sum(reserved) from level").await, 0);
        assert_eq!(answered.load(Ordering::SeqCst), 0, "answered under another's lock");
        foreign.execute("commit").await;
    };
    let (replies, ()) = join(join_all(asked), in_the_way).await;
    assert!(replies.iter().all(Result::is_ok), "{replies:?}");
    let mut raw = Raw::open(&shop.opening.place).await;
    assert_eq!(raw.texts("select title from item where sku = 'CUP'").await, ["theirs"]);
    drop((foreign, raw));
    all_done(shop).await;
}

/// The first deadline that is tried; a machine that stalls for so long gets longer ones.
const SHORT: Duration = Duration::from_millis(300);
/// The last one is sixteen times as long.
const DEADLINES: u32 = 5;

// Whoever has a deadline is told in time, while the others of its batch go on.
both!(a_deadline_ends_the_waiting_for_others, |shop| {
    shop.item("MUG", 9).await;
    let in_the_way = Arc::new(AtomicBool::new(true));
    let still = Arc::clone(&in_the_way);
    let mut opening = shop.opening.clone();
    opening.random = Arc::new(SeededRandom::new(0xdead_11e5));
    opening.faults = Some(Arc::new(move |step| {
        let conflict = step == Step::Loaded && still.load(Ordering::SeqCst);
        if conflict { Injected::Conflict } else { Injected::Nothing }
    }));
    let other = Shop::open(opening).await.unwrap();
    let order = |id: String| Command::Place(place(&id, &[("MUG", 1)]));
    let mut held = 0;
    // A deadline that passed before the first conflict shows nothing.
    while held < i64::from(DEADLINES) && other.counters.deadlock_retries.get() == 0 {
        in_the_way.store(true, Ordering::SeqCst);
        let mut request = Request::new(other.account, order(format!("hurried {held}")));
        request.deadline = Some(Instant::now() + SHORT * (1 << held));
        let hurried = async {
            let reply = other.writer.submit(request).await;
            in_the_way.store(false, Ordering::SeqCst);
            reply
        };
        let patient = other.submit(order(format!("patient {held}")), None);
        let (hurried, patient) = join(hurried, patient).await;
        assert!(matches!(hurried, Err(WriteError::Expired)), "{hurried:?}");
        assert!(patient.is_ok(), "{patient:?}");
        held += 1;
    }
    assert!(other.counters.deadlock_retries.get() > 0, "nobody was in the way");
    other.close().await;
    assert_eq!(shop.level("MUG", "main").await, [9, held, 0, 0]);
});
