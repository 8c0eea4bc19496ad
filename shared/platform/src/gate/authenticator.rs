//! Authenticates callers by an access token or an API key, and authorises them.

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, join};
use http::{HeaderMap, header};
use jiff::Timestamp;

use super::authenticated::{Authenticated, UserCount};
use super::{RateLimiter, RequestInfo};
use crate::api_key::ApiKeyText;
use crate::config::ConfigError;
use crate::domain::Role;
use crate::identity::{Credential, Principal, Scope};
use crate::platform::Platform;
use crate::problem::Problem;
use crate::routes::{Access, RECENT_SECONDS, Route, Session};
use crate::store::{ApiKeys, Session as StoredSession, Sessions, Users};
use crate::tokens::AccessTokens;

/// Authenticates the callers of a protected route, and checks that their roles allow the call.
pub struct Authenticator {
    /// Access tokens; `None` on a route for API keys alone.
    tokens: Option<Tokens>,
    /// API keys; `None` on a route that no API key may call.
    keys: Option<Keys>,
    /// The roles of which a caller needs one; `None` on a route for every signed-in user.
    roles: Option<Roles>,
}

struct Tokens {
    access: AccessTokens,
    /// Where the route reads the session on every call.
    sessions: Option<Sessions>,
    /// Whether the session must have begun within [`RECENT_SECONDS`].
    recent: bool,
}

struct Keys {
    stored: ApiKeys,
    owners: Users,
    /// The scope that a key needs; `None` if any key may call.
    scope: Option<Scope>,
    /// Whether a key may come as a bearer token.
    as_bearer: bool,
}

struct Roles {
    any_of: &'static [Role],
    users: Users,
}

/// The problem that keeps a caller out, and the caller if known.
struct Refusal {
    problem: Problem,
    principal: Option<Principal>,
}

impl<E: Into<Problem>> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self { problem: error.into(), principal: None }
    }
}

impl Authenticator {
    /// Makes the parts that a protected route needs.
    pub fn new(platform: &Platform, route: &Route) -> Result<Self, ConfigError> {
        let users = || Users::new(platform);
        let sessions = || match route.session {
            Session::Reread | Session::Recent => Sessions::new(platform).map(Some),
            Session::Trusted => Ok(None),
        };
        let tokens = match route.access {
            Access::Key | Access::AnyKey => None,
            _ => Some(Tokens {
                access: AccessTokens::new(platform)?,
                sessions: sessions()?,
                recent: route.session == Session::Recent,
            }),
        };
        let keys = if route.takes_keys() {
            Some(Keys {
                stored: ApiKeys::new(platform)?,
                owners: users()?,
                scope: route.scope,
                as_bearer: route.access == Access::AnyKey,
            })
        } else {
            None
        };
        let roles = match route.access {
            Access::Role(any_of) | Access::RoleOrMe { roles: any_of, .. } => {
                Some(Roles { any_of, users: users()? })
            }
            _ => None,
        };
        Ok(Self { tokens, keys, roles })
    }

