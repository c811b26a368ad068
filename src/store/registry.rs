//! All statements of the program, so that each can be prepared on both databases.

use super::bulk::Bulk;
use super::{Db, Statement, StoreError};

const ALL: &[&[&Statement]] = &[
    super::accounts::STATEMENTS,
    super::acts::STATEMENTS,
    super::attention::STATEMENTS,
    super::audit::STATEMENTS,
    super::audit_rows::STATEMENTS,
    super::batches::STATEMENTS,
    super::catalogue::STATEMENTS,
    super::channel_tokens::STATEMENTS,
    super::channels::STATEMENTS,
    super::checkpoint::STATEMENTS,
    super::drift::STATEMENTS,
    super::dump::STATEMENTS,
    super::exports::STATEMENTS,
    super::fills::STATEMENTS,
    super::ids::STATEMENTS,
    super::import_reads::STATEMENTS,
    super::inbox::STATEMENTS,
    super::item_reads::STATEMENTS,
    super::job_runs::STATEMENTS,
    super::journal::STATEMENTS,
    super::journal_reads::STATEMENTS,
    super::leases::STATEMENTS,
    super::levels::STATEMENTS,
    super::listings::STATEMENTS,
    super::locations::STATEMENTS,
    super::look::STATEMENTS,
    super::migrate::STATEMENTS,
    super::order_reads::STATEMENTS,
    super::order_rows::STATEMENTS,
    super::orders::STATEMENTS,
    super::postgres::STATEMENTS,
    super::follower::STATEMENTS,
    super::push_backs::STATEMENTS,
    super::push_flows::STATEMENTS,
    super::push_looks::STATEMENTS,
    super::push_state::STATEMENTS,
    super::pushes::STATEMENTS,
    super::quiet_orders::STATEMENTS,
    super::remote_lines::STATEMENTS,
    super::report_reads::STATEMENTS,
    super::sealed::STATEMENTS,
    super::shop::STATEMENTS,
    super::signing_keys::STATEMENTS,
    super::sold::STATEMENTS,
    super::sqlite::STATEMENTS,
    super::waiting::STATEMENTS,
    super::together::STATEMENTS,
    super::users::STATEMENTS,
];

/// Those that only SQLite runs, with the rows in their text.
static BULKS: &[&[&Bulk]] =
    &[super::catalogue::BULKS, super::journal::BULKS, super::levels::BULKS, super::together::BULKS];

/// The statement of a name: for tests of how a database runs it.
pub fn named(name: &str) -> Option<&'static Statement> {
    ALL.iter().copied().flatten().copied().find(|statement| statement.name == name)
}

/// Prepares every statement of the program and says how many there are. What
/// the compiler would check if SQL were Rust, this checks at test time.
pub async fn prepare_all(db: &Db) -> Result<usize, StoreError> {
    let mut reader = db.read().await?;
    let mut count = 0;
    for statement in ALL.iter().copied().flatten().copied().chain(super::dump::statements()) {
        reader.conn().prepare(statement).await?;
        count += 1;
    }
    for bulk in BULKS.iter().copied().flatten().copied().chain(super::dump::bulks()) {
        bulk.prepare(&mut reader.conn()).await?;
        count += 1;
    }
    Ok(count)
}
