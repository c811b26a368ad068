//! Where something that was asked for comes from.

use std::net::IpAddr;

use serde_json::{Value, json};

/// On an answer: what was shown was made up, or somebody else's. Whoever asks pays for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guessed;

/// The address of a client, and the name of its request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The address; a proxy that is trusted says it.
    pub address: IpAddr,
    /// What `X-Request-Id` says.
    pub request: String,
}

impl Origin {
    /// Adds it to what the journal says of an act.
    pub fn on(&self, data: &mut Value) {
        data["address"] = json!(self.address);
        data["request_id"] = json!(self.request);
    }
}
