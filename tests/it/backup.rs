//! Backups: taken while everybody writes, whole or not there, and the same shop
//! wherever they are restored.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use invshop::backup::{self, BackupError, Restoring, Watch, Written};
use invshop::clock::Timestamp;
use invshop::orders::Personal;
use invshop::reports;
use invshop::secret::KeyFile;
use invshop::shop::{Opening, Shop};
use invshop::store::{DaemonLock, OF_THE_NODES, Place, StoreError};
use invshop::writer::Command;

use crate::both;
use crate::harness::{Backend, START, TestShop, drop_database, has_postgres, new_database, place};
use crate::raw::Raw;

static GO_ON: AtomicBool = AtomicBool::new(false);
pub(crate) const UNSEEN: Watch<'static> = Watch { rows: &|_, _| (), stop: &GO_ON };

fn now() -> Timestamp {
    Timestamp::parse(START).unwrap()
}

async fn back_up(shop: &Shop, file: &Path) -> Written {
    backup::write(&shop.db, file, (now(), false), UNSEEN).await.unwrap()
}

fn restoring<'a>(file: &'a Path, place: &'a Place, key_file: &'a KeyFile) -> Restoring<'a> {
    Restoring { file, place, key_file, replace: false, now: now() }
}

/// A new place on a database, and the name of what has to be dropped afterwards.
async fn place_on(backend: Backend, file: PathBuf) -> (Place, Option<String>) {
    match backend {
        Backend::Sqlite => (Place::Sqlite(file), None),
        Backend::Postgres => {
            let (url, name) = new_database().await;
            (Place::Postgres(url), Some(name))
        }
    }
}

async fn open(shop: &TestShop, place: &Place) -> Shop {
    let opening = Opening { place: place.clone(), random: shop.random(), ..shop.opening.clone() };
    Shop::open(opening).await.unwrap()
}

/// A shop with some of everything.
async fn full(shop: &TestShop) {
    for (sku, units) in [("MUG", 50), ("POT", 3), ("Ä\"\\ 0017", 1)] {
        shop.item(sku, units).await;
    }
    for id in 0..40 {
        shop.run(Command::Place(place(&id.to_string(), &[("MUG", 1)]))).await.unwrap();
    }
    let mut paying = place("paying", &[("POT", 2)]);
    paying.payment_required = true;
    paying.personal = Some(Personal::seal(
        &shop.shop.key,
        &paying.reference,
        &serde_json::json!({ "name": "A Buyer" }),
        shop.shop.random.as_ref(),
    ));
    shop.run(Command::Place(paying)).await.unwrap();
}

// Every column of every table is in a backup, but for those that are said to stay.
both!(a_backup_has_every_table_and_column, |shop| {
    let mut raw = Raw::open(&shop.opening.place).await;
    let columns = match shop.backend() {
        Backend::Sqlite => {
            "select m.name || ' ' || p.name from sqlite_master as m
             join pragma_table_xinfo(m.name) as p
             where m.type = 'table' and m.name <> '_sqlx_migrations' and p.hidden not in (2, 3)"
        }
        Backend::Postgres => {
            "select table_name || ' ' || column_name from information_schema.columns
             where table_schema = 'public' and table_name <> '_sqlx_migrations'
               and is_generated = 'NEVER'"
        }
    };
    let mut there: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in raw.texts(columns).await {
        let (table, column) = line.split_once(' ').unwrap();
        there.entry(table.to_owned()).or_default().insert(column.to_owned());
    }
    for table in OF_THE_NODES {
        there.remove(table).unwrap();
    }
    let listed = invshop::store::tables().into_iter().map(|(table, columns)| {
        (table.to_owned(), columns.into_iter().map(str::to_owned).collect())
    });
    assert_eq!(listed.collect::<BTreeMap<_, BTreeSet<_>>>(), there);
});

