//! What a sign-in makes of an account. The provider decides about its roles, name and address.

use std::collections::BTreeMap;

use platform::clock::Timestamp;
use platform::domain::{FullName, Role, Username};
use platform::ids;
use platform::store::{SsoLink, User};
use tally_sso::Verified;

/// What a sign-in gives an account.
#[derive(Debug, Clone)]
pub struct Given {
    /// The roles.
    pub roles: Vec<Role>,
    /// The address to show, if there is one.
    pub email: Option<String>,
    /// Milliseconds since 1970 until which API keys are valid.
    pub keys_until: i64,
}

/// A new account. It has no session yet.
pub fn created(verified: &Verified, given: Given, username: &Username, now: Timestamp) -> User {
    User {
        id: ids::new_id(now),
        username: username.to_string(),
        email: given.email,
        unverified_email: None,
        full_name: full_name(verified),
        created_at: now.as_millisecond(),
        is_active: true,
        roles: given.roles,
        password_hash: None,
        sso: Some(SsoLink { identity: verified.identity.clone(), keys_until: given.keys_until }),
        version: 1,
        sessions: BTreeMap::new(),
        api_keys: BTreeMap::new(),
    }
}

/// An account after a sign-in, or after it was linked. Its name stays if the provider has none that
/// is valid. Its username never changes.
pub fn followed(before: &User, verified: &Verified, given: Given) -> User {
    User {
        email: given.email,
        unverified_email: None,
        full_name: full_name(verified).or_else(|| before.full_name.clone()),
        roles: given.roles,
        password_hash: None,
        sso: Some(SsoLink { identity: verified.identity.clone(), keys_until: given.keys_until }),
        ..before.clone()
    }
}

/// An account whose owner has no role any more. It has no session, and its API keys are not valid.
/// `None` if it is so already.
pub fn expelled(before: &User) -> Option<User> {
    let roles = vec![Role::User];
    let keys_until = before.sso.as_ref().map_or(0, |sso| sso.keys_until);
    if before.roles == roles && before.sessions.is_empty() && keys_until == 0 {
        return None;
    }
    let sso = before.sso.clone().map(|sso| SsoLink { keys_until: 0, ..sso });
    Some(User { roles, sso, sessions: BTreeMap::new(), ..before.clone() })
}

fn full_name(verified: &Verified) -> Option<String> {
    let name = verified.name.as_deref()?.parse::<FullName>().ok()?;
    Some(name.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{sample_account, sample_sign_in};

    fn given(email: Option<&str>) -> Given {
        Given { roles: vec![Role::User], email: email.map(str::to_owned), keys_until: 7 }
    }

    #[test]
    fn a_name_follows_the_provider_where_it_is_valid() {
        let username: Username = "anna_2".parse().unwrap();
        let long = "a".repeat(101);
        for (name, new, existing) in [
            (Some("Åsa Öberg"), Some("Åsa Öberg"), Some("Åsa Öberg")),
            (Some(" Anna "), Some("Anna"), Some("Anna")),
            (Some("   "), None, Some("Anna Berg")),
            (Some("a\nb"), None, Some("Anna Berg")),
            (Some(long.as_str()), None, Some("Anna Berg")),
            (None, None, Some("Anna Berg")),
        ] {
            let verified = Verified { name: name.map(str::to_owned), ..sample_sign_in() };
            let made = created(&verified, given(None), &username, Timestamp::UNIX_EPOCH);
            assert_eq!(made.full_name.as_deref(), new, "{name:?}");
            let kept = followed(&sample_account(), &verified, given(None));
            assert_eq!(kept.full_name.as_deref(), existing, "{name:?}");
        }
    }

    #[test]
    fn an_account_follows_the_provider_but_keeps_its_username() {
        let before = User {
            password_hash: Some("hash".into()),
            unverified_email: Some("next@example.com".into()),
            sso: None,
            ..sample_account()
        };
        let verified = Verified { preferred_username: Some("new".into()), ..sample_sign_in() };
        let after = followed(&before, &verified, given(Some("a@example.com")));
        assert_eq!((after.username.as_str(), after.roles.as_slice()), ("anna", &[Role::User][..]));
        assert_eq!(after.email.as_deref(), Some("a@example.com"));
        assert_eq!((after.unverified_email, after.password_hash), (None, None));
        let link = SsoLink { identity: verified.identity.clone(), keys_until: 7 };
        assert_eq!(after.sso, Some(link));
        assert_eq!(after.sessions, before.sessions);
        assert_eq!(followed(&before, &verified, given(None)).email, None);
    }

    #[test]
    fn an_account_is_expelled_once() {
        let before = sample_account();
        let after = expelled(&before).unwrap();
        assert_eq!((after.roles.as_slice(), after.sessions.len()), (&[Role::User][..], 0));
        let sso = after.sso.clone().unwrap();
        assert_eq!((sso.keys_until, &sso.identity), (0, &sample_sign_in().identity));
        assert_eq!(
            (after.email.clone(), after.full_name.clone()),
            (before.email, before.full_name)
        );
        assert!(expelled(&after).is_none());
        let with = |change: fn(&mut User)| {
            let mut user = after.clone();
            change(&mut user);
            expelled(&user).is_some()
        };
        assert!(with(|user| user.roles.push(Role::Admin)));
        assert!(with(|user| user.sessions = sample_account().sessions));
        assert!(with(|user| user.sso.as_mut().unwrap().keys_until = 1));
    }
}
