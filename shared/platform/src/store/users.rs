//! The table of users.
//!
//! Key: `key`, one of `user#<id>` (the account), `name#<lower-case username>` and
//! `email#<lower-case email>` (unique names), and `admins` (see `admins.rs`). A unique name holds
//! the id of its account and makes the username or email unique (see `user_names.rs`). Accounts
//! with single sign-on have `sso#…` and `email#…#<id>` instead of an email (see `user_sso.rs`).
//! Index `claims`: `kind` (`name` or `email`), `key`. It lists the accounts in the order of either
//! (see `user_search.rs`).

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

use super::User;
use crate::config::ConfigError;
use crate::database::{Database, Expression, Item, StoreError, Write, key, n};
use crate::domain::{Email, Role};
use crate::platform::Platform;

/// The users' table.
#[derive(Debug, Clone)]
pub struct Users {
    pub(super) database: Database,
    pub(super) table: String,
}

/// The part of a unique name that is read.
#[derive(Deserialize)]
pub(super) struct Holder {
    pub user_id: String,
}

/// Attributes of an account on which access rules depend.
pub const STANDING_ATTRIBUTES: [&str; 3] = ["id", "is_active", "roles"];

/// The part of an account on which access rules depend.
#[derive(Debug, Deserialize)]
pub struct AccountStanding {
    /// UUIDv7.
    pub id: String,
    /// Whether the account may sign in.
    pub is_active: bool,
    /// Roles now.
    pub roles: Vec<Role>,
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
    pub(super) key: String,
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
    /// domain has another form in Unicode. An account with single sign-on has no address to be
    /// found by here, because nothing has verified it.
    pub fn find<'a>(
        &'a self,
        identifier: &'a str,
    ) -> BoxFuture<'a, Result<Option<User>, StoreError>> {
        async move {
            let identifier = identifier.to_lowercase();
            let kind = if identifier.contains('@') { NameKind::Email } else { NameKind::Name };
            let mut holder = self.holder(&kind.key(&identifier)).await?;
            if let Some(earlier) =
                identifier.parse::<Email>().ok().and_then(|email| email.folded_unicode())
            {
                let earlier = self.holder(&kind.key(&earlier)).await?;
                holder = holder.or(earlier);
            }
            let user = self.get(holder.as_ref().map_or("nobody", |holder| &holder.user_id)).await?;
            // A text like `a@example.com#<id>` is the key of such an address.
            Ok(user.filter(|user| kind == NameKind::Name || user.sso.is_none()))
        }
        .boxed()
    }

    /// The holder of the unique name with this key.
    pub(super) async fn holder(&self, unique: &str) -> Result<Option<Holder>, StoreError> {
        self.database.get(&self.table, key("key", unique), true).await
    }

    /// The part of an account on which access rules depend, as it is now. Nothing else is read.
    pub fn standing<'a>(
        &'a self,
        id: &'a str,
    ) -> BoxFuture<'a, Result<Option<AccountStanding>, StoreError>> {
        async move {
            let part = (self.table.as_str(), STANDING_ATTRIBUTES.as_slice());
            let mut found = self.database.get_each_with(vec![self.place(id)], part).await?;
            let item = found.remove(&self.table).and_then(|items| items.into_iter().next());
            item.map(crate::database::read).transpose()
        }
        .boxed()
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

    /// The name of the table.
    pub fn table(&self) -> &str {
        &self.table
    }

    /// The table and the key of an account, for a batch that reads several tables.
    pub fn place(&self, id: &str) -> (String, Item) {
        (self.table.clone(), key("key", &account_key(id)))
    }

    /// The account of an item that a batch, or a failed condition on its version, has found.
    pub fn read(&self, item: Item) -> Result<User, StoreError> {
        Ok(crate::database::read::<Stored>(item)?.user)
    }
}

pub(super) fn account_key(id: &str) -> String {
    format!("user#{id}")
}
