//! The evaluator: the actions that a user may take on the cells of a workbook, and the reasons.
//!
//! The semantics are those of Cedar. An action is allowed if some live rule allows it and no live
//! rule denies it. A deny wins from any level, and the order of rules never counts. The owner is
//! allowed everything, unless a rule denies it; no rule takes `manage` from the owner. `ai`,
//! `export` and `write` take `read` too. An unreviewed sheet or column is closed to all without
//! `manage`: one that has to be reviewed, while a rule may be about it.
//!
//! One pass over the rules gives every answer about a workbook. `.ci/check-access-rules` compares
//! the answers with those of Cedar.

mod answer;
mod index;

use std::sync::OnceLock;

use platform::clock::Timestamp;

pub use self::answer::{Derivation, Reason, Verdict};
pub use self::index::under_deny;
use self::index::{Level, SheetIndex, touches_workbook};
use crate::domain::{Action, Actions, Book, Column, Derived, Rule, Sheet, Standing};

/// The actions that one user may take on the cells of one workbook.
#[derive(Debug)]
pub struct Decision<'a> {
    book: Book<'a>,
    is_owner: bool,
    manages: bool,
    /// The live rules that are about the user.
    rules: Vec<&'a Rule>,
    workbook: Level,
    sheets: Vec<SheetLevel>,
    /// Whether a deny, about any user, touches the workbook.
    is_denied_anywhere: bool,
    /// [`Decision::is_unrestricted`] for `read`, once it was asked for.
    reads_all: OnceLock<bool>,
}

#[derive(Debug)]
struct SheetLevel {
    own: Level,
    columns: Vec<Level>,
    is_unreviewed: bool,
    /// Whether a column rule, about any user, touches the sheet.
    has_column_rule: bool,
    /// Whether columns that wait for a review are unreviewed.
    closes_columns: bool,
}

/// A workbook, a sheet or a column under a decision.
#[derive(Debug)]
pub struct Place<'d> {
    decision: &'d Decision<'d>,
    levels: Vec<&'d Level>,
    is_unreviewed: bool,
}

impl<'a> Decision<'a> {
    /// Decides everything about a workbook for a user.
    pub fn new(who: &Standing, book: Book<'a>, now: Timestamp) -> Self {
        let live: Vec<_> = book.live(now).collect();
        let rules: Vec<_> = live.iter().copied().filter(|rule| who.is(&rule.subject)).collect();
        let index: Vec<_> = book.sheets.iter().map(SheetIndex::new).collect();
        let is_denied_anywhere =
            live.iter().any(|rule| rule.denies() && touches_workbook(rule, &index));
        let is_of_workbook = |rule: &Rule| rule.sheet_id.is_none() && rule.column.is_none();
        let workbook = Level::of(&rules, is_of_workbook);
        let sheets = book
            .sheets
            .iter()
            .zip(&index)
            .map(|(sheet, index)| SheetLevel {
                own: Level::of(&rules, |rule| {
                    rule.column.is_none() && rule.sheet_id.as_ref().is_some_and(|id| sheet.is(id))
                }),
                columns: index.levels(&rules),
                // A sheet that waits for a review may have replaced the only name that a rule
                // matched. So it stays closed while any rule may be about it.
                is_unreviewed: sheet.pending && live.iter().any(|rule| rule.denies()),
                has_column_rule: live.iter().any(|rule| index.is_touched_by(rule)),
                closes_columns: live.iter().any(|rule| index.may_be_touched_by(rule)),
            })
            .collect();
        let is_owner = book.owner_id == Some(who.user_id.as_str());
        let manages = is_owner
            || workbook.allowed.contains(Action::Manage)
                && !workbook.denied.contains(Action::Manage);
        let reads_all = OnceLock::new();
        Self { book, is_owner, manages, rules, workbook, sheets, is_denied_anywhere, reads_all }
    }

