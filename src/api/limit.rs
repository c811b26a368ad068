//! How much one client may ask for: of each address before anything else is done, and of each
//! key holder once it is known who it is. Each node counts for itself.

mod buckets;

use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use tokio::time::Instant;

use super::problem::Problem;
use crate::config::{Rate, RateLimitConfig};
use crate::domain::AccountId;
use buckets::{Buckets, Left, Quota, SECOND};

/// How many requests more a key or token counts as that is refused: guessing is slow.
const REFUSED_COST: u32 = 20;
/// Headers of draft-ietf-httpapi-ratelimit-headers.
const LIMIT: &str = "ratelimit";
const POLICY: &str = "ratelimit-policy";

/// The limits of a node.
#[derive(Debug)]
pub(super) struct Limits {
    account: Quota,
    address: Quota,
    buckets: Buckets,
    begun: Instant,
}

/// What is left of a limit after a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    name: &'static str,
    quota: Quota,
    left: Left,
}

impl Limits {
    /// Those of the configuration; none where it wants none.
    pub(super) fn of(config: &RateLimitConfig) -> Option<Self> {
        let quota = |Rate { per_second, burst }: Rate| Quota { per_second, burst };
        config.enabled.then(|| Self {
            account: quota(config.account),
            address: quota(config.address),
            buckets: Buckets::new(),
            begun: Instant::now(),
        })
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Takes a request of an address.
    pub(super) fn of_address(&self, address: IpAddr) -> Standing {
        let left = self.buckets.take(client(address), self.address, 1, self.now());
        Standing { name: "address", quota: self.address, left }
    }

    /// Takes a request of a key holder.
    pub(super) fn of_account(&self, account: AccountId) -> Standing {
        let left = self.buckets.take(account.get(), self.account, 1, self.now());
        Standing { name: "account", quota: self.account, left }
    }

    /// Has an address pay for a key or token that was refused.
    pub(super) fn refused(&self, address: IpAddr) -> Standing {
        let left = self.buckets.charge(client(address), self.address, REFUSED_COST, self.now());
        Standing { name: "address", quota: self.address, left }
    }
}

/// Who has an address: of IPv6 each customer has a /64 of them at least.
pub(super) fn client(address: IpAddr) -> [u8; 16] {
    let mut bytes = match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    };
    if address.is_ipv6() {
        bytes[8..].fill(0);
    }
    bytes
}

impl Standing {
    /// Whether the request may go on.
    pub(super) const fn is_granted(&self) -> bool {
        self.left.granted
    }

    /// What a client is told that may not.
    pub(super) fn refusal(&self) -> Response {
        let Quota { per_second, burst } = self.quota;
        let detail = format!(
            "too many requests: {per_second} a second are taken of one {}, and {burst} at once",
            self.name
        );
        let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", detail);
        let mut response = problem.into_response();
        let seconds = self.left.retry_in.div_ceil(SECOND).max(1);
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        self.tell(response.headers_mut());
        response
    }

    /// Whether an answer says how much is left.
    pub(super) fn is_told(headers: &HeaderMap) -> bool {
        headers.contains_key(LIMIT)
    }

    /// Says how much is left.
    pub(super) fn tell(&self, headers: &mut HeaderMap) {
        let Self { name, quota: Quota { per_second, burst }, left } = self;
        let window = burst.div_ceil((*per_second).max(1));
        let policy = format!("\"{name}\";q={burst};w={window}");
        let seconds = left.full_in.div_ceil(SECOND);
        let limit = format!("\"{name}\";r={};t={seconds}", left.remaining);
        for (header, text) in [(POLICY, policy), (LIMIT, limit)] {
            if let Ok(value) = HeaderValue::try_from(text) {
                headers.insert(header, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_of_ipv6_is_one_client_and_an_address_of_ipv4_is_one() {
        let of = |text: &str| client(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:ffff:ffff:ffff"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }
}
