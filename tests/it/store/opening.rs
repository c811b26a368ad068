//! Which databases are opened, and which are refused with what words.

use invshop::secret::{InstanceKey, KeyFile, SeededRandom};
use invshop::shop::{Opening, Shop, ShopError};
use invshop::store::{Db, Place, SCHEMA_VERSION, StoreError};

use crate::both;
use crate::harness::{Backend, TestShop, drop_database, new_database};
use crate::raw::Raw;

async fn refusal(opening: Opening) -> ShopError {
    match Shop::open(opening).await {
        Err(error) => error,
        Ok(_) => panic!("the shop was opened"),
    }
}

async fn changed(shop: &TestShop, sql: &str) {
    shop.probe().await.change(sql).await.unwrap();
}

both!(a_newer_schema_is_refused, |shop| {
    let none = match shop.backend() {
        Backend::Sqlite => "x'00'",
        Backend::Postgres => "'\\x00'",
    };
    let newer = format!(
        "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
         values (99, 'later', true, {none}, 0)"
    );
    changed(&shop, &newer).await;
    let error = refusal(shop.opening.clone()).await;
    assert!(
        matches!(&error, ShopError::Store(StoreError::Newer { found: 99, known: SCHEMA_VERSION })),
        "{error}"
    );
    let text = error.to_string();
    assert!(text.contains("schema version 99") && text.contains("hint: use the invshop version"));
    match Db::migrate(&shop.opening.place).await {
        Err(StoreError::Newer { .. }) => {}
        other => panic!("{other:?}"),
    }
});

both!(an_older_schema_is_refused_with_the_way_to_migrate_it, |shop| {
    changed(&shop, "delete from _sqlx_migrations").await;
    let error = refusal(shop.opening.clone()).await;
    assert!(
        matches!(&error, ShopError::Store(StoreError::Older { found: 0, known: SCHEMA_VERSION })),
        "{error}"
    );
    assert!(error.to_string().contains("hint: run `invshop db migrate`"), "{error}");
});

both!(a_database_of_another_program_is_refused, |shop| {
    changed(&shop, "alter table shop rename to bookshop").await;
    let error = refusal(shop.opening.clone()).await;
    assert!(matches!(&error, ShopError::Store(StoreError::Foreign(_))), "{error}");
    assert!(error.to_string().contains("is not an invshop database"), "{error}");
    changed(&shop, "alter table bookshop rename to shop").await;
});

both!(a_database_that_is_not_there_is_told_with_the_way_to_make_it, |shop| {
    let mut opening = shop.opening.clone();
    let mut made = None;
    match shop.backend() {
        Backend::Sqlite => opening.place = Place::Sqlite(shop.dir().join("other.db")),
        Backend::Postgres => {
            let (url, name) = new_database().await;
            opening.place = Place::Postgres(url);
            made = Some(name);
        }
    }
    let error = refusal(opening).await;
    assert!(matches!(&error, ShopError::Store(StoreError::Missing(_))), "{error}");
    assert!(error.to_string().contains("hint: `invshop init` creates one"), "{error}");
    assert!(!error.to_string().contains("postgres@"), "{error}");
    if let Some(name) = made {
        drop_database(&name).await;
    }
});

/// What the migrator makes before the first migration.
const MIGRATIONS: &str = "create table _sqlx_migrations (
    version bigint primary key, description text not null,
    installed_on timestamp not null default current_timestamp, success boolean not null,
    checksum BYTES not null, execution_time bigint not null)";

