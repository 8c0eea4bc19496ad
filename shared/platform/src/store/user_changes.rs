//! Changes that owners make to their account.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use super::users::{NameKind, account_key};
use super::{User, Users};
use crate::database::{Expression, StoreError, Write, key, n, s};
use crate::domain::{Email, FullName};

impl Users {
    /// Another name, or none, for an account that is active.
    pub fn set_full_name(&self, user_id: &str, full_name: Option<&FullName>) -> Write {
        let expression = Expression::default().value("active", AttributeValue::Bool(true));
        let (update, expression) = match full_name {
            Some(name) => ("SET full_name = :name", expression.value("name", s(name.to_string()))),
            None => ("REMOVE full_name", expression),
        };
        Write::update(
            &self.table,
            key("key", &account_key(user_id)),
            update,
            "is_active = :active",
            &expression,
        )
    }

    /// Another password, if nothing that a login notices has changed. Forgets every session but
    /// `kept`, whose expiry may move meanwhile. Without `kept` the password was set by mail, which
    /// shows whose the address is. It was set without the old password, so every API key is
    /// forgotten too. An address that the account was to move to is given up.
    pub fn set_password(&self, user: &User, password_hash: &str, kept: Option<&str>) -> Write {
        let stays_unverified = kept.is_some() && user.is_unverified();
        let mut expression = Expression::default().value("hash", s(password_hash));
        let mut set = ", password_hash = :hash".to_owned();
        if kept.is_none() {
            set.push_str(", api_keys = :none");
            expression = expression.value("none", AttributeValue::M(HashMap::new()));
        }
        let mut removed =
            if stays_unverified { Vec::new() } else { vec!["unverified_email".to_owned()] };
        for (position, id) in
            user.sessions.keys().filter(|id| Some(id.as_str()) != kept).enumerate()
        {
            removed.push(format!("#sessions.#old{position}"));
            expression =
                expression.name("sessions", "sessions").name(&format!("old{position}"), id);
        }
        let remove = if removed.is_empty() {
            String::new()
        } else {
            format!(" REMOVE {}", removed.join(", "))
        };
        self.update_version(user, &set, &remove, expression)
    }

    /// Another address, or the same, which is verified, if nothing that a login notices has
    /// changed. First comes the account's own write, then the unique name for the address, whose
    /// condition fails where it is taken. The end of the unique name before comes last. No unique
    /// names change where the two addresses differ in case alone.
    pub fn move_email(&self, user: &User, email: &Email) -> Result<Vec<Write>, StoreError> {
        let expression = Expression::default().value("email", s(email.to_string()));
        let account =
            self.update_version(user, ", email = :email", " REMOVE unverified_email", expression);
        let before = user.email.as_ref().map(|email| email.to_lowercase());
        if before.as_ref() == Some(&email.folded()) {
            return Ok(vec![account]);
        }
        let held = before.iter().map(|before| NameKind::Email.key(before));
        let drop = held.map(|held| Write::delete(&self.table, key("key", &held)));
        let claims = self.claim_email(email, &user.id, before.as_deref())?;
        Ok([account].into_iter().chain(claims).chain(drop).collect())
    }

    /// Notes an address that the account is to move to once it is verified, if nothing that a login
    /// notices has changed. Another account that holds the address is looked for only when its
    /// mailbox has answered: before, the answer would tell a stranger.
    pub fn await_email(&self, user: &User, email: &Email) -> Write {
        let expression = Expression::default().value("email", s(email.to_string()));
        self.update_version(user, ", unverified_email = :email", "", expression)
    }

    /// Gives up the address that the account is to move to, if nothing that a login notices has
    /// changed.
    pub fn keep_email(&self, user: &User) -> Write {
        self.update_version(user, "", " REMOVE unverified_email", Expression::default())
    }

    /// Removes an account, if nothing that a login notices has changed, then its unique names.
    /// Where it is an administrator's, [`Users::dismiss_admin`] goes with these writes.
    pub fn remove(&self, user: &User) -> (Write, Vec<Write>) {
        let expression =
            Expression::default().name("version", "version").value("version", n(user.version));
        let account = key("key", &account_key(&user.id));
        let name = NameKind::Name.key(&user.username.to_lowercase());
        let names = [name].into_iter().chain(Self::further_names(user));
        (
            Write::delete_if(&self.table, account, "#version = :version", &expression),
            names.map(|name| Write::delete(&self.table, key("key", &name))).collect(),
        )
    }

    /// An update that a login notices, and whose condition fails after a login or another such
    /// update.
    fn update_version(
        &self,
        user: &User,
        set: &str,
        remove: &str,
        expression: Expression,
    ) -> Write {
        let expression = expression
            .name("version", "version")
            .value("version", n(user.version))
            .value("next", n(user.version + 1));
        let update = format!("SET #version = :next{set}{remove}");
        Write::update(
            &self.table,
            key("key", &account_key(&user.id)),
            &update,
            "#version = :version",
            &expression,
        )
    }
}
