//! The schema: which version a database has, and how it gets to ours.
//!
//! Migrations are twins (same number, name and tables in both folders), forward
//! only, and frozen once released: an edited one is found by its checksum.

use sqlx::SqlSafeStr as _;
use sqlx::migrate::{Migration, MigrationType, Migrator};

use super::statement::{args, statement};
use super::{Conn, Db, Statement, StoreError};

struct Twin {
    version: i64,
    name: &'static str,
    sqlite: &'static str,
    postgres: &'static str,
}

const TWINS: &[Twin] = &[
    Twin {
        version: 1,
        name: "ledger",
        sqlite: include_str!("../../migrations/sqlite/0001_ledger.sql"),
        postgres: include_str!("../../migrations/postgres/0001_ledger.sql"),
    },
    Twin {
        version: 2,
        name: "operations",
        sqlite: include_str!("../../migrations/sqlite/0002_operations.sql"),
        postgres: include_str!("../../migrations/postgres/0002_operations.sql"),
    },
    Twin {
        version: 3,
        name: "channels",
        sqlite: include_str!("../../migrations/sqlite/0003_channels.sql"),
        postgres: include_str!("../../migrations/postgres/0003_channels.sql"),
    },
    Twin {
        version: 4,
        name: "attention",
        sqlite: include_str!("../../migrations/sqlite/0004_attention.sql"),
        postgres: include_str!("../../migrations/postgres/0004_attention.sql"),
    },
    Twin {
        version: 5,
        name: "urgent",
        sqlite: include_str!("../../migrations/sqlite/0005_urgent.sql"),
        postgres: include_str!("../../migrations/postgres/0005_urgent.sql"),
    },
    Twin {
        version: 6,
        name: "push_back",
        sqlite: include_str!("../../migrations/sqlite/0006_push_back.sql"),
        postgres: include_str!("../../migrations/postgres/0006_push_back.sql"),
    },
    Twin {
        version: 7,
        name: "source",
        sqlite: include_str!("../../migrations/sqlite/0007_source.sql"),
        postgres: include_str!("../../migrations/postgres/0007_source.sql"),
    },
    Twin {
        version: 8,
        name: "desk",
        sqlite: include_str!("../../migrations/sqlite/0008_desk.sql"),
        postgres: include_str!("../../migrations/postgres/0008_desk.sql"),
    },
    Twin {
        version: 9,
        name: "looks",
        sqlite: include_str!("../../migrations/sqlite/0009_looks.sql"),
        postgres: include_str!("../../migrations/postgres/0009_looks.sql"),
    },
    Twin {
        version: 10,
        name: "deductions",
        sqlite: include_str!("../../migrations/sqlite/0010_deductions.sql"),
        postgres: include_str!("../../migrations/postgres/0010_deductions.sql"),
    },
    Twin {
        version: 11,
        name: "tokens",
        sqlite: include_str!("../../migrations/sqlite/0011_tokens.sql"),
        postgres: include_str!("../../migrations/postgres/0011_tokens.sql"),
    },
    Twin {
        version: 12,
        name: "events",
        sqlite: include_str!("../../migrations/sqlite/0012_events.sql"),
        postgres: include_str!("../../migrations/postgres/0012_events.sql"),
    },
    Twin {
        version: 13,
        name: "access",
        sqlite: include_str!("../../migrations/sqlite/0013_access.sql"),
        postgres: include_str!("../../migrations/postgres/0013_access.sql"),
    },
    Twin {
        version: 14,
        name: "users",
        sqlite: include_str!("../../migrations/sqlite/0014_users.sql"),
        postgres: include_str!("../../migrations/postgres/0014_users.sql"),
    },
];

/// The newest schema version this program knows.
pub const SCHEMA_VERSION: i64 = TWINS[TWINS.len() - 1].version;

/// What is in a database, before anything is done to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchemaState {
    /// No tables at all, on PostgreSQL.
    Empty,
    /// Only the table of migrations, with none in it, or a SQLite file without
    /// tables: whoever created the database died before the first one. No other
    /// program's data is there.
    Unfinished,
    /// Tables, but not ours.
    Foreign,
    /// Our schema at a version.
    Version(i64),
}