both!(a_creation_that_died_before_the_first_table_is_told_and_gone_on_with, |shop| {
    let mut opening = shop.opening.clone();
    opening.key_file = KeyFile::new(shop.dir().join("other.key"));
    let (bytes, made) = match shop.backend() {
        Backend::Sqlite => {
            let path = shop.dir().join("other.db");
            std::fs::write(&path, "").unwrap();
            opening.place = Place::Sqlite(path);
            ("blob", None)
        }
        Backend::Postgres => {
            let (url, name) = new_database().await;
            opening.place = Place::Postgres(url);
            ("bytea", Some(name))
        }
    };
    let mut raw = Raw::open(&opening.place).await;
    raw.execute(&MIGRATIONS.replace("BYTES", bytes)).await;
    raw.execute("create table bookshop (book bigint)").await;
    let error = refusal(opening.clone()).await;
    assert!(matches!(&error, ShopError::Store(StoreError::Foreign(_))), "{error}");
    raw.execute("drop table bookshop").await;
    let error = refusal(opening.clone()).await;
    assert!(matches!(&error, ShopError::Store(StoreError::Unfinished(_))), "{error}");
    assert!(error.to_string().contains("hint: run `invshop init` again"), "{error}");
    drop(raw);
    if let Place::Sqlite(path) = &opening.place {
        let created = Shop::create(opening.clone()).await;
        assert!(matches!(created, Err(ShopError::Store(StoreError::Exists(_)))));
        std::fs::remove_file(path).unwrap();
    }
    let (created, _) = Shop::create(opening.clone()).await.unwrap();
    created.close().await;
    Shop::open(opening).await.unwrap().close().await;
    if let Some(name) = made {
        drop_database(&name).await;
    }
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_file_is_a_creation_that_died_early() {
    let shop = TestShop::new(Backend::Sqlite).await;
    let path = shop.dir().join("other.db");
    std::fs::write(&path, "").unwrap();
    let mut opening = shop.opening.clone();
    opening.place = Place::Sqlite(path.clone());
    opening.key_file = KeyFile::new(shop.dir().join("other.key"));
    let error = refusal(opening.clone()).await;
    assert!(matches!(&error, ShopError::Store(StoreError::Unfinished(_))), "{error}");
    assert!(error.to_string().contains("where it is a file, remove it first"), "{error}");
    match Db::migrate(&opening.place).await {
        Err(StoreError::Unfinished(_)) => {}
        other => panic!("{other:?}"),
    }
    let created = Shop::create(opening.clone()).await;
    assert!(matches!(created, Err(ShopError::Store(StoreError::Exists(_)))));
    assert_eq!(std::fs::metadata(&path).unwrap().len(), 0, "it is left as it is");
    std::fs::remove_file(&path).unwrap();
    let (created, _) = Shop::create(opening).await.unwrap();
    created.close().await;
    shop.end().await;
}

both!(a_database_is_created_once, |shop| {
    match Shop::create(shop.opening.clone()).await {
        Err(ShopError::Store(StoreError::Exists(_))) => {}
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it was created over the first"),
    }
    shop.item("MUG", 1).await;
});

both!(another_instance_key_is_refused, |shop| {
    let mut opening = shop.opening.clone();
    let file = KeyFile::new(shop.dir().join("other.key"));
    file.create(&InstanceKey::generate(&SeededRandom::new(99))).unwrap();
    opening.key_file = file;
    let error = refusal(opening).await;
    assert!(matches!(&error, ShopError::Store(StoreError::WrongKey { .. })), "{error}");
    assert!(error.to_string().contains("is not the one of this database"), "{error}");
    let mut opening = shop.opening.clone();
    opening.key_file = KeyFile::new(shop.dir().join("no.key"));
    assert!(matches!(refusal(opening).await, ShopError::KeyFile(_)));
    // The right one opens it.
    shop.another().await.close().await;
    assert!(shop.key_path().exists());
});

both!(a_database_that_would_forget_is_refused, |shop| {
    match shop.backend() {
        Backend::Sqlite => {
            let mode = "select journal_mode from pragma_journal_mode";
            assert_eq!(shop.texts(mode).await, [["wal"]]);
        }
        Backend::Postgres => {
            let name = shop.texts("select current_database()::text").await[0][0].clone();
            let set =
                |value: &str| format!("alter database {name} set synchronous_commit = {value}");
            changed(&shop, &set("off")).await;
            let error = refusal(shop.opening.clone()).await;
            match &error {
                ShopError::Store(StoreError::NotDurable { setting, found, .. }) => {
                    assert_eq!((*setting, found.as_str()), ("synchronous_commit", "off"));
                }
                other => panic!("{other}"),
            }
            changed(&shop, &set("local")).await;
            shop.another().await.close().await;
        }
    }
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let shop = TestShop::new(Backend::Sqlite).await;
    let path = shop.dir().join("letter.txt");
    let text = "Dear customer, ".repeat(200);
    std::fs::write(&path, &text).unwrap();
    let mut opening = shop.opening.clone();
    opening.place = Place::Sqlite(path.clone());
    let error = refusal(opening).await;
    assert!(matches!(&error, ShopError::Store(StoreError::Damaged(_))), "{error:?}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    shop.end().await;
}
