//! The table of users.
//!
//! Key: `key`, one of `user#<id>` (the account), `name#<lower-case username>` and `email#<lower-case email>` (claims), and
//! `admins` (see `admins.rs`). A claim holds the id of its account and makes the username or email unique. Index `claims`:
//! `kind` (`name` or `email`), `key`. It lists the accounts in the order of either (see `directory.rs`).

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Session;
use super::database::{Database, Expression, Item, StoreError, Write, item, key, n, s};
use crate::clock::rfc3339_ms;
use crate::config::{Config, ConfigError};
use crate::domain::{Email, Letter, Notice, Role, Username};
use crate::identity::Identity;

/// Live sessions a user can have; the oldest ends when another begins.
const SESSIONS_PER_USER: usize = 3;

/// Attributes of an account that the functions for sessions read and write when a session begins, goes on or ends. Their
/// policies allow no others (`dynamodb:Attributes` in template.yaml). A login may write `password_hash` too.
pub const SESSION_ATTRIBUTES: &[&str] = &["key", "sessions", "version", "is_active"];

/// The users' table.
#[derive(Debug, Clone)]
pub struct Users {
    pub(super) database: Database,
    pub(super) table: String,
}

/// An account with the fields that only the server sees.
#[derive(Clone, Serialize, Deserialize)]
pub struct User {
    /// UUIDv7.
    pub id: String,
    /// As it was typed.
    pub username: String,
    /// In the form of `domain::Email`. Accounts from before that form have it as it was typed.
    pub email: String,
    /// An address that its owner has yet to verify: that of a new account, or the one that the account is to move to.
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
    /// Counts the changes that a login has to notice: a login is conditioned on the version that it checked.
    pub version: u64,
    /// Sessions and when each runs out, in seconds since 1970. Their ids (UUIDv7) tell which is the oldest.
    pub sessions: BTreeMap<String, i64>,
    /// API keys and when each expires, in milliseconds since 1970. A key that is not listed here is not valid.
    pub api_keys: BTreeMap<String, i64>,
}

crate::opaque!(User);

/// Sessions that make room for a new one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    /// Live sessions that end: the oldest beyond the limit.
    pub evicted: Vec<String>,
    /// Sessions that have run out by themselves.
    pub idle: Vec<String>,
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
    /// Unique without regard to case, or null if the account has none.
    #[schema(value_type = Option<String>, required, format = "email", example = "demo@example.com")]
    pub email: String,
    /// An address that the owner has yet to verify: the address of a new account, or the next address of the account. Left out if there is
    /// none.
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

/// A claim on a username or an email as it is written.
#[derive(Serialize)]
struct Claim<'a> {
    key: String,
    kind: &'static str,
    user_id: &'a str,
}

/// The part of a claim that is read.
#[derive(Deserialize)]
struct Holder {
    user_id: String,
}

/// A kind of text that only one account can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum ClaimKind {
    Name,
    Email,
}

/// The account item.
#[derive(Serialize, Deserialize)]
pub(super) struct Stored {
    key: String,
    #[serde(flatten)]
    pub(super) user: User,
}

impl ClaimKind {
    /// The kind as the index has it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Email => "email",
        }
    }

    /// Key of the claim on a text in its folded form.
    pub(super) fn key(self, folded: &str) -> String {
        format!("{}#{folded}", self.as_str())
    }
}

impl User {
    /// A notice to the owner of the account as it is.
    pub fn notice(&self, of: Notice) -> Letter {
        Letter::Notice { of, username: self.username.clone(), email: self.email.clone() }
    }

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

    /// Whether the account's owner has yet to verify its address. Accounts that are older than this check need none.
    pub fn is_unverified(&self) -> bool {
        self.unverified_email.as_ref() == Some(&self.email)
    }

    /// The user in one of their sessions.
    pub fn identity(&self, session_id: &str) -> Identity {
        Identity { user_id: self.id.clone(), username: self.username.clone(), session_id: session_id.to_owned() }
    }

    /// Which sessions make room when another begins.
    pub fn room(&self, now: Timestamp) -> Room {
        let (live, idle): (Vec<_>, Vec<_>) = self.sessions.iter().partition(|(_, expires_at)| now.as_second() < **expires_at);
        let surplus = (live.len() + 1).saturating_sub(SESSIONS_PER_USER);
        let id = |(id, _): (&String, &i64)| id.clone();
        Room { evicted: live.into_iter().take(surplus).map(id).collect(), idle: idle.into_iter().map(id).collect() }
    }
}

