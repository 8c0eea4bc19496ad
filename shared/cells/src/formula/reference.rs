//! The part of the walk that is about references: cells, names and tables.

use formualizer_parse::ASTNode;
use formualizer_parse::parser::{ReferenceType, TableReference, TableSpecifier};

use super::book::Place;
use super::columns::{columns, rectangle};
use super::sources::Span;
use super::walk::Walk;
use crate::address::COLUMNS;
use crate::names::fold;

impl Walk<'_> {
    /// `SUMIF(B2:C9, ">0", D2)` adds `D2:E9`: as many cells as are tested.
    pub(super) fn resize(&mut self, args: &[ASTNode]) {
        let [tested, _, added] = args else { return };
        let book = self.book;
        match rectangle(book, tested).zip(rectangle(book, added)) {
            Some(((_, left, right), (sheet, first, _))) => {
                self.columns(sheet, first, first.saturating_add(right - left).min(COLUMNS));
            }
            None => self.sources.is_unresolved = true,
        }
    }

    pub(super) fn reference(&mut self, original: &str, reference: &ReferenceType) {
        let sheet = original.split_once('!').map_or("", |(sheet, _)| sheet);
        if sheet.contains('|') && !sheet.starts_with('\'') {
            // `=cmd|topic!A1`
            self.sources.is_unsafe = true;
            self.sources.is_unresolved = true;
        }
        match reference {
            ReferenceType::Cell { sheet, col, col_abs, .. } => {
                self.fix(sheet.is_some() && *col_abs);
                self.columns(sheet.as_deref(), *col, *col);
            }
            ReferenceType::Range {
                sheet,
                start_row,
                start_col,
                end_row,
                end_col,
                start_col_abs,
                end_col_abs,
                ..
            } => match (start_col, end_col) {
                (Some(start), Some(end)) if start_row.is_some() == end_row.is_some() => {
                    self.sources.is_unresolved |=
                        start_row.is_none() && self.ends_by_name(original);
                    self.fix(sheet.is_some() && *start_col_abs && *end_col_abs);
                    self.columns(sheet.as_deref(), *start.min(end), *start.max(end));
                }
                (None, None) if start_row.is_some() && end_row.is_some() => {
                    self.fix(sheet.is_some());
                    self.columns(sheet.as_deref(), 1, COLUMNS);
                }
                _ => self.sources.is_unresolved = true,
            },
            ReferenceType::Cell3D { .. } | ReferenceType::Range3D { .. } => {
                self.sources.is_unresolved = true;
            }
            ReferenceType::External(_) => {
                self.sources.is_external = true;
                self.sources.is_unresolved = true;
            }
            ReferenceType::Table(table) => self.table(original, table),
            ReferenceType::NamedRange(name) => self.name(name),
        }
    }

    /// Whether an end of `tax:net` is a name. Columns have such letters too, and the cells between
    /// what two names mean stand in neither.
    fn ends_by_name(&self, original: &str) -> bool {
        let mut ends = original.rsplit('!').next().unwrap_or_default().split(':');
        ends.any(|end| self.is_in_scope(end) || self.book.has(end))
    }

    /// In the definition of a name, a relative reference depends on the cell that uses the name.
    fn fix(&mut self, is_fixed: bool) {
        self.sources.is_unresolved |= self.column.is_none() && !is_fixed;
    }

    /// Adds columns that count from one.
    fn columns(&mut self, sheet: Option<&str>, first: u32, last: u32) {
        // `[Book.xlsx]Sheet1` without its name is no sheet of this workbook.
        if first == 0 || last > COLUMNS || sheet.is_some_and(|name| name.contains(['[', ']', ':']))
        {
            self.sources.is_unresolved = true;
            return;
        }
        let sheet = sheet.map(Box::from);
        self.sources.columns.insert(Span { sheet, first: first - 1, last: last - 1 });
    }

    fn name(&mut self, name: &str) {
        if self.is_in_scope(name) {
            return;
        }
        self.sources.is_external |= name.contains('[');
        let book = self.book;
        match book.table(name) {
            Some(place) => self.place(place, None),
            None => {
                self.names.insert(fold(name));
            }
        }
    }

    fn table(&mut self, original: &str, table: &TableReference) {
        let book = self.book;
        let own = || {
            let found = book.tables_at(self.column?)?;
            (!found.is_empty()).then_some(found)
        };
        // The parser leaves out what stands before `!`: another workbook.
        let is_external = original.contains('!');
        // `[Amount]` and `[@Amount]` mean the table in which the formula stands. The parser takes
        // the first one for a table of that name.
        let is_column = original.trim_start().starts_with('[') && !table.name.is_empty();
        let column = is_column.then(|| TableSpecifier::Column(table.name.clone()));
        let places = match table.name.as_str() {
            _ if is_external => None,
            "" => own(),
            _ if is_column => own(),
            name => book.table(name).map(|place| vec![place]),
        };
        self.sources.is_external |= is_external;
        self.sources.is_unresolved |= places.is_none();
        for place in places.into_iter().flatten() {
            self.place(place, column.as_ref().or(table.specifier.as_ref()));
        }
    }

    fn place(&mut self, place: &Place, specifier: Option<&TableSpecifier>) {
        let Some(found) = columns(place, specifier) else {
            self.sources.is_unresolved = true;
            return;
        };
        let left = place.area.first().column + 1;
        for run in found {
            self.columns(Some(&place.sheet), left + run.start(), left + run.end());
        }
    }
}
