//! Whose turn it is, of several nodes, to do what one does for all.
//!
//! Two at once would do no harm, only work: so the lease goes by the nodes' own clocks.

use crate::shop::Shop;
use crate::store::{self, StoreError};

/// How long a node that died keeps the others from its work.
const LEASE_MS: i64 = 10_000;

/// Whose turn it is.
pub(super) struct Turn<'a> {
    shop: &'a Shop,
    lease: &'static str,
    node: String,
    held_until: Option<i64>,
}

impl<'a> Turn<'a> {
    /// Nobody's yet.
    pub(super) const fn new(shop: &'a Shop, lease: &'static str, node: String) -> Self {
        Self { shop, lease, node, held_until: None }
    }

    /// Whether it is this node's: it takes the turn where nobody has it.
    pub(super) async fn is_ours(&mut self) -> Result<bool, StoreError> {
        if self.shop.db.file().is_some() {
            return Ok(true); // The one daemon of its file.
        }
        let now = self.shop.clock.now().as_millis();
        if self.held_until.is_some_and(|until| now < until - LEASE_MS / 2) {
            return Ok(true);
        }
        let (lease, node, until) = (self.lease, self.node.clone(), now + LEASE_MS);
        let taken = self.shop.db.write(move |mut conn| {
            Box::pin(async move { store::leases::take(&mut conn, lease, &node, now, until).await })
        });
        let taken = taken.await?;
        self.held_until = taken.then_some(until);
        Ok(taken)
    }

    /// The next node need not wait for the lease to end.
    pub(super) async fn let_go(self) {
        if self.held_until.is_none() {
            return;
        }
        let (lease, node, now) = (self.lease, self.node, self.shop.clock.now().as_millis());
        let released = self.shop.db.write(move |mut conn| {
            Box::pin(async move { store::leases::release(&mut conn, lease, &node, now).await })
        });
        if let Err(error) = released.await {
            tracing::debug!(error = %error, "a lease is left to its end");
        }
    }
}
