//! The stored form of the surroundings of an upload's cells.

use cells::address::{Address, Area};
use cells::formula::{Name, Table};
use cells::layout::{Layout, Pivot};
use serde::{Deserialize, Serialize};

/// The surroundings of an upload's cells. Addresses are texts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    hidden_rows: Vec<String>,
    hidden_columns: Vec<String>,
    merged: Vec<String>,
    spills: Vec<String>,
    pivots: Vec<(String, Option<String>)>,
    /// Names with their definitions and sheets.
    names: Vec<(String, String, Option<String>)>,
    /// Tables with their addresses and columns.
    tables: Vec<(String, String, Vec<String>)>,
}

impl About {
    /// The stored form.
    pub fn new(layout: &Layout, names: Vec<Name>, tables: Vec<Table>) -> Self {
        let pivot = |pivot: &Pivot| {
            (pivot.area.to_string(), pivot.source.as_ref().map(ToString::to_string))
        };
        Self {
            hidden_rows: texts(&layout.hidden_rows),
            hidden_columns: texts(&layout.hidden_columns),
            merged: texts(&layout.merged),
            spills: texts(&layout.spills),
            pivots: layout.pivots.iter().map(pivot).collect(),
            names: names.into_iter().map(|name| (name.name, name.formula, name.sheet)).collect(),
            tables: tables
                .into_iter()
                .map(|table| (table.name, table.address, table.columns))
                .collect(),
        }
    }

    /// The layout of a range whose headers are in so many rows.
    pub fn layout(&self, header_rows: u32) -> Layout {
        // A source that is not understood makes the pivot's cells unresolved.
        let pivot = |(area, source): &(String, Option<String>)| {
            let source = source.as_ref().and_then(|source| source.parse().ok());
            Some(Pivot { area: area_of(area)?, source })
        };
        Layout {
            header_rows,
            hidden_rows: areas(&self.hidden_rows),
            hidden_columns: areas(&self.hidden_columns),
            merged: areas(&self.merged),
            spills: areas(&self.spills),
            pivots: self.pivots.iter().filter_map(pivot).collect(),
        }
    }

    /// The defined names and the tables.
    pub fn book(&self, sheet: &str) -> cells::formula::Book {
        let names: Vec<_> = self.names.iter().cloned().map(name).collect();
        let tables: Vec<_> = self.tables.iter().cloned().map(table).collect();
        cells::formula::Book::new(sheet, &names, &tables)
    }
}

fn name((name, formula, sheet): (String, String, Option<String>)) -> Name {
    Name { name, formula, sheet }
}

fn table((name, address, columns): (String, String, Vec<String>)) -> Table {
    Table { name, address, columns }
}

fn texts(areas: &[Area]) -> Vec<String> {
    areas.iter().map(ToString::to_string).collect()
}

fn areas(texts: &[String]) -> Vec<Area> {
    texts.iter().filter_map(|text| area_of(text)).collect()
}

fn area_of(text: &str) -> Option<Area> {
    text.parse::<Address>().ok().map(|address| address.area)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_comes_back() {
        let area = |text: &str| area_of(text).unwrap();
        let layout = Layout {
            header_rows: 2,
            hidden_rows: vec![area("3:5")],
            hidden_columns: vec![area("B:C"), area("XFD:XFD")],
            merged: vec![area("A1:B2")],
            spills: vec![area("D4:D9")],
            pivots: vec![
                Pivot { area: area("F1:G9"), source: "'P&L'!A1:B9".parse().ok() },
                Pivot { area: area("H1"), source: None },
            ],
        };
        let about = About::new(&layout, Vec::new(), Vec::new());
        let stored = serde_json::to_string(&about).unwrap();
        let about: About = serde_json::from_str(&stored).unwrap();
        assert_eq!(about.layout(2), layout);
    }
}
