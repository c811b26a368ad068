//! The commands of the tests, in as few words as they need.

use invshop::domain::{
    AccountName, Delta, ExternalId, FactId, FulfilledBy, Key, LocationCode, OrderRef, Payment,
    Refusal,
};
use invshop::ledger::catalogue::{ItemRow, NewAccount, Upsert};
use invshop::ledger::stock::{Basis, Change};
use invshop::orders::{
    self, Cancel, Disposition, Import, ImportLine, LineRequest, MapLine, Place, Reassign, Refund,
    RefundLine, Return, ReturnLine, Ship, ShipLine,
};
use invshop::writer::{Answer, Command, Detail, WriteError};

use crate::harness::{TestShop, movement, place, reference, sku, units};

/// What a command led to.
pub(crate) type Outcome = Result<Answer, WriteError>;

/// The refusal a command must have met.
#[track_caller]
pub(crate) fn refused(outcome: Outcome) -> Refusal {
    match outcome {
        Err(WriteError::Refused(refusal)) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}

/// The id of what a command created.
#[track_caller]
pub(crate) fn created(outcome: Outcome) -> i64 {
    match outcome.unwrap().detail {
        Detail::Id(id) => id,
        other => panic!("no id: {other:?}"),
    }
}

/// A location's code that must be sound.
pub(crate) fn code(text: &str) -> LocationCode {
    LocationCode::new(text).unwrap()
}

/// A fact's id that must be sound.
pub(crate) fn fact(text: &str) -> FactId {
    FactId::new(text).unwrap()
}

/// A key that must be sound.
pub(crate) fn key(text: &str) -> Key {
    Key::new(text).unwrap()
}

/// A payment.
pub(crate) fn payment(id: &str, payment_id: &str) -> orders::Payment {
    let (reference, payment_id) = (reference(id), fact(payment_id));
    orders::Payment { reference, payment_id, amount: Some(1990), currency: None }
}

/// A shipment of all that is held.
pub(crate) fn shipment(id: &str, shipment_id: &str) -> Ship {
    Ship {
        reference: reference(id),
        shipment_id: fact(shipment_id),
        lines: None,
        location: None,
        effective_at: None,
        tracking: None,
    }
}

/// A line of a shipment.
pub(crate) fn shipped(line: i64, quantity: i64) -> ShipLine {
    ShipLine { line, part: None, quantity: units(quantity) }
}

/// A return of one line.
pub(crate) fn giving_back(
    id: &str,
    return_id: &str,
    (line, quantity): (i64, i64),
    disposition: Disposition,
) -> Return {
    Return {
        reference: reference(id),
        return_id: fact(return_id),
        lines: vec![ReturnLine { line, part: None, quantity: units(quantity), disposition }],
        location: None,
        effective_at: None,
    }
}

/// A refund of units of line 1.
pub(crate) fn refunding(id: &str, refund_id: &str, quantity: i64, restock: bool) -> Refund {
    let lines = vec![RefundLine { line: 1, quantity: units(quantity), restock }];
    Refund {
        reference: reference(id),
        refund_id: fact(refund_id),
        lines,
        amount: Some(1000),
        payment_id: None,
    }
}

/// The state of a shop's order: (SKU, units, of those shipped) by line.
pub(crate) fn state(id: &str, lines: &[(&str, i64, i64)]) -> Import {
    let line = |(number, &(name, count, left)): (i64, &(&str, i64, i64))| ImportLine {
        is_mapped: true,
        number,
        request: LineRequest { sku: sku(name), quantity: units(count), unit_price: None },
        shipped: units(left),
        came_back: units(0),
        fulfilled_by: FulfilledBy::Ledger,
    };
    Import {
        is_current: false,
        reference: OrderRef { source: "web".to_owned(), external_id: ExternalId::new(id).unwrap() },
        source_version: None,
        placed_at: 0,
        effective_at: None,
        payment: Payment::Paid,
        lines: (1..).zip(lines).map(line).collect(),
        location: None,
        currency: None,
        personal: None,
    }
}

impl TestShop {
    /// Goods came in.
    pub(crate) async fn receive(&self, name: &str, location: &str, count: i64) {
        self.stock(name, location, Change::Receive(units(count))).await.unwrap();
    }

    /// A correction.
    pub(crate) async fn adjust(&self, name: &str, location: &str, delta: i64) -> Outcome {
        self.stock(name, location, Change::Adjust(Delta::new(delta).unwrap())).await
    }

    /// A physical count of now.
    pub(crate) async fn count(&self, name: &str, location: &str, count: i64) {
        self.stock(name, location, counted(count)).await.unwrap();
    }

    /// A movement that took effect in the past.
    pub(crate) async fn then(&self, name: &str, location: &str, change: Change, at: i64) {
        let mut command = movement(name, location, change);
        command.effective_at = Some(at);
        self.run(Command::Stock(command)).await.unwrap();
    }

    /// Goods to move.
    pub(crate) async fn transfer(&self, name: &str, from: &str, to: &str, count: i64) -> Outcome {
        self.stock(name, from, Change::Transfer { quantity: units(count), to: code(to) }).await
    }

    /// Goods lost.
    pub(crate) async fn write_off(&self, name: &str, location: &str, count: i64) {
        self.stock(name, location, Change::WriteOff(units(count))).await.unwrap();
    }

    /// Units to withhold.
    pub(crate) async fn safety(&self, name: &str, location: &str, count: i64) {
        self.stock(name, location, Change::Safety(units(count))).await.unwrap();
    }

    /// A bundle.
    pub(crate) async fn bundle(&self, name: &str, parts: &[(&str, i64)]) -> Outcome {
        let parts = parts.iter().map(|&(part, count)| (sku(part), units(count))).collect();
        let row = ItemRow { components: Some(parts), ..ItemRow::default() };
        self.run(Command::Item { sku: sku(name), row: Box::new(row), mode: Upsert::Create }).await
    }

    /// A request for an order.
    pub(crate) async fn place(&self, id: &str, lines: &[(&str, i64)]) -> Outcome {
        self.run(Command::Place(place(id, lines))).await
    }

    /// A request for an order that is accepted beyond what is offered.
    pub(crate) async fn backorder(&self, id: &str, lines: &[(&str, i64)]) -> Outcome {
        let allow_backorder = true;
        self.run(Command::Place(Place { allow_backorder, ..place(id, lines) })).await
    }

    /// A request for an order that must be paid.
    pub(crate) async fn unpaid(&self, id: &str, lines: &[(&str, i64)]) -> Outcome {
        let payment_required = true;
        self.run(Command::Place(Place { payment_required, ..place(id, lines) })).await
    }

    /// An order of the shop `web`, a fact; its id here is `web:ID`.
    pub(crate) async fn shop_order(&self, id: &str, lines: &[(&str, i64, i64)]) {
        self.run(Command::Import(state(id, lines))).await.unwrap();
    }

    /// All that is held leaves.
    pub(crate) async fn ship(&self, id: &str, shipment_id: &str) -> Outcome {
        self.run(Command::Ship(shipment(id, shipment_id))).await
    }

    /// Named units leave.
    pub(crate) async fn ship_lines(&self, id: &str, ship: &str, lines: &[(i64, i64)]) -> Outcome {
        let lines = lines.iter().map(|&(line, count)| shipped(line, count)).collect();
        self.run(Command::Ship(Ship { lines: Some(lines), ..shipment(id, ship) })).await
    }

    /// Cancels what was not shipped.
    pub(crate) async fn cancel(&self, id: &str) -> Outcome {
        self.run(Command::Cancel(Cancel { reference: reference(id), lines: None, reason: None }))
            .await
    }

    /// Cancels named units.
    pub(crate) async fn cancel_lines(&self, id: &str, lines: &[(i64, i64)]) -> Outcome {
        let lines = Some(lines.iter().map(|&(line, count)| (line, units(count))).collect());
        self.run(Command::Cancel(Cancel { reference: reference(id), lines, reason: None })).await
    }

    /// Money came.
    pub(crate) async fn pay(&self, id: &str, payment_id: &str) -> Outcome {
        self.run(Command::Pay(payment(id, payment_id))).await
    }

    /// Goods of line 1 came back.
    pub(crate) async fn give_back(
        &self,
        id: &str,
        return_id: &str,
        count: i64,
        disposition: Disposition,
    ) -> Outcome {
        let back = giving_back(id, return_id, (1, count), disposition);
        self.run(Command::Return(back)).await
    }

    /// Money of line 1 went back.
    pub(crate) async fn refund(
        &self,
        id: &str,
        refund_id: &str,
        count: i64,
        restock: bool,
    ) -> Outcome {
        self.run(Command::Refund(refunding(id, refund_id, count, restock))).await
    }

    /// Fulfilment has begun.
    pub(crate) async fn accept(&self, id: &str) -> Outcome {
        self.run(Command::Accept(reference(id))).await
    }

    /// Fills shortfall on purpose.
    pub(crate) async fn allocate(&self, id: &str) -> Outcome {
        self.run(Command::Allocate(reference(id))).await
    }

    /// Moves an order's holds.
    pub(crate) async fn reassign(&self, id: &str, from: &str, to: &str) -> Outcome {
        let (from, to) = (code(from), code(to));
        self.run(Command::Reassign(Reassign { reference: reference(id), line: None, from, to }))
            .await
    }

    /// Says which item an unmapped line is.
    pub(crate) async fn map_line(&self, id: &str, line: i64, name: &str) -> Outcome {
        self.run(Command::MapLine(MapLine { reference: reference(id), line, sku: sku(name) })).await
    }

    /// Adds a key holder.
    pub(crate) async fn account(&self, name: &str) -> Outcome {
        let name = AccountName::new(name).unwrap();
        self.run(Command::CreateAccount(NewAccount { name, role: "storefront", key: None })).await
    }

    /// The time now.
    pub(crate) fn now(&self) -> i64 {
        use invshop::clock::Clock as _;
        self.clock.now().as_millis()
    }

    /// Lets time pass and the due holds run out.
    pub(crate) async fn expire(&self, millis: u64) {
        self.clock.advance_millis(millis);
        self.run(Command::ExpireDue).await.unwrap();
    }
}

/// A physical count.
pub(crate) fn counted(count: i64) -> Change {
    Change::Count { quantity: units(count), basis: Basis::Physical, observer: None }
}
