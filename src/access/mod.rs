//! Who may do what: roles and their rights, and the short-lived tokens that carry them.
//!
//! A key holder proves itself with a key, or with a token it was given for its key. Tokens
//! are signed with keys of the shop's own, which all nodes share and others may verify with.

mod jwt;
mod role;
mod signing;
mod token;

pub use role::{Right, Rights, Role};
pub use signing::{
    PublicKey, ROTATION_LEAD_SECONDS, Rotation, SigningError, SigningKeyView, SigningKeys, rotate,
    signing_keys,
};
pub use token::{
    Claims, Holder, Issued, TOKEN_SECONDS_MAX, TOKEN_SECONDS_MIN, TokenError, Tokens, inspect,
};
