//! Writes the last use of API keys down now and then, and at the end.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::every::every;
use crate::api::Keys;
use crate::shop::Shop;

/// How old what `key list` shows may be.
const EVERY: Duration = Duration::from_mins(1);

/// Writes until it is stopped, then once more.
pub(super) async fn run(shop: Arc<Shop>, keys: Arc<Keys>, stop: CancellationToken) {
    let write = || async {
        if let Err(error) = keys.write_uses(&shop).await {
            tracing::warn!(error = %error, "the last use of keys could not be written");
        }
    };
    every(EVERY, stop, write).await;
}