impl Users {
    /// Uses the table that `USERS_TABLE` names.
    pub fn new(database: Database, config: &Config) -> Result<Self, ConfigError> {
        Ok(Self { database, table: config.require("USERS_TABLE")?.to_owned() })
    }

    /// The user with this id, as they are now.
    pub fn get<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<User>, StoreError>> {
        async move {
            let stored: Option<Stored> = self.database.get(&self.table, key("key", &account_key(id)), true).await?;
            Ok(stored.map(|stored| stored.user))
        }
        .boxed()
    }

    /// The user with this username or email, in any case. An unknown one costs as many reads, so the time does not tell
    /// whether it exists. There are two reads, or three for an address whose domain has another form in Unicode.
    pub fn find<'a>(&'a self, identifier: &'a str) -> BoxFuture<'a, Result<Option<User>, StoreError>> {
        async move {
            let identifier = identifier.to_lowercase();
            let kind = if identifier.contains('@') { ClaimKind::Email } else { ClaimKind::Name };
            let mut holder = self.holder(kind, &identifier).await?;
            if let Some(earlier) = identifier.parse::<Email>().ok().and_then(|email| email.folded_unicode()) {
                let earlier = self.holder(kind, &earlier).await?;
                holder = holder.or(earlier);
            }
            self.get(holder.as_ref().map_or("nobody", |holder| &holder.user_id)).await
        }
        .boxed()
    }

    async fn holder(&self, kind: ClaimKind, folded: &str) -> Result<Option<Holder>, StoreError> {
        self.database.get(&self.table, key("key", &kind.key(folded)), true).await
    }

    /// A new account and its claims on username and email; each write's condition fails where one of them is taken.
    pub fn create(&self, user: &User, username: &Username, email: &Email) -> Result<Vec<Write>, StoreError> {
        let mut writes = vec![self.claim(ClaimKind::Name, &username.folded(), &user.id)?];
        writes.extend(self.claim_email(email, &user.id, None)?);
        writes.push(self.put_new(item(Stored { key: account_key(&user.id), user: user.clone() })?));
        Ok(writes)
    }

    /// A claim on an address, unless another account has it, in this form or its earlier one. `given_up` is the claim that
    /// the account gives up in the same transaction.
    pub(super) fn claim_email(&self, email: &Email, user_id: &str, given_up: Option<&str>) -> Result<Vec<Write>, StoreError> {
        let mut writes = vec![self.claim(ClaimKind::Email, &email.folded(), user_id)?];
        if let Some(earlier) = email.folded_unicode().filter(|earlier| Some(earlier.as_str()) != given_up) {
            let earlier = key("key", &ClaimKind::Email.key(&earlier));
            let is_free = Expression::default().name("key", "key");
            writes.push(Write::check(&self.table, earlier, "attribute_not_exists(#key)", &is_free));
        }
        Ok(writes)
    }

    /// A claim on a text in its folded form, if no account has it.
    fn claim(&self, kind: ClaimKind, folded: &str, user_id: &str) -> Result<Write, StoreError> {
        Ok(self.put_new(item(Claim { key: kind.key(folded), kind: kind.as_str(), user_id })?))
    }

    fn put_new(&self, item: Item) -> Write {
        Write::put(&self.table, item, "attribute_not_exists(#key)", &Expression::default().name("key", "key"))
    }

    /// Adds a session and drops those that make room for it, if the account is still as it was when the password was checked.
    /// A stronger hash, if there is one, replaces the account's.
    pub fn begin_session(&self, user: &User, session: &Session, room: &Room, stronger_hash: Option<&str>) -> Write {
        let mut expression = Expression::default()
            .name("sessions", "sessions")
            .name("new", &session.id)
            .name("version", "version")
            .value("expires", n(session.expires_at))
            .value("version", n(user.version))
            .value("next", n(user.version + 1))
            .value("active", AttributeValue::Bool(true));
        let mut update = "SET #sessions.#new = :expires, #version = :next".to_owned();
        if let Some(hash) = stronger_hash {
            update.push_str(", password_hash = :hash");
            expression = expression.value("hash", s(hash));
        }
        for (position, id) in room.evicted.iter().chain(&room.idle).enumerate() {
            let _ = write!(update, "{} #sessions.#old{position}", if position == 0 { " REMOVE" } else { "," });
            expression = expression.name(&format!("old{position}"), id);
        }
        let condition = "#version = :version AND is_active = :active";
        Write::update(&self.table, key("key", &account_key(&user.id)), &update, condition, &expression)
    }

