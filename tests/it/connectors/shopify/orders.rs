//! Orders, and what the shop is told of them.

use invshop::clock::Timestamp;
use invshop::connectors::{
    ErrorKind, Fetched, LineUnits, ListedOrder, Parcel, RemoteOrder, RemoteState, Told, Tracking,
    Window,
};
use invshop::domain::{FactId, Quantity, RemoteId};
use invshop::sandbox::shopify::{Bucket, Financial, Restock};

use super::twin::{NOW, World, read_to_the_end};

fn id(number: u64) -> RemoteId {
    RemoteId::of_numbers(&[number])
}

impl World {
    async fn order(&self, number: u64) -> RemoteOrder {
        let orders = self.connector.orders().unwrap();
        let Fetched::Found(raw) = orders.fetch(&id(number)).await.unwrap() else {
            panic!("the order is gone");
        };
        orders.decode(&raw.body).unwrap()
    }

    fn line(&self, order: u64, index: usize) -> u64 {
        self.shop.state().orders[&order].lines[index].id
    }
}

/// Ordered, cancelled, shipped, restocked, deducted.
fn counts(order: &RemoteOrder, line: usize) -> [i64; 5] {
    let line = &order.lines[line];
    let counts = [line.ordered, line.cancelled, line.shipped, line.restocked].map(Quantity::get);
    let [ordered, cancelled, shipped, restocked] = counts;
    [ordered, cancelled, shipped, restocked, line.deducted.units().unwrap()]
}

#[tokio::test]
async fn an_order_is_read_with_all_that_happened_to_it() {
    let world = World::new().await;
    let main = world.shop.state().add_location("Main");
    let (mug, holder) = world.stocked("MUG", main, 50);
    let lines = [(mug, main, 5), (mug, main, 2)];
    let number = world.shop.state().buy(&lines, Financial::Paid).unwrap();
    let order = world.order(number).await;
    assert_eq!((order.id.clone(), order.state), (id(number), RemoteState::Open));
    assert_eq!(order.lines[0].order_keys, std::slice::from_ref(&holder.id));
    assert_eq!(order.lines[0].order_keys, order.lines[1].order_keys, "one variant, two lines");
    assert_eq!(order.lines[0].holder, Some(holder));
    assert_eq!((counts(&order, 0), counts(&order, 1)), ([5, 0, 0, 0, 5], [2, 0, 0, 0, 2]));
    let first = world.line(number, 0);
    world.shop.state().fulfil(number, &[(first, 2)]);
    assert_eq!(counts(&world.order(number).await, 0), [5, 0, 2, 0, 5]);
    world.shop.state().refund(number, first, 1, Restock::Cancel).unwrap();
    assert_eq!(counts(&world.order(number).await, 0), [5, 0, 2, 1, 4]);
    world.shop.state().refund(number, first, 1, Restock::Return).unwrap();
    assert_eq!(counts(&world.order(number).await, 0), [5, 0, 2, 2, 3]);
    let other = world.shop.state().buy(&[(mug, main, 2)], Financial::Authorized).unwrap();
    assert!(world.shop.state().cancel(other, "CUSTOMER", false));
    let order = world.order(other).await;
    assert_eq!((order.state, counts(&order, 0)), (RemoteState::Cancelled, [2, 2, 0, 0, 2]));
    let orders = world.connector.orders().unwrap();
    assert_eq!(orders.fetch(&id(1)).await.unwrap(), Fetched::Gone);
    world.is_sound();
}

#[tokio::test]
async fn an_order_of_many_lines_and_parcels_is_read_whole() {
    let world = World::new().await;
    let main = world.shop.state().add_location("Main");
    let lines: Vec<(u64, u64, i64)> = (0..35)
        .map(|number| (world.stocked(&format!("SKU-{number}"), main, 50).0, main, 2))
        .collect();
    let number = world.shop.state().buy(&lines, Financial::Paid).unwrap();
    let all: Vec<(u64, i64)> = (0..35).map(|index| (world.line(number, index), 1)).collect();
    world.shop.state().fulfil(number, &all);
    let order = world.order(number).await;
    assert_eq!(order.lines.len(), 35);
    assert!((0..35).all(|line| counts(&order, line) == [2, 0, 1, 0, 2]));
    world.is_sound();
}

