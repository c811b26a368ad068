//! Reading: what the ledger knows, in the shapes shown outside.
//!
//! Everything here reads stored totals from one moment and changes nothing. The
//! structs are data; the command line and the API render them, and their JSON
//! has the field names of the public interface.

mod attention;
mod audit;
mod days;
mod drift;
mod error;
mod explain;
mod history;
mod items;
mod jobs;
mod keys;
mod latency;
mod locations;
mod low;
mod newest;
mod orders;
mod reads;
mod sales;
mod shelf;
mod states;
mod stats;
mod value;
mod verify;
mod view;

pub use attention::{ATTENTION_MAX, Trouble, TroubleKind, attention};
pub use audit::{Audit, AuditRow, audit};
pub use drift::{Drift, DriftNow, DriftRow, drift};
pub use error::{ReportError, ResolveError};
pub use explain::{
    Claim, Entries, Explained, ExplainedLocation, ExplainedPart, HoldPolicy, Term, TermName,
    explain,
};
pub use history::{AsOf, Change, EntryView, HistoryFilter, Order, as_of, history, order_history};
pub use items::{
    Component, ItemDetail, ItemFilter, ItemState, ItemView, LevelView, item, item_detail,
    item_state, items, items_by_sku,
};
pub use jobs::{JobRunView, last_runs};
pub use keys::{KeyView, keys};
pub use latency::{SyncLatency, SyncLatencyRow, sync_latency};
pub use locations::locations;
pub use low::{LowStockRow, low_stock};
pub use newest::{newest, server_time};
pub use orders::{
    AllocationView, Caller, Given, LineView, OrderFilter, OrderView, PartView, Viewer, left_order,
    order, orders, resolve_order,
};
pub use reads::ItemReads;
pub use sales::{Sales, SalesDay, SalesPeriod, SalesSum, sales};
pub(crate) use shelf::Shelf;
pub use stats::{Stats, TableStats, stats};
pub use value::{StockValue, StockValueRow, StockValueSum, stock_value};
pub use verify::{FINDINGS_MAX, Finding, FindingKind, Verified, verify};
pub use view::{AmountView, LIMIT_MAX, Page, TotalsView};