    /// The workbook itself.
    pub fn workbook(&self) -> Place<'_> {
        Place { decision: self, levels: vec![&self.workbook], is_unreviewed: false }
    }

    /// The sheets, each with its place.
    pub fn sheets(&self) -> impl Iterator<Item = (&'a Sheet, Place<'_>)> {
        self.book.sheets.iter().zip(&self.sheets).map(move |(sheet, level)| {
            let levels = vec![&self.workbook, &level.own];
            (sheet, Place { decision: self, levels, is_unreviewed: level.is_unreviewed })
        })
    }

    /// The columns of a sheet of [`Decision::sheets`], each with its place.
    pub fn columns(&self, sheet_id: &str) -> impl Iterator<Item = (&'a Column, Place<'_>)> {
        let found = self.book.sheets.iter().zip(&self.sheets).find(|(s, _)| s.id == sheet_id);
        found.into_iter().flat_map(move |(sheet, level)| {
            sheet.columns.iter().zip(&level.columns).map(move |(column, own)| {
                let is_unreviewed = level.is_unreviewed || level.closes_columns && column.pending;
                let levels = vec![&self.workbook, &level.own, own];
                (column, Place { decision: self, levels, is_unreviewed })
            })
        })
    }

    /// Whether the user has `manage`.
    pub fn manages(&self) -> bool {
        self.manages
    }

    /// Whether a deny, about any user, touches the workbook.
    pub fn is_denied_anywhere(&self) -> bool {
        self.is_denied_anywhere
    }

    /// Whether nothing in the workbook is denied to the user for these actions, neither by a rule
    /// nor because none allows it. A rule of the workbook that denies something counts even if no
    /// column matches it: an uploaded range may still have that column.
    pub fn is_unrestricted(&self, actions: Actions) -> bool {
        let denies = |rule: &Rule| {
            rule.denies()
                && rule.workbook_id.is_some()
                && actions.iter().any(|action| rule.actions.contains(action))
        };
        self.workbook().allows_all(actions)
            && !self.rules.iter().copied().any(denies)
            && self.sheets().all(|(sheet, place)| {
                place.allows_all(actions)
                    && self.columns(&sheet.id).all(|(_, place)| place.allows_all(actions))
            })
    }

    fn reads_all(&self) -> bool {
        *self.reads_all.get_or_init(|| self.is_unrestricted(Action::Read.with_read()))
    }

    /// Whether a live column rule, about any user, touches a sheet. A column that comes then has to
    /// be reviewed, unless it is known for certain.
    pub fn has_column_rule(&self, sheet_id: &str) -> bool {
        let mut sheets = self.book.sheets.iter().zip(&self.sheets);
        sheets.any(|(sheet, level)| sheet.id == sheet_id && level.has_column_rule)
    }

    /// Whether the sheet exists for the user: they may read it, or a column of it.
    pub fn sees_sheet(&self, sheet_id: &str) -> bool {
        let reads = |place: &Place<'_>| place.allows(Action::Read);
        self.sheets().any(|(sheet, place)| sheet.id == sheet_id && reads(&place))
            || self.columns(sheet_id).any(|(_, place)| reads(&place))
    }

    /// Whether the workbook exists for the user: they may do anything with it or a part of it.
    pub fn sees_workbook(&self) -> bool {
        let workbook = self.workbook();
        [Action::Manage, Action::Approve, Action::Read].iter().any(|a| workbook.allows(*a))
            || self.book.sheets.iter().any(|sheet| self.sees_sheet(&sheet.id))
    }
}

impl<'d> Place<'d> {
    /// Whether the user may do this here.
    pub fn allows(&self, action: Action) -> bool {
        (!action.needs_read() || self.is_granted(Action::Read))
            && self.is_granted(action)
            && (action.is_of_workbooks() || !self.is_closed())
    }

    /// Whether the user may do all of this here.
    pub fn allows_all(&self, actions: Actions) -> bool {
        actions.iter().all(|action| self.allows(action))
    }

    /// The header of the column at this place, if the user may see it. A header that may tell of
    /// other columns is only for those to whom nothing is denied.
    pub fn header<'c>(&self, column: &'c Column) -> Option<&'c str> {
        let is_shown =
            self.allows(Action::Read) && (!column.is_computed || self.decision.reads_all());
        is_shown.then_some(column.header.as_str())
    }

    /// The answer about an action, with its reason.
    pub fn verdict(&self, action: Action) -> Verdict<'d> {
        let decides = if action.needs_read() && !self.is_granted(Action::Read) {
            Action::Read
        } else {
            action
        };
        let granted = self.is_granted(decides);
        let reason = if self.is_denied(decides) {
            Reason::Forbidden
        } else if !granted {
            Reason::Default
        } else if self.is_closed() && !action.is_of_workbooks() {
            Reason::Unreviewed
        } else if self.decision.is_owner {
            Reason::Owner
        } else {
            Reason::Rule
        };
        let rules = match reason {
            Reason::Forbidden => self.rules(decides, true),
            Reason::Rule => self.rules(decides, false),
            Reason::Owner | Reason::Default | Reason::Unreviewed => Vec::new(),
        };
        let allowed = matches!(reason, Reason::Owner | Reason::Rule);
        Verdict { allowed, reason, rules }
    }

    /// Every allowed action.
    pub fn allowed(&self) -> Actions {
        Action::ALL.into_iter().filter(|action| self.allows(*action)).collect()
    }

    /// Whether the place is closed to the user because it has yet to be reviewed.
    pub fn is_closed(&self) -> bool {
        self.is_unreviewed && !self.decision.manages
    }

    /// Whether the place has yet to be reviewed, for any user.
    pub fn is_unreviewed(&self) -> bool {
        self.is_unreviewed
    }

    /// The parts of a cell that its user may have for all of these actions, if its formula leads
    /// here.
    pub fn derivation(&self, actions: Actions) -> Derivation {
        let lets_results = |action| {
            self.allows(action)
                || self.has_allow(action)
                    && self.rules(action, true).iter().all(|rule| rule.derived == Derived::Allow)
        };
        if self.allows_all(actions) {
            Derivation::Open
        } else if !self.is_closed() && actions.iter().all(lets_results) {
            Derivation::ResultAlone
        } else {
            Derivation::Closed
        }
    }

    /// Cedar's answer about the action alone.
    fn is_granted(&self, action: Action) -> bool {
        self.has_allow(action) && !self.is_denied(action)
    }

    fn has_allow(&self, action: Action) -> bool {
        self.decision.is_owner || self.levels.iter().any(|level| level.allowed.contains(action))
    }

    fn is_denied(&self, action: Action) -> bool {
        let is_exempt = self.decision.is_owner && action == Action::Manage;
        !is_exempt && self.levels.iter().any(|level| level.denied.contains(action))
    }

    fn rules(&self, action: Action, denies: bool) -> Vec<&'d Rule> {
        let matched = self.levels.iter().flat_map(|level| &level.matched);
        matched
            .map(|rule| self.decision.rules[*rule])
            .filter(|rule| rule.denies() == denies && rule.actions.contains(action))
            .collect()
    }
}

#[cfg(test)]
mod tests;
