//! A rule as those who manage its workbook see it.

use platform::clock::rfc3339_ms;
use serde::Serialize;
use tally_access::domain::{Action, Actions, ColumnMatch, Derived, Effect, Rule, Subject};
use utoipa::ToSchema;

/// A rule. It never changes: to change one, remove it and add another in one call.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Rule)]
pub struct RuleView {
    /// UUIDv7.
    #[schema(format = "uuid")]
    pub id: String,
    /// Whether it allows or denies.
    pub effect: Effect,
    /// The actions.
    #[schema(value_type = Vec<Action>)]
    pub actions: Actions,
    /// The users that it is about.
    pub subject: Subject,
    /// The workbook, or null for every one.
    #[schema(format = "uuid", required)]
    pub workbook_id: Option<String>,
    /// The sheet, or null for every one.
    #[schema(format = "uuid", required)]
    pub sheet_id: Option<String>,
    /// The columns, or null for all, and for the sheet itself.
    #[schema(required)]
    pub column: Option<RuleColumn>,
    /// The effect of a deny on results of formulas that lead to its cells.
    pub derived: Derived,
    /// For people.
    #[schema(example = "Salaries are for HR.")]
    pub note: String,
    /// From then on the rule has no effect; null if it does not expire. RFC 3339, UTC.
    #[schema(format = DateTime, required)]
    pub expires_at: Option<String>,
    /// Id of the user who added it.
    #[schema(format = "uuid")]
    pub created_by: String,
    /// RFC 3339, UTC.
    #[schema(format = DateTime, example = "2026-01-31T09:30:00.000Z")]
    pub created_at: String,
}

/// The columns of a rule: one of the two members.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct RuleColumn {
    /// Ids of columns.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub ids: Option<Vec<String>>,
    /// Pattern for headers.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "*salary*")]
    pub header: Option<String>,
}

impl From<&Rule> for RuleView {
    fn from(rule: &Rule) -> Self {
        let column = rule.column.as_ref().map(|column| match column {
            ColumnMatch::Ids(ids) => RuleColumn { ids: Some(ids.clone()), header: None },
            ColumnMatch::Header(glob) => RuleColumn { ids: None, header: Some(glob.to_string()) },
        });
        Self {
            id: rule.id.clone(),
            effect: rule.effect,
            actions: rule.actions,
            subject: rule.subject.clone(),
            workbook_id: rule.workbook_id.clone(),
            sheet_id: rule.sheet_id.clone(),
            column,
            derived: rule.derived,
            note: rule.note.clone(),
            expires_at: rule.expires_at.map(rfc3339_ms),
            created_by: rule.created_by.clone(),
            created_at: rfc3339_ms(rule.created_at),
        }
    }
}
