//! The table of users.
//!
//! Key: `key`, one of `user#<id>` (the account), `name#<lower-case username>` and
//! `email#<lower-case email>` (unique names), and `admins` (see `admins.rs`). A unique name holds
//! the id of its account and makes the username or email unique. Index `claims`: `kind` (`name` or
//! `email`), `key`. It lists the accounts in the order of either (see `user_search.rs`).

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::clock::rfc3339_ms;
use crate::config::ConfigError;
use crate::database::{Database, Expression, Item, StoreError, Write, item, key, n};
use crate::domain::{Email, Role, Username};
use crate::identity::Identity;
use crate::platform::Platform;

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

/// A unique name: a username or an email, as it is written.
#[derive(Serialize)]
struct UniqueName<'a> {
    key: String,
    kind: &'static str,
    user_id: &'a str,
}

/// The part of a unique name that is read.
#[derive(Deserialize)]
struct Holder {
    user_id: String,
}

/// A kind of text that only one account can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum NameKind {
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

impl NameKind {
    /// The kind as the index has it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Email => "email",
        }
    }

    /// Key of the unique name for a text in its folded form.
    pub(super) fn key(self, folded: &str) -> String {
        format!("{}#{folded}", self.as_str())
    }
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

impl Users {
    /// Uses the table that `USERS_TABLE` names.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            database: platform.database()?,
            table: platform.config.require("USERS_TABLE")?.to_owned(),
        })
    }

    /// The user with this id, as they are now.
    pub fn get<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<User>, StoreError>> {
        async move {
            let stored: Option<Stored> =
                self.database.get(&self.table, key("key", &account_key(id)), true).await?;
            Ok(stored.map(|stored| stored.user))
        }
        .boxed()
    }

    /// The user with this username or email, in any case. An unknown one costs as many reads, so
    /// the time does not tell whether it exists. There are two reads, or three for an address whose
    /// domain has another form in Unicode.
    pub fn find<'a>(
        &'a self,
        identifier: &'a str,
    ) -> BoxFuture<'a, Result<Option<User>, StoreError>> {
        async move {
            let identifier = identifier.to_lowercase();
            let kind = if identifier.contains('@') { NameKind::Email } else { NameKind::Name };
            let mut holder = self.holder(kind, &identifier).await?;
            if let Some(earlier) =
                identifier.parse::<Email>().ok().and_then(|email| email.folded_unicode())
            {
                let earlier = self.holder(kind, &earlier).await?;
                holder = holder.or(earlier);
            }
            self.get(holder.as_ref().map_or("nobody", |holder| &holder.user_id)).await
        }
        .boxed()
    }

    async fn holder(&self, kind: NameKind, folded: &str) -> Result<Option<Holder>, StoreError> {
        self.database.get(&self.table, key("key", &kind.key(folded)), true).await
    }

    /// A new account and its unique names (username and email); each write's condition fails where
    /// one of them is taken.
    pub fn create(
        &self,
        user: &User,
        username: &Username,
        email: &Email,
    ) -> Result<Vec<Write>, StoreError> {
        let mut writes = vec![self.claim(NameKind::Name, &username.folded(), &user.id)?];
        writes.extend(self.claim_email(email, &user.id, None)?);
        writes.push(self.put_new(item(Stored { key: account_key(&user.id), user: user.clone() })?));
        Ok(writes)
    }

    /// A unique name for an address, unless another account has it, in this form or its earlier
    /// one. `given_up` is the unique name that the account gives up in the same transaction.
    pub(super) fn claim_email(
        &self,
        email: &Email,
        user_id: &str,
        given_up: Option<&str>,
    ) -> Result<Vec<Write>, StoreError> {
        let mut writes = vec![self.claim(NameKind::Email, &email.folded(), user_id)?];
        if let Some(earlier) =
            email.folded_unicode().filter(|earlier| Some(earlier.as_str()) != given_up)
        {
            let earlier = key("key", &NameKind::Email.key(&earlier));
            let is_free = Expression::default().name("key", "key");
            writes.push(Write::check(&self.table, earlier, "attribute_not_exists(#key)", &is_free));
        }
        Ok(writes)
    }

    /// A unique name for a text in its folded form, if no account has it.
    fn claim(&self, kind: NameKind, folded: &str, user_id: &str) -> Result<Write, StoreError> {
        Ok(self.put_new(item(UniqueName { key: kind.key(folded), kind: kind.as_str(), user_id })?))
    }

    fn put_new(&self, item: Item) -> Write {
        Write::put(
            &self.table,
            item,
            "attribute_not_exists(#key)",
            &Expression::default().name("key", "key"),
        )
    }

    /// Sets whether an account may sign in and which roles it has, if nothing that a login notices
    /// has changed meanwhile. An account that stops or starts being active has neither session nor
    /// API key afterwards. Where the set of administrators changes too, [`Users::on_word_of`] goes
    /// with this write.
    pub fn entitle(
        &self,
        user: &User,
        is_active: bool,
        roles: &[Role],
    ) -> Result<Write, StoreError> {
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
            let expression = expression
                .name("sessions", "sessions")
                .value("none", AttributeValue::M(HashMap::new()));
            (format!("{update}, #sessions = :none, api_keys = :none"), expression)
        };
        Ok(Write::update(
            &self.table,
            key("key", &account_key(&user.id)),
            &update,
            "#version = :version",
            &expression,
        ))
    }

    /// Requires that an account is active when the other writes are committed.
    pub fn must_be_active(&self, user_id: &str) -> Write {
        let expression = Expression::default().value("active", AttributeValue::Bool(true));
        Write::check(
            &self.table,
            key("key", &account_key(user_id)),
            "is_active = :active",
            &expression,
        )
    }

    /// The account that a failed condition on its version found.
    pub fn read(&self, item: Item) -> Result<User, StoreError> {
        Ok(crate::database::read::<Stored>(item)?.user)
    }
}

pub(super) fn account_key(id: &str) -> String {
    format!("user#{id}")
}
