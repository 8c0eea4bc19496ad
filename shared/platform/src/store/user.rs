//! An account, and how its owner sees it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::clock::rfc3339_ms;
use crate::domain::{Role, SsoIdentity};
use crate::identity::Identity;

/// An account with the fields that only the server sees.
#[derive(Clone, Serialize, Deserialize)]
pub struct User {
    /// UUIDv7.
    pub id: String,
    /// As it was typed.
    pub username: String,
    /// In the form of `domain::Email`. Accounts from before that form have it as it was typed. An
    /// account with a password has one. That of an account with single sign-on is what the provider
    /// says. Nothing has verified it, other accounts may have it too, and it is no login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
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
    /// As `domain::Hasher` made it, or as it was imported. An account with single sign-on has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_hash: Option<String>,
    /// How the owner signs in by an identity provider, instead of by a password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sso: Option<SsoLink>,
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

/// The person of an identity provider to whom an account belongs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SsoLink {
    /// The person.
    #[serde(flatten)]
    pub identity: SsoIdentity,
    /// Milliseconds since 1970 until which the account's API keys are valid. Each sign-in moves it.
    /// So the keys of a person who can no longer sign in end, too.
    pub keys_until: i64,
}

/// How the owner of an account signs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SignInMethod {
    /// With a password.
    Password,
    /// By the identity provider of this deployment.
    Sso,
}

/// An account as its owner sees it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Account {
    /// UUIDv7.
    #[schema(format = "uuid")]
    pub id: String,
    /// Unique without regard to case.
    #[schema(example = "demo")]
    pub username: String,
    /// Unique without regard to case if the account has a password. With single sign-on it is what
    /// the provider says, unverified and not unique. Null if there is none.
    #[schema(required, format = "email", example = "demo@example.com")]
    pub email: Option<String>,
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
    /// How the owner signs in.
    pub sign_in: SignInMethod,
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
            sign_in: match self.sso {
                Some(_) => SignInMethod::Sso,
                None => SignInMethod::Password,
            },
        }
    }

    /// Whether the account has this API key, and its keys are valid.
    pub fn has_valid_key(&self, id: &str, now: Timestamp) -> bool {
        self.api_keys.contains_key(id) && self.sso.as_ref().is_none_or(|sso| sso.admits_keys(now))
    }

    /// Whether the account's owner has yet to verify its address. Accounts that are older than this
    /// check need none.
    pub fn is_unverified(&self) -> bool {
        self.unverified_email.is_some() && self.unverified_email == self.email
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

impl SsoLink {
    /// Whether the API keys of the account are valid.
    pub fn admits_keys(&self, now: Timestamp) -> bool {
        now.as_millisecond() < self.keys_until
    }
}
