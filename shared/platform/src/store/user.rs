//! An account, and how its owner sees it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::clock::rfc3339_ms;
use crate::domain::Role;
use crate::identity::Identity;

/// An account with the fields that only the server sees.
#[derive(Clone, Serialize, Deserialize)]
pub struct User {
    /// UUIDv7.
    pub id: String,
    /// As it was typed.
    pub username: String,
    /// In the form of `domain::Email`. Accounts from before that form have it as it was typed.
    pub email: String,
    /// An address that its owner has yet to verify: that of a new account, or the one that the
    /// account is to move to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unverified_email: Option<String>,
    /// Name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full_name: Option<String>,
    /// Milliseconds since 1970.
    pub created_at: i64,
    /// Whether the account may sign in.
    pub is_active: bool,
    /// Roles now.
    pub roles: Vec<Role>,
    /// As `domain::Hasher` made it, or as it was imported.
    pub password_hash: String,
    /// Counts the changes that a login has to notice: a login is conditioned on the version that it
    /// checked.
    pub version: u64,
    /// Sessions and when each runs out, in seconds since 1970. Their ids (UUIDv7) tell which is the
    /// oldest.
    pub sessions: BTreeMap<String, i64>,
    /// API keys and when each expires, in milliseconds since 1970. A key that is not listed here is
    /// not valid.
    pub api_keys: BTreeMap<String, i64>,
}

crate::opaque!(User);

/// An account as its owner sees it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Account {
    /// UUIDv7.
    #[schema(format = "uuid")]
    pub id: String,
    /// Unique without regard to case.
    #[schema(example = "demo")]
    pub username: String,
    /// Unique without regard to case, or null if the account has none.
    #[schema(value_type = Option<String>, required, format = "email", example = "demo@example.com")]
    pub email: String,
    /// An address that the owner has yet to verify: the address of a new account, or the next
    /// address of the account. Left out if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub unverified_email: Option<String>,
    /// Name for people.
    #[schema(required)]
    pub full_name: Option<String>,
    /// RFC 3339, UTC.
    #[schema(format = DateTime, example = "2026-01-31T09:30:00.000Z")]
    pub created_at: String,
    /// Whether the account may sign in.
    pub is_active: bool,
    /// Roles of the account.
    pub roles: Vec<Role>,
}

impl User {
    /// The account as its owner may see it.
    pub fn account(&self) -> Account {
        Account {
            id: self.id.clone(),
            username: self.username.clone(),
            email: self.email.clone(),
            unverified_email: self.unverified_email.clone(),
            full_name: self.full_name.clone(),
            created_at: rfc3339_ms(self.created_at),
            is_active: self.is_active,
            roles: self.roles.clone(),
        }
    }

    /// Whether the account's owner has yet to verify its address. Accounts that are older than this
    /// check need none.
    pub fn is_unverified(&self) -> bool {
        self.unverified_email.as_ref() == Some(&self.email)
    }

    /// The user in one of their sessions.
    pub fn identity(&self, session_id: &str) -> Identity {
        Identity {
            user_id: self.id.clone(),
            username: self.username.clone(),
            session_id: session_id.to_owned(),
        }
    }
}
