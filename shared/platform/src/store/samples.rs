//! Values for the tests of the stores.

use std::collections::BTreeMap;

use serde_json::json;

use super::{Session, User, Users};
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::Role;
use crate::platform::Platform;

/// The users' table, for writes that no test commits.
pub fn sample_users() -> Users {
    let config: Config = [
        ("USERS_TABLE", "users"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "id"),
        ("AWS_SECRET_ACCESS_KEY", "key"),
    ]
    .into_iter()
    .collect();
    Users::new(&Platform::new(config, Clock::System)).unwrap()
}

/// An account with a password, without sessions and API keys.
pub fn sample_user() -> User {
    User {
        id: "u".into(),
        username: "u".into(),
        email: Some("u@example.com".into()),
        unverified_email: None,
        full_name: None,
        created_at: 0,
        is_active: true,
        roles: vec![Role::User],
        password_hash: Some("hash".into()),
        sso: None,
        version: 1,
        sessions: BTreeMap::new(),
        api_keys: BTreeMap::new(),
    }
}

/// A session that runs out at 900 s.
pub fn sample_session() -> Session {
    let claims = json!({
        "iss": "i", "aud": "a", "sub": "u", "sid": "s", "jti": "j", "iat": 0, "exp": 1,
        "type": "t", "username": "u", "roles": [],
    });
    let pair = json!({"access": claims, "access_kid": "k", "refresh": claims, "refresh_kid": "k"});
    let session = json!({
        "id": "s", "user_id": "u", "username": "u", "began_at": 0, "last_used_at": 0,
        "expires_at": 900, "address": "192.0.2.1", "user_agent": "", "refresh_hash": "",
        "pair": pair, "connections": {},
    });
    serde_json::from_value(session).unwrap()
}