    /// Notes the new expiry of a session, if it has not ended and the account is active.
    pub fn keep_session(&self, session: &Session) -> Write {
        let expression = Expression::default()
            .name("sessions", "sessions")
            .name("id", &session.id)
            .value("expires", n(session.expires_at))
            .value("active", AttributeValue::Bool(true));
        Write::update(
            &self.table,
            key("key", &account_key(&session.user_id)),
            "SET #sessions.#id = :expires",
            "attribute_exists(#sessions.#id) AND is_active = :active",
            &expression,
        )
    }

    /// Forgets a session that has ended. Where a login has forgotten it already, the list stays as it is.
    pub fn end_session(&self, user_id: &str, session_id: &str) -> Write {
        let expression = Expression::default()
            .name("sessions", "sessions")
            .name("id", session_id)
            .name("version", "version")
            .name("key", "key")
            .value("one", n(1))
            .value("key", s(account_key(user_id)));
        Write::update(
            &self.table,
            key("key", &account_key(user_id)),
            // Raises the version, so that a login which read the session as live makes a new plan.
            "REMOVE #sessions.#id ADD #version :one",
            "#key = :key",
            &expression,
        )
    }

    /// Forgets a session, if it is the user's and has not run out.
    pub fn revoke_session(&self, user_id: &str, session_id: &str, now: Timestamp) -> Write {
        let expression = Expression::default()
            .name("sessions", "sessions")
            .name("id", session_id)
            .name("version", "version")
            .value("one", n(1))
            .value("now", n(now.as_second()));
        Write::update(
            &self.table,
            key("key", &account_key(user_id)),
            "REMOVE #sessions.#id ADD #version :one",
            "#sessions.#id > :now",
            &expression,
        )
    }

    /// Forgets every session, if no other has begun.
    pub fn end_all_sessions(&self, user: &User) -> Write {
        let expression = Expression::default()
            .name("sessions", "sessions")
            .name("version", "version")
            .value("none", AttributeValue::M(HashMap::new()))
            .value("version", n(user.version))
            .value("next", n(user.version + 1));
        let update = "SET #sessions = :none, #version = :next";
        Write::update(&self.table, key("key", &account_key(&user.id)), update, "#version = :version", &expression)
    }

    /// Sets whether an account may sign in and which roles it has, if nothing that a login notices has changed meanwhile. An
    /// account that stops or starts being active has neither session nor API key afterwards. Where the set of administrators
    /// changes too, [`Users::on_word_of`] goes with this write.
    pub fn entitle(&self, user: &User, is_active: bool, roles: &[Role]) -> Result<Write, StoreError> {
        let expression = Expression::default()
            .name("roles", "roles")
            .name("version", "version")
            .value("active", AttributeValue::Bool(is_active))
            .value("roles", serde_dynamo::to_attribute_value(roles)?)
            .value("version", n(user.version))
            .value("next", n(user.version + 1));
        let update = "SET is_active = :active, #roles = :roles, #version = :next";
        let (update, expression) = if user.is_active && is_active {
            (update.to_owned(), expression)
        } else {
            let expression = expression.name("sessions", "sessions").value("none", AttributeValue::M(HashMap::new()));
            (format!("{update}, #sessions = :none, api_keys = :none"), expression)
        };
        Ok(Write::update(&self.table, key("key", &account_key(&user.id)), &update, "#version = :version", &expression))
    }

    /// Requires that an account is active when the other writes are committed.
    pub fn must_be_active(&self, user_id: &str) -> Write {
        let expression = Expression::default().value("active", AttributeValue::Bool(true));
        Write::check(&self.table, key("key", &account_key(user_id)), "is_active = :active", &expression)
    }

    /// The account that a failed condition on its version found.
    pub fn read(&self, item: Item) -> Result<User, StoreError> {
        Ok(super::database::read::<Stored>(item)?.user)
    }
}

