//! The fields of an agent, as an administrator sends them.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use assistant::domain::{Budget, Cost};
use platform::domain::Role;
use platform::input::{FromField, RawValue};
use serde_json::Value;

/// Characters of a name and of a description, at most.
const LONGEST_NAME: usize = 40;
const LONGEST_DESCRIPTION: usize = 500;

/// Tools of an agent, at most.
const TOOLS: usize = 32;

/// Calls of the model for one reply, at most.
const STEPS: u8 = 8;

/// The most that a reply of an agent may be allowed to cost, in nano-dollars: 100 dollars.
const LARGEST_COST: i64 = 100_000_000_000;

/// The error for an amount that is no limit of a reply.
const WRONG_COST: &str = "must be an amount above 0 and up to 100, like 0.50";

/// The name of an agent: 1 to 40 of `[a-z0-9-]`, of which the first is a letter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AgentName(String);

/// A text that is no name of an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAName;

/// The purpose of an agent: at most 500 characters, none of them a control character.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Purpose(String);

/// Names of tools, each once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ToolNames(Vec<String>);

/// The number of calls of the model for one reply, at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaxSteps(u8);

/// The most that one reply may cost: more than nothing, and at most 100 US dollars.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaxCost(Cost);

/// The roles of which a user of an agent needs one, each once and in a fixed order. None stand for
/// every user.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AgentRoles(Vec<Role>);

impl AgentName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AgentName {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        let begins = text.starts_with(|c: char| c.is_ascii_lowercase());
        let is_of_name = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let fits = text.len() <= LONGEST_NAME && text.bytes().all(is_of_name);
        if begins && fits { Ok(Self(text.to_owned())) } else { Err(NotAName) }
    }
}

impl FromField for AgentName {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let wrong = "must be 1 to 40 of a-z, 0-9 and -, and begin with a letter";
        raw.text()?.parse().map_err(|NotAName| wrong.to_owned())
    }
}

impl fmt::Display for AgentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<AgentName> for String {
    fn from(name: AgentName) -> Self {
        name.0
    }
}

impl Purpose {
    /// The text.
    pub fn into_string(self) -> String {
        self.0
    }
}

impl FromField for Purpose {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let text = raw.text()?;
        if text.chars().count() > LONGEST_DESCRIPTION || text.chars().any(char::is_control) {
            let wrong = "must be at most 500 characters, none of them a control character";
            return Err(wrong.into());
        }
        Ok(Self(text.to_owned()))
    }
}

impl ToolNames {
    /// The names.
    pub fn as_slice(&self) -> &[String] {
        &self.0
    }

    /// The names.
    pub fn into_vec(self) -> Vec<String> {
        self.0
    }
}

impl FromField for ToolNames {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let names = texts(raw).ok_or("must be a list of names of tools")?;
        let distinct: BTreeSet<_> = names.iter().collect();
        if distinct.len() < names.len() {
            return Err("must name each tool once".into());
        }
        if names.len() > TOOLS {
            return Err("must have at most 32 tools".into());
        }
        Ok(Self(names.into_iter().map(str::to_owned).collect()))
    }
}

impl Default for MaxSteps {
    fn default() -> Self {
        Self(STEPS)
    }
}

impl MaxSteps {
    /// The number.
    pub fn get(self) -> u8 {
        self.0
    }
}

impl FromField for MaxSteps {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let steps = u8::try_from(u64::read(raw)?).unwrap_or(u8::MAX);
        let fits = (1..=STEPS).contains(&steps);
        if fits { Ok(Self(steps)) } else { Err("must be 1 to 8".into()) }
    }
}

/// Half a dollar.
impl Default for MaxCost {
    fn default() -> Self {
        Self(Cost::from_nanos(500_000_000))
    }
}

impl MaxCost {
    /// The amount.
    pub fn amount(self) -> Cost {
        self.0
    }
}

impl FromField for MaxCost {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let amount = Budget::read(raw).map_err(|_| WRONG_COST)?.amount();
        let fits = (1..=LARGEST_COST).contains(&amount.nanos());
        if fits { Ok(Self(amount)) } else { Err(WRONG_COST.into()) }
    }
}

impl AgentRoles {
    /// The roles.
    pub fn into_vec(self) -> Vec<Role> {
        self.0
    }
}

