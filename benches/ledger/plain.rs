//! Plain SQL that loads the rows of an import: the same rows into the same
//! tables and indexes, many rows a statement, 50 000 rows a transaction.

use std::time::Instant;

use invshop::clock::{Clock as _, SystemClock};
use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, QueryBuilder, Sqlite};

use crate::import::{FileRow, row};
use crate::shops::{Made, Plain};

/// Rows of a transaction.
const TRANSACTION_ROWS: usize = 50_000;
/// Rows of a statement on SQLite: larger ones were no faster.
const SQLITE_ROWS: usize = 500;
/// Rows of a statement on PostgreSQL.
const POSTGRES_ROWS: usize = 5000;

/// Where a row goes, and what it is numbered.
#[derive(Clone, Copy, Debug)]
struct Numbers {
    location: i64,
    /// Of the first item, less one.
    item: i64,
    /// Of the first entry, less one.
    seq: i64,
    at: i64,
}

/// One item with its numbers: an item, its name, its level and two entries.
#[derive(Debug)]
struct Loaded {
    id: i64,
    seq: i64,
    row: FileRow,
}

/// Loads the rows into an empty shop; seconds.
pub(crate) async fn load(made: &Made, seed: u64, rows: usize) -> anyhow::Result<f64> {
    let mut plain = Plain::open(made).await?;
    let numbers = Numbers {
        location: plain.number("select id from location where code = 'main'").await?,
        item: plain.number("select coalesce(max(id), 0) from item").await?,
        seq: plain.number("select coalesce(max(seq), 0) from journal").await?,
        at: SystemClock.now().as_millis(),
    };
    let begun = Instant::now();
    let mut next = 0;
    while next < rows {
        let end = rows.min(next + TRANSACTION_ROWS);
        plain.run("begin").await?;
        while next < end {
            let step = match plain {
                Plain::Sqlite(_) => SQLITE_ROWS,
                Plain::Postgres(_) => POSTGRES_ROWS,
            };
            let until = end.min(next + step);
            let loaded = loaded(seed, next..until, numbers)?;
            match &mut plain {
                Plain::Sqlite(conn) => insert_sqlite(conn, &loaded, numbers).await?,
                Plain::Postgres(conn) => insert_postgres(conn, &loaded, numbers).await?,
            }
            next = until;
        }
        plain.run("commit").await?;
    }
    let seconds = begun.elapsed().as_secs_f64();
    plain.close().await?;
    Ok(seconds)
}

fn loaded(
    seed: u64,
    rows: std::ops::Range<usize>,
    numbers: Numbers,
) -> anyhow::Result<Vec<Loaded>> {
    rows.map(|index| {
        let number = i64::try_from(index)?;
        Ok(Loaded {
            id: numbers.item + 1 + number,
            seq: numbers.seq + 1 + number * 2,
            row: row(seed, u64::try_from(index)?),
        })
    })
    .collect()
}

const ITEMS: &str = "insert into item (id, sku, title, status, bundle, price, cost, currency,
                                       version, created_at, updated_at) ";
const NAMES: &str = "insert into item_sku (sku, item_id) ";
const LEVELS: &str =
    "insert into level (item_id, location_id, on_hand, reserved, shortfall, safety,
                                         version, counted_at) ";
const CREATED: &str = "insert into journal (seq, at, kind, item_id, effective_at, account_id) ";
const COUNTED: &str = "insert into journal (seq, at, kind, item_id, location_id, level_version,
                                            d_on_hand, d_reserved, d_shortfall, d_safety, on_hand,
                                            reserved, shortfall, safety, effective_at, quantity,
                                            account_id, data) ";
const OPENING: &str = r#"{"opening":true}"#;

