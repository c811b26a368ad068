//! The table `lease`: what one node at a time does.

use super::statement::{args, statement};
use super::{Conn, Statement, StoreError};

statement!(
    TAKE,
    "insert into lease as l (name, node, epoch, held_until) values ($1, $2, 1, $4)
     on conflict (name) do update set
       epoch = case when l.node = excluded.node then l.epoch else l.epoch + 1 end,
       node = excluded.node, held_until = excluded.held_until
     where l.node = excluded.node or l.held_until <= $3"
);
statement!(RELEASE, "update lease set held_until = $3 where name = $1 and node = $2");

statement!(HOLDER, "select min(node) from lease where held_until > $1");

pub(super) const STATEMENTS: &[&Statement] = &[&TAKE, &RELEASE, &HOLDER];

/// A node that holds a lease now: a daemon that runs.
pub(crate) async fn holder(conn: &mut Conn<'_>, now: i64) -> Result<Option<String>, StoreError> {
    conn.one(&HOLDER, args![now]).await?.text_opt(0)
}

/// Takes or renews a lease until a moment; false while another node holds it.
pub(crate) async fn take(
    conn: &mut Conn<'_>,
    name: &str,
    node: &str,
    now: i64,
    until: i64,
) -> Result<bool, StoreError> {
    Ok(conn.execute(&TAKE, args![name, node, now, until]).await? == 1)
}

/// Lets a lease go, where this node has it: another need not wait for its end.
pub(crate) async fn release(
    conn: &mut Conn<'_>,
    name: &str,
    node: &str,
    now: i64,
) -> Result<(), StoreError> {
    conn.execute(&RELEASE, args![name, node, now]).await.map(drop)
}
