//! The set of administrators: one item of the users' table, `admins`, with the ids of all accounts
//! that are active and have the role.
//!
//! A write that makes an account an administrator, or ends that, changes this set in its own
//! transaction. So the condition of one write keeps the last administrator, and no function has to
//! count accounts.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;
use serde::Deserialize;

use super::{User, Users};
use crate::database::{Expression, Item, StoreError, Write, key, n, s};
use crate::domain::Role;

/// The effect of an account's change on the set.
#[derive(Debug, Clone, Copy)]
pub enum AdminsChange<'a> {
    /// Nothing.
    Stay,
    /// This account becomes one.
    Admit(&'a str),
    /// This account is no longer one.
    Dismiss(&'a str),
    /// An account stays one, but its owner may not get in any more. There must be another one.
    NeedAnother,
}

/// The set as it is stored.
#[derive(Deserialize)]
struct Admins {
    ids: BTreeSet<String>,
}

impl User {
    /// Whether the account is one of the administrators. An account that cannot sign in is none,
    /// even with the role.
    pub fn is_admin(&self) -> bool {
        self.is_active && self.roles.contains(&Role::Admin)
    }
}

impl Users {
    /// Adds an administrator.
    pub fn admit_admin(&self, user_id: &str) -> Write {
        self.change_admins("ADD #ids :id", None, &ids(user_id))
    }

    /// Checks the inviter of a new account, who must still be an administrator. If there is no
    /// inviter, there must be no administrator yet. A new account with the role is added to the
    /// set.
    pub fn admit_invited(&self, user: &User, invited_by: Option<&str>) -> Write {
        match invited_by {
            None if user.is_admin() => self.admit_first_admin(&user.id),
            None => self.must_have_no_admin(),
            Some(admin_id) if user.is_admin() => {
                self.on_word_of(admin_id, AdminsChange::Admit(&user.id))
            }
            Some(admin_id) => self.on_word_of(admin_id, AdminsChange::Stay),
        }
    }

    /// Changes the set on an administrator's word. The condition fails where they are no longer
    /// one, or where the last one would go or be shut out: see [`Users::lists_admin`].
    pub fn on_word_of(&self, admin_id: &str, change: AdminsChange<'_>) -> Write {
        let condition = "contains(#ids, :admin)";
        let by = |expression: Expression| expression.value("admin", s(admin_id));
        match change {
            AdminsChange::Stay => self.check_admins(condition, &by(names())),
            AdminsChange::Admit(user_id) => {
                self.change_admins("ADD #ids :id", condition, &by(ids(user_id)))
            }
            AdminsChange::Dismiss(user_id) => {
                let condition = format!("{condition} AND size(#ids) > :one");
                self.change_admins(
                    "DELETE #ids :id",
                    condition.as_str(),
                    &by(ids(user_id)).value("one", n(1)),
                )
            }
            AdminsChange::NeedAnother => {
                let condition = format!("{condition} AND size(#ids) > :one");
                // This changes nothing. Unlike a check, an update gives the set that fails it.
                self.change_admins(
                    "ADD #ids :id",
                    condition.as_str(),
                    &by(ids(admin_id)).value("one", n(1)),
                )
            }
        }
    }

    /// Whether the set that failed a condition has this administrator.
    pub fn lists_admin(found: Option<&Item>, admin_id: &str) -> bool {
        let ids = found.and_then(|item| item.get("ids")?.as_ss().ok());
        ids.is_some_and(|ids| ids.iter().any(|id| id == admin_id))
    }

    /// Adds the first administrator; the condition fails where there is one.
    pub fn admit_first_admin(&self, user_id: &str) -> Write {
        self.change_admins("ADD #ids :id", "attribute_not_exists(#ids)", &ids(user_id))
    }

    /// Whether this account is the only administrator, as it is now.
    pub async fn is_last_admin(&self, user_id: &str) -> Result<bool, StoreError> {
        let admins: Option<Admins> =
            self.database.get(&self.table, key("key", ADMINS), true).await?;
        Ok(admins.is_some_and(|admins| admins.ids.len() == 1 && admins.ids.contains(user_id)))
    }

    /// Removes an administrator; the condition fails where that is the last one.
    pub fn dismiss_admin(&self, user_id: &str) -> Write {
        self.change_admins("DELETE #ids :id", "size(#ids) > :one", &ids(user_id).value("one", n(1)))
    }

    /// Removes an administrator, even the last one: the identity provider has taken the role.
    pub fn drop_admin(&self, user_id: &str) -> Write {
        self.change_admins("DELETE #ids :id", None, &ids(user_id))
    }

    /// Requires that there is no administrator when the other writes are committed.
    pub fn must_have_no_admin(&self) -> Write {
        self.check_admins("attribute_not_exists(#ids)", &names())
    }

    fn check_admins(&self, condition: &str, expression: &Expression) -> Write {
        Write::check(&self.table, key("key", ADMINS), condition, expression)
    }

    fn change_admins<'a>(
        &self,
        update: &str,
        condition: impl Into<Option<&'a str>>,
        expression: &Expression,
    ) -> Write {
        Write::update(&self.table, key("key", ADMINS), update, condition, expression)
    }
}

/// Key of the item.
const ADMINS: &str = "admins";

fn names() -> Expression {
    Expression::default().name("ids", "ids")
}

fn ids(user_id: &str) -> Expression {
    names().value("id", AttributeValue::Ss(vec![user_id.to_owned()]))
}
