//! Every SQL statement of the program, one file a table.
//!
//! Portable statements are one constant for both databases; `sqlite.rs` and
//! `postgres.rs` hold what only one of them may have. Transactions begin only
//! through [`Db`]. Nothing here decides: it reads rows into domain values and
//! writes domain values into rows.

pub(crate) mod accounts;
pub(crate) mod acts;
pub(crate) mod attention;
pub(crate) mod audit;
pub(crate) mod audit_rows;
pub(crate) mod batches;
mod bulk;
pub(crate) mod catalogue;
pub(crate) mod channel_tokens;
pub(crate) mod channels;
mod checkpoint;
mod daemon_lock;
mod db;
pub(crate) mod drift;
pub(crate) mod dump;
mod error;
pub(crate) mod exports;
pub(crate) mod fills;
pub(crate) mod follower;
mod ids;
pub(crate) mod import_reads;
pub(crate) mod inbox;
pub(crate) mod item_reads;
pub(crate) mod job_runs;
pub(crate) mod journal;
pub(crate) mod journal_reads;
pub(crate) mod leases;
pub(crate) mod levels;
pub(crate) mod listings;
pub(crate) mod locations;
mod lock_file;
pub(crate) mod look;
mod migrate;
pub(crate) mod order_reads;
pub(crate) mod order_rows;
pub(crate) mod orders;
mod owner;
mod postgres;
mod postgres_tx;
pub(crate) mod push_backs;
pub(crate) mod push_flows;
pub(crate) mod push_looks;
pub(crate) mod push_state;
pub(crate) mod pushes;
pub(crate) mod quiet_orders;
mod registry;
pub(crate) mod remote_lines;
pub(crate) mod report_reads;
mod rows;
pub(crate) mod sealed;
pub(crate) mod shop;
pub(crate) mod signing_keys;
pub(crate) mod sold;
mod sqlite;
pub(crate) mod statement;
pub(crate) mod together;
mod turn;
pub(crate) mod users;
pub(crate) mod waiting;

pub use checkpoint::Checkpointer;
pub use daemon_lock::DaemonLock;
pub use db::{Db, Place, Reader, WriteTx};
pub use dump::{OF_THE_NODES, tables};
pub use error::{OnDisk, StoreError};
use ids::next_ids;
pub(crate) use ids::{next_account_ids, next_batch_ids, next_location_ids, next_user_ids};
pub use migrate::{SCHEMA_VERSION, SchemaState};
pub(crate) use owner::give_to_owner_of;
pub use postgres::PostgresDb;
pub(crate) use postgres::lock_journal;
pub use registry::{named, prepare_all};
pub use sqlite::SqliteDb;
pub(crate) use statement::Conn;
pub use statement::Statement;
