//! New accounts, and the unique names (username and email) that accounts have.

use serde::Serialize;

use super::users::{NameKind, Stored, account_key};
use super::{User, Users};
use crate::database::{Expression, Item, StoreError, Write, item, key};
use crate::domain::{Email, Username};

/// A unique name: a username or an email, as it is written.
#[derive(Serialize)]
pub(super) struct UniqueName<'a> {
    pub key: String,
    /// The partition of the index; `None` if no search finds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<&'static str>,
    pub user_id: &'a str,
}

impl Users {
    /// A new account and its unique names (username and email); each write's condition fails where
    /// one of them is taken.
    pub fn create(
        &self,
        user: &User,
        username: &Username,
        email: &Email,
    ) -> Result<Vec<Write>, StoreError> {
        let mut writes = vec![self.claim_name(username, &user.id)?];
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

    /// A unique name for a username, if no account has it.
    pub(super) fn claim_name(
        &self,
        username: &Username,
        user_id: &str,
    ) -> Result<Write, StoreError> {
        self.claim(NameKind::Name, &username.folded(), user_id)
    }

    /// A unique name for a text in its folded form, if no account has it.
    fn claim(&self, kind: NameKind, folded: &str, user_id: &str) -> Result<Write, StoreError> {
        let (key, kind) = (kind.key(folded), Some(kind.as_str()));
        Ok(self.put_new(item(UniqueName { key, kind, user_id })?))
    }

    /// A new item, if there is none with its key.
    pub(super) fn put_new(&self, item: Item) -> Write {
        Write::put(
            &self.table,
            item,
            "attribute_not_exists(#key)",
            &Expression::default().name("key", "key"),
        )
    }
}
