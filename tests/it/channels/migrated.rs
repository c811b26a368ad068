//! What an earlier schema knew of channels is known by this one.

use invshop::store::{Db, SCHEMA_VERSION};

use super::world::World;
use crate::backup::without_sealed_triggers;
use crate::both;
use crate::raw::Raw;

/// The schema as version 9 left it, with what is in it.
const BACK_TO_NINE: &str = "drop index journal_acts; drop table order_user; drop table users;
     alter table shop drop column hashes; drop table signing_key;
     alter table inbox drop column event;
     alter table channel drop column behind_at;
     drop table channel_token;
     alter table remote_line add column holder text not null default '';
     alter table remote_line add column place text not null default '';
     alter table remote_line add column units bigint not null default 0;
     update remote_line set
       holder = coalesce((select d.holder from deduction as d where d.line = remote_line.line), ''),
       place = coalesce((select d.place from deduction as d where d.line = remote_line.line), ''),
       units = coalesce((select d.units from deduction as d where d.line = remote_line.line), 0);
     drop table deduction;
     delete from _sqlx_migrations where version > 9";
const TAKEN: &str =
    "select order_key || ' ' || line || ' ' || holder || '@' || place || ' ' || units
     from deduction order by 1";

// What a channel took off its numbers was kept with each line, and is kept by place now. Nothing
// is counted twice, and what is given back later is given back once.
both!(what_channels_took_is_taken_over_from_schema_nine, |shop| {
    let mut world = World::new(&shop, &["web"]).await;
    let mug = world.item("MUG", 20).await[0];
    let web = world.webs[0].shop.clone();
    world.tick();
    let (kept, cancelled) = (web.buy(&[(mug, 3)]), web.buy(&[(mug, 2)]));
    world.settle().await;
    let mut raw = Raw::open(&shop.opening.place).await;
    let before = raw.texts(TAKEN).await;
    assert_eq!(before.len(), 2, "{before:?} of {kept} and {cancelled}");
    // SQLite keeps the type of a column as it was written.
    let back = match shop.backend() {
        crate::harness::Backend::Sqlite => BACK_TO_NINE.replace("bigint", "integer"),
        crate::harness::Backend::Postgres => BACK_TO_NINE.to_owned(),
    };
    let back = [without_sealed_triggers(shop.backend()), &back].concat();
    raw.execute(&back).await;
    drop(raw);
    let (db, from, to) = Db::migrate(&shop.opening.place).await.unwrap();
    assert_eq!((from, to), (9, SCHEMA_VERSION));
    db.close().await;
    let mut raw = Raw::open(&shop.opening.place).await;
    assert_eq!(raw.texts(TAKEN).await, before);
    assert!(web.set_status(cancelled, "cancelled"));
    world.tick();
    world.settle().await;
    assert_eq!(raw.texts(TAKEN).await, [before[0].clone()]);
    assert_eq!((world.available("MUG").await, web.state().stock_of(mug)), (17, Some(17)));
    assert_eq!(world.drifts().await, 0);
    drop(raw);
    world.end().await;
});
