//! The places that hold stock.

use super::ReportError;
use crate::domain::Location;
use crate::store::{self, Db};

/// All locations, in the order orders take stock from them.
pub async fn locations(db: &Db) -> Result<Vec<Location>, ReportError> {
    let mut reader = db.read().await?;
    Ok(store::locations::all(&mut reader.conn()).await?)
}
