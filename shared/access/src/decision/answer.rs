//! Answers about actions, and their reasons.

use std::collections::BTreeSet;

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::Rule;

/// An answer about one action, and its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict<'a> {
    /// Whether it is allowed.
    pub allowed: bool,
    /// Why.
    pub reason: Reason,
    /// The rules that decided: all that deny, or else all that allow.
    pub rules: Vec<&'a Rule>,
}

/// Why an action is allowed or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = AccessReason)]
pub enum Reason {
    /// Allowed: the user owns the workbook.
    Owner,
    /// Allowed by a rule.
    Rule,
    /// Denied by a rule.
    Forbidden,
    /// No rule allows it.
    Default,
    /// The sheet or the column has yet to be reviewed.
    Unreviewed,
}

/// The parts of a formula's cell that are shown if the formula leads to a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Derivation {
    /// Nothing.
    Closed,
    /// The result alone: every rule that denies the column lets results through.
    ResultAlone,
    /// Result and text: the column is readable.
    Open,
}

impl Verdict<'_> {
    /// The groups by which the rules that decided are about the user.
    pub fn via_groups(&self) -> BTreeSet<&str> {
        self.rules.iter().filter_map(|rule| rule.subject.group()).collect()
    }
}