both!(a_backup_of_a_busy_shop_restores_into_both_databases, |shop| {
    shop.item("MUG", 100_000).await;
    let (acknowledged, stop) = (Mutex::new(BTreeSet::new()), AtomicBool::new(false));
    let load = async |client: u32| {
        for number in 0.. {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            let id = format!("{client}-{number}");
            shop.run(Command::Place(place(&id, &[("MUG", 1)]))).await.unwrap();
            acknowledged.lock().unwrap().insert(id);
        }
    };
    let file = shop.dir().join("shop.backup");
    let watch = async {
        while acknowledged.lock().unwrap().len() < 200 {
            tokio::task::yield_now().await;
        }
        let before = acknowledged.lock().unwrap().clone();
        let written = back_up(&shop.shop, &file).await;
        stop.store(true, Ordering::Relaxed);
        (before, written)
    };
    let clients = async { tokio::join!(load(1), load(2), load(3), load(4)) };
    let ((before, written), _) = tokio::join!(watch, clients);
    assert!(before.len() >= 200);
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600, "it has sealed data and hashes of keys");

    for backend in [Backend::Sqlite, Backend::Postgres] {
        if backend == Backend::Postgres && !has_postgres() {
            continue;
        }
        let (place, database) = place_on(backend, shop.dir().join("restored.db")).await;
        let given = restoring(&file, &place, &shop.opening.key_file);
        let restored = backup::restore(given, UNSEEN).await.unwrap();
        assert_eq!((restored.seq, restored.rows), (written.seq, written.rows));
        assert!(!restored.replaced);
        check_restored(&shop, &place, &before, written.seq).await;
        if let Some(name) = database {
            drop_database(&name).await;
        }
    }
});

/// What was restored is sound, has the orders, and goes on with new ids and numbers.
async fn check_restored(shop: &TestShop, place: &Place, orders: &BTreeSet<String>, seq: i64) {
    let restored = open(shop, place).await;
    let verified = reports::verify(&restored.db, &mut |_| {}).await.unwrap();
    assert!(verified.is_clean(), "{verified:#?}");
    let mut raw = Raw::open(place).await;
    let there: BTreeSet<String> =
        raw.texts("select external_id from orders").await.into_iter().collect();
    assert!(orders.is_subset(&there), "{:?}", orders.difference(&there).collect::<Vec<_>>());
    let next = crate::harness::place("next", &[("MUG", 1)]);
    let answer = restored.submit(Command::Place(next), None).await.unwrap();
    assert_eq!(answer.seq.unwrap().get(), seq + 1);
    restored.close().await;
}

// The checksum is over every row: equal ones are equal shops, in whichever database.
both!(the_same_shop_has_the_same_backup_wherever_it_is, |shop| {
    full(&shop).await;
    let first = shop.dir().join("first");
    let written = back_up(&shop.shop, &first).await;
    let mut from = first;
    for (number, backend) in
        [Backend::Postgres, Backend::Sqlite, Backend::Postgres].into_iter().enumerate()
    {
        if backend == Backend::Postgres && !has_postgres() {
            continue;
        }
        let (place, database) = place_on(backend, shop.dir().join(format!("{number}.db"))).await;
        let given = restoring(&from, &place, &shop.opening.key_file);
        backup::restore(given, UNSEEN).await.unwrap();
        let restored = open(&shop, &place).await;
        let again = shop.dir().join(format!("{number}.backup"));
        assert_eq!(back_up(&restored, &again).await.sha256, written.sha256);
        restored.close().await;
        from = again;
        if let Some(name) = database {
            drop_database(&name).await;
        }
    }
});