async fn insert_sqlite(
    conn: &mut SqliteConnection,
    rows: &[Loaded],
    numbers: Numbers,
) -> anyhow::Result<()> {
    let Numbers { location, at, .. } = numbers;
    let mut items = QueryBuilder::<Sqlite>::new(ITEMS);
    items.push_values(rows, |mut values, Loaded { id, row, .. }| {
        values.push_bind(id).push_bind(&row.sku).push_bind(&row.title).push("'active', 0");
        values
            .push_bind(row.price)
            .push_bind(row.cost)
            .push("'EUR', 1")
            .push_bind(at)
            .push_bind(at);
    });
    items.build().execute(&mut *conn).await?;
    let mut names = QueryBuilder::<Sqlite>::new(NAMES);
    names.push_values(rows, |mut values, Loaded { id, row, .. }| {
        values.push_bind(&row.sku).push_bind(id);
    });
    names.build().execute(&mut *conn).await?;
    let mut levels = QueryBuilder::<Sqlite>::new(LEVELS);
    levels.push_values(rows, |mut values, Loaded { id, row, .. }| {
        values.push_bind(id).push_bind(location).push_bind(row.on_hand).push("0, 0, 0, 1");
        values.push_bind(at);
    });
    levels.build().execute(&mut *conn).await?;
    let mut created = QueryBuilder::<Sqlite>::new(CREATED);
    created.push_values(rows, |mut values, Loaded { id, seq, .. }| {
        values.push_bind(seq).push_bind(at).push("'item.created'").push_bind(id);
        values.push_bind(at).push("1");
    });
    created.build().execute(&mut *conn).await?;
    let mut counted = QueryBuilder::<Sqlite>::new(COUNTED);
    counted.push_values(rows, |mut values, Loaded { id, seq, row }| {
        values.push_bind(seq + 1).push_bind(at).push("'count'").push_bind(id).push_bind(location);
        values.push("1").push_bind(row.on_hand).push("0, 0, 0").push_bind(row.on_hand);
        values.push("0, 0, 0").push_bind(at).push_bind(row.on_hand).push("1").push_bind(OPENING);
    });
    counted.build().execute(&mut *conn).await?;
    Ok(())
}

async fn insert_postgres(
    conn: &mut PgConnection,
    rows: &[Loaded],
    numbers: Numbers,
) -> anyhow::Result<()> {
    const ITEM_ROWS: &str = "select unnest($1::bigint[]), unnest($2::text[]), unnest($3::text[]),
        'active', 0, unnest($4::bigint[]), unnest($5::bigint[]), 'EUR', 1, $6::bigint, $6";
    const NAME_ROWS: &str = "select unnest($1::text[]), unnest($2::bigint[])";
    const LEVEL_ROWS: &str =
        "select unnest($1::bigint[]), $2::bigint, unnest($3::bigint[]), 0, 0, 0, 1, $4::bigint";
    const CREATED_ROWS: &str =
        "select unnest($1::bigint[]), $2::bigint, 'item.created', unnest($3::bigint[]), $2, 1";
    const COUNTED_ROWS: &str = "select unnest($1::bigint[]) + 1, $2::bigint, 'count',
        unnest($3::bigint[]), $4::bigint, 1, unnest($5::bigint[]), 0, 0, 0, unnest($5::bigint[]), 0,
        0, 0, $2, unnest($5::bigint[]), 1, $6";
    let Numbers { location, at, .. } = numbers;
    let column = |figure: fn(&Loaded) -> i64| rows.iter().map(figure).collect::<Vec<_>>();
    let (ids, seqs) = (column(|one| one.id), column(|one| one.seq));
    let on_hand = column(|one| one.row.on_hand);
    let skus: Vec<&str> = rows.iter().map(|one| one.row.sku.as_str()).collect();
    let titles: Vec<&str> = rows.iter().map(|one| one.row.title.as_str()).collect();
    let text = |head: &str, rows: &str| AssertSqlSafe(format!("{head}{rows}"));
    let items = sqlx::query(text(ITEMS, ITEM_ROWS)).bind(&ids).bind(&skus).bind(&titles);
    let items = items.bind(column(|one| one.row.price)).bind(column(|one| one.row.cost));
    items.bind(at).execute(&mut *conn).await?;
    sqlx::query(text(NAMES, NAME_ROWS)).bind(&skus).bind(&ids).execute(&mut *conn).await?;
    let levels = sqlx::query(text(LEVELS, LEVEL_ROWS)).bind(&ids).bind(location).bind(&on_hand);
    levels.bind(at).execute(&mut *conn).await?;
    let created = sqlx::query(text(CREATED, CREATED_ROWS)).bind(&seqs).bind(at).bind(&ids);
    created.execute(&mut *conn).await?;
    let counted = sqlx::query(text(COUNTED, COUNTED_ROWS)).bind(&seqs).bind(at).bind(&ids);
    counted.bind(location).bind(&on_hand).bind(OPENING).execute(&mut *conn).await?;
    Ok(())
}
