//! What has to be asked for in words of its own to be refused.

/// How one problem of an operation is had.
pub(super) struct Row {
    pub(super) operation: &'static str,
    pub(super) code: &'static str,
    pub(super) path: &'static str,
    pub(super) body: &'static str,
    pub(super) header: Option<(&'static str, &'static str)>,
}

const fn row(
    operation: &'static str,
    code: &'static str,
    path: &'static str,
    body: &'static str,
) -> Row {
    Row { operation, code, path, body, header: None }
}

const fn headed(
    operation: &'static str,
    code: &'static str,
    path: &'static str,
    body: &'static str,
    header: (&'static str, &'static str),
) -> Row {
    Row { operation, code, path, body, header: Some(header) }
}

/// A key that was used for something else.
const USED: (&str, &str) = ("idempotency-key", "used");
const MOVE: &str = "/v1/inventory/MUG/movements";
const ITEM: &str = "/v1/inventory/MUG";

pub(super) const ROWS: &[Row] = &[
    headed("list_items", "unknown_location", "/v1/inventory?location=none", "", ("accept", "*/*")),
    row("list_movements", "unknown_location", "/v1/inventory/MUG/movements?location=none", ""),
    row("list_movements", "unknown_sku", "/v1/inventory/NONE/movements", ""),
    row("show_item", "unknown_sku", "/v1/inventory/NONE", ""),
    row("explain_item", "unknown_sku", "/v1/inventory/NONE/explain", ""),
    row("create_item", "already_exists", "/v1/inventory", r#"{"sku":"MUG"}"#),
    row(
        "create_item",
        "mirrored_location",
        "/v1/inventory",
        r#"{"sku":"NEW","location":"fba","on_hand":1}"#,
    ),
    headed("create_item", "idempotency_mismatch", "/v1/inventory", r#"{"sku":"NEW"}"#, USED),
    row("create_item", "location_required", "/v1/inventory", r#"{"sku":"NEW","on_hand":1}"#),
    row(
        "create_item",
        "unknown_location",
        "/v1/inventory",
        r#"{"sku":"NEW","on_hand":1,"location":"none"}"#,
    ),
    row("change_item", "unknown_sku", "/v1/inventory/NONE", r#"{"title":"None"}"#),
    row("change_item", "mirrored_location", ITEM, r#"{"safety":1,"location":"fba"}"#),
    row(
        "change_item",
        "bundle_has_no_stock",
        "/v1/inventory/SET",
        r#"{"safety":1,"location":"main"}"#,
    ),
    headed("change_item", "version_conflict", ITEM, r#"{"title":"X"}"#, ("if-match", "\"99.1\"")),
    headed("change_item", "idempotency_mismatch", ITEM, r#"{"title":"X"}"#, USED),
    row("change_item", "location_required", ITEM, r#"{"safety":1}"#),
    row("change_item", "unknown_location", ITEM, r#"{"safety":1,"location":"none"}"#),
    row("discontinue_item", "unknown_sku", "/v1/inventory/NONE", ""),
    row("discontinue_item", "has_open_reservations", "/v1/inventory/HELD", ""),
    headed("discontinue_item", "version_conflict", ITEM, "", ("if-match", "\"99.1\"")),
    headed("discontinue_item", "idempotency_mismatch", "/v1/inventory/LID", "", USED),
    row("move_item", "unknown_sku", "/v1/inventory/NONE/movements", RECEIPT),
    row("move_item", "bundle_has_no_stock", "/v1/inventory/SET/movements", RECEIPT),
    row("move_item", "insufficient_stock", MOVE, TRANSFER),
    row("move_item", "mirrored_location", MOVE, MIRRORED),
    row("move_item", "version_conflict", MOVE, OLD),
    headed("move_item", "idempotency_mismatch", MOVE, RECEIPT, USED),
    row("move_item", "location_required", MOVE, r#"{"kind":"receipt","quantity":3}"#),
    row(
        "move_item",
        "unknown_location",
        MOVE,
        r#"{"kind":"receipt","quantity":3,"location":"none"}"#,
    ),
    row("place_order", "insufficient_stock", "/v1/orders", MUCH),
    row("place_order", "mirrored_location", "/v1/orders", FROM_MIRRORED),
    row("place_order", "unknown_location", "/v1/orders", FROM_NOWHERE),
    row("place_order", "unknown_sku", "/v1/orders", OF_NOTHING),
    row("place_order", "idempotency_mismatch", "/v1/orders", ANOTHER),
    row("place_order", "unknown_user", "/v1/orders", OF_NOBODY),
    row("register_user", "already_exists", "/v1/users", r#"{"email":"a@example.com"}"#),
    headed(
        "register_user",
        "idempotency_mismatch",
        "/v1/users",
        r#"{"email":"c@example.com"}"#,
        USED,
    ),
    row("show_user", "unknown_user", "/v1/users/usr_9", ""),
    row("export_user", "unknown_user", "/v1/users/usr_9/export", ""),
    row("change_user", "unknown_user", "/v1/users/usr_9", "{}"),
    row("change_user", "already_exists", "/v1/users/usr_1", r#"{"email":"b@example.com"}"#),
    headed("change_user", "version_conflict", "/v1/users/usr_1", "{}", ("if-match", "\"99\"")),
    headed("change_user", "idempotency_mismatch", "/v1/users/usr_1", r#"{"name":"X"}"#, USED),
    row("erase_user", "unknown_user", "/v1/users/usr_9", ""),
    headed("erase_user", "version_conflict", "/v1/users/usr_1", "", ("if-match", "\"99\"")),
    headed("erase_user", "idempotency_mismatch", "/v1/users/usr_1", "", USED),
    row("show_order", "unknown_order", "/v1/orders/none", ""),
    row("show_order", "ambiguous_order", "/v1/orders/both", ""),
    row("cancel_order", "unknown_order", "/v1/orders/none/cancel", "{}"),
    row("cancel_order", "ambiguous_order", "/v1/orders/both/cancel", "{}"),
    row("cancel_order", "already_shipped", "/v1/orders/shipped/cancel", "{}"),
    headed("cancel_order", "idempotency_mismatch", "/v1/orders/known/cancel", "{}", USED),
    row("cancel_order", "unknown_line", "/v1/orders/1/cancel", LINE_9),
    row("pay_order", "unknown_order", "/v1/orders/none/payments", r#"{"payment_id":"p"}"#),
    row("pay_order", "ambiguous_order", "/v1/orders/both/payments", r#"{"payment_id":"p"}"#),
    row("pay_order", "idempotency_mismatch", "/v1/orders/1/payments", OTHER_AMOUNT),
    row("ship_order", "unknown_order", "/v1/orders/none/shipments", r#"{"shipment_id":"s"}"#),
    row("ship_order", "ambiguous_order", "/v1/orders/both/shipments", r#"{"shipment_id":"s"}"#),
    row("ship_order", "mirrored_location", "/v1/orders/known/shipments", SHIP_MIRRORED),
    row("ship_order", "idempotency_mismatch", "/v1/orders/shipped/shipments", SHIP_OTHER),
    row("ship_order", "unknown_line", "/v1/orders/known/shipments", SHIP_LINE_9),
    row("ship_order", "unknown_location", "/v1/orders/known/shipments", SHIP_NOWHERE),
    row("return_order", "unknown_order", "/v1/orders/none/returns", RETURN),
    row("return_order", "ambiguous_order", "/v1/orders/both/returns", RETURN),
    row("return_order", "mirrored_location", "/v1/orders/shipped/returns", RETURN_MIRRORED),
    row("return_order", "idempotency_mismatch", "/v1/orders/shipped/returns", RETURN_OTHER),
    row("return_order", "unknown_line", "/v1/orders/shipped/returns", RETURN_LINE_9),
    row("return_order", "unknown_location", "/v1/orders/shipped/returns", RETURN_NOWHERE),
    row("act_on_channel", "not_found", "/v1/channels/web/sing", ""),
    row("act_on_channel", "unknown_channel", "/v1/channels/none/push", ""),
    headed("listen", "cursor_ahead", "/v1/events?after=99999", "", ("accept", "application/json")),
    row("listen_on_socket", "no_websocket", "/v1/events/ws", ""),
];

const RECEIPT: &str = r#"{"kind":"receipt","quantity":3,"location":"main"}"#;
const TRANSFER: &str =
    r#"{"kind":"transfer","quantity":999,"location":"main","to_location":"store"}"#;
const MIRRORED: &str = r#"{"kind":"receipt","quantity":3,"location":"fba"}"#;
const OLD: &str = r#"{"kind":"count","quantity":3,"location":"main","if_version":999}"#;
const MUCH: &str = r#"{"order_id":"new","lines":[{"sku":"MUG","quantity":999}]}"#;
const FROM_MIRRORED: &str =
    r#"{"order_id":"new","lines":[{"sku":"MUG","quantity":1}],"location":"fba"}"#;
const FROM_NOWHERE: &str =
    r#"{"order_id":"new","lines":[{"sku":"MUG","quantity":1}],"location":"none"}"#;
const OF_NOTHING: &str = r#"{"order_id":"new","lines":[{"sku":"NONE","quantity":1}]}"#;
const OF_NOBODY: &str =
    r#"{"order_id":"new","lines":[{"sku":"MUG","quantity":1}],"user_id":"usr_9"}"#;
const ANOTHER: &str = r#"{"order_id":"1","lines":[{"sku":"MUG","quantity":3}]}"#;
const LINE_9: &str = r#"{"lines":[{"line":9,"quantity":1}]}"#;
const OTHER_AMOUNT: &str = r#"{"payment_id":"known","amount":{"amount":1,"currency":"EUR"}}"#;
const SHIP_MIRRORED: &str = r#"{"shipment_id":"s","location":"fba"}"#;
const SHIP_OTHER: &str = r#"{"shipment_id":"known","lines":[{"line":1,"quantity":7}]}"#;
const SHIP_LINE_9: &str = r#"{"shipment_id":"s","lines":[{"line":9,"quantity":1}]}"#;
const SHIP_NOWHERE: &str = r#"{"shipment_id":"s","location":"none"}"#;
const RETURN: &str =
    r#"{"return_id":"r","lines":[{"line":1,"quantity":1,"disposition":"restock"}]}"#;
const RETURN_MIRRORED: &str = r#"{"return_id":"r","location":"fba",
    "lines":[{"line":1,"quantity":1,"disposition":"restock"}]}"#;
const RETURN_OTHER: &str =
    r#"{"return_id":"known","lines":[{"line":1,"quantity":1,"disposition":"write_off"}]}"#;
const RETURN_LINE_9: &str =
    r#"{"return_id":"r","lines":[{"line":9,"quantity":1,"disposition":"restock"}]}"#;
const RETURN_NOWHERE: &str = r#"{"return_id":"r","location":"none",
    "lines":[{"line":1,"quantity":1,"disposition":"restock"}]}"#;

/// What another test asks for: the code, the operation where it is one, and the test.
pub(super) const ELSEWHERE: &[(&str, &str, &str)] = &[
    ("rate_limited", "", "every_route_refuses_who_asks_for_too_much"),
    ("too_many_streams", "", "a_place_is_free_again_when_somebody_leaves"),
    ("cursor_ahead", "listen_on_socket", "what_makes_no_sense_is_refused_by_name"),
    ("body_incomplete", "", "a_body_that_breaks_off_writes_nothing"),
    ("request_timeout", "", "a_body_that_does_not_come_holds_its_place_and_is_not_waited_for"),
    ("not_sold", "explain_item", "channels_are_asked_about_over_http"),
    ("channel_failed", "act_on_channel", "channels_are_asked_about_over_http"),
    ("internal", "", "what_fails_inside_says_nothing_of_it"),
    ("database_unavailable", "", "what_fails_inside_says_nothing_of_it"),
    ("not_ready", "readyz", "what_fails_inside_says_nothing_of_it"),
    ("busy", "", "what_could_not_be_done_has_its_status"),
    ("timeout", "", "what_could_not_be_done_has_its_status"),
    ("unknown_outcome", "", "what_could_not_be_done_has_its_status"),
    ("queue_full", "place_order", "what_could_not_be_done_has_its_status"),
    ("overloaded", "", "a_body_that_does_not_come_holds_its_place_and_is_not_waited_for"),
    ("unknown_user", "register_user", "a_repetition_of_somebody_erased_tells_nothing_of_them"),
    ("closing", "", "what_could_not_be_done_has_its_status"),
];
