//! The table `push` where many numbers of a channel are compared or looked at in turn.

use super::pushes::{At, PushRow, columns, push};
use super::statement::{Row, Rows, Type, args, cells, statement};
use super::{Conn, Statement, StoreError};
use crate::domain::ItemId;

// That the holder is any of them says nothing more, but keeps PostgreSQL at the key where it
// knows nothing of the table yet.
statement!(
    FIND_MANY,
    sqlite concat!(
        "select ",
        columns!(),
        " from json_each($2) as wanted
          cross join push on channel_id = $1 and holder = wanted.value->>0
            and place = wanted.value->>1"
    ),
    postgres concat!(
        "select ",
        columns!(),
        " from unnest($2::text[], $3::text[]) as wanted (at_holder, at_place)
          join push on channel_id = $1 and holder = at_holder and place = at_place
          where holder = any($2::text[])"
    )
);
statement!(
    ITEMS_OF,
    sqlite "select holder, place, item_id from json_each($2) as wanted
            cross join push on channel_id = $1 and holder = wanted.value->>0
              and place = wanted.value->>1",
    postgres "select holder, place, item_id
              from unnest($2::text[], $3::text[]) as wanted (at_holder, at_place)
              join push on channel_id = $1 and holder = at_holder and place = at_place
              where holder = any($2::text[])"
);
statement!(COUNT, "select count(*) from push where channel_id = $1");
statement!(
    CONFIRMED,
    "select holder, place, baseline from push
     where channel_id = $1 and holder >= $2 and (holder > $2 or place > $3)
     order by holder, place limit $4"
);
statement!(
    MARK_DIFFERING,
    sqlite "update push set remote_changed = remote_changed + 1, retry_at = 0, is_urgent = 1
            where channel_id = $1 and (holder, place) in (
              select value->>0, value->>1 from json_each($2))",
    postgres "update push set remote_changed = remote_changed + 1, retry_at = 0, is_urgent = 1
              from unnest($2::text[], $3::text[]) as wanted (at_holder, at_place)
              where channel_id = $1 and holder = at_holder and place = at_place"
);

// Never seen is longest ago.
statement!(
    UNSEEN,
    "select holder, place from push
     where channel_id = $1 and dirty_seq <= pushed_seq and remote_changed = 0
       and problem is null and baseline is not null and baseline <= $2
     order by coalesce(seen_at, 0), holder, place limit $3"
);
statement!(
    LOOK_AT,
    sqlite "update push set remote_changed = remote_changed + 1
            where channel_id = $1 and (holder, place) in (
              select value->>0, value->>1 from json_each($2))",
    postgres "update push set remote_changed = remote_changed + 1
              from unnest($2::text[], $3::text[]) as wanted (at_holder, at_place)
              where channel_id = $1 and holder = at_holder and place = at_place"
);

pub(super) const STATEMENTS: &[&Statement] =
    &[&FIND_MANY, &ITEMS_OF, &COUNT, &CONFIRMED, &MARK_DIFFERING, &UNSEEN, &LOOK_AT];

/// What carries a number on a channel, and at which place of it.
pub(crate) type Name = (String, String);

/// A number on a channel, and the item it is of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Number<'n> {
    pub(crate) holder: &'n str,
    pub(crate) place: &'n str,
    pub(crate) item: ItemId,
}

impl<'n> From<&'n (Name, ItemId)> for Number<'n> {
    fn from(((holder, place), item): &'n (Name, ItemId)) -> Self {
        Self { holder, place, item: *item }
    }
}

impl PushRow {
    /// Which number it is.
    pub(crate) fn number(&self) -> Number<'_> {
        Number { holder: &self.holder, place: &self.place, item: self.item }
    }
}

/// Numbers by the names of what carries them, in no order; one that is not known is left out.
pub(crate) async fn find_many(
    conn: &mut Conn<'_>,
    channel: i64,
    names: &[Name],
) -> Result<Vec<PushRow>, StoreError> {
    conn.all(&FIND_MANY, args![channel, rows(names)]).await?.iter().map(push).collect()
}

/// What numbers are of, by the names of what carries them, in no order; one that is not
/// known is left out. Of a million that are right nothing else is asked.
pub(crate) async fn items_of(
    conn: &mut Conn<'_>,
    channel: i64,
    names: &[Name],
) -> Result<Vec<(Name, ItemId)>, StoreError> {
    let rows = conn.all(&ITEMS_OF, args![channel, rows(names)]).await?;
    let item = |row: &Row| Ok(((row.text(0)?, row.text(1)?), ItemId::new(row.int(2)?)));
    rows.iter().map(item).collect()
}

/// Numbers of a channel.
pub(crate) async fn count(conn: &mut Conn<'_>, channel: i64) -> Result<i64, StoreError> {
    conn.one(&COUNT, args![channel]).await?.int(0)
}

/// What carries numbers on a channel, by name, with what was last confirmed there.
pub(crate) async fn confirmed(
    conn: &mut Conn<'_>,
    (channel, holder, place): At<'_>,
    limit: i64,
) -> Result<Vec<(Name, Option<i64>)>, StoreError> {
    let rows = conn.all(&CONFIRMED, args![channel, holder, place, limit]).await?;
    rows.iter().map(|row| Ok(((row.text(0)?, row.text(1)?), row.int_opt(2)?))).collect()
}

/// Numbers that show something else than they should are looked at, each once.
pub(crate) async fn mark_differing(
    conn: &mut Conn<'_>,
    channel: i64,
    names: &[Name],
) -> Result<(), StoreError> {
    conn.execute(&MARK_DIFFERING, args![channel, rows(names)]).await.map(drop)
}

/// Some of the numbers of at most so many units, those first that were seen longest ago;
/// what is looked at anyway is not among them.
pub(crate) async fn unseen(
    conn: &mut Conn<'_>,
    channel: i64,
    (units_max, limit): (i64, i64),
) -> Result<Vec<Name>, StoreError> {
    let rows = conn.all(&UNSEEN, args![channel, units_max, limit]).await?;
    rows.iter().map(|row| Ok((row.text(0)?, row.text(1)?))).collect()
}

/// Numbers are looked at when there is nothing more urgent.
pub(crate) async fn look_at(
    conn: &mut Conn<'_>,
    channel: i64,
    names: &[Name],
) -> Result<(), StoreError> {
    conn.execute(&LOOK_AT, args![channel, rows(names)]).await.map(drop)
}

fn rows(names: &[Name]) -> Rows {
    let mut rows = Rows::with_capacity(&[Type::Text; 2], names.len());
    for (holder, place) in names {
        rows.push(cells![holder.as_str(), place.as_str()]);
    }
    rows
}
