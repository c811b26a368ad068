//! The end of the journal, and the time at the database.

use super::ReportError;
use super::view::time;
use crate::clock::Timestamp;
use crate::domain::Seq;
use crate::store::{self, Db};

/// The newest entry of the journal and its time; `None` while it is empty.
pub async fn newest(db: &Db) -> Result<Option<(Seq, Timestamp)>, ReportError> {
    let mut reader = db.read().await?;
    let (seq, at) = store::journal::newest(&mut reader.conn()).await?;
    if seq == 0 { Ok(None) } else { Ok(Some((Seq::new(seq), time(at)?))) }
}

/// What the clock says where the database is: another machine, with PostgreSQL.
pub async fn server_time(db: &Db) -> Result<Timestamp, ReportError> {
    Ok(time(store::shop::server_time(&mut db.read().await?.conn()).await?)?)
}