both!(a_shop_is_replaced_only_when_that_is_wanted_and_at_once, |shop| {
    full(&shop).await;
    let file = shop.dir().join("shop.backup");
    let written = back_up(&shop.shop, &file).await;
    shop.item("JUG", 7).await;
    let newest_item = "select max(id) from item";
    let jug = Raw::open(&shop.opening.place).await.number(newest_item).await;
    let place = shop.opening.place.clone();
    let key_file = &shop.opening.key_file;
    let newest = async || Raw::open(&place).await.number("select max(seq) from journal").await;
    let before = newest().await;

    let refused = backup::restore(restoring(&file, &place, key_file), UNSEEN).await.unwrap_err();
    assert!(matches!(refused, BackupError::HasShop(_)), "{refused}");
    let wanted = || Restoring { replace: true, ..restoring(&file, &place, key_file) };
    // Stopped among the rows of the second reading.
    let (seen, stop) = (std::sync::atomic::AtomicU64::new(0), AtomicBool::new(false));
    let count = |_, _| {
        if seen.fetch_add(1, Ordering::Relaxed) == 1 {
            stop.store(true, Ordering::Relaxed);
        }
    };
    let watch = Watch { rows: &count, stop: &stop };
    let stopped = backup::restore(wanted(), watch).await.unwrap_err();
    assert!(matches!(stopped, BackupError::Interrupted), "{stopped}");
    assert_eq!(newest().await, before, "nothing of it was written");
    let guarded = Raw::open(&place).await.refuses("delete from journal").await;
    assert!(guarded.contains("append-only"), "{guarded}");

    if let Place::Sqlite(path) = &place {
        let lock = DaemonLock::take(path).unwrap();
        let refused = backup::restore(wanted(), UNSEEN).await.unwrap_err();
        let runs = matches!(refused, BackupError::Store(StoreError::DaemonRuns { .. }));
        assert!(runs, "{refused}");
        drop(lock);
    }
    let lease = format!(
        "insert into lease (name, node, epoch, held_until) values ('sweep', 'box/1', 1, {})",
        now().as_millis() + 1
    );
    Raw::open(&place).await.execute(&lease).await;
    let refused = backup::restore(wanted(), UNSEEN).await.unwrap_err();
    assert!(matches!(refused, BackupError::DaemonRuns { .. }), "{refused}");
    Raw::open(&place).await.execute("delete from lease").await;

    let restored = backup::restore(wanted(), UNSEEN).await.unwrap();
    assert!(restored.replaced);
    assert_eq!(newest().await, written.seq);
    let mut raw = Raw::open(&place).await;
    assert_eq!(raw.number("select count(*) from item where sku = 'JUG'").await, 0);
    if shop.backend() == Backend::Postgres {
        let next = raw.number("select nextval('item_id_seq')").await;
        assert!(next > jug, "a sequence is no part of a transaction: it never goes back");
    }
    for guarded in ["delete from journal", "update journal set kind = 'x'"] {
        assert!(raw.refuses(guarded).await.contains("append-only"), "the guards are back");
    }
});

