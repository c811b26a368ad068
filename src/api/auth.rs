//! Who asks, and what they may do.

use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::Api;
use super::limit::Standing;
use super::problem::Problem;
use crate::access::{Holder, Right, Role, SigningError, TokenError};
use crate::people::Asker;
use crate::reports;
use crate::secret::ApiKey;
use crate::store::StoreError;
use crate::telemetry::{Guessed, Origin};

/// What a key is written with, and no token.
const KEY_SCHEME: &str = "inv_";

/// The subprotocol of WebSocket of those who cannot set headers: browsers. The key or token
/// comes after it.
pub(super) const BEARER: &str = "bearer";

/// The key holder a request is from.
#[derive(Clone, Debug)]
pub(super) struct Caller(Arc<Holder>);

impl Deref for Caller {
    type Target = Holder;

    fn deref(&self) -> &Holder {
        &self.0
    }
}

impl Caller {
    /// Refuses what the caller may not do.
    pub(super) fn require(&self, right: Right) -> Result<(), Problem> {
        if self.rights.has(right) {
            return Ok(());
        }
        let scope = right.scope();
        let detail = if self.role.may(right) {
            format!("the token of '{}' was not asked for with {scope}", self.name)
        } else {
            format!("the key of '{}' may not do this: it takes {scope}", self.name)
        };
        let problem = Problem::new(StatusCode::FORBIDDEN, "forbidden", detail);
        Err(problem.challenge(&format!(r#"error="insufficient_scope", scope="{scope}""#)))
    }

    /// How the caller asks about users.
    pub(super) fn of_people(&self) -> Asker {
        match self.role {
            Role::Storefront => Asker::Storefront(self.account),
            Role::Admin | Role::Operator | Role::Reader => Asker::Staff(self.account),
        }
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

            impl $right {
                /// What a key or token must have for it.
                pub(super) const SCOPE: &'static str = Right::$right.scope();
            }

            impl Needs for $right {
                const RIGHT: Right = Right::$right;
            }
        )*
    };
}

rights!(
    ReadStock,
    ReadLedger,
    WriteStock,
    ReadOrders,
    PlaceOrders,
    FulfilOrders,
    ReadUsers,
    WriteUsers,
    ReadEvents
);

/// A caller who has a right. Whoever has not is told before a body is read.
#[derive(Debug)]
pub(super) struct May<R> {
    pub(super) caller: Caller,
    right: PhantomData<R>,
}

impl<R: Needs> FromRequestParts<Arc<Api>> for May<R> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _api: &Arc<Api>) -> Result<Self, Problem> {
        // A route that nobody has to prove himself for has no caller either.
        let caller = parts.extensions.get::<Caller>().cloned();
        let caller = caller.ok_or_else(|| Problem::from(Unproven::Nothing))?;
        caller.require(R::RIGHT)?;
        Ok(Self { caller, right: PhantomData })
    }
}

/// Why somebody is nobody.
#[derive(Debug)]
pub(super) enum Unproven {
    /// It showed nothing.
    Nothing,
    /// It showed a key that is none, or that has ended; its public part, where it has one.
    Key(Option<String>),
    /// It showed a token that is not believed.
    Token(TokenError),
    /// Nobody can tell.
    Store(StoreError),
}

