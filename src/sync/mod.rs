//! Channels and the ledger: orders come in, numbers go out.
//!
//! A lane serves one channel. What comes in is kept first (`inbox`) and dealt with after
//! (`ingest`); polling (`pull`) makes up for every webhook that is lost. The journal is
//! followed to find numbers dirty (`follow`); what a channel should show is computed when
//! it is sent (`target`), and written so that no sale is lost (`push`), after it was found
//! to be explained (`judge`).

mod adopt;
mod behind;
mod blind;
mod channel;
mod daily;
mod errand;
mod error;
mod expect;
mod explain;
mod follow;
mod inbox;
mod ingest;
mod judge;
mod lane;
mod listing;
mod mirror;
mod opened;
mod order;
mod pull;
mod push;
mod push_back;
mod quiet;
mod reconcile;
mod retry;
mod rule_views;
mod rules;
mod status;
mod stocked;
mod stocking;
mod sweep;
mod target;
mod tokens;
mod unmapped;
mod webhook;

use serde_json::json;

pub use adopt::{Adoption, Adoptions, Believed, NotAdopted};
pub use blind::forget_blind;
pub use channel::{Channel, connectors};
pub use error::SyncError;
pub use explain::{
    ExplainedChannel, ExplainedListing, KnownView, PublishTerm, SendingView, explain,
};
pub use follow::{find_dirty, find_push_backs, follow};
pub(crate) use inbox::context as inbox_context;
pub use lane::Lane;
pub use listing::{Discovered, MapError, discover, map, unmap};
pub use pull::Pulled;
pub use push_back::{tell_again, told_by_hand};
pub use reconcile::{Cause, Difference, Look, Reconciled, reconcile};
pub use rule_views::{RuleView, listing_rules};
pub use rules::{
    ListingFigures, ListingPlan, ListingWish, NumberChange, RuleChange, WishProblem,
    apply_listings, plan_listings,
};
pub use status::{
    Agreement, ChannelStatus, InboxView, LaneState, ListingView, OpenError, inbox_list,
    inbox_replay, lanes, open_all, statuses,
};
pub use stocked::{NotStocked, Stocked, apply_stocking};
pub use stocking::{StockingError, StockingPlan, StockingStep, Watch, plan_stocking};
pub use tokens::tokens;
pub use webhook::Received;

use crate::clock::Timestamp;
use crate::domain::{Entry, Kind};

/// An entry of the journal about a channel.
fn entry(kind: Kind, channel: &str, now: Timestamp) -> Entry {
    let mut entry = Entry::new(kind, now.as_millis());
    entry.data = Some(json!({ "channel": channel }).to_string());
    entry
}
