//! The cells of a range that a user may see: the verdict by which a grid is cleared.
//!
//! A cell is shown if its column is, and if its formula leads only to open columns, through any
//! number of cells and sheets. The workbook's graph says which columns lead to which. A column that
//! the register or the graph does not know is closed.

use std::collections::{BTreeSet, HashMap};

use cells::formula::Sources;
use cells::graph::{Graph, Reads};
use cells::grid::Verdict;

use crate::decision::{Decision, Derivation};
use crate::domain::{Actions, Column};
use crate::places::{OpenPlaces, Places};

/// A column of the graph by its id, with the columns that its formulas read.
pub type Node = (String, Reads<String>);

/// The columns of a range.
#[derive(Debug, Clone, Copy)]
pub struct RangeColumns<'a> {
    /// The sheet.
    pub sheet_id: &'a str,
    /// The first column, from zero in the sheet.
    pub first: u32,
    /// The ids of the columns in the register, from the left.
    pub ids: &'a [String],
    /// The columns that its formulas can name.
    pub places: &'a Places,
}

/// The cells of a range that a user may see.
#[derive(Debug)]
pub struct CellAccess<'a> {
    is_unrestricted: bool,
    range: RangeColumns<'a>,
    /// Whether each column of the range is shown.
    shown: Vec<bool>,
    known: Known<'a>,
    graph: Graph<&'a str>,
    /// The columns that results may come from, and those that formulas may name.
    results: OpenPlaces,
    formulas: OpenPlaces,
}

/// The columns that others lead to, by their ids.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reached<'a> {
    /// Those that the user may see.
    pub open: BTreeSet<&'a str>,
    /// Those of which the user may see results of formulas alone.
    pub results: BTreeSet<&'a str>,
}

/// The columns of a workbook.
#[derive(Debug, Default)]
struct Known<'a> {
    /// The id in the register for each id that a column has, or had. `None` where two columns may
    /// be meant.
    ids: HashMap<&'a str, Option<&'a str>>,
    /// The parts of a formula's cell that are shown if the formula leads to the column.
    derivations: HashMap<&'a str, Derivation>,
}

impl<'a> CellAccess<'a> {
    /// The cells that a user may have for all of these actions.
    pub fn new(
        decision: &Decision<'a>,
        range: RangeColumns<'a>,
        nodes: &'a [Node],
        actions: Actions,
    ) -> Self {
        let places: HashMap<_, _> = decision
            .columns(range.sheet_id)
            .flat_map(|(column, place)| {
                let is_shown = place.allows_all(actions);
                column.ids().map(move |id| (id, is_shown))
            })
            .collect();
        let known_here = range.ids.iter().map(|id| places.get(id.as_str()).copied());
        // The rules know nothing of a column that has left the register.
        let is_known = known_here.clone().all(|is_shown| is_shown.is_some());
        let shown = known_here.map(Option::unwrap_or_default).collect();
        let known = Known::of(decision, actions);
        let graph = known.graph(nodes);
        let open = |least: Derivation| {
            let open = graph.open(|id: &&str| known.derivation(id) >= least);
            let open: BTreeSet<&str> = open.into_iter().copied().collect();
            range.places.open(|id| known.id(id).is_some_and(|id| open.contains(id)))
        };
        let (results, formulas) = (open(Derivation::ResultAlone), open(Derivation::Open));
        let is_unrestricted = is_known && decision.is_unrestricted(actions);
        Self { is_unrestricted, range, shown, known, graph, results, formulas }
    }

    /// The shortest chain of columns from one that a formula reads to the first that withholds its
    /// result, by their ids. Empty if nothing does, or if the sources themselves are unresolved.
    pub fn chain(&self, sources: &Sources) -> Vec<&'a str> {
        let from = self.range.places.ids(sources).unwrap_or_default();
        let from = from.into_iter().map(|id| self.known.id(id).unwrap_or(id)).collect();
        self.graph.chain(&from, |id| self.known.derivation(id) >= Derivation::ResultAlone)
    }

    /// The columns that these lead to and of which the user may see something, with these. `None`
    /// if a column leads to something unknown, and the user saw it nevertheless, because nothing is
    /// denied to them.
    pub fn reached(&self, from: impl IntoIterator<Item = &'a str>) -> Option<Reached<'a>> {
        let mut reached = Reached::default();
        let mut next: Vec<_> = from.into_iter().collect();
        while let Some(id) = next.pop() {
            let known = self.known.id(id);
            let derivation = known.map_or(Derivation::Closed, |id| self.known.derivation(id));
            let known = known.filter(|_| derivation > Derivation::Closed);
            let reads = known.and_then(|id| self.graph.get(&id));
            if self.is_unrestricted && reads.is_none_or(|reads| reads.is_unresolved) {
                return None;
            }
            let seen = match derivation {
                Derivation::Open => &mut reached.open,
                Derivation::ResultAlone | Derivation::Closed => &mut reached.results,
            };
            if known.is_some_and(|id| seen.insert(id)) {
                next.extend(reads.into_iter().flat_map(|reads| &reads.columns));
            }
        }
        Some(reached)
    }
}

impl Verdict for CellAccess<'_> {
    fn is_unrestricted(&self) -> bool {
        self.is_unrestricted
    }

    fn shows_column(&self, column: u32) -> bool {
        let place = column.checked_sub(self.range.first);
        let place = place.and_then(|place| usize::try_from(place).ok());
        place.and_then(|place| self.shown.get(place)).copied().unwrap_or_default()
    }

    fn shows_results(&self, sources: &Sources) -> bool {
        self.results.have_all(sources)
    }

    fn shows_formulas(&self, sources: &Sources) -> bool {
        self.formulas.have_all(sources)
    }
}

impl<'a> Known<'a> {
    fn of(decision: &Decision<'a>, actions: Actions) -> Self {
        let mut known = Self::default();
        let mut columns: Vec<(&'a Column, Derivation)> = Vec::new();
        for (sheet, _) in decision.sheets() {
            let of_sheet = decision.columns(&sheet.id);
            columns.extend(of_sheet.map(|(column, place)| (column, place.derivation(actions))));
        }
        for (column, derivation) in &columns {
            known.ids.insert(&column.id, Some(&column.id));
            known.derivations.insert(&column.id, *derivation);
        }
        // A column that has an id now is meant by it, before those that also have it.
        let own: BTreeSet<_> = known.derivations.keys().copied().collect();
        for (column, _) in columns {
            for other in column.also.iter().filter(|other| !own.contains(other.as_str())) {
                known.ids.entry(other).and_modify(|id| *id = None).or_insert(Some(&column.id));
            }
        }
        known
    }

    /// The id in the register of a column that is known by this id.
    fn id(&self, id: &str) -> Option<&'a str> {
        self.ids.get(id).copied().flatten()
    }

    fn derivation(&self, id: &str) -> Derivation {
        self.derivations.get(id).copied().unwrap_or(Derivation::Closed)
    }

    /// The graph by the ids in the register. A column that is not in the register leads nowhere.
    fn graph(&self, nodes: &'a [Node]) -> Graph<&'a str> {
        let mut graph = Graph::default();
        for (id, reads) in nodes {
            let Some(id) = self.id(id) else { continue };
            let columns: Option<_> = reads.columns.iter().map(|read| self.id(read)).collect();
            let is_unresolved = reads.is_unresolved || columns.is_none();
            graph.add(id, Reads { columns: columns.unwrap_or_default(), is_unresolved });
        }
        graph
    }
}

#[cfg(test)]
mod tests;
