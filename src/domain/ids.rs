//! Surrogate ids: what rows are joined by. They are never shown as a name.

use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        id!(without a name $(#[$doc])* $name);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
    (without a name $(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(i64);

        impl $name {
            /// Wraps a number read from the database.
            pub const fn new(raw: i64) -> Self {
                Self(raw)
            }

            /// The number as the database stores it.
            pub const fn get(self) -> i64 {
                self.0
            }
        }
    };
}

id! {
    /// An item, whatever its SKU is called today.
    ItemId
}
id! {
    /// A place that holds stock.
    LocationId
}
id! {
    /// An order inside this database; outside it is named by [`super::OrderRef`].
    OrderId
}
id! {
    /// A key holder: whoever a command is done for.
    AccountId
}
id! {
    /// All that one import or one admin command wrote.
    BatchId
}
id! {
    /// A place in the journal: dense from 1, in commit order.
    Seq
}
id! {
    without a name
    /// Somebody a key holder registered: shown as `usr_` and the number.
    UserId
}
