//! Defined names and tables, which formulas can name besides cells.

use std::collections::{BTreeSet, HashMap};

use serde::Deserialize;

use super::sources::Sources;
use crate::address::{Address, Area};
use crate::names::fold;

/// A defined name of a workbook.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Name {
    /// The name.
    pub name: String,
    /// Its definition, from its `=` on.
    pub formula: String,
    /// The sheet in which alone it holds.
    pub sheet: Option<String>,
}

/// A table of a workbook.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// The name.
    pub name: String,
    /// Its rectangle with the sheet and the header.
    pub address: String,
    /// Its columns' names, from left to right.
    pub columns: Vec<String>,
}

/// Names and tables, by what formulas call them.
#[derive(Clone, Debug, Default)]
pub struct Book {
    /// Definitions. None for a name that has several.
    names: HashMap<String, Option<Definition>>,
    tables: HashMap<String, Option<Place>>,
    /// The sheet of the range, whose formulas need not name it.
    sheet: String,
}

/// The definition of a name. It is read once, not for each formula that has the name.
#[derive(Clone, Debug)]
pub(super) struct Definition {
    /// The columns that it reads itself.
    pub(super) sources: Sources,
    /// The names in it, folded.
    pub(super) names: BTreeSet<String>,
}

/// A table.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) sheet: String,
    pub(super) area: Area,
    /// Columns from zero by their folded names.
    pub(super) columns: HashMap<String, Vec<u32>>,
    /// Whether the table stands in the sheet of the range.
    is_own: bool,
}

impl Book {
    /// The names and tables of a workbook, for formulas of a sheet. A table whose address is none,
    /// or which has another number of columns, is unknown.
    pub fn new(sheet: &str, names: &[Name], tables: &[Table]) -> Self {
        let mut book = Self { sheet: fold(sheet), ..Self::default() };
        for table in tables {
            let place = place(table, &book.sheet);
            let tables = &mut book.tables;
            tables.entry(fold(&table.name)).and_modify(|known| *known = None).or_insert(place);
        }
        for name in names {
            // A name that holds in another sheet is another name.
            let is_elsewhere = name.sheet.as_ref().is_some_and(|at| fold(at) != book.sheet);
            if !is_elsewhere {
                let definition = Some(Definition::of(&name.formula, &book));
                let names = &mut book.names;
                names
                    .entry(fold(&name.name))
                    .and_modify(|known| *known = None)
                    .or_insert(definition);
            }
        }
        book
    }

    /// The definition of a folded name.
    pub(super) fn name(&self, name: &str) -> Option<&Definition> {
        self.names.get(name)?.as_ref()
    }

    /// A table.
    pub(super) fn table(&self, name: &str) -> Option<&Place> {
        self.tables.get(&fold(name))?.as_ref()
    }

    /// Whether a word is a name or a table.
    pub(super) fn has(&self, word: &str) -> bool {
        let word = fold(word);
        self.names.contains_key(&word) || self.tables.contains_key(&word)
    }

    /// The tables of the sheet with cells in a column. None if one of them is unknown.
    pub(super) fn tables_at(&self, column: u32) -> Option<Vec<&Place>> {
        let all = self.tables.values().map(Option::as_ref).collect::<Option<Vec<_>>>()?;
        let here = all.into_iter().filter(|place| {
            let columns = place.area.first().column..=place.area.last().column;
            place.is_own && columns.contains(&column)
        });
        Some(here.collect())
    }
}

fn place(table: &Table, own: &str) -> Option<Place> {
    let Address { sheet, area } = table.address.parse().ok()?;
    let sheet = sheet?;
    let mut columns: HashMap<_, Vec<_>> = HashMap::new();
    // Columns with the same name once folded are all meant.
    for (column, name) in (0..).zip(&table.columns) {
        columns.entry(fold(name)).or_default().push(column);
    }
    let fits = usize::try_from(area.columns()) == Ok(table.columns.len());
    let is_own = fold(&sheet) == own;
    fits.then_some(Place { sheet, area, columns, is_own })
}
