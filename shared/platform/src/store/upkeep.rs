//! What owners change of their account.

use aws_sdk_dynamodb::types::AttributeValue;

use super::database::{Expression, StoreError, Write, key, n, s};
use super::users::{ClaimKind, account_key};
use super::{User, Users};
use crate::domain::{Email, FullName};

impl Users {
    /// Another name, or none, for an account that is active.
    pub fn set_full_name(&self, user_id: &str, full_name: Option<&FullName>) -> Write {
        let expression = Expression::default().value("active", AttributeValue::Bool(true));
        let (update, expression) = match full_name {
            Some(name) => ("SET full_name = :name", expression.value("name", s(name.to_string()))),
            None => ("REMOVE full_name", expression),
        };
        Write::update(&self.table, key("key", &account_key(user_id)), update, "is_active = :active", &expression)
    }

    /// Another password; forgets every session but `kept`, if nothing that a login notices has changed.
    pub fn set_password(&self, user: &User, password_hash: &str, kept: Option<&str>) -> Write {
        let kept = user.sessions.iter().filter(|(id, _)| Some(id.as_str()) == kept);
        let kept = AttributeValue::M(kept.map(|(id, expires_at)| (id.clone(), n(expires_at))).collect());
        let expression = Expression::default().name("sessions", "sessions").value("hash", s(password_hash)).value("sessions", kept);
        self.update_version(user, "SET password_hash = :hash, #sessions = :sessions", expression)
    }

    /// Another address, if nothing that a login notices has changed.
    pub fn set_email(&self, user: &User, email: &Email) -> Write {
        self.update_version(user, "SET email = :email", Expression::default().value("email", s(email.to_string())))
    }

    /// What goes with another address: the claim on it, whose condition fails where it is taken, and the end of the one
    /// before. Nothing where the two differ in case alone.
    pub fn move_email_claim(&self, user: &User, email: &Email) -> Result<Option<[Write; 2]>, StoreError> {
        let before = user.email.to_lowercase();
        if before == email.folded() {
            return Ok(None);
        }
        let drop = Write::delete(&self.table, key("key", &ClaimKind::Email.key(&before)));
        Ok(Some([self.claim(ClaimKind::Email, &email.folded(), &user.id)?, drop]))
    }

    /// The end of an account, if nothing that a login notices has changed, and of its claims. An administrator is
    /// dismissed besides, see [`Users::dismiss_admin`].
    pub fn remove(&self, user: &User) -> [Write; 3] {
        let expression = Expression::default().name("version", "version").value("version", n(user.version));
        let account = key("key", &account_key(&user.id));
        let claim = |kind: ClaimKind, text: &str| Write::delete(&self.table, key("key", &kind.key(&text.to_lowercase())));
        [
            Write::delete_if(&self.table, account, "#version = :version", &expression),
            claim(ClaimKind::Name, &user.username),
            claim(ClaimKind::Email, &user.email),
        ]
    }

    /// An update that a login notices, and that notices one.
    fn update_version(&self, user: &User, update: &str, expression: Expression) -> Write {
        let expression = expression.name("version", "version").value("version", n(user.version)).value("next", n(user.version + 1));
        let update = format!("{update}, #version = :next");
        Write::update(&self.table, key("key", &account_key(&user.id)), &update, "#version = :version", &expression)
    }
}
