//! Columns that references name: of tables, and of cells.

use std::ops::RangeInclusive;

use formualizer_parse::parser::{ReferenceType, TableSpecifier};
use formualizer_parse::{ASTNode, ASTNodeType};

use super::book::{Book, Place};
use crate::address::COLUMNS;
use crate::names::fold;

/// The columns of a table that a specifier names, from zero. None for a column that it lacks.
pub(super) fn columns(
    place: &Place,
    specifier: Option<&TableSpecifier>,
) -> Option<Vec<RangeInclusive<u32>>> {
    let all = || vec![0..=place.area.columns() - 1];
    let named = |name: &str| place.columns.get(&fold(name));
    let each =
        |name: &str| named(name).map(|found| found.iter().map(|&at| at..=at).collect::<Vec<_>>());
    let between = |one: &str, other: &str| {
        let (one, other) = (named(one)?, named(other)?);
        let both = || one.iter().chain(other).copied();
        Some(vec![both().min()?..=both().max()?])
    };
    match specifier {
        Some(TableSpecifier::Column(name)) => match ends(name) {
            // A column may have such a name too.
            Some((one, other)) => {
                let mut found = between(one, other)?;
                found.extend(each(name).unwrap_or_default());
                Some(found)
            }
            None => each(name),
        },
        Some(TableSpecifier::ColumnRange(one, other)) => between(one, other),
        Some(TableSpecifier::Combination(parts)) => {
            let is_column = |part: &TableSpecifier| {
                matches!(part, TableSpecifier::Column(_) | TableSpecifier::ColumnRange(..))
            };
            let mut found = Vec::new();
            for part in parts.iter().filter(|part| is_column(part)) {
                found.append(&mut columns(place, Some(part))?);
            }
            Some(if found.is_empty() { all() } else { found })
        }
        Some(
            TableSpecifier::All
            | TableSpecifier::Data
            | TableSpecifier::Headers
            | TableSpecifier::Totals
            | TableSpecifier::Row(_)
            | TableSpecifier::SpecialItem(_),
        )
        | None => Some(all()),
    }
}

/// The ends of `Sales[@[Jan]:[Dec]]`. The parser takes `[Jan]:[Dec]` for the name of a column.
fn ends(name: &str) -> Option<(&str, &str)> {
    name.strip_prefix('[')?.strip_suffix(']')?.split_once("]:[")
}

/// The sheet and the columns, from one, of an expression that names a rectangle of cells.
pub(super) fn rectangle<'a>(
    book: &'a Book,
    node: &'a ASTNode,
) -> Option<(Option<&'a str>, u32, u32)> {
    let ASTNodeType::Reference { original, reference } = &node.node_type else { return None };
    match reference {
        ReferenceType::Cell { sheet, col, .. } => Some((sheet.as_deref(), *col, *col)),
        ReferenceType::Range { sheet, start_col: Some(start), end_col: Some(end), .. } => {
            Some((sheet.as_deref(), *start.min(end), *start.max(end)))
        }
        ReferenceType::Range { sheet, start_col: None, end_col: None, .. } => {
            Some((sheet.as_deref(), 1, COLUMNS))
        }
        // `[Amount]`, and a table of another workbook, have no name of a table here.
        ReferenceType::Table(table) if !original.starts_with('[') && !original.contains('!') => {
            let place = book.table(&table.name)?;
            let found = columns(place, table.specifier.as_ref())?;
            let first = found.iter().map(|run| *run.start()).min()?;
            let last = found.iter().map(|run| *run.end()).max()?;
            let left = place.area.first().column + 1;
            Some((Some(place.sheet.as_str()), left + first, left + last))
        }
        _ => None,
    }
}
