//! Asks a signed-in caller for their password once more. So a person who finds a device unlocked
//! cannot take over the account.

use platform::Problem;
use platform::identity::Identity;
use platform::store::{User, Users};

use crate::domain::{Hasher, Password};

/// A caller who has given the account's password.
#[derive(Clone)]
pub struct Confirmed {
    /// The caller and their session.
    pub caller: Identity,
    password: Password,
    hasher: Hasher,
    /// The hash that the password matched.
    proven: Option<String>,
}

impl Confirmed {
    /// Checks the current password of the caller. The route has to limit how often that is tried.
    /// An account with single sign-on has none: 409 `managed_by_sso`. Returns the account as it is.
    pub async fn ask(
        users: &Users,
        hasher: Hasher,
        caller: Identity,
        current_password: Password,
    ) -> Result<(User, Self), Problem> {
        let user = users.get(&caller.user_id).await?.ok_or_else(Problem::invalid_token)?;
        let confirmed =
            Self { caller, password: current_password, hasher, proven: None }.still(&user).await?;
        Ok((user, confirmed))
    }

    /// Repeats the check for an account that may have changed meanwhile: its session goes on, and
    /// the password is right. The password is hashed again only if the stored hash is another one.
    /// That may be a stronger hash of the same password.
    pub async fn still(self, user: &User) -> Result<Self, Problem> {
        if !user.is_active || !user.sessions.contains_key(&self.caller.session_id) {
            return Err(Problem::invalid_token());
        }
        if user.sso.is_some() {
            return Err(Problem::managed_by_sso());
        }
        let hash = user.password_hash.as_deref();
        let is_proven = hash.is_some() && self.proven.as_deref() == hash;
        if is_proven || self.hasher.check(&self.password, hash).await?.matches {
            Ok(Self { proven: user.password_hash.clone(), ..self })
        } else {
            Err(Problem::wrong_password())
        }
    }
}
