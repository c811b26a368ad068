//! Commands that share one batch, in an order that is known.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use futures_util::future::{join, join_all};
use invshop::domain::{ExternalId, Key, OrderRef};
use invshop::shop::Shop;
use invshop::writer::{Answer, Command, Faults, Injected, Step, WriteError};

use crate::harness::TestShop;

/// Holds a writer at the begin of a batch until the queue behind it is filled.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<Mutex<Option<Receiver<()>>>>);

impl Gate {
    /// The next batch stops at its begin until the sender speaks or is dropped.
    pub(crate) fn shut(&self) -> Sender<()> {
        let (open, opened) = channel();
        *self.0.lock().unwrap() = Some(opened);
        open
    }

    /// To be called at every step of the writer.
    pub(crate) fn pass(&self, step: Step) {
        let shut = if step == Step::Begun { self.0.lock().unwrap().take() } else { None };
        if let Some(opened) = shut {
            // Either way the gate is open: a sender that is gone will never speak.
            opened.recv().unwrap_or_default();
        }
    }

    /// A writer with nothing wrong but the gate.
    pub(crate) fn faults(&self) -> Faults {
        let gate = self.clone();
        Arc::new(move |step| {
            gate.pass(step);
            Injected::Nothing
        })
    }
}

/// Another writer of the same shop, with a gate.
pub(crate) async fn gated(shop: &TestShop) -> (Shop, Gate) {
    let gate = Gate::default();
    let mut opening = shop.opening.clone();
    opening.faults = Some(gate.faults());
    opening.random = shop.random();
    (Shop::open(opening).await.unwrap(), gate)
}

/// Has commands decided in one batch, in their order, whatever else is queued.
pub(crate) async fn at_once(
    shop: &Shop,
    gate: &Gate,
    commands: Vec<(Command, Option<Key>)>,
) -> Vec<Result<Answer, WriteError>> {
    let open = gate.shut();
    let nobody = ExternalId::new("nobody").unwrap();
    let plug = Command::Accept(OrderRef { source: "cli".to_owned(), external_id: nobody });
    // The first poll of each queues it, so they arrive in this order and before the gate opens.
    let waiting = commands.into_iter().map(|(command, key)| shop.submit(command, key));
    let opening = async move { drop(open) };
    let (_, (replies, ())) = join(shop.submit(plug, None), join(join_all(waiting), opening)).await;
    replies
}