/// A copy of a backup with its lines changed.
pub(crate) fn changed(file: &Path, change: impl Fn(&mut Vec<String>)) -> Vec<u8> {
    let mut text = String::new();
    GzDecoder::new(std::fs::File::open(file).unwrap()).read_to_string(&mut text).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    change(&mut lines);
    let mut out = GzEncoder::new(Vec::new(), Compression::fast());
    out.write_all((lines.join("\n") + "\n").as_bytes()).unwrap();
    out.finish().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_a_whole_backup_is_refused_and_nothing_is_written() {
    let shop = TestShop::new(Backend::Sqlite).await;
    full(&shop).await;
    let file = shop.dir().join("shop.backup");
    back_up(&shop.shop, &file).await;
    let good = std::fs::read(&file).unwrap();
    let flip = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        bytes
    };
    let unit = |lines: &mut Vec<String>| {
        let last = lines.len() - 2;
        lines[last] = lines[last].replacen(",1,", ",2,", 1);
    };
    let newer = |lines: &mut Vec<String>| {
        lines[0] = lines[0].replacen("\"schema\":", "\"schema\":9", 1);
    };
    for (what, bytes, said) in [
        ("cut off", good[..good.len() / 2].to_vec(), "damaged"),
        ("cut off by a byte", good[..good.len() - 1].to_vec(), "damaged"),
        ("a bit flipped", flip(good.len() / 2), "damaged"),
        ("the last line gone", changed(&file, |lines| drop(lines.pop())), "breaks off"),
        ("a row gone", changed(&file, |lines| drop(lines.remove(5))), "damaged"),
        ("a number changed", changed(&file, unit), "its checksum is another"),
        (
            "a row that is none",
            changed(&file, |lines| lines[3] = "[1]".to_owned()),
            "line 4 is no row",
        ),
        (
            "more after its end",
            changed(&file, |lines| lines.push("{}".to_owned())),
            "follows its end",
        ),
        ("a newer schema", changed(&file, newer), "schema version 9"),
        ("nothing", Vec::new(), "no backup"),
        ("something else", b"these are not the bytes of a backup".to_vec(), "no backup"),
        ("other lines", changed(&file, |lines| drop(lines.remove(0))), "no backup"),
    ] {
        let bad = shop.dir().join("bad");
        std::fs::write(&bad, bytes).unwrap();
        let target = shop.dir().join("target.db");
        let place = Place::Sqlite(target.clone());
        let given = restoring(&bad, &place, &shop.opening.key_file);
        let error = backup::restore(given, UNSEEN).await.unwrap_err();
        assert!(error.to_string().contains(said), "{what}: {error}");
        assert!(!target.exists(), "{what}");
    }
    shop.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_belongs_to_its_key_and_replaces_nothing_by_itself() {
    let shop = TestShop::new(Backend::Sqlite).await;
    full(&shop).await;
    let file = shop.dir().join("shop.backup");
    back_up(&shop.shop, &file).await;
    let again = backup::write(&shop.shop.db, &file, (now(), false), UNSEEN).await.unwrap_err();
    assert!(matches!(again, BackupError::Exists(_)), "{again}");
    backup::write(&shop.shop.db, &file, (now(), true), UNSEEN).await.unwrap();

    let other = TestShop::new(Backend::Sqlite).await;
    let target = shop.dir().join("target.db");
    let place = Place::Sqlite(target.clone());
    // The seeds of two test shops are one, and so their keys are: another is needed.
    let another = KeyFile::new(other.dir().join("another.key"));
    another.create(&invshop::secret::InstanceKey::generate(other.random().as_ref())).unwrap();
    let wrong = backup::restore(restoring(&file, &place, &another), UNSEEN).await.unwrap_err();
    assert!(matches!(wrong, BackupError::WrongKey { .. }), "{wrong}");
    let none = KeyFile::new(other.dir().join("none.key"));
    let missing = backup::restore(restoring(&file, &place, &none), UNSEEN).await.unwrap_err();
    assert!(missing.to_string().contains("instance key"), "{missing}");
    assert!(!target.exists());

    let stop = AtomicBool::new(true);
    let stopped = shop.dir().join("stopped");
    for id in 0..1_200 {
        shop.item(&format!("SKU-{id}"), 0).await;
    }
    let watch = Watch { rows: &|_, _| (), stop: &stop };
    let error = backup::write(&shop.shop.db, &stopped, (now(), false), watch).await.unwrap_err();
    assert!(matches!(error, BackupError::Interrupted), "{error}");
    let left = std::fs::read_dir(shop.dir()).unwrap().map(|entry| entry.unwrap().file_name());
    let left: Vec<_> = left.filter_map(|name| name.into_string().ok()).collect();
    assert!(left.iter().all(|name| name != "stopped" && !name.starts_with(".tmp")), "{left:?}");
    other.end().await;
    shop.end().await;
}

// What later versions of the schema added, taken away again: a shop as version 1 left it.
const BACK_TO_ONE: &str = "drop index journal_acts; drop table order_user; drop table users;
     alter table shop drop column hashes; drop table signing_key;
     drop index journal_drift; drop table push_latency;
     drop table channel_drift; drop table follower; drop table source; drop table push_back;
     drop table inbox; drop table deduction; drop table remote_line;
     drop table push; drop table listing_key; drop table listing; drop table channel_token;
     drop table channel;
     alter table shop drop column moved_to;
     alter table item drop column sale;
     alter table item drop column stopped;
     drop index order_line_unmapped;
     drop index journal_discrepancy; drop index journal_unmatched;
     drop index orders_left_unpaid;
     alter table orders drop column refusal;
     drop table order_queue; drop table job_run; drop table lease;
     delete from _sqlx_migrations where version > 1";

/// Takes away what refuses values that are sealed with another key.
pub(crate) const fn without_sealed_triggers(backend: Backend) -> &'static str {
    match backend {
        Backend::Sqlite => {
            "drop trigger personal_key_new; drop trigger personal_key_changed;
             drop trigger inbox_key_new; drop trigger inbox_key_changed;"
        }
        Backend::Postgres => "drop function sealed_with_the_key_of_the_shop cascade;",
    }
}

both!(a_shop_of_the_version_before_is_refused_and_then_migrated, |shop| {
    full(&shop).await;
    let before = back_up(&shop.shop, &shop.dir().join("before")).await;
    let back = [without_sealed_triggers(shop.backend()), BACK_TO_ONE].concat();
    Raw::open(&shop.opening.place).await.execute(&back).await;
    let opening = || Opening { random: shop.random(), ..shop.opening.clone() };
    let refused = Shop::open(opening()).await.unwrap_err().to_string();
    assert!(refused.contains("schema version 1") && refused.contains("db migrate"), "{refused}");
    let (db, from, to) = invshop::store::Db::migrate(&shop.opening.place).await.unwrap();
    assert_eq!((from, to), (1, invshop::store::SCHEMA_VERSION));
    db.close().await;
    let migrated = Shop::open(opening()).await.unwrap();
    let after = back_up(&migrated, &shop.dir().join("after")).await;
    assert_eq!(after.sha256, before.sha256, "every row is as it was");
    migrated.submit(Command::Place(place("next", &[("MUG", 1)])), None).await.unwrap();
    migrated.close().await;
});
