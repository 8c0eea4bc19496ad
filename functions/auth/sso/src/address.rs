//! The address that an account with single sign-on shows.

use platform::Problem;
use platform::domain::Email;
use platform::store::{User, Users};
use tally_sso::Verified;

/// What the provider says of a person's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// None, or none that is valid.
    Unknown,
    /// An address that the account may show.
    Shown(String),
    /// An address by which another person may sign in with a password. No other account shows it.
    Login,
}

impl Address {
    /// The address of a person. `account` is theirs, if they have one. It keeps an address that it
    /// shows already.
    pub async fn of(
        users: &Users,
        verified: &Verified,
        account: Option<&User>,
    ) -> Result<Self, Problem> {
        let email = verified.email.as_deref().and_then(|text| text.parse::<Email>().ok());
        let Some(email) = email else { return Ok(Self::Unknown) };
        let shown = email.to_string();
        if account.is_some_and(|user| user.email.as_ref() == Some(&shown)) {
            return Ok(Self::Shown(shown));
        }
        let holder = users.find(&email.folded()).await?;
        let is_login = holder.is_some_and(|holder| is_login_of_another(&holder, account));
        Ok(if is_login { Self::Login } else { Self::Shown(shown) })
    }

    /// The address to show, if there is one.
    pub fn shown(self) -> Option<String> {
        match self {
            Self::Shown(email) => Some(email),
            Self::Unknown | Self::Login => None,
        }
    }
}

/// Whether the holder of an address is another account that has verified it, and signs in with a
/// password. A stranger may have registered an address that is not verified.
fn is_login_of_another(holder: &User, account: Option<&User>) -> bool {
    let is_other = account.is_none_or(|user| user.id != holder.id);
    is_other && holder.sso.is_none() && !holder.is_unverified()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::sample_account;

    #[test]
    fn only_a_verified_login_of_another_account_keeps_its_address() {
        let own = sample_account();
        let other = User { id: "other".into(), sso: None, ..sample_account() };
        let unverified = User { unverified_email: other.email.clone(), ..other.clone() };
        let moving = User { unverified_email: Some("next@example.com".into()), ..other.clone() };
        let by_sso = User { sso: own.sso.clone(), ..other.clone() };
        let own_password = User { sso: None, ..own.clone() };
        for (holder, expected) in [
            (&other, true),
            (&moving, true),
            (&unverified, false),
            (&by_sso, false),
            (&own_password, false),
        ] {
            assert_eq!(is_login_of_another(holder, Some(&own)), expected);
        }
        assert!(is_login_of_another(&other, None) && !is_login_of_another(&unverified, None));
    }
}
