//! Whose turn it is, of several nodes, to do what one does for all.
//!
//! The lease goes by the clock the nodes agree on. A node may still be frozen between a
//! look at it and what it does then: whoever must not act beside another looks further.

use std::sync::Arc;

use crate::shop::Shop;
use crate::store::{self, StoreError};

/// How long a node that died keeps the others from its work, unless it is said.
const LEASE_MS: i64 = 10_000;

/// Whose turn it is.
#[derive(Debug)]
pub(crate) struct Turn {
    shop: Arc<Shop>,
    lease: String,
    node: String,
    lease_ms: i64,
    held_until: Option<i64>,
}

impl Turn {
    /// Nobody's yet.
    pub(crate) fn new(shop: &Arc<Shop>, lease: &str, node: String) -> Self {
        let shop = Arc::clone(shop);
        Self { shop, lease: lease.to_owned(), node, lease_ms: LEASE_MS, held_until: None }
    }

    /// Held for so long at a time.
    pub(crate) const fn held_for(mut self, lease_ms: i64) -> Self {
        self.lease_ms = lease_ms;
        self
    }

    /// Whether nobody else can have had it: the one daemon of its file.
    pub(crate) fn is_alone(&self) -> bool {
        self.shop.db.file().is_some()
    }

    /// Whether it is this node's: it takes the turn where nobody has it.
    pub(crate) async fn is_ours(&mut self) -> Result<bool, StoreError> {
        self.is_ours_for(self.lease_ms / 2).await
    }

    /// The same, for so many milliseconds to come.
    pub(crate) async fn is_ours_for(&mut self, millis: i64) -> Result<bool, StoreError> {
        if self.shop.db.file().is_some() {
            return Ok(true); // The one daemon of its file.
        }
        let now = self.shop.clock.now().as_millis();
        if self.held_until.is_some_and(|until| now < until - millis) {
            return Ok(true);
        }
        let (lease, node, until) = (self.lease.clone(), self.node.clone(), now + self.lease_ms);
        let taken = self.shop.db.write(move |mut conn| {
            Box::pin(async move { store::leases::take(&mut conn, &lease, &node, now, until).await })
        });
        let taken = taken.await?;
        self.held_until = taken.then_some(until);
        // Taking it took its time too.
        Ok(taken && self.shop.clock.now().as_millis() < until - millis)
    }

    /// The next node need not wait for the lease to end.
    pub(crate) async fn let_go(self) {
        if self.held_until.is_none() {
            return;
        }
        let (lease, node, now) = (self.lease, self.node, self.shop.clock.now().as_millis());
        let released = self.shop.db.write(move |mut conn| {
            Box::pin(async move { store::leases::release(&mut conn, &lease, &node, now).await })
        });
        if let Err(error) = released.await {
            tracing::debug!(error = %error, "a lease is left to its end");
        }
    }
}
