//! Asks a signed-in caller for their password once more: whoever finds a device unlocked must not take the account over.

use crate::domain::{Hasher, Password};
use crate::identity::Identity;
use crate::problem::Problem;
use crate::store::{User, Users};

/// A caller who has said the account's password.
#[derive(Clone)]
pub struct Confirmed {
    /// Who it is, in which session.
    pub caller: Identity,
    password: Password,
    hasher: Hasher,
    /// The hash that the password was right for.
    proven: Option<String>,
}

impl Confirmed {
    /// Asks the caller of a route, which has to limit how often that is tried. Gives the account as it is.
    pub async fn ask(users: &Users, hasher: Hasher, caller: Identity, current_password: Password) -> Result<(User, Self), Problem> {
        let user = users.get(&caller.user_id).await?.ok_or_else(Problem::invalid_token)?;
        let confirmed = Self { caller, password: current_password, hasher, proven: None }.still(&user).await?;
        Ok((user, confirmed))
    }

    /// The same in an account that may have changed meanwhile: its session goes on, and the password is right. That is
    /// computed again only for another hash, which may be a stronger one of the same password.
    pub async fn still(self, user: &User) -> Result<Self, Problem> {
        if !user.is_active || !user.sessions.contains_key(&self.caller.session_id) {
            return Err(Problem::invalid_token());
        }
        let is_proven = self.proven.as_ref() == Some(&user.password_hash);
        if is_proven || self.hasher.check(&self.password, Some(&user.password_hash)).await?.matches {
            Ok(Self { proven: Some(user.password_hash.clone()), ..self })
        } else {
            Err(Problem::wrong_password())
        }
    }
}
