//! What the document says of the words of the domain: which texts, numbers and names there are.
//!
//! The bounds come from the types themselves, so that the document cannot promise others.

use utoipa::openapi::schema::{AnyOfBuilder, KnownFormat, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{ComponentsBuilder, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::clock::Timestamp;
use crate::config::ChannelMode;
use crate::domain::{
    Barcode, Currency, Email, ExternalId, FactId, ItemStatus, Key, LocationCode, OrderStatus,
    Reason, Sku, Title, UserId,
};

/// Characters that no text of the shop may hold are left out: control characters.
const PRINTABLE: &str = r"^[^\u0000-\u001f\u007f-\u009f]+$";
const ASCII: &str = "^[ -~]+$";
const CODE: &str = "^[A-Za-z0-9._-]+$";

fn named(names: impl Iterator<Item = &'static str>, description: &str) -> RefOr<Schema> {
    let names = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names));
    names.description(Some(description)).into()
}

fn text(bytes_max: usize, pattern: &str, description: &str) -> RefOr<Schema> {
    let text = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1));
    let text = text.max_length(Some(bytes_max)).pattern(Some(pattern));
    text.description(Some(format!("{description} At most {bytes_max} bytes of UTF-8."))).into()
}

fn formatted(format: KnownFormat) -> ObjectBuilder {
    let text = ObjectBuilder::new().schema_type(Type::String);
    text.format(Some(SchemaFormat::KnownFormat(format)))
}

macro_rules! words {
    ($($name:ident = $schema:expr;)*) => {
        $(
            impl PartialSchema for $name {
                fn schema() -> RefOr<Schema> {
                    $schema
                }
            }

            impl ToSchema for $name {}
        )*

        /// All of them, for whoever refers to them by name.
        pub(super) fn components() -> ComponentsBuilder {
            ComponentsBuilder::new()$(.schema_from::<$name>())*
        }
    };
}

words! {
    Sku = text(Self::BYTES_MAX, PRINTABLE, "The seller's key of an item: opaque, compared byte for byte.");
    Title = text(Self::BYTES_MAX, PRINTABLE, "What an item is called.");
    Barcode = text(Self::BYTES_MAX, ASCII, "A barcode as printed.");
    LocationCode = text(Self::BYTES_MAX, CODE, "The short name of a location.");
    ExternalId = text(
        Self::BYTES_MAX,
        PRINTABLE,
        "An order's id at its source. In an order that is placed without ':'."
    );
    FactId = text(
        Self::BYTES_MAX,
        PRINTABLE,
        "The caller's id of a payment, shipment or return: a repeat of it is a replay."
    );
    UserId = ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some("^usr_[1-9][0-9]*$"))
        .max_length(Some(23))
        .description(Some("The id of a user: what was answered when it was registered."))
        .into();
    Email = ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some(r"^[^@\s\u0000-\u001f\u007f-\u009f]+@[^@\s\u0000-\u001f\u007f-\u009f.]([^@\s\u0000-\u001f\u007f-\u009f]*[^@\s\u0000-\u001f\u007f-\u009f.])?$"))
        .max_length(Some(Self::BYTES_MAX))
        .description(Some("An e-mail address; letters count without regard to case."))
        .into();
    Reason = text(Self::BYTES_MAX, PRINTABLE, "Why, in somebody's words.");
    Key = text(Self::BYTES_MAX, ASCII, "Chosen by the client: one key of one key holder, one effect.");
    Currency = ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some("^[A-Z]{3}$"))
        .description(Some("An ISO 4217 code that is in use."))
        .into();
    ItemStatus = named(
        Self::ALL.into_iter().map(Self::as_str),
        "Whether an item is sold: `stopped` for now, `discontinued` for good."
    );
    OrderStatus = named(
        Self::ALL.iter().copied().map(Self::as_str),
        "Where an order stands, derived from its counts."
    );
    ChannelMode = named(
        Self::ALL.into_iter().map(Self::as_str),
        "What a channel is for: `shadow` publishes nothing, `paused` takes orders only."
    );
    Timestamp = formatted(KnownFormat::DateTime)
        .description(Some("RFC 3339 in UTC, with milliseconds."))
        .into();
    Moment = AnyOfBuilder::new()
        .item(formatted(KnownFormat::DateTime))
        .item(formatted(KnownFormat::Date))
        .description(Some("RFC 3339 with any offset, or a date: midnight UTC."))
        .into();
}

/// A time as it stands in requests.
#[derive(Debug)]
pub(in crate::api) struct Moment;
