//! A rule: it allows or denies actions on cells to users.

use platform::clock::Timestamp;
use platform::input::{FromField, RawValue};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::action::Actions;
use super::glob::Glob;
use super::subject::Subject;

/// A rule. It never changes: a changed one is another rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// UUIDv7.
    pub id: String,
    /// Whether it allows or denies.
    pub effect: Effect,
    /// The actions.
    pub actions: Actions,
    /// The users that it is about.
    pub subject: Subject,
    /// The workbook; `None` stands for every one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workbook_id: Option<String>,
    /// The sheet; `None` stands for every one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sheet_id: Option<String>,
    /// The columns; `None` stands for all, and for the sheet itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<ColumnMatch>,
    /// The effect of a deny on results of formulas that lead to its cells.
    #[serde(default)]
    pub derived: Derived,
    /// For people.
    #[serde(default)]
    pub note: String,
    /// Milliseconds since 1970. From then on the rule has no effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<i64>,
    /// Id of the user who made it.
    pub created_by: String,
    /// Milliseconds since 1970.
    pub created_at: i64,
}

/// Whether a rule allows or denies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = RuleEffect)]
pub enum Effect {
    /// It allows.
    Allow,
    /// It denies, even if other rules allow.
    Deny,
}

/// The effect of a deny on results of formulas that lead to its cells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = RuleDerived)]
pub enum Derived {
    /// They are withheld too.
    #[default]
    Deny,
    /// They are shown, without the text of the formula.
    Allow,
}

/// The columns that a rule is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ColumnMatch {
    /// Those with these ids.
    Ids(Vec<String>),
    /// Those that have, or had, a name that matches.
    Header(Glob),
}

/// A note for people: at most 200 characters, no control characters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Note(pub String);

/// A name for people: 1 to 100 characters on one line, not all of them blank.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label(pub String);

impl Rule {
    /// Whether it still has an effect.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now.as_millisecond() < end)
    }

    /// Whether it denies.
    pub fn denies(&self) -> bool {
        self.effect == Effect::Deny
    }
}

impl FromField for Effect {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        match raw.text()? {
            "allow" => Ok(Self::Allow),
            "deny" => Ok(Self::Deny),
            _ => Err("must be allow or deny".into()),
        }
    }
}

impl FromField for Derived {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        match raw.text()? {
            "allow" => Ok(Self::Allow),
            "deny" => Ok(Self::Deny),
            _ => Err("must be allow or deny".into()),
        }
    }
}

impl FromField for Note {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let text = raw.text()?;
        if text.chars().count() > 200 || text.chars().any(char::is_control) {
            return Err("must be at most 200 characters, none of them a control character".into());
        }
        Ok(Self(text.to_owned()))
    }
}

impl FromField for Label {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let text = raw.text()?;
        let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
        if !(1..=100).contains(&text.chars().count())
            || text.trim().is_empty()
            || text.chars().any(breaks)
        {
            return Err("must be 1 to 100 characters on one line, not all of them blank".into());
        }
        Ok(Self(text.to_owned()))
    }
}
