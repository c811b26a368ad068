//! Every `code` of a problem and what it means. What a route documents is looked up here, and the
//! tests hold answers against it.

/// Codes and their meanings, by name.
pub(super) const CODES: &[(&str, &str)] = &[
    ("already_exists", "the SKU or the e-mail address is taken; `user_id` names whose it is"),
    ("already_shipped", "nothing is left to cancel: all that was ordered has left"),
    ("ambiguous_order", "orders of several sources have this id; `orders` names them in full"),
    ("body_incomplete", "the body broke off before its end"),
    ("body_too_large", "the body has more than 1 MiB"),
    ("bundle_has_no_stock", "a bundle has no stock of its own"),
    ("busy", "the writer's queue is full; nothing was written"),
    ("channel_failed", "the channel could not be asked"),
    ("closing", "the daemon ends"),
    ("cursor_ahead", "the journal has not come so far; `newest` says how far"),
    ("database_unavailable", "the database cannot be used now"),
    ("forbidden", "the role or the token has too little; the scope it takes is named"),
    ("has_open_reservations", "units of the item are promised to orders"),
    ("idempotency_mismatch", "the id or key was used before with other content"),
    ("insufficient_stock", "not enough stock; `shortages` says of what. Nothing was written"),
    ("internal", "an internal error"),
    ("invalid", "a value is out of bounds or makes no sense; `field` names it"),
    ("location_required", "several locations exist: name one of `locations`"),
    ("malformed_json", "the body is not JSON"),
    ("malformed_path", "the path is not UTF-8"),
    ("method_not_allowed", "the path has no such method; `Allow` says which it has"),
    ("mirrored_location", "the location's numbers belong to a channel"),
    ("no_websocket", "the request is no upgrade to WebSocket"),
    ("not_found", "there is nothing at this path"),
    ("not_ready", "the database cannot be used, or has another schema"),
    ("not_sold", "no listing of the channel is this item"),
    ("overloaded", "too many requests are worked on"),
    ("queue_full", "too many orders wait to be decided"),
    ("rate_limited", "too many requests of one address or key holder"),
    ("request_timeout", "the body did not arrive in time"),
    ("timeout", "it took too long; it may be done all the same"),
    ("too_many_streams", "too many listen, or this key holder does"),
    ("unauthorized", "no key or token, or one that is not believed"),
    ("unknown_channel", "no channel has this name"),
    ("unknown_line", "the order has no such line or part"),
    ("unknown_location", "no location has this code"),
    ("unknown_order", "no order is known by this id"),
    ("unknown_outcome", "it may have been done: the same request with the same id or key tells"),
    ("unknown_sku", "no item has this SKU, now or before"),
    ("unknown_user", "nobody is known by this id, or it is another key holder's"),
    ("unknown_version", "the version of `Accept-Version` is not spoken"),
    ("unsupported_media_type", "the body is not of the type the route takes"),
    ("version_conflict", "somebody changed it since it was read"),
];

/// What a code means; itself where it is not known, which the tests refuse.
pub(super) fn meaning(code: &str) -> &str {
    CODES.iter().find(|(known, _)| *known == code).map_or(code, |(_, meaning)| meaning)
}
