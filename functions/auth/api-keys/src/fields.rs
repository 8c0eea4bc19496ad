//! The fields that describe a new key.

use std::collections::BTreeSet;

use platform::identity::Scope;
use platform::input::{FromField, RawValue};
use serde_json::Value;

/// The name that its owner gives a key: 1 to 100 characters, no control characters.
pub struct Name(pub String);

/// One or more scopes, each once.
pub struct Scopes(pub Vec<Scope>);

impl FromField for Name {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let text = raw.text()?;
        let trimmed = raw.text()?.trim();
        if !(1..=100).contains(&trimmed.chars().count()) || text.chars().any(char::is_control) {
            return Err("must be 1 to 100 characters, none of them a control character".into());
        }
        Ok(Self(trimmed.to_owned()))
    }
}

impl FromField for Scopes {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let wrong = || {
            format!("must be a list of one or more of {}", Scope::ALL.map(Scope::as_str).join(", "))
        };
        let RawValue::Json(Value::Array(items)) = raw else { return Err(wrong()) };
        let scope = |item: &Value| {
            Scope::ALL.into_iter().find(|scope| item.as_str() == Some(scope.as_str()))
        };
        let scopes: Option<BTreeSet<_>> = items.iter().map(scope).collect();
        match scopes {
            Some(scopes) if !scopes.is_empty() => Ok(Self(scopes.into_iter().collect())),
            _ => Err(wrong()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn scopes_are_known_and_each_counts_once() {
        for (value, expected) in [
            (json!(["profits:read"]), Some(&[Scope::ProfitsRead][..])),
            (
                json!(["audit:read", "profits:read", "audit:read"]),
                Some(&[Scope::ProfitsRead, Scope::AuditRead]),
            ),
            (json!([]), None),
            (json!(["users:write"]), None),
            (json!(["profits:read", 7]), None),
            (json!("profits:read"), None),
            (json!(["Profits:Read"]), None),
        ] {
            let found = Scopes::read(&RawValue::Json(&value)).ok();
            assert_eq!(found.as_ref().map(|scopes| scopes.0.as_slice()), expected, "{value}");
        }
    }

    #[test]
    fn a_name_is_for_people() {
        for (text, expected) in
            [("Nightly import", true), (" x ", true), ("", false), ("  ", false), ("a\nb", false)]
        {
            assert_eq!(Name::read(&RawValue::Text(text)).is_ok(), expected, "{text:?}");
        }
        assert!(
            Name::read(&RawValue::Text(&"é".repeat(100))).is_ok()
                && Name::read(&RawValue::Text(&"é".repeat(101))).is_err()
        );
    }
}
