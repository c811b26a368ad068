//! Whether a database that was written adds up. A fast wrong writer fails here.

use anyhow::ensure;

use crate::shops::{Made, Plain};
use crate::wanted::LINES;

const WRONG_LEVELS: &str = "
  select count(*) from level as l
  left join (select item_id, location_id, cast(sum(held) as bigint) as held
             from allocation group by item_id, location_id) as a
    on a.item_id = l.item_id and a.location_id = l.location_id
  where l.reserved <> coalesce(a.held, 0) or l.reserved > l.on_hand";
const WRONG_VERSIONS: &str = "
  select count(*) from level as l
  left join (select item_id, location_id, count(*) as movements
             from journal where level_version is not null group by item_id, location_id) as j
    on j.item_id = l.item_id and j.location_id = l.location_id
  where l.version <> coalesce(j.movements, 0)";
const GAPS: &str = "select coalesce(max(seq), 0) - count(*) from journal";
const ORDERS: &str = "select count(*) from orders";
const ORDER_LINES: &str = "select count(*) from order_line";
const ORDERS_PLACED: &str = "select count(*) from journal where kind = 'order.placed'";

/// Whether journal numbers must have no gaps: ours, not those of an identity column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Numbers {
    Dense,
    Any,
}

/// Every unit held is reserved, every movement counted, every accepted order there once.
pub(crate) async fn orders(made: &Made, accepted: u64, numbers: Numbers) -> anyhow::Result<()> {
    let accepted = i64::try_from(accepted)?;
    let mut plain = Plain::open(made).await?;
    let place = &made.arguments.place;
    let wrong = plain.number(WRONG_LEVELS).await?;
    ensure!(wrong == 0, "{place}: {wrong} levels do not hold what was allocated");
    let wrong = plain.number(WRONG_VERSIONS).await?;
    ensure!(wrong == 0, "{place}: {wrong} levels have not one movement a version");
    let found = plain.number(ORDERS).await?;
    ensure!(found == accepted, "{place}: {found} orders of {accepted} that were accepted");
    let found = plain.number(ORDERS_PLACED).await?;
    ensure!(found == accepted, "{place}: {found} entries of {accepted} orders");
    let lines = accepted * i64::try_from(LINES)?;
    let found = plain.number(ORDER_LINES).await?;
    ensure!(found == lines, "{place}: {found} order lines of {lines}");
    if numbers == Numbers::Dense {
        let gaps = plain.number(GAPS).await?;
        ensure!(gaps == 0, "{place}: the journal has {gaps} gaps");
    }
    plain.close().await
}

/// Every item of an import is there once, with its stock and its entries.
pub(crate) async fn items(made: &Made, items: usize, on_hand: i64) -> anyhow::Result<()> {
    const STOCK: &str = "select cast(coalesce(sum(on_hand), 0) as bigint) from level";
    const CREATED: &str = "select count(*) from journal where kind = 'item.created'";
    const NAMED: &str = "select count(*) from item as i join item_sku as s on s.item_id = i.id";
    let items = i64::try_from(items)?;
    let mut plain = Plain::open(made).await?;
    for query in [CREATED, NAMED, "select count(*) from item", "select count(*) from level"] {
        let found = plain.number(query).await?;
        ensure!(found == items, "{}: {found} of {items}: {query}", made.arguments.place);
    }
    let found = plain.number(STOCK).await?;
    ensure!(found == on_hand, "{}: {found} units of {on_hand}", made.arguments.place);
    let wrong = plain.number(WRONG_VERSIONS).await?;
    ensure!(wrong == 0, "{}: {wrong} levels without their movement", made.arguments.place);
    plain.close().await
}
