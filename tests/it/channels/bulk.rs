//! Many numbers at once: they go out together, and what sells does not wait for them.

use invshop::domain::{BatchId, LocationCode};
use invshop::ledger::catalogue::NewBatch;
use invshop::ledger::stock::{Basis, ImportMode, Place as At, StockRow};
use invshop::sync;
use invshop::writer::{Chunk, Command, Detail};

use super::world::World;
use crate::both;
use crate::harness::{TestShop, place, sku, units};
use crate::raw::Raw;

fn name(item: usize) -> String {
    format!("CUP-{item:03}")
}

/// Items in the ledger and in the one web shop; their ids there.
async fn stocked(world: &mut World<'_>, count: usize) -> Vec<u64> {
    let web = &world.webs[0];
    let mut ids = Vec::new();
    for item in 0..count {
        world.test.item(&name(item), 10).await;
        ids.push(web.shop.state().add_product(&name(item), 10, 990));
    }
    sync::discover(&web.channel).await.unwrap();
    for (item, id) in ids.iter().enumerate() {
        sync::map(&web.channel, &id.to_string(), &sku(&name(item))).await.unwrap();
    }
    world.settle().await;
    let mut state = world.webs[0].shop.state();
    assert!(state.writes.is_empty(), "what is right is not written");
    state.requests.clear();
    ids
}

/// A file counts each item.
async fn count_all(shop: &TestShop, items: usize, quantity: i64) {
    let rows_total = i64::try_from(items).unwrap();
    let open = NewBatch {
        kind: "stock",
        file_name: "counts.csv".to_owned(),
        content_hash: [3; 32],
        options: "{}".to_owned(),
        rows_total,
    };
    let Detail::Id(id) = shop.run(Command::BatchOpen(open)).await.unwrap().detail else {
        panic!("no batch")
    };
    let batch = BatchId::new(id);
    let main = LocationCode::new("main").unwrap();
    let row = |item| StockRow {
        place: At { sku: sku(&name(item)), location: Some(main.clone()) },
        quantity: units(quantity),
    };
    let rows = Command::StockRows {
        chunk: Chunk { batch, done_before: 0, done_after: rows_total },
        rows: (0..items).map(row).collect(),
        mode: ImportMode::Set(Basis::Physical),
        observed_at: None,
    };
    shop.run(rows).await.unwrap();
    shop.run(Command::BatchApplied(batch)).await.unwrap();
}

// R73: the bulk of a file stands before it, and a sale does not wait for its end.
both!(r73_what_sells_goes_before_what_a_file_changed, |shop| {
    let mut world = World::new(&shop, &["web"]).await;
    let ids = stocked(&mut world, 80).await;
    count_all(&shop, 80, 20).await;
    sync::find_dirty(&world.shop).await.unwrap();
    shop.run(Command::Place(place("A", &[(&name(79), 3)]))).await.unwrap();
    world.settle().await;
    let writes = world.webs[0].shop.state().writes.clone();
    assert_eq!(writes.first(), Some(&(ids[79], 17)));
    assert_eq!(writes.len(), 80, "each once");
    assert_eq!(world.unsettled().await, 0);
    // Once it was told, it is not urgent any more.
    let urgent = "select count(*) from push where is_urgent = 1";
    assert_eq!(shop.int(urgent).await, 0);
    world.end().await;
});

// Who follows files may be ahead of who follows sales: a sale is urgent all the same.
both!(r73_a_sale_of_what_a_bulk_has_marked_already_is_urgent, |shop| {
    let mut world = World::new(&shop, &["web"]).await;
    let ids = stocked(&mut world, 80).await;
    count_all(&shop, 80, 20).await;
    sync::find_dirty(&world.shop).await.unwrap();
    shop.run(Command::Place(place("A", &[(&name(79), 3)]))).await.unwrap();
    let ahead = "update push set dirty_seq = (select max(seq) from journal)";
    Raw::open(&shop.opening.place).await.execute(ahead).await;
    world.settle().await;
    assert_eq!(world.webs[0].shop.state().writes.first(), Some(&(ids[79], 17)));
    assert_eq!(world.unsettled().await, 0);
    world.end().await;
});
