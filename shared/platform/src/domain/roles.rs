//! Roles of an account, as an administrator sets them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::input::{FromField, RawValue};

/// A right of a user beyond their own data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Every account.
    User,
    /// Reads the audit log.
    Auditor,
    /// Writes prompts and moves their labels.
    Editor,
    /// Manages accounts.
    Admin,
}

impl Role {
    /// The roles that write prompts and name versions of them.
    pub const PROMPT_EDITORS: &'static [Self] = &[Self::Editor, Self::Admin];

    /// The roles that read the texts of prompts and the moves of their labels.
    pub const PROMPT_READERS: &'static [Self] = &[Self::Auditor, Self::Editor, Self::Admin];

    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Auditor => "auditor",
            Self::Editor => "editor",
            Self::Admin => "admin",
        }
    }
}

/// Roles of an account, each once and in a fixed order. `user` is among them even if it was not
/// named, because every account has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roles(Vec<Role>);

impl Roles {
    /// The roles.
    pub fn into_vec(self) -> Vec<Role> {
        self.0
    }
}

/// The roles of a new account.
impl Default for Roles {
    fn default() -> Self {
        Self(vec![Role::User])
    }
}

impl FromField for Roles {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let wrong = || "must be a list of user, auditor, editor and admin".to_owned();
        let RawValue::Json(Value::Array(items)) = raw else { return Err(wrong()) };
        let named: Vec<_> = items
            .iter()
            .map(|item| item.as_str().and_then(role))
            .collect::<Option<_>>()
            .ok_or_else(wrong)?;
        let mut roles = BTreeSet::new();
        if !named.into_iter().all(|role| roles.insert(role)) {
            return Err("must name each role once".into());
        }
        roles.insert(Role::User);
        Ok(Self(roles.into_iter().collect()))
    }
}

impl FromField for Role {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        role(raw.text()?).ok_or_else(|| "must be user, auditor, editor or admin".into())
    }
}

fn role(text: &str) -> Option<Role> {
    let all = [Role::User, Role::Auditor, Role::Editor, Role::Admin];
    all.into_iter().find(|role| role.as_str() == text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn roles_are_known_each_once_and_user_is_one_of_them() {
        for (value, expected) in [
            (json!([]), Some(&[Role::User][..])),
            (json!(["admin", "auditor"]), Some(&[Role::User, Role::Auditor, Role::Admin])),
            (json!(["auditor", "user"]), Some(&[Role::User, Role::Auditor])),
            (json!(["editor"]), Some(&[Role::User, Role::Editor])),
            (json!(["admin", "admin"]), None),
            (json!(["Admin"]), None),
            (json!(["root"]), None),
            (json!(["user", null]), None),
            (json!("admin"), None),
            (json!({"admin": true}), None),
        ] {
            let found = Roles::read(&RawValue::Json(&value)).ok().map(Roles::into_vec);
            assert_eq!(found.as_deref(), expected, "{value}");
        }
    }
}
