//! Authenticates callers by an access token or an API key, and authorises them.

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, join};
use http::{HeaderMap, header};

use super::counted::Count;
use super::{Gate, Passage};
use crate::api_key::ApiKeyText;
use crate::identity::{Credential, Principal};
use crate::problem::Problem;
use crate::routes::Access;
use crate::store::User;

/// An authenticated caller.
#[derive(Debug, Clone)]
pub struct Known {
    /// Who it is.
    pub principal: Principal,
    /// When their access token expires, in seconds since 1970; a key has none.
    pub token_exp: Option<i64>,
    /// Their current account, if authentication had to read it.
    user: Option<User>,
    /// How their call has been counted.
    pub(super) call: Called,
}

/// How a call has been counted by the policy `user`.
#[derive(Debug, Clone)]
pub(super) enum Called {
    /// The call was counted beside the first read; `None` if the counter did not answer.
    Counted(Option<Count<'static>>),
    /// The call has not been counted, because nothing has been read yet.
    NotYet,
}

impl Known {
    /// Whether the call has still to be counted, beside the work.
    pub fn is_uncounted(&self) -> bool {
        matches!(self.call, Called::NotYet)
    }
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

impl Gate {
    /// Identifies the caller by the headers `Authorization` and `X-API-Key`; `None` on a public route.
    pub fn identify<'a>(
        &'a self,
        access: Access,
        headers: &'a HeaderMap,
        passage: &'a Passage<'a>,
    ) -> BoxFuture<'a, Result<Option<Known>, Problem>> {
        async move {
            if access == Access::Public {
                return Ok(None);
            }
            let header = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
            let known = match (header(header::AUTHORIZATION.as_str()), header("x-api-key")) {
                (Some(_), Some(_)) => Err(Problem::malformed_request("Send either Authorization or X-API-Key, not both.").into()),
                (_, Some(text)) => self.by_key(text, passage).await,
                (authorization, None) => self.by_token(authorization, passage).await,
            };
            match known {
                Ok(known) => Ok(Some(known)),
                Err(Refusal { problem, principal }) => Err(self.deny(problem, principal.as_ref(), passage).await),
            }
        }
        .boxed()
    }

    /// Checks that the caller's current roles allow the call.
    pub fn admit<'a>(
        &'a self,
        known: Option<&'a Known>,
        access: Access,
        me: bool,
        passage: &'a Passage<'a>,
    ) -> BoxFuture<'a, Result<(), Problem>> {
        async move {
            let Some(Known { principal, user, .. }) = known else { return Ok(()) };
            let roles = match access {
                Access::Role(roles) => roles,
                Access::RoleOrMe { roles, .. } if !me => roles,
                _ => return Ok(()),
            };
            let user = match (user, &self.users) {
                (Some(user), _) => Some(user.clone()),
                (None, Some(users)) => users.get(&principal.user_id).await?.filter(|user| user.is_active),
                (None, None) => None,
            };
            if user.is_some_and(|user| roles.iter().any(|role| user.roles.contains(role))) {
                return Ok(());
            }
            Err(self.deny(Problem::forbidden("This needs a role that you do not have."), Some(principal), passage).await)
        }
        .boxed()
    }

    /// Authenticates a user in a session. Where the route reads the session, the tokens of an ended one are refused.
    async fn by_token(&self, authorization: Option<&str>, passage: &Passage<'_>) -> Result<Known, Refusal> {
        let Some(token) = authorization.and_then(bearer) else { return Err(Problem::unauthenticated().into()) };
        let Some(tokens) = &self.tokens else { return Err(Problem::forbidden("This takes an API key.").into()) };
        let (identity, claims) = tokens.verify(token).await?;
        let call = match &self.sessions {
            Some(sessions) => {
                let counting = self.count_call(&identity.user_id, passage);
                let (holds, call) = join(sessions.holds(&identity, passage.now), counting).await;
                if !holds? {
                    self.take_call_back(call, passage).await;
                    return Err(Refusal { problem: Problem::invalid_token(), principal: Some(identity.into()) });
                }
                Called::Counted(call)
            }
            None => Called::NotYet,
        };
        Ok(Known { principal: identity.into(), token_exp: Some(claims.exp), user: None, call })
    }

    /// Authenticates a service by an API key. The key's scopes and its owner's current account decide about the call.
    async fn by_key(&self, text: &str, passage: &Passage<'_>) -> Result<Known, Refusal> {
        let (Some(keys), Some(users), Some(scope)) = (&self.api_keys, &self.users, self.scope) else {
            return Err(Problem::forbidden("An API key cannot do this. Sign in instead.").into());
        };
        let text: ApiKeyText = text.parse().map_err(|()| Problem::invalid_api_key())?;
        let now = passage.now;
        let key = keys.get(&text.id()).await?.filter(|key| key.is_good(&text, now)).ok_or_else(Problem::invalid_api_key)?;
        let (user, call) = join(users.get(&key.user_id), self.count_call(&key.user_id, passage)).await;
        let Some(user) = user?.filter(|user| user.is_active && user.api_keys.contains_key(&key.id)) else {
            self.take_call_back(call, passage).await;
            return Err(Problem::invalid_api_key().into());
        };
        let credential = Credential::KeyId(key.id.clone());
        let principal = Principal { user_id: user.id.clone(), username: user.username.clone(), credential };
        if !key.scopes.contains(&scope) {
            let problem = Problem::forbidden(format!("The API key does not have the scope {scope}."));
            return Err(Refusal { problem, principal: Some(principal) });
        }
        if let Err(error) = keys.note_use(&key, now).await {
            tracing::warn!(%error, key_id = key.id, "its use was not noted");
        }
        Ok(Known { principal, token_exp: None, user: Some(user), call: Called::Counted(call) })
    }
}

/// The token of an `Authorization: Bearer` header (RFC 6750); the scheme's case does not matter.
pub fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}
