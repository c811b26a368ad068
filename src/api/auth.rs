//! Who asks, and what they may do.

use std::marker::PhantomData;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};

use super::Api;
use super::problem::Problem;
use crate::domain::AccountId;
use crate::reports;
use crate::secret::ApiKey;

/// What a key holder may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Admin,
    Operator,
    Storefront,
    Reader,
}

/// What a route asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Right {
    /// Levels, items and what is offered of them.
    ReadStock,
    /// Movements, and the terms of a number.
    ReadLedger,
    /// Change stock and the catalogue.
    WriteStock,
    /// Orders: a storefront's own, everybody's for staff.
    ReadOrders,
    /// Place and cancel orders.
    PlaceOrders,
    /// Payments, shipments and returns.
    FulfilOrders,
}

impl Role {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "admin" => Some(Self::Admin),
            "operator" => Some(Self::Operator),
            "storefront" => Some(Self::Storefront),
            "reader" => Some(Self::Reader),
            _ => None,
        }
    }

    /// Whether the role has a right.
    pub(super) const fn may(self, right: Right) -> bool {
        match self {
            Self::Admin | Self::Operator => true,
            Self::Storefront => {
                matches!(right, Right::ReadStock | Right::ReadOrders | Right::PlaceOrders)
            }
            Self::Reader => {
                matches!(right, Right::ReadStock | Right::ReadLedger | Right::ReadOrders)
            }
        }
    }
}

/// The key holder a request is from.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) account: AccountId,
    pub(super) name: String,
    pub(super) role: Role,
}

impl Caller {
    /// Refuses what the role may not do.
    fn require(&self, right: Right) -> Result<(), Problem> {
        if self.role.may(right) {
            return Ok(());
        }
        let detail = format!("the key of '{}' may not do this", self.name);
        Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", detail))
    }

    /// How the caller names orders.
    pub(super) fn of_orders(&self) -> reports::Caller<'_> {
        let own_source = self.name.as_str();
        match self.role {
            Role::Storefront => reports::Caller::Storefront { own_source },
            Role::Admin | Role::Operator | Role::Reader => reports::Caller::Staff { own_source },
        }
    }
}

/// A right as a type, so that a route says in its signature what it asks for.
pub(super) trait Needs {
    const RIGHT: Right;
}

macro_rules! rights {
    ($($right:ident),*) => {
        $(
            #[derive(Debug)]
            pub(super) struct $right;

            impl Needs for $right {
                const RIGHT: Right = Right::$right;
            }
        )*
    };
}

rights!(ReadStock, ReadLedger, WriteStock, ReadOrders, PlaceOrders, FulfilOrders);

/// A caller who has a right. Whoever has not is told before a body is read.
#[derive(Debug)]
pub(super) struct May<R> {
    pub(super) caller: Caller,
    right: PhantomData<R>,
}

impl<R: Needs> FromRequestParts<Arc<Api>> for May<R> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, api).await?;
        caller.require(R::RIGHT)?;
        Ok(Self { caller, right: PhantomData })
    }
}

impl FromRequestParts<Arc<Api>> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Problem> {
        let unknown = || {
            let detail = "an API key is needed: Authorization: Bearer KEY";
            Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
        };
        let given = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let (scheme, key) = given.and_then(|value| value.split_once(' ')).ok_or_else(unknown)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(unknown());
        }
        let key = ApiKey::parse(key.trim()).map_err(|_| unknown())?;
        let stored = api.keys.find(&api.shop, key.prefix()).await?;
        let now = api.shop.clock.now().as_millis();
        let stored = stored
            .filter(|stored| key.verify(&stored.hash))
            .filter(|stored| stored.revoked_at.is_none())
            .filter(|stored| stored.expires_at.is_none_or(|at| at > now))
            .ok_or_else(unknown)?;
        let role = Role::parse(&stored.role).ok_or_else(unknown)?;
        api.keys.note_use(key.prefix(), now);
        Ok(Self { account: stored.account, name: stored.name, role })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storefront_reads_stock_and_has_its_orders_and_nothing_else() {
        let rights = [
            Right::ReadStock,
            Right::ReadLedger,
            Right::WriteStock,
            Right::ReadOrders,
            Right::PlaceOrders,
            Right::FulfilOrders,
        ];
        let of = |role: Role| rights.map(|right| role.may(right));
        assert_eq!(of(Role::Admin), [true; 6]);
        assert_eq!(of(Role::Operator), [true; 6]);
        assert_eq!(of(Role::Storefront), [true, false, false, true, true, false]);
        assert_eq!(of(Role::Reader), [true, true, false, true, false, false]);
    }
}
