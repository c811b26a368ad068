//! Parameters that several routes have: what the path names, and headers.

use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{Ref, RefOr, Required, Schema};

fn plain() -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(Type::String).into()
}

fn word(name: &str) -> RefOr<Schema> {
    Ref::from_schema_name(name).into()
}

macro_rules! parameters {
    ($($(#[doc = $doc:literal])+ $name:ident = $place:ident $wire:literal $schema:expr;)*) => {
        $(
            $(#[doc = $doc])+
            #[derive(Debug)]
            pub(in crate::api) struct $name;

            impl IntoParams for $name {
                fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
                    let is_needed = matches!(ParameterIn::$place, ParameterIn::Path);
                    let needed = if is_needed { Required::True } else { Required::False };
                    let parameter = ParameterBuilder::new()
                        .name($wire)
                        .parameter_in(ParameterIn::$place)
                        .required(needed)
                        .description(Some(concat!($($doc),+).trim()))
                        .schema(Some($schema));
                    vec![parameter.build()]
                }
            }
        )*
    };
}

parameters! {
    /// Under the same key the same request is done once: a repeat is a replay and answers 200
    /// with `Idempotent-Replayed: true`; other content under it is refused.
    Once = Header "Idempotency-Key" word("Key");
    /// Only in the version that was read: an `ETag` of the item, or `*`. Of the tag only the item
    /// version counts, the part before the first dot.
    IfMatch = Header "If-Match" plain();
    /// Only in the version that was read: an `ETag` of the user, or `*`.
    IfUser = Header "If-Match" plain();
    /// Answers 304 without a body where the `ETag` is still one of these.
    IfNoneMatch = Header "If-None-Match" plain();
    /// The `id` of the last event that was heard: goes on after it, and counts for more than
    /// `after`.
    LastEventId = Header "Last-Event-ID" plain();
    /// `respond-async` takes the order now and decides it later.
    Prefer = Header "Prefer" plain();
}