impl From<Unproven> for Problem {
    fn from(why: Unproven) -> Self {
        let unauthorized =
            |detail: &str| Self::new(StatusCode::UNAUTHORIZED, "unauthorized", detail);
        match why {
            Unproven::Nothing => {
                unauthorized("a key or a token is needed: Authorization: Bearer KEY_OR_TOKEN")
                    .challenge("")
            }
            Unproven::Key(_) => unauthorized("the key is not known, or has ended")
                .challenge(r#"error="invalid_token""#),
            Unproven::Token(TokenError::Keys(SigningError::Store(error)))
            | Unproven::Store(error) => Self::of_store(&error),
            Unproven::Token(TokenError::Keys(error)) => {
                tracing::error!(error = %error, "a token cannot be verified");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "an internal error")
            }
            Unproven::Token(error) => unauthorized(&format!("the token is not accepted: {error}"))
                .challenge(&format!(r#"error="invalid_token", error_description="{error}""#)),
        }
    }
}

impl Unproven {
    /// Whether what was shown was made up, or somebody else's: a token that has ended is not.
    pub(super) const fn is_guess(&self) -> bool {
        let was_good = matches!(self, Self::Token(TokenError::Expired | TokenError::Revoked));
        !matches!(self, Self::Nothing) && self.is_for_good() && !was_good
    }

    /// Whether asking again would change nothing.
    pub(super) const fn is_for_good(&self) -> bool {
        !matches!(self, Self::Store(_) | Self::Token(TokenError::Keys(_)))
    }
}

/// What `Sec-WebSocket-Protocol: bearer, KEY` proves, as if it stood in its header.
fn key_of_protocols(headers: &HeaderMap) -> Option<HeaderValue> {
    let lines = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
    let offered = lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(','));
    let key = offered.map(str::trim).skip_while(|offered| *offered != BEARER).nth(1)?;
    HeaderValue::from_str(&format!("Bearer {key}")).ok()
}

/// Lets through as many requests of an address as it may send, before anything is done for them.
pub(super) async fn limit_address(
    State(api): State<Arc<Api>>,
    request: Request,
    next: Next,
) -> Response {
    // Whoever watches over the process must not find it dead for what others ask.
    let is_watched = request.uri().path() == "/healthz";
    let origin = request.extensions().get::<Origin>().filter(|_| !is_watched);
    let (Some(limits), Some(address)) = (&api.limits, origin.map(|origin| origin.address)) else {
        return next.run(request).await;
    };
    let standing = limits.of_address(address);
    if !standing.is_granted() {
        return standing.refusal();
    }
    let mut response = next.run(request).await;
    let is_guess = response.extensions().get::<Guessed>().is_some();
    let standing = if is_guess { limits.refused(address) } else { standing };
    // What is left of a key holder says more.
    if !Standing::is_told(response.headers()) {
        standing.tell(response.headers_mut());
    }
    response
}

/// Finds out who asks, and lets through as much as it may ask for.
pub(super) async fn authenticate(
    State(api): State<Arc<Api>>,
    mut request: Request,
    next: Next,
) -> Response {
    let caller = match api.prove(request.headers()).await {
        Ok(holder) => Caller(holder),
        Err(why) => {
            api.note(&why, request.extensions().get());
            let is_guess = why.is_guess();
            let mut response = Problem::from(why).into_response();
            if is_guess {
                response.extensions_mut().insert(Guessed);
            }
            return response;
        }
    };
    let standing = api.limits.as_ref().map(|limits| limits.of_account(caller.account));
    if let Some(standing) = standing.filter(|standing| !standing.is_granted()) {
        return standing.refusal();
    }
    request.extensions_mut().insert(caller);
    let mut response = next.run(request).await;
    if let Some(standing) = standing {
        standing.tell(response.headers_mut());
    }
    response
}

impl Api {
    /// Notes who was not believed, unless it showed nothing.
    pub(super) fn note(&self, why: &Unproven, origin: Option<&Origin>) {
        match why {
            Unproven::Nothing | Unproven::Token(TokenError::Expired) => {}
            _ if !why.is_for_good() => {}
            Unproven::Key(prefix) => {
                let why = "it is not known, its secret is wrong, or it has ended";
                self.shop.note_refused("key", prefix.as_deref(), why, origin);
            }
            Unproven::Token(error) => {
                self.shop.note_refused("token", None, &error.to_string(), origin);
            }
            Unproven::Store(_) => {}
        }
    }

    /// Whose key or token came with a request.
    pub(super) async fn prove(&self, headers: &HeaderMap) -> Result<Arc<Holder>, Unproven> {
        let given = headers.get(header::AUTHORIZATION).cloned();
        let given = given.or_else(|| key_of_protocols(headers)).ok_or(Unproven::Nothing)?;
        let given = given.to_str().ok().and_then(|value| value.split_once(' '));
        let (scheme, shown) = given.ok_or(Unproven::Nothing)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(Unproven::Nothing);
        }
        let shown = shown.trim();
        if shown.starts_with(KEY_SCHEME) {
            let key = ApiKey::parse(shown).map_err(|_| Unproven::Key(None))?;
            return self.prove_key(&key).await.map(|(holder, _)| Arc::new(holder));
        }
        self.tokens.verify(&self.shop, shown).await.map_err(Unproven::Token)
    }

    /// Whose key it is, and when it ends.
    pub(super) async fn prove_key(&self, key: &ApiKey) -> Result<(Holder, Option<i64>), Unproven> {
        let unknown = || Unproven::Key(Some(key.prefix().to_owned()));
        let stored = self.keys.find(&self.shop, key.prefix()).await.map_err(Unproven::Store)?;
        let now = self.shop.clock.now().as_millis();
        let stored = stored
            .filter(|stored| key.verify(&stored.hash))
            .filter(|stored| stored.revoked_at.is_none())
            .filter(|stored| stored.expires_at.is_none_or(|at| at > now))
            .ok_or_else(unknown)?;
        let role = Role::parse(&stored.role).ok_or_else(unknown)?;
        self.keys.note_use(key.prefix(), now);
        let holder = Holder {
            account: stored.account,
            name: stored.name,
            role,
            rights: role.rights(),
            prefix: key.prefix().to_owned(),
        };
        Ok((holder, stored.expires_at))
    }
}
