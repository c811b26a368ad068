//! The same page of facts, from the auditor and from the database: one line of
//! text a fact, so that a difference can be read.

use super::Auditor;
use super::lines::{Counts, NOWHERE, Paid};
use crate::raw::Raw;

const PAGE: &str = "
select 'level ' || i.sku || '@' || l.code || ' on_hand=' || v.on_hand || ' reserved=' || v.reserved
  || ' shortfall=' || v.shortfall || ' safety=' || v.safety || ' version=' || v.version
from level as v join item as i on i.id = v.item_id join location as l on l.id = v.location_id
where v.version > 0 and v.item_id > {item}
union all
select 'order ' || o.external_id || ' ' || o.status || ' payment=' || o.payment || ' accepted='
  || o.accepted || ' expires=' || coalesce(cast(o.expires_at as text), 'never') || ' why='
  || coalesce(o.cancel_reason, '-') || ' version=' || coalesce(cast(o.source_version as text), '-')
from orders as o where o.id > {order}
union all
select 'line ' || o.external_id || ' ' || x.line || ' ordered=' || x.ordered || ' held=' || x.held
  || ' shipped=' || x.shipped || ' shortfall=' || x.shortfall || ' cancelled=' || x.cancelled
  || ' returned=' || x.returned
from order_line as x join orders as o on o.id = x.order_id where o.id > {order}
union all
select 'part ' || o.external_id || ' ' || x.line || '.' || x.part || ' ordered=' || x.ordered
  || ' held=' || x.held || ' shipped=' || x.shipped || ' shortfall=' || x.shortfall
  || ' cancelled=' || x.cancelled || ' returned=' || x.returned
from order_part as x join orders as o on o.id = x.order_id where o.id > {order}
union all
select 'stand ' || o.external_id || ' ' || a.line || '.' || a.part || '@' || l.code || ' held='
  || a.held || ' shipped=' || a.shipped || ' shortfall=' || a.shortfall
from allocation as a join orders as o on o.id = a.order_id join location as l on l.id = a.location_id
where o.id > {order} and a.held + a.shipped + a.shortfall > 0";

/// What the database says of items and orders made after the ones given.
pub(crate) async fn read(raw: &mut Raw, item: i64, order: i64) -> Vec<String> {
    let page = PAGE.replace("{item}", &item.to_string()).replace("{order}", &order.to_string());
    raw.texts(&page).await
}

fn counts(counts: Counts) -> String {
    let Counts { ordered, held, shipped, owed, cancelled, returned } = counts;
    format!(
        "ordered={ordered} held={held} shipped={shipped} shortfall={owed} \
         cancelled={cancelled} returned={returned}"
    )
}

impl Auditor {
    /// What the database must say.
    pub(crate) fn page(&self) -> Vec<String> {
        let mut page = Vec::new();
        for (&(item, at), shelf) in self.shelves.iter().filter(|(_, shelf)| !shelf.moves.is_empty())
        {
            let (sku, code) = (&self.items[item].name, self.spots[at].code);
            page.push(format!(
                "level {sku}@{code} on_hand={} reserved={} shortfall={} safety={} version={}",
                shelf.on_hand,
                shelf.reserved,
                shelf.shortfall,
                shelf.safety,
                shelf.moves.len()
            ));
        }
        for order in &self.orders {
            let paid = match order.paid {
                Paid::NotAsked => "none",
                Paid::Awaited => "required",
                Paid::Yes => "paid",
            };
            page.push(format!(
                "order {} {} payment={paid} accepted={} expires={} why={} version={}",
                order.id,
                order.status(),
                i64::from(order.accepted),
                order.expires_at.map_or("never".to_owned(), |at| at.to_string()),
                order.reason.unwrap_or("-"),
                order.version.map_or("-".to_owned(), |version| version.to_string()),
            ));
            for (number, line) in &order.lines {
                page.push(format!("line {} {number} {}", order.id, counts(line.counts())));
                for (part, found) in &line.parts {
                    if line.bundle {
                        let counts = counts(found.counts());
                        page.push(format!("part {} {number}.{part} {counts}", order.id));
                    }
                    for (&at, stand) in &found.stands {
                        if at != NOWHERE && stand.held + stand.shipped + stand.owed > 0 {
                            page.push(format!(
                                "stand {} {number}.{part}@{} held={} shipped={} shortfall={}",
                                order.id,
                                self.spots[at].code,
                                stand.held,
                                stand.shipped,
                                stand.owed
                            ));
                        }
                    }
                }
            }
        }
        page.sort_unstable();
        page
    }
}
