//! How large a database is, and what it is full of.

use serde::Serialize;

use super::ReportError;
use crate::store::dump::{self, TABLES};
use crate::store::{self, Db, SCHEMA_VERSION};

/// The size of a database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// The file, or the server without credentials.
    pub database: String,
    /// Its schema version.
    pub schema_version: i64,
    /// Its length in bytes; on PostgreSQL that of the whole database.
    pub bytes: i64,
    /// Bytes of it that are free to be used again; `null` where that is not known.
    pub free_bytes: Option<i64>,
    /// Bytes of SQLite's write-ahead log beside the file; `null` on PostgreSQL.
    pub log_bytes: Option<u64>,
    /// The newest entry of the journal; 0 while it is empty.
    pub seq: i64,
    /// Rows of each table.
    pub tables: Vec<TableStats>,
}

/// The size of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TableStats {
    /// Its name.
    pub table: &'static str,
    /// Its rows.
    pub rows: i64,
}

/// Counts everything, as of one moment.
pub async fn stats(db: &Db) -> Result<Stats, ReportError> {
    let mut reader = db.snapshot().await?;
    let mut conn = reader.conn();
    let (bytes, free_bytes) = dump::sizes(&mut conn).await?;
    let (seq, _) = store::journal::newest(&mut conn).await?;
    let mut tables = Vec::with_capacity(TABLES.len());
    for table in &TABLES {
        tables.push(TableStats { table: table.name, rows: dump::count(&mut conn, table).await? });
    }
    let log_bytes = db.log_path().map(|log| std::fs::metadata(log).map_or(0, |log| log.len()));
    let database = db.place();
    Ok(Stats {
        database,
        schema_version: SCHEMA_VERSION,
        bytes,
        free_bytes,
        log_bytes,
        seq,
        tables,
    })
}
