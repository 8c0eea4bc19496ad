//! Values for the tests of this crate.

use std::collections::BTreeMap;

use platform::domain::{Role, SsoIdentity};
use platform::store::{SsoLink, User};
use tally_sso::Verified;

/// A sign-in of a person whom the provider gives nothing.
pub fn sample_sign_in() -> Verified {
    Verified {
        identity: SsoIdentity { tenant: "tenant".into(), subject: "subject".into() },
        preferred_username: None,
        name: None,
        email: None,
        roles: Vec::new(),
        has_overage: false,
        contexts: Vec::new(),
        client: None,
        token_id: None,
    }
}

/// The account of that person, who has one session.
pub fn sample_account() -> User {
    User {
        id: "u".into(),
        username: "anna".into(),
        email: Some("anna@example.com".into()),
        unverified_email: None,
        full_name: Some("Anna Berg".into()),
        created_at: 0,
        is_active: true,
        roles: vec![Role::User, Role::Auditor],
        password_hash: None,
        sso: Some(SsoLink { identity: sample_sign_in().identity, keys_until: 1 }),
        version: 1,
        sessions: BTreeMap::from([("s".into(), 900)]),
        api_keys: BTreeMap::new(),
    }
}
