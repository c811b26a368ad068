//! The table `push` where orders come in: what channels took off their numbers and gave back.

use super::pushes::At;
use super::statement::{args, statement};
use super::{Conn, Statement, StoreError};

// What could not be read so far may be in a number.
statement!(
    SETTLE,
    "update push set taken_until = taken, given_until = given
     where channel_id = $1 and taken_until is null and baseline is not null and confirmed_at <= $2
       and not exists (
         select 1 from inbox where channel_id = $1 and state = 'pending' and attempts > 0)"
);
// What an order moved there it may not have moved here: the number is looked at.
statement!(
    FLOW,
    "update push set taken = taken + $4, given = given + $5,
       remote_changed = remote_changed + 1, is_urgent = 1
     where channel_id = $1 and holder = $2 and place = $3"
);
// Whether it did is never found out: the number may be lower or larger by it until it is
// confirmed anew.
statement!(
    MAY_HAVE_MOVED,
    "update push set taken = taken + $4, taken_until = taken_until + $4,
       given = given + $5, given_until = given_until + $5,
       remote_changed = remote_changed + 1, is_urgent = 1
     where channel_id = $1 and holder = $2 and place = $3"
);
pub(super) const STATEMENTS: &[&Statement] = &[&SETTLE, &FLOW, &MAY_HAVE_MOVED];

/// Every order is in that could have been before what was confirmed until a moment.
pub(crate) async fn settle(
    conn: &mut Conn<'_>,
    channel: i64,
    begun_at: i64,
) -> Result<(), StoreError> {
    conn.execute(&SETTLE, args![channel, begun_at]).await.map(drop)
}

/// A channel took units off a number, or gave them back where they are negative.
pub(super) async fn flow(
    conn: &mut Conn<'_>,
    (channel, holder, place): At<'_>,
    units: i64,
) -> Result<(), StoreError> {
    let args = args![channel, holder, place, units.max(0), (-units).max(0)];
    conn.execute(&FLOW, args).await.map(drop)
}

/// A channel may have taken units off a number, or given them back, and never says whether it
/// did.
pub(super) async fn may_have_moved(
    conn: &mut Conn<'_>,
    (channel, holder, place): At<'_>,
    (taken, given): (i64, i64),
) -> Result<(), StoreError> {
    conn.execute(&MAY_HAVE_MOVED, args![channel, holder, place, taken, given]).await.map(drop)
}
