//! Roles, and the rights they have: the one table of who may do what.

/// What a key holder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Everything.
    Admin,
    /// Everything but keys.
    Operator,
    /// Reads stock; has its own orders and nobody else's.
    Storefront,
    /// Reads.
    Reader,
}

macro_rules! rights {
    ($($(#[$doc:meta])* $right:ident = $scope:literal: $($role:ident)*;)*) => {
        /// What a route asks for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Right { $($(#[$doc])* $right,)* }

        impl Right {
            /// Every right.
            pub const ALL: &[Self] = &[$(Self::$right,)*];

            /// Its name in tokens (RFC 6749 §3.3).
            pub const fn scope(self) -> &'static str {
                match self { $(Self::$right => $scope,)* }
            }

            /// The right of a scope; `None` when it is not one.
            pub fn of_scope(scope: &str) -> Option<Self> {
                match scope { $($scope => Some(Self::$right),)* _ => None }
            }
        }

        impl Role {
            /// Whether the role has a right.
            pub const fn may(self, right: Right) -> bool {
                match right {
                    $(Right::$right => matches!(self, $(Self::$role)|*),)*
                }
            }
        }
    };
}

rights! {
    /// Levels, items and what is offered of them.
    ReadStock = "stock:read": Admin Operator Storefront Reader;
    /// Movements, the terms of a number, and how channels stand.
    ReadLedger = "ledger:read": Admin Operator Reader;
    /// Change stock and the catalogue, and have channels do something.
    WriteStock = "stock:write": Admin Operator;
    /// Orders: a storefront's own, everybody's for others.
    ReadOrders = "orders:read": Admin Operator Storefront Reader;
    /// Place and cancel orders.
    PlaceOrders = "orders:place": Admin Operator Storefront;
    /// Payments, shipments and returns.
    FulfilOrders = "orders:fulfil": Admin Operator;
    /// Users and all that is held on them, in orders too: a storefront's own, everybody's for
    /// others.
    ReadUsers = "users:read": Admin Operator Storefront;
    /// Register, change and erase users.
    WriteUsers = "users:write": Admin Operator Storefront;
    /// Events: of each what its role may hear.
    ReadEvents = "events:read": Admin Operator Storefront Reader;
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 4] = [Self::Admin, Self::Operator, Self::Storefront, Self::Reader];

    /// The stored name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Operator => "operator",
            Self::Storefront => "storefront",
            Self::Reader => "reader",
        }
    }

    /// Reads the stored name; `None` when it is not one.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }

    /// All rights of the role.
    pub fn rights(self) -> Rights {
        Right::ALL.iter().copied().filter(|&right| self.may(right)).collect()
    }
}

/// Some rights: all of a role, or those a token was asked for with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rights(u32);

impl Rights {
    /// Whether a right is among them.
    pub const fn has(self, right: Right) -> bool {
        self.0 & (1 << right as u32) != 0
    }

    /// Those that are among others too.
    #[must_use]
    pub const fn among(self, others: Self) -> Self {
        Self(self.0 & others.0)
    }

    /// Their scopes in the order of the table, with blanks between them.
    pub fn scopes(self) -> String {
        let scopes = Right::ALL.iter().filter(|&&right| self.has(right));
        scopes.map(|right| right.scope()).collect::<Vec<_>>().join(" ")
    }

    /// Reads scopes with blanks between them; the first that is none otherwise.
    pub fn of_scopes(scopes: &str) -> Result<Self, &str> {
        let scopes = scopes.split(' ').filter(|scope| !scope.is_empty());
        scopes.map(|scope| Right::of_scope(scope).ok_or(scope)).collect()
    }
}

impl FromIterator<Right> for Rights {
    fn from_iter<I: IntoIterator<Item = Right>>(rights: I) -> Self {
        Self(rights.into_iter().fold(0, |all, right| all | 1 << right as u32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storefront_reads_stock_and_has_its_orders_and_users_and_nothing_else() {
        let scopes = |role: Role| role.rights().scopes();
        let all = "stock:read ledger:read stock:write orders:read orders:place orders:fulfil \
                   users:read users:write events:read";
        assert_eq!(scopes(Role::Admin), all);
        assert_eq!(scopes(Role::Operator), all);
        assert_eq!(
            scopes(Role::Storefront),
            "stock:read orders:read orders:place users:read users:write events:read"
        );
        assert_eq!(scopes(Role::Reader), "stock:read ledger:read orders:read events:read");
    }

    #[test]
    fn scopes_read_back_and_what_is_none_is_named() {
        for role in Role::ALL {
            assert_eq!(Rights::of_scopes(&role.rights().scopes()), Ok(role.rights()));
            assert_eq!(Role::parse(role.as_str()), Some(role));
        }
        assert_eq!(Rights::of_scopes(""), Ok(Rights::default()));
        assert_eq!(Rights::of_scopes("stock:read stock:everything"), Err("stock:everything"));
        assert_eq!(Role::parse("Admin"), None);
    }
}
