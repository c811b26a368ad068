//! How many connections there may be at the same time, in all and of one address: whoever
//! opens as many as it can and says nothing on them leaves room for the others.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use ipnet::IpNet;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::limit;

/// So many of each address, as whom limits take for one client.
type Taken = Arc<Mutex<HashMap<[u8; 16], usize>>>;

/// The connections of a listener.
#[derive(Debug)]
pub(super) struct Connections {
    room: Arc<Semaphore>,
    taken: Taken,
    of_one_max: usize,
    trusted: Vec<IpNet>,
}

/// The place of a connection, free again when nobody has it any more: whoever goes on with a
/// connection after HTTP keeps it.
#[derive(Clone, Debug)]
pub(super) struct ConnectionPlace {
    #[expect(dead_code, reason = "it is held")]
    held: Arc<Held>,
}

#[derive(Debug)]
struct Held {
    // Dropped last.
    taken: Option<(Taken, [u8; 16])>,
    _room: OwnedSemaphorePermit,
}

impl Connections {
    /// So many in all, and so many of one address that is no proxy.
    pub(super) fn new(all_max: usize, of_one_max: usize, trusted: Vec<IpNet>) -> Self {
        let room = Arc::new(Semaphore::new(all_max));
        Self { room, taken: Taken::default(), of_one_max, trusted }
    }

    /// Waits until there may be one more.
    pub(super) async fn room(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.room).acquire_owned().await.ok()
    }

    /// The place of a connection from an address; none where it has all that one may have. A
    /// proxy that is believed has the connections of many.
    pub(super) fn place(
        &self,
        room: OwnedSemaphorePermit,
        address: IpAddr,
    ) -> Option<ConnectionPlace> {
        let address = address.to_canonical();
        if self.trusted.iter().any(|network| network.contains(&address)) {
            return Some(ConnectionPlace { held: Arc::new(Held { taken: None, _room: room }) });
        }
        let client = limit::client(address);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let of = taken.entry(client).or_default();
        if *of >= self.of_one_max {
            return None;
        }
        *of += 1;
        drop(taken);
        let taken = Some((Arc::clone(&self.taken), client));
        Some(ConnectionPlace { held: Arc::new(Held { taken, _room: room }) })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let Some((taken, client)) = self.taken.take() else { return };
        let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(of) = taken.get_mut(&client) {
            *of = of.saturating_sub(1);
            if *of == 0 {
                taken.remove(&client);
            }
        }
    }
}