impl FromField for AgentRoles {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let wrong = || "must be a list of user, auditor and admin, each once".to_owned();
        let names = texts(raw).ok_or_else(wrong)?;
        let mut roles = BTreeSet::new();
        for name in names {
            let role = Role::read(&RawValue::Text(name)).map_err(|_| wrong())?;
            if !roles.insert(role) {
                return Err(wrong());
            }
        }
        Ok(Self(roles.into_iter().collect()))
    }
}

/// The texts of a list; `None` if it is no list, or has something else.
fn texts<'a>(raw: &RawValue<'a>) -> Option<Vec<&'a str>> {
    let RawValue::Json(Value::Array(items)) = *raw else { return None };
    items.iter().map(Value::as_str).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read<T: FromField>(value: &Value) -> Option<T> {
        T::read(&RawValue::Json(value)).ok()
    }

    #[test]
    fn a_name_is_made_of_few_characters() {
        let longest = format!("a{}", "9".repeat(39));
        for (text, expected) in [
            ("a", true),
            ("finance", true),
            ("close-2026", true),
            ("a-", true),
            (longest.as_str(), true),
            (&format!("{longest}9"), false),
            ("", false),
            ("2026", false),
            ("-a", false),
            ("Finance", false),
            ("a_b", false),
            ("a.b", false),
            ("größe", false),
            ("a\n", false),
        ] {
            let found = text.parse::<AgentName>().ok();
            assert_eq!(found.as_ref().map(AgentName::as_str), expected.then_some(text), "{text:?}");
            assert_eq!(read::<AgentName>(&json!(text)), found, "{text:?}");
        }
    }

    #[test]
    fn tools_are_named_once_each() {
        let many: Vec<_> = (0..33).map(|number| format!("tool_{number}")).collect();
        for (sent, expected) in [
            (json!([]), true),
            (json!(["remember", "forget"]), true),
            (json!(many[..32]), true),
            (json!(many), false),
            (json!(["remember", "remember"]), false),
            (json!(["remember", 1]), false),
            (json!("remember"), false),
            (json!({"remember": true}), false),
        ] {
            let found = read::<ToolNames>(&sent).map(|names| json!(names.as_slice()));
            assert_eq!(found, expected.then_some(sent.clone()), "{sent}");
        }
    }

    #[test]
    fn steps_and_cost_have_bounds() {
        for (sent, expected) in
            [(json!(1), Some(1)), (json!(8), Some(8)), (json!(0), None), (json!(9), None)]
        {
            assert_eq!(read::<MaxSteps>(&sent).map(MaxSteps::get), expected, "{sent}");
        }
        for sent in [json!(1.5), json!("8"), json!(-1), json!(1_000)] {
            assert_eq!(read::<MaxSteps>(&sent), None, "{sent}");
        }
        for (sent, expected) in [
            (json!("0.50"), Some("0.50")),
            (json!(0.1), Some("0.10")),
            (json!("100"), Some("100.00")),
            (json!("0.000000001"), Some("0.000000001")),
            (json!("0"), None),
            (json!("0.00"), None),
            (json!("100.000000001"), None),
            (json!(-1), None),
            (json!("1e1"), None),
            (json!(true), None),
        ] {
            let found = read::<MaxCost>(&sent).map(|cost| cost.amount().to_string());
            assert_eq!(found.as_deref(), expected, "{sent}");
        }
        assert_eq!(MaxCost::default().amount().to_string(), "0.50");
        assert_eq!(MaxSteps::default().get(), 8);
    }

    #[test]
    fn roles_are_known_each_once_and_may_be_none() {
        for (sent, expected) in [
            (json!([]), Some(&[][..])),
            (json!(["admin", "auditor"]), Some(&[Role::Auditor, Role::Admin])),
            (json!(["user"]), Some(&[Role::User])),
            (json!(["admin", "admin"]), None),
            (json!(["root"]), None),
            (json!([1]), None),
            (json!("admin"), None),
        ] {
            let found = read::<AgentRoles>(&sent).map(AgentRoles::into_vec);
            assert_eq!(found.as_deref(), expected, "{sent}");
        }
    }

    #[test]
    fn a_purpose_is_short_and_has_no_control_characters() {
        for (sent, expected) in [
            (json!(""), true),
            (json!("€".repeat(500)), true),
            (json!("€".repeat(501)), false),
            (json!("two\nlines"), false),
            (json!(null), false),
        ] {
            assert_eq!(read::<Purpose>(&sent).is_some(), expected, "{sent}");
        }
    }
}
