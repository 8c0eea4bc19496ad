//! Grids and verdicts of tests.

use super::{Grid, Verdict};
use crate::formula::{Book, Sources};
use crate::layout::Layout;
use crate::part::Part;
use crate::read::Settings;

/// A verdict for tests: these columns are denied, with what reads them.
pub(crate) struct Denied<'a>(pub(crate) &'a [u32]);

impl Verdict for Denied<'_> {
    fn is_unrestricted(&self) -> bool {
        self.0.is_empty()
    }

    fn shows_column(&self, column: u32) -> bool {
        !self.0.contains(&column)
    }

    fn shows_results(&self, sources: &Sources) -> bool {
        let reads = |column: u32| {
            sources.columns.iter().any(|span| (span.first..=span.last).contains(&column))
        };
        !self.0.iter().any(|&column| reads(column))
    }

    fn shows_formulas(&self, sources: &Sources) -> bool {
        self.shows_results(sources)
    }
}

/// A grid of tests: values and formulas as JSON has them.
pub(crate) fn grid(body: serde_json::Value, header_rows: u32, layout: Layout) -> Grid {
    let part = Part::new(&serde_json::from_value(body).unwrap()).unwrap();
    let mut grid = Grid::new(part.area, layout, Vec::new());
    grid.set_header_rows(header_rows);
    grid.add(&part, Settings::default());
    grid.complete(&Book::default());
    grid
}
