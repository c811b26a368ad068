//! The table `order_queue`: orders that wait for their decision.

use super::statement::{args, statement};
use super::{Conn, Statement, StoreError};
use crate::domain::{DecisionTerms, ExternalId, OrderId, OrderRef};

statement!(COUNT, "select count(*) from (select 1 from order_queue limit $1) as waiting");
statement!(
    INSERT,
    "insert into order_queue (order_id, allow_backorder, hold_ms, queued_at)
     values ($1, $2, $3, $4)"
);
statement!(REMOVE, "delete from order_queue where order_id = $1");
statement!(REFUSE, "update orders set refusal = $2 where id = $1 and decision = 'rejected'");
statement!(
    PAGE,
    "select q.order_id, o.source, o.external_id, q.allow_backorder, q.hold_ms
     from order_queue as q join orders as o on o.id = q.order_id
     where q.order_id > $1 order by q.order_id limit $2"
);

pub(super) const STATEMENTS: &[&Statement] = &[&COUNT, &INSERT, &REMOVE, &REFUSE, &PAGE];

/// How many orders wait; no more are counted than `limit`.
pub(crate) async fn count(conn: &mut Conn<'_>, limit: i64) -> Result<i64, StoreError> {
    conn.one(&COUNT, args![limit]).await?.int(0)
}

/// An order waits from now on.
pub(crate) async fn insert(
    conn: &mut Conn<'_>,
    order: OrderId,
    terms: DecisionTerms,
    now: i64,
) -> Result<(), StoreError> {
    let args = args![order.get(), i64::from(terms.allow_backorder), terms.hold_ms, now];
    conn.execute_one(&INSERT, args).await
}

/// An order waits no more. One that does not wait fails the whole: it was decided.
pub(crate) async fn remove(
    conn: &mut Conn<'_>,
    order: OrderId,
    refusal: Option<&str>,
) -> Result<(), StoreError> {
    conn.execute_one(&REMOVE, args![order.get()]).await?;
    match refusal {
        Some(refusal) => conn.execute_one(&REFUSE, args![order.get(), refusal]).await,
        None => Ok(()),
    }
}

/// An order that waits.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    pub(crate) id: i64,
    pub(crate) reference: OrderRef,
    pub(crate) terms: DecisionTerms,
}

/// Orders that wait, as they came, after one.
pub(crate) async fn page(
    conn: &mut Conn<'_>,
    after: i64,
    limit: i64,
) -> Result<Vec<Waiting>, StoreError> {
    let rows = conn.all(&PAGE, args![after, limit]).await?;
    rows.iter()
        .map(|row| {
            Ok(Waiting {
                id: row.int(0)?,
                reference: OrderRef {
                    source: row.text(1)?,
                    external_id: row.parsed(2, ExternalId::new)?,
                },
                terms: DecisionTerms { allow_backorder: row.flag(3)?, hold_ms: row.int_opt(4)? },
            })
        })
        .collect()
}
