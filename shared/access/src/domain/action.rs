//! Actions that rules allow or deny, and sets of them.

use std::fmt;

use platform::input::{FromField, RawValue};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// An action on cells or on a workbook.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "lowercase")]
#[schema(as = AccessAction)]
pub enum Action {
    /// See cells.
    Read,
    /// Let cells reach a model.
    Ai,
    /// Take cells away in a file.
    Export,
    /// Propose, apply and undo changes, and upload.
    Write,
    /// Decide about proposed changes.
    Approve,
    /// Change the rules and the register.
    Manage,
}

/// A set of actions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "Vec<Action>", into = "Vec<Action>")]
pub struct Actions(u8);

impl Action {
    /// Every action.
    pub const ALL: [Self; 6] =
        [Self::Read, Self::Ai, Self::Export, Self::Write, Self::Approve, Self::Manage];

    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Ai => "ai",
            Self::Export => "export",
            Self::Write => "write",
            Self::Approve => "approve",
            Self::Manage => "manage",
        }
    }

    /// Whether it is granted for whole workbooks only.
    pub const fn is_of_workbooks(self) -> bool {
        matches!(self, Self::Approve | Self::Manage)
    }

    /// Whether it takes `read` too.
    pub const fn needs_read(self) -> bool {
        matches!(self, Self::Ai | Self::Export | Self::Write)
    }

    /// The actions that it takes: itself, and `read`.
    pub const fn with_read(self) -> Actions {
        Actions(self.bit() | Self::Read.bit())
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Actions {
    /// No action.
    pub const NONE: Self = Self(0);

    /// Whether the set has this action.
    pub const fn contains(self, action: Action) -> bool {
        self.0 & action.bit() != 0
    }

    /// Whether the set has no action.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The actions of both sets.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The actions that the other set lacks.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The actions, in the order of [`Action::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Action> {
        Action::ALL.into_iter().filter(move |action| self.contains(*action))
    }
}

impl FromIterator<Action> for Actions {
    fn from_iter<I: IntoIterator<Item = Action>>(actions: I) -> Self {
        Self(actions.into_iter().fold(0, |bits, action| bits | action.bit()))
    }
}

impl From<Vec<Action>> for Actions {
    fn from(actions: Vec<Action>) -> Self {
        actions.into_iter().collect()
    }
}

impl From<Actions> for Vec<Action> {
    fn from(actions: Actions) -> Self {
        actions.iter().collect()
    }
}

/// One or more actions, each once.
impl FromField for Actions {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let wrong =
            || "must be a list of one or more of read, ai, export, write, approve and manage";
        let RawValue::Json(Value::Array(items)) = raw else { return Err(wrong().into()) };
        let named = |item: &Value| {
            Action::ALL.into_iter().find(|action| item.as_str() == Some(action.as_str()))
        };
        let actions: Option<Self> = items.iter().map(named).collect();
        actions.filter(|actions| !actions.is_empty()).ok_or_else(|| wrong().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_set_has_each_action_once_and_in_order() {
        for (value, expected) in [
            (json!(["export", "read", "read"]), Some(json!(["read", "export"]))),
            (json!(["manage"]), Some(json!(["manage"]))),
            (json!([]), None),
            (json!(["Read"]), None),
            (json!(["read", 1]), None),
            (json!("read"), None),
        ] {
            let found = Actions::read(&RawValue::Json(&value)).ok();
            let found = found.map(|actions| serde_json::to_value(actions).unwrap());
            assert_eq!(found, expected, "{value}");
        }
    }

    #[test]
    fn sets_are_joined_and_subtracted() {
        let (a, b) = (Actions::from(vec![Action::Read, Action::Ai]), [Action::Ai].into_iter());
        let b: Actions = b.collect();
        assert_eq!(a.without(b).iter().collect::<Vec<_>>(), [Action::Read]);
        assert_eq!((a.with(b), b.without(a)), (a, Actions::NONE));
    }
}
