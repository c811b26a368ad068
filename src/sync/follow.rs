//! The journal is followed, and the numbers of items that changed are found dirty.
//!
//! What changed by itself is followed apart from what a file changed: a sale is found
//! while a bulk is still gone through (R73).

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::push_back::THEIRS;
use crate::shop::Shop;
use crate::store::{self, StoreError, channels, follower, push_backs, pushes, sold};

/// How often the journal is looked at.
const EVERY: Duration = Duration::from_millis(50);
/// Entries of files that are looked at together: a sale waits no longer than for them.
const BULK_MAX: i64 = 1_000;
/// Other entries that are looked at together.
const ALONE_MAX: i64 = 10_000;

/// Entries that are followed together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entries {
    /// Those that came by themselves.
    Alone,
    /// Those of files.
    OfFiles,
    /// Those that orders' channels are to hear of.
    OfOrders,
}

impl Entries {
    /// The name of their follower.
    const fn follower(self) -> &'static str {
        match self {
            Self::Alone => "urgent",
            Self::OfFiles => "dirty",
            Self::OfOrders => "push_back",
        }
    }
}

/// Follows the journal until it is stopped. Several nodes may: what they write is the same.
pub async fn follow(shop: Arc<Shop>, stop: CancellationToken) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let followed = async {
            find_dirty(&shop).await?;
            find_push_backs(&shop).await
        };
        if let Err(error) = followed.await {
            tracing::warn!(error = %error, "the journal cannot be followed");
        }
    }
}

/// Finds every number dirty whose item changed until now.
pub async fn find_dirty(shop: &Shop) -> Result<(), StoreError> {
    loop {
        find_urgent(shop).await?;
        if !step(shop, Entries::OfFiles, BULK_MAX).await? {
            return Ok(());
        }
    }
}

/// Finds every number dirty whose item changed by itself until now, not with a file.
pub(super) async fn find_urgent(shop: &Shop) -> Result<(), StoreError> {
    while step(shop, Entries::Alone, ALONE_MAX).await? {}
    Ok(())
}

/// Finds what channels are to be told of their orders until now.
pub async fn find_push_backs(shop: &Shop) -> Result<(), StoreError> {
    loop {
        let mut reader = shop.db.read().await?;
        let (newest, _) = store::journal::newest(&mut reader.conn()).await?;
        let name = Entries::OfOrders.follower();
        let done = follower::followed(&mut reader.conn(), name).await?;
        drop(reader);
        if newest <= done {
            return Ok(());
        }
        // What was before channels were told of anything, they have been told otherwise.
        let after = if done == 0 { newest } else { done };
        let until = newest.min(after + ALONE_MAX);
        let written = shop.db.write(move |mut conn| {
            Box::pin(async move {
                if after < until {
                    push_backs::collect(&mut conn, (after, until), THEIRS).await?;
                }
                follower::follow(&mut conn, name, until).await
            })
        });
        written.await?;
    }
}

/// Looks at the next entries; whether there may be more.
async fn step(shop: &Shop, entries: Entries, most: i64) -> Result<bool, StoreError> {
    let mut reader = shop.db.read().await?;
    let (newest, _) = store::journal::newest(&mut reader.conn()).await?;
    let done = follower::followed(&mut reader.conn(), entries.follower()).await?;
    if newest <= done {
        return Ok(false);
    }
    if done == 0 {
        drop(reader);
        begin(shop, newest).await?;
        return Ok(true);
    }
    let until = newest.min(done + most);
    let is_alone = entries == Entries::Alone;
    let range = (done, until);
    let items = follower::changed_items(&mut reader.conn(), range, is_alone).await?;
    let sales = match entries {
        Entries::Alone => sold::sales(&mut reader.conn(), done, until).await?,
        _ => Vec::new(),
    };
    drop(reader);
    let written = shop.db.write(move |mut conn| {
        Box::pin(async move {
            if !sales.is_empty() {
                sold::mark(&mut conn, &sales).await?;
            }
            if !items.is_empty() {
                pushes::mark_items(&mut conn, items, until, is_alone).await?;
            }
            follower::follow(&mut conn, entries.follower(), until).await
        })
    });
    written.await?;
    Ok(true)
}

/// Begins at the newest entry: everything may have changed before.
async fn begin(shop: &Shop, newest: i64) -> Result<(), StoreError> {
    let written = shop.db.write(move |mut conn| {
        Box::pin(async move {
            for channel in channels::all(&mut conn).await? {
                pushes::mark_channel(&mut conn, channel.id, newest).await?;
            }
            follower::follow(&mut conn, Entries::Alone.follower(), newest).await?;
            follower::follow(&mut conn, Entries::OfFiles.follower(), newest).await
        })
    });
    written.await
}