// Its parts are read one after another: what does not fit together is read again.
#[tokio::test]
async fn an_order_that_changes_while_it_is_read_is_read_again() {
    let world = World::new().await;
    let main = world.shop.state().add_location("Main");
    let (mug, _) = world.stocked("MUG", main, 50);
    let number = world.shop.state().buy(&[(mug, main, 5)], Financial::Paid).unwrap();
    let line = world.line(number, 0);
    world.shop.state().edit_while_read = vec![(number, line, 3)];
    // Of what an edit takes off a line nothing says whether it was put back into stock.
    assert_eq!(counts(&world.order(number).await, 0), [5, 2, 0, 0, 5]);
    // One that always does is no answer.
    world.shop.state().edit_while_read =
        (0..20).map(|index| (number, line, 1 + index % 2)).collect();
    let orders = world.connector.orders().unwrap();
    let error = orders.fetch(&id(number)).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Unreadable(_)), "{error}");
    world.is_sound();
}

#[tokio::test]
async fn what_an_order_has_many_of_is_read_to_the_end() {
    let world = World::new().await;
    let main = world.shop.state().add_location("Main");
    let (mug, _) = world.stocked("MUG", main, 1_000);
    world.shop.state().bucket = Bucket::new(1_000_000, 1_000);
    let lines = vec![(mug, main, 3); 125];
    let number = world.shop.state().buy(&lines, Financial::Paid).unwrap();
    for index in 0..12 {
        let line = world.line(number, index);
        assert_eq!(world.shop.state().fulfil(number, &[(line, 1)]).len(), 1);
        world.shop.state().refund(number, line, 1, Restock::Cancel).unwrap();
    }
    // One parcel and one refund of more lines than are read with them.
    let all: Vec<(u64, i64)> = (50..110).map(|index| (world.line(number, index), 1)).collect();
    world.shop.state().fulfil(number, &all);
    let order = world.order(number).await;
    assert_eq!(order.lines.len(), 125);
    for line in 0..125 {
        let expected = match line {
            0..12 => [3, 0, 1, 1, 2],
            50..110 => [3, 0, 1, 0, 3],
            _ => [3, 0, 0, 0, 3],
        };
        assert_eq!(counts(&order, line), expected, "line {line}");
    }
    world.is_sound();
}

#[tokio::test]
async fn what_is_on_hold_there_is_told_when_it_is_released() {
    let world = World::new().await;
    let main = world.shop.state().add_location("Main");
    let (mug, _) = world.stocked("MUG", main, 9);
    let number = world.shop.state().buy(&[(mug, main, 3)], Financial::Paid).unwrap();
    let line = world.line(number, 0);
    let work = world.shop.state().orders[&number].work[0].id;
    assert!(world.shop.state().hold_work(number, work));
    let fulfilment = world.connector.fulfilment().unwrap();
    let one = parcel(number, "one", &[(line, 2, 2)], false);
    let told = fulfilment.ship(&one).await.unwrap();
    assert!(matches!(&told, Told::Refused { code, .. } if code == "on_hold"), "{told:?}");
    assert!(world.shop.state().release_work(number, work));
    assert_eq!(fulfilment.ship(&one).await.unwrap(), Told::Done);
    // The answer of the next is lost, and the rest of it was refunded there meanwhile.
    world.shop.state().faults.lose_changes = 1;
    let rest = parcel(number, "rest", &[(line, 1, 3)], true);
    fulfilment.ship(&rest).await.unwrap_err();
    assert_eq!(fulfilment.ship(&rest).await.unwrap(), Told::Already);
    assert_eq!(world.shop.state().orders[&number].parcels.len(), 2);
    let other = world.shop.state().buy(&[(mug, main, 2)], Financial::Paid).unwrap();
    let line = world.line(other, 0);
    world.shop.state().refund(other, line, 1, Restock::Cancel).unwrap();
    let told = fulfilment.ship(&parcel(other, "two", &[(line, 2, 2)], true)).await.unwrap();
    assert!(matches!(&told, Told::Refused { code, .. } if code == "not_there"), "{told:?}");
    assert_eq!(world.shop.state().orders[&other].parcels.len(), 1, "what is there was sent");
    world.is_sound();
}