    /// Authenticates the caller by the headers `Authorization` and `X-API-Key`.
    pub fn authenticate<'a>(
        &'a self,
        headers: &'a HeaderMap,
        limiter: &'a RateLimiter,
        info: &'a RequestInfo<'a>,
    ) -> BoxFuture<'a, Result<Authenticated, Problem>> {
        async move {
            let header =
                |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
            let authenticated = match (header(header::AUTHORIZATION.as_str()), header("x-api-key"))
            {
                (Some(_), Some(_)) => Err(Problem::malformed_request(
                    "Send either Authorization or X-API-Key, not both.",
                )
                .into()),
                (_, Some(text)) => self.by_key(text, limiter, info).await,
                (authorization, None) if self.keys.as_ref().is_some_and(|keys| keys.as_bearer) => {
                    match authorization.and_then(bearer) {
                        Some(text) => self.by_key(text, limiter, info).await,
                        None => Err(Problem::key_required().into()),
                    }
                }
                (authorization, None) => self.by_token(authorization, limiter, info).await,
            };
            match authenticated {
                Ok(authenticated) => Ok(authenticated),
                Err(Refusal { problem, principal }) => {
                    Err(limiter.deny(problem, principal.as_ref(), info).await)
                }
            }
        }
        .boxed()
    }

    /// Checks that the caller's current roles allow the call. `me` says that the call is about the
    /// caller, who needs no role then.
    pub fn authorize<'a>(
        &'a self,
        caller: &'a Authenticated,
        me: bool,
        limiter: &'a RateLimiter,
        info: &'a RequestInfo<'a>,
    ) -> BoxFuture<'a, Result<(), Problem>> {
        async move {
            let Some(Roles { any_of, users }) = self.roles.as_ref().filter(|_| !me) else {
                return Ok(());
            };
            let Authenticated { principal, user, .. } = caller;
            let user = if let Some(user) = user {
                Some(user.clone())
            } else {
                let user = users.get(&principal.user_id).await;
                if user.is_err() {
                    limiter.revert_user(caller.count(), info).await;
                }
                user?.filter(|user| user.is_active)
            };
            if user.is_some_and(|user| any_of.iter().any(|role| user.roles.contains(role))) {
                return Ok(());
            }
            let roles = any_of.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(" or ");
            let problem = Problem::forbidden(format!("You need the role {roles} for this."));
            Err(limiter.deny(problem, Some(principal), info).await)
        }
        .boxed()
    }

    /// Verifies an access token. A route that reads the session on every call also requires that it
    /// is live.
    async fn by_token(
        &self,
        authorization: Option<&str>,
        limiter: &RateLimiter,
        info: &RequestInfo<'_>,
    ) -> Result<Authenticated, Refusal> {
        let Some(token) = authorization.and_then(bearer) else {
            return Err(Problem::unauthenticated().into());
        };
        let Some(Tokens { access, sessions, recent }) = &self.tokens else {
            return Err(Problem::forbidden(
                "This route accepts only an API key: send it as X-API-Key.",
            )
            .into());
        };
        let (identity, claims) = access.verify(token).await?;
        let call = match sessions {
            Some(sessions) => {
                let counting = limiter.count_user(&identity.user_id, info);
                let (session, call) = join(sessions.of(&identity, info.now), counting).await;
                let checked = session.map_err(Problem::from).map(|session| match session {
                    None => Some(Problem::invalid_token()),
                    Some(session) => (*recent && !is_recent(&session, info.now))
                        .then(Problem::reauthentication_required),
                });
                if !matches!(checked, Ok(None)) {
                    limiter.revert_user(call.as_ref(), info).await;
                }
                if let Some(problem) = checked? {
                    return Err(Refusal { problem, principal: Some(identity.into()) });
                }
                UserCount::Counted(call)
            }
            None => UserCount::NotYet,
        };
        Ok(Authenticated {
            principal: identity.into(),
            token_exp: Some(claims.exp),
            scopes: None,
            user: None,
            call,
        })
    }

    /// Authenticates a service by an API key. The key's scopes and its owner's current account
    /// decide about the call.
    async fn by_key(
        &self,
        text: &str,
        limiter: &RateLimiter,
        info: &RequestInfo<'_>,
    ) -> Result<Authenticated, Refusal> {
        let Some(Keys { stored, owners, scope, .. }) = &self.keys else {
            return Err(
                Problem::forbidden("This route accepts no API key: send an access token.").into()
            );
        };
        let text: ApiKeyText = text.parse().map_err(|()| Problem::invalid_api_key())?;
        let now = info.now;
        let key = stored
            .get(&text.id())
            .await?
            .filter(|key| key.is_good(&text, now))
            .ok_or_else(Problem::invalid_api_key)?;
        let (user, call) =
            join(owners.get(&key.user_id), limiter.count_user(&key.user_id, info)).await;
        let user =
            user.map(|user| user.filter(|user| user.is_active && user.has_valid_key(&key.id, now)));
        if !matches!(user, Ok(Some(_))) {
            limiter.revert_user(call.as_ref(), info).await;
        }
        let user = user?.ok_or_else(Problem::invalid_api_key)?;
        let credential = Credential::KeyId(key.id.clone());
        let principal =
            Principal { user_id: user.id.clone(), username: user.username.clone(), credential };
        let authenticated = Authenticated {
            principal,
            token_exp: None,
            scopes: Some(key.scopes.clone()),
            user: Some(user),
            call: UserCount::Counted(call),
        };
        if let Some(scope) = scope
            && let Err(problem) = authenticated.must_have(*scope)
        {
            return Err(Refusal { problem, principal: Some(authenticated.principal) });
        }
        if let Err(error) = stored.record_use(&key, now).await {
            tracing::warn!(%error, key_id = key.id, "failed to record the use of an API key");
        }
        Ok(authenticated)
    }
}

/// Whether a user has signed in a short time ago. A refresh does not make a session recent.
fn is_recent(session: &StoredSession, now: Timestamp) -> bool {
    now.as_millisecond() - session.began_at < RECENT_SECONDS * 1_000
}

/// The token of an `Authorization: Bearer` header (RFC 6750); the scheme's case does not matter.
pub fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}
