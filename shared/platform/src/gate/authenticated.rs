//! An authenticated caller, and how far their call has been counted.

use super::counted::Count;
use crate::identity::{Authority, Principal, Scope};
use crate::problem::Problem;
use crate::store::User;

/// An authenticated caller.
#[derive(Debug, Clone)]
pub struct Authenticated {
    /// Who it is.
    pub principal: Principal,
    /// When their access token expires, in seconds since 1970; a key has none.
    pub token_exp: Option<i64>,
    /// The scopes of their API key; `None` in a session.
    pub(super) scopes: Option<Vec<Scope>>,
    /// Their current account, which authentication by an API key has read.
    pub(super) user: Option<User>,
    /// How their call has been counted.
    pub(super) call: UserCount,
}

/// How a call has been counted by the policy `user`.
#[derive(Debug, Clone)]
pub(super) enum UserCount {
    /// The call was counted while the session or account was read; `None` if the counter failed and
    /// let it through.
    Counted(Option<Count<'static>>),
    /// The route trusts the token, so nothing was read. The limiter counts the call later.
    NotYet,
}

impl Authenticated {
    /// Refuses an API key that does not have a scope.
    pub fn must_have(&self, scope: Scope) -> Result<(), Problem> {
        if self.scopes.as_ref().is_none_or(|scopes| scopes.contains(&scope)) {
            return Ok(());
        }
        Err(Problem::forbidden(format!("The API key does not have the scope {scope}.")))
    }

    /// The rights of the owner of an API key; `None` in a session, which has read no account.
    pub fn authority(&self) -> Option<Authority> {
        let user = self.user.as_ref()?;
        Some(Authority { scopes: self.scopes.clone(), roles: user.roles.clone() })
    }

    /// The count of the call, if it has been made.
    pub(super) fn count(&self) -> Option<&Count<'static>> {
        match &self.call {
            UserCount::Counted(count) => count.as_ref(),
            UserCount::NotYet => None,
        }
    }

    /// Whether the call has still to be counted.
    pub fn is_uncounted(&self) -> bool {
        matches!(self.call, UserCount::NotYet)
    }
}