pub(super) fn account_key(id: &str) -> String {
    format!("user#{id}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;

    fn user(sessions: &[(&str, i64)]) -> User {
        User {
            id: "u".into(),
            username: "u".into(),
            email: "u@example.com".into(),
            unverified_email: None,
            full_name: None,
            created_at: 0,
            is_active: true,
            roles: vec![Role::User],
            password_hash: String::new(),
            version: 1,
            sessions: sessions.iter().map(|(id, expires_at)| ((*id).to_owned(), *expires_at)).collect(),
            api_keys: BTreeMap::new(),
        }
    }

    fn session() -> Session {
        let claims = json!({
            "iss": "i", "aud": "a", "sub": "u", "sid": "s", "jti": "j", "iat": 0, "exp": 1, "type": "t", "username": "u", "roles": [],
        });
        let pair = json!({"access": claims, "access_kid": "k", "refresh": claims, "refresh_kid": "k"});
        let session = json!({
            "id": "s", "user_id": "u", "username": "u", "began_at": 0, "last_used_at": 0, "expires_at": 900, "address": "192.0.2.1",
            "user_agent": "", "refresh_hash": "", "pair": pair, "connections": {},
        });
        serde_json::from_value(session).unwrap()
    }

    /// The top-level attributes that a write names, as DynamoDB reckons them for a policy.
    fn attributes(write: &Write) -> BTreeSet<String> {
        let update = write.0.update().unwrap();
        let names = update.expression_attribute_names().cloned().unwrap_or_default();
        let text = format!("{} {}", update.update_expression(), update.condition_expression().unwrap_or_default());
        let is_word = |character: char| character.is_ascii_alphanumeric() || "_#:.".contains(character);
        let words = text.split(|character| !is_word(character)).filter_map(|word| word.split('.').next());
        let is_name = |word: &&str| word.starts_with('#') || word.starts_with(|first: char| first.is_ascii_lowercase());
        let words = words.filter(is_name).filter(|word| !matches!(*word, "attribute_exists" | "attribute_not_exists"));
        let attributes = words.map(|word| names.get(word).map_or(word, String::as_str).to_owned());
        attributes.chain(update.key().keys().cloned()).collect()
    }

    #[test]
    fn sessions_touch_no_more_of_an_account_than_their_functions_may() {
        let (user, now) = (user(&[("a", 1), ("b", 900), ("c", 900), ("d", 900)]), Timestamp::from_second(100).unwrap());
        let config: Config =
            [("USERS_TABLE", "users"), ("AWS_REGION", "us-east-1"), ("AWS_ACCESS_KEY_ID", "id"), ("AWS_SECRET_ACCESS_KEY", "key")]
                .into_iter()
                .collect();
        let users = Users::new(Database::new(&config).unwrap(), &config).unwrap();
        let allowed: BTreeSet<String> = SESSION_ATTRIBUTES.iter().map(|&name| name.to_owned()).collect();
        let session = session();
        let ends = [users.end_session("u", "s"), users.revoke_session("u", "s", now), users.end_all_sessions(&user)];
        for write in ends.iter().chain([&users.keep_session(&session)]) {
            assert!(attributes(write).is_subset(&allowed), "{write:?}");
        }
        let with_hash = |hash| attributes(&users.begin_session(&user, &session, &user.room(now), hash));
        assert!(with_hash(None).is_subset(&allowed));
        let beyond: Vec<_> = with_hash(Some("hash")).difference(&allowed).cloned().collect();
        assert_eq!(beyond, ["password_hash"]);
    }

    #[test]
    fn a_new_session_takes_the_place_of_the_oldest() {
        let now = Timestamp::from_second(100).unwrap();
        for (sessions, evicted, idle) in [
            (&[][..], &[][..], &[][..]),
            (&[("a", 101), ("b", 101)], &[], &[]),
            (&[("c", 101), ("b", 900), ("a", 500)], &["a"], &[]),
            (&[("a", 101), ("b", 101), ("c", 101), ("d", 101)], &["a", "b"], &[]),
            // A session that has run out takes no place.
            (&[("a", 101), ("b", 100), ("c", 101)], &[], &["b"]),
            (&[("a", 50), ("b", 101), ("c", 101), ("d", 101)], &["b"], &["a"]),
        ] {
            let user = user(sessions);
            let owned = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
            assert_eq!(user.room(now), Room { evicted: owned(evicted), idle: owned(idle) }, "{sessions:?}");
        }
    }
}
