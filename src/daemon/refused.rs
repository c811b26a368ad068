//! Writes down now and then, and at the end, who was not believed.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::every::every;
use crate::shop::Shop;

/// How old what `report audit` shows may be.
const EVERY: Duration = Duration::from_secs(10);

/// Writes until it is stopped, then once more.
pub(super) async fn run(shop: Arc<Shop>, stop: CancellationToken) {
    // What failed was told where it failed.
    every(EVERY, stop, || async { drop(shop.write_refused().await) }).await;
}