#[tokio::test]
async fn changed_orders_come_by_their_last_change() {
    let world = World::new().await;
    let main = world.shop.state().add_location("Main");
    let (mug, _) = world.stocked("MUG", main, 500);
    // Its clock stands still, and so does its bucket.
    world.shop.state().bucket = Bucket::new(1_000_000, 1_000);
    for _ in 0..160 {
        world.shop.state().buy(&[(mug, main, 1)], Financial::Pending).unwrap();
    }
    let orders = world.connector.orders().unwrap();
    let at = |millis: i64| Timestamp::from_millis(millis).unwrap();
    let window = Window { from: at(NOW - 60_000), until: at(NOW + 1) };
    let page = |cursor: Option<_>| async move { orders.changed(window, cursor.as_ref()).await };
    let (rows, pages) = read_to_the_end!(page);
    assert_eq!((rows.len(), pages), (160, 2));
    let ListedOrder::Named { id, changed_at } = &rows[0] else { panic!("it is named") };
    assert_eq!(changed_at.as_millis(), NOW);
    let Fetched::Found(open) = orders.fetch(id).await.unwrap() else { panic!("it is gone") };
    let open = orders.decode(&open.body).unwrap();
    assert_eq!(open.state, RemoteState::Open, "it is taken from the number before it is paid");
    let later = Window { from: at(NOW + 60_000), until: at(NOW + 120_000) };
    let page = |cursor: Option<_>| async move { orders.changed(later, cursor.as_ref()).await };
    let (rows, _) = read_to_the_end!(page);
    assert_eq!(rows.len(), 0);
    assert!(world.shop.state().ignored.is_empty(), "{:?}", world.shop.state().ignored);
    world.is_sound();
}

/// A parcel of units of lines, of which so many left in all.
fn parcel(order: u64, name: &str, lines: &[(u64, i64, i64)], is_last: bool) -> Parcel {
    let count = |count| Quantity::new(count).unwrap();
    let units = |&(line, quantity, left): &(u64, i64, i64)| LineUnits {
        line: id(line),
        quantity: count(quantity),
        left: count(left),
    };
    Parcel {
        order: id(order),
        shipment: FactId::new(name).unwrap(),
        lines: lines.iter().map(units).collect(),
        is_last,
        tracking: Some(Tracking { number: format!("T-{name}"), carrier: None }),
    }
}

#[tokio::test]
async fn parcels_leave_from_where_their_lines_are() {
    let world = World::new().await;
    let (main, other) = {
        let mut state = world.shop.state();
        (state.add_location("Main"), state.add_location("Other"))
    };
    let mug = world.shop.state().add_variant("MUG", &[(main, 9), (other, 9)], 990);
    let bought = [(mug, main, 3), (mug, other, 2)];
    let number = world.shop.state().buy(&bought, Financial::Paid).unwrap();
    let (first, second) = (world.line(number, 0), world.line(number, 1));
    let fulfilment = world.connector.fulfilment().unwrap();
    let one = parcel(number, "one", &[(first, 1, 1)], false);
    assert_eq!(fulfilment.ship(&one).await.unwrap(), Told::Done);
    assert_eq!(fulfilment.ship(&one).await.unwrap(), Told::Already, "it is told once");
    assert_eq!(counts(&world.order(number).await, 0), [3, 0, 1, 0, 3]);
    let rest = parcel(number, "rest", &[(first, 2, 3), (second, 2, 2)], true);
    assert_eq!(fulfilment.ship(&rest).await.unwrap(), Told::Done);
    let order = world.order(number).await;
    assert_eq!(order.state, RemoteState::Shipped);
    assert_eq!(fulfilment.ship(&rest).await.unwrap(), Told::Already);
    assert_eq!(world.shop.state().orders[&number].parcels.len(), 3, "one for each location");
    assert!(matches!(fulfilment.cancel(&id(number), None).await.unwrap(), Told::Refused { .. }));
    world.is_sound();
}

#[tokio::test]
async fn an_order_is_cancelled_once_and_gives_its_units_back() {
    let world = World::new().await;
    let main = world.shop.state().add_location("Main");
    let (mug, _) = world.stocked("MUG", main, 9);
    let number = world.shop.state().buy(&[(mug, main, 3)], Financial::Paid).unwrap();
    let fulfilment = world.connector.fulfilment().unwrap();
    assert_eq!(fulfilment.cancel(&id(number), Some("Fraud")).await.unwrap(), Told::Done);
    assert_eq!(fulfilment.cancel(&id(number), None).await.unwrap(), Told::Already);
    let order = world.order(number).await;
    assert_eq!((order.state, counts(&order, 0)), (RemoteState::Cancelled, [3, 0, 0, 3, 0]));
    // One that is gone is told of once, and not for an hour.
    let gone = |told: Told| matches!(told, Told::Refused { code, .. } if code == "gone");
    assert!(gone(fulfilment.cancel(&id(1), None).await.unwrap()));
    let other = world.shop.state().buy(&[(mug, main, 1)], Financial::Paid).unwrap();
    let line = world.line(other, 0);
    assert!(world.shop.state().delete_order(other));
    assert!(gone(fulfilment.ship(&parcel(other, "gone", &[(line, 1, 1)], true)).await.unwrap()));
    world.is_sound();
}
