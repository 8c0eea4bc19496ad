//! The rules that match at each level of a workbook's tree: the workbook, a sheet, a column.

use std::collections::{BTreeSet, HashMap};

use platform::clock::Timestamp;

use crate::domain::{Actions, Book, ColumnMatch, Glob, Name, Rule, Sheet};

/// The rules that match at one level of the tree.
#[derive(Debug, Clone, Default)]
pub struct Level {
    /// Positions of the rules.
    pub matched: Vec<usize>,
    /// The actions that any of them allows.
    pub allowed: Actions,
    /// The actions that any of them denies.
    pub denied: Actions,
}

impl Level {
    /// The level of the rules that match.
    pub fn of(rules: &[&Rule], matches: impl Fn(&Rule) -> bool) -> Self {
        let mut level = Self::default();
        for (number, rule) in rules.iter().enumerate().filter(|(_, rule)| matches(rule)) {
            level.add(number, rule);
        }
        level
    }

    fn add(&mut self, number: usize, rule: &Rule) {
        self.matched.push(number);
        let actions = if rule.denies() { &mut self.denied } else { &mut self.allowed };
        *actions = actions.with(rule.actions);
    }
}

/// The columns of a sheet, by their ids and names.
pub struct SheetIndex<'a> {
    sheet: &'a Sheet,
    by_id: HashMap<&'a str, usize>,
    names: Vec<(usize, Name<'a>)>,
}

impl<'a> SheetIndex<'a> {
    /// The index of a sheet.
    pub fn new(sheet: &'a Sheet) -> Self {
        let columns = || sheet.columns.iter().enumerate();
        let by_id = columns().flat_map(|(at, column)| column.ids().map(move |id| (id, at)));
        let names =
            columns().flat_map(|(at, column)| column.names.iter().map(move |name| (at, name)));
        Self {
            sheet,
            by_id: by_id.collect(),
            names: names.map(|(at, name)| (at, Name::new(name))).collect(),
        }
    }

    /// Whether a rule's workbook and sheet include this one.
    fn is_in_scope_of(&self, rule: &Rule) -> bool {
        rule.sheet_id.as_ref().is_none_or(|id| self.sheet.is(id))
    }

    /// The columns with a name that matches, some of them repeatedly.
    fn named(&self, glob: &Glob) -> impl Iterator<Item = usize> {
        self.names.iter().filter(|(_, name)| glob.matches(name)).map(|(at, _)| *at)
    }

    /// Whether a rule is about columns of this sheet. A rule for every workbook is where it matches
    /// one.
    pub fn is_touched_by(&self, rule: &Rule) -> bool {
        match &rule.column {
            None => false,
            Some(_) if !self.is_in_scope_of(rule) => false,
            Some(ColumnMatch::Header(glob)) if rule.workbook_id.is_none() => {
                self.named(glob).next().is_some()
            }
            Some(_) => true,
        }
    }

    /// Whether a rule may be about columns of this sheet, perhaps only under a former name.
    pub fn may_be_touched_by(&self, rule: &Rule) -> bool {
        rule.column.is_some() && self.is_in_scope_of(rule)
    }

    /// The rules about single columns, for each of them.
    pub fn levels(&self, rules: &[&Rule]) -> Vec<Level> {
        let mut levels = vec![Level::default(); self.sheet.columns.len()];
        for (number, rule) in rules.iter().enumerate() {
            let Some(column) = rule.column.as_ref().filter(|_| self.is_in_scope_of(rule)) else {
                continue;
            };
            let mut add = |at: usize| {
                if levels[at].matched.last() != Some(&number) {
                    levels[at].add(number, rule);
                }
            };
            match column {
                ColumnMatch::Ids(ids) => {
                    ids.iter().filter_map(|id| self.by_id.get(id.as_str())).for_each(|at| add(*at));
                }
                ColumnMatch::Header(glob) => self.named(glob).for_each(add),
            }
        }
        levels
    }
}

/// Whether a live deny touches the workbook. A deny for every workbook touches those in which it
/// matches a column, and all if it names no column.
pub fn touches_workbook(rule: &Rule, sheets: &[SheetIndex<'_>]) -> bool {
    match (&rule.workbook_id, &rule.column) {
        (Some(_), _) | (None, None) => true,
        (None, Some(_)) => sheets.iter().any(|sheet| sheet.is_touched_by(rule)),
    }
}

/// Ids of the columns of a sheet that a live deny, about any user, denies.
pub fn under_deny(book: Book<'_>, sheet: &Sheet, now: Timestamp) -> BTreeSet<String> {
    let rules: Vec<_> = book.live(now).filter(|rule| rule.denies()).collect();
    let is_above = |rule: &&Rule| {
        rule.column.is_none() && rule.sheet_id.as_ref().is_none_or(|id| sheet.is(id))
    };
    let is_whole = rules.iter().any(is_above);
    let columns = sheet.columns.iter().zip(SheetIndex::new(sheet).levels(&rules));
    let found = columns.filter(|(_, level)| is_whole || !level.matched.is_empty());
    found.map(|(column, _)| column.id.clone()).collect()
}
