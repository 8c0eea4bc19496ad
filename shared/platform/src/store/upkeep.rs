//! What owners change of their account. Each write is conditioned on the version of the account that was read.

use aws_sdk_dynamodb::types::AttributeValue;

use super::database::{Expression, Write, key, n, s};
use super::users::account_key;
use super::{User, Users};

impl Users {
    /// Another password; forgets every session but `kept`, if nothing that a login notices has changed.
    pub fn set_password(&self, user: &User, password_hash: &str, kept: Option<&str>) -> Write {
        let kept = user.sessions.iter().filter(|(id, _)| Some(id.as_str()) == kept);
        let expression = Expression::default()
            .name("sessions", "sessions")
            .name("version", "version")
            .value("hash", s(password_hash))
            .value("sessions", AttributeValue::M(kept.map(|(id, expires_at)| (id.clone(), n(expires_at))).collect()))
            .value("version", n(user.version))
            .value("next", n(user.version + 1));
        let update = "SET password_hash = :hash, #sessions = :sessions, #version = :next";
        Write::update(&self.table, key("key", &account_key(&user.id)), update, "#version = :version", &expression)
    }
}