statement!(
    COUNT_TABLES,
    sqlite "select count(*) from sqlite_master where type = 'table' and name not like 'sqlite_%'",
    postgres "select count(*) from information_schema.tables where table_schema = current_schema()"
);
statement!(
    FIND_OURS,
    sqlite "select count(*) from sqlite_master where type = 'table' and name in ('_sqlx_migrations', 'journal', 'shop')",
    postgres "select count(*) from information_schema.tables
              where table_schema = current_schema()
                and table_name in ('_sqlx_migrations', 'journal', 'shop')"
);

// Run only where the table exists.
statement!(APPLIED_VERSION, "select coalesce(max(version), 0) from _sqlx_migrations where success");
statement!(COUNT_APPLIED, "select count(*) from _sqlx_migrations");
statement!(
    FIND_MIGRATIONS,
    sqlite "select count(*) from sqlite_master where type = 'table' and name = '_sqlx_migrations'",
    postgres "select count(*) from information_schema.tables
              where table_schema = current_schema() and table_name = '_sqlx_migrations'"
);

pub(super) const STATEMENTS: &[&Statement] =
    &[&COUNT_TABLES, &FIND_OURS, &APPLIED_VERSION, &COUNT_APPLIED, &FIND_MIGRATIONS];

/// Looks without touching.
pub(crate) async fn state(conn: &mut Conn<'_>) -> Result<SchemaState, StoreError> {
    let tables = conn.one(&COUNT_TABLES, args![]).await?.int(0)?;
    if tables == 0 {
        return Ok(match conn {
            // A file is not there before somebody creates a database in it.
            Conn::Sqlite(_) => SchemaState::Unfinished,
            Conn::Postgres(_) => SchemaState::Empty,
        });
    }
    if tables == 1
        && conn.one(&FIND_MIGRATIONS, args![]).await?.int(0)? == 1
        && conn.one(&COUNT_APPLIED, args![]).await?.int(0)? == 0
    {
        return Ok(SchemaState::Unfinished);
    }
    if conn.one(&FIND_OURS, args![]).await?.int(0)? < 3 {
        return Ok(SchemaState::Foreign);
    }
    let version = conn.one(&APPLIED_VERSION, args![]).await?.int(0)?;
    Ok(SchemaState::Version(version))
}

/// Refuses a schema that this program must not write to.
pub(crate) fn check(state: SchemaState, place: &str) -> Result<(), StoreError> {
    match state {
        SchemaState::Empty => Err(StoreError::Missing(place.to_owned())),
        SchemaState::Unfinished => Err(StoreError::Unfinished(place.to_owned())),
        SchemaState::Foreign => Err(StoreError::Foreign(place.to_owned())),
        SchemaState::Version(found) if found > SCHEMA_VERSION => {
            Err(StoreError::Newer { found, known: SCHEMA_VERSION })
        }
        SchemaState::Version(found) if found < SCHEMA_VERSION => {
            Err(StoreError::Older { found, known: SCHEMA_VERSION })
        }
        SchemaState::Version(_) => Ok(()),
    }
}

/// Brings the schema to [`SCHEMA_VERSION`]; each migration is one transaction.
pub(crate) async fn run(db: &Db) -> Result<(), StoreError> {
    match db {
        Db::Sqlite(sqlite) => {
            let mut writer = sqlite.lock_writer().await?;
            let result = migrator(|twin| twin.sqlite).run(writer.connection()?).await;
            result.map_err(|error| StoreError::Migration(error.to_string()))
        }
        Db::Postgres(postgres) => {
            let mut conn = postgres.pool().acquire().await?;
            let result = migrator(|twin| twin.postgres).run(&mut *conn).await;
            result.map_err(|error| StoreError::Migration(error.to_string()))
        }
    }
}

fn migrator(text: fn(&Twin) -> &'static str) -> Migrator {
    let migration = |twin: &Twin| {
        Migration::new(
            twin.version,
            twin.name.into(),
            MigrationType::Simple,
            text(twin).into_sql_str(),
            false,
        )
    };
    Migrator::with_migrations(TWINS.iter().map(migration).collect())
}
