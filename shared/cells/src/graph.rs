//! The columns of a workbook that lead to others, through formulas of any sheet.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

/// The columns of a workbook, each with the columns that its formulas read. A column that is not
/// among them is unresolved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(deserialize = "K: Ord + Deserialize<'de>"))]
pub struct Graph<K> {
    columns: BTreeMap<K, Reads<K>>,
}

/// The sources of a column: the columns that its formulas read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(deserialize = "K: Ord + Deserialize<'de>"))]
pub struct Reads<K> {
    /// The columns.
    pub columns: BTreeSet<K>,
    /// Whether they read, or may read, other cells too.
    pub is_unresolved: bool,
}

impl<K> Default for Graph<K> {
    fn default() -> Self {
        Self { columns: BTreeMap::new() }
    }
}

impl<K> Default for Reads<K> {
    fn default() -> Self {
        Self { columns: BTreeSet::new(), is_unresolved: false }
    }
}

impl<K: Ord + Clone> Graph<K> {
    /// Adds the sources of a column in an upload. Those of earlier uploads stay, because a range
    /// may have had other rows.
    pub fn add(&mut self, column: K, mut reads: Reads<K>) {
        let known = self.columns.entry(column).or_default();
        known.columns.append(&mut reads.columns);
        known.is_unresolved |= reads.is_unresolved;
    }

    /// The columns whose cells show a caller no denied data. They are readable and resolved, and
    /// lead to such columns alone. A formula's result may be shown if each column that it reads is
    /// among them.
    pub fn open(&self, is_readable: impl Fn(&K) -> bool) -> BTreeSet<&K> {
        let mut readers: BTreeMap<&K, Vec<&K>> = BTreeMap::new();
        let mut closed = BTreeSet::new();
        let mut next = Vec::new();
        for (column, reads) in &self.columns {
            let leads_out = reads.columns.iter().any(|read| !self.columns.contains_key(read));
            if reads.is_unresolved || leads_out || !is_readable(column) {
                closed.insert(column);
                next.push(column);
            }
            for read in &reads.columns {
                readers.entry(read).or_default().push(column);
            }
        }
        // A closed column closes its readers.
        while let Some(column) = next.pop() {
            for &reader in readers.get(column).into_iter().flatten() {
                if closed.insert(reader) {
                    next.push(reader);
                }
            }
        }
        self.columns.keys().filter(|column| !closed.contains(column)).collect()
    }

    /// The shortest chain from one of some columns to the first one that withholds a result: it is
    /// not readable, unresolved or unknown. Empty if there is none.
    pub fn chain(&self, from: &BTreeSet<K>, is_readable: impl Fn(&K) -> bool) -> Vec<K> {
        let mut before: BTreeMap<&K, Option<&K>> =
            from.iter().map(|column| (column, None)).collect();
        let mut next: VecDeque<&K> = from.iter().collect();
        while let Some(column) = next.pop_front() {
            let reads = self.columns.get(column);
            let Some(reads) = reads.filter(|reads| !reads.is_unresolved && is_readable(column))
            else {
                let path = std::iter::successors(Some(column), |column| *before.get(column)?);
                let mut chain: Vec<K> = path.cloned().collect();
                chain.reverse();
                return chain;
            };
            for read in &reads.columns {
                if !before.contains_key(read) {
                    before.insert(read, Some(column));
                    next.push_back(read);
                }
            }
        }
        Vec::new()
    }

    /// The state of a column.
    pub fn get(&self, column: &K) -> Option<&Reads<K>> {
        self.columns.get(column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `a` reads `b` and `c`, and so on. `?` marks an unresolved column.
    fn graph(edges: &[(&str, &str)]) -> Graph<char> {
        let mut graph = Graph::default();
        for (column, reads) in edges {
            let columns = reads.chars().filter(|&c| c != '?').collect();
            let reads = Reads { columns, is_unresolved: reads.contains('?') };
            graph.add(column.chars().next().unwrap(), reads);
        }
        graph
    }

    #[test]
    fn what_leads_to_a_denied_column_is_closed() {
        for (edges, denied, open) in [
            (&[("a", ""), ("b", "a"), ("c", "b"), ("d", "")][..], "", "abcd"),
            (&[("a", ""), ("b", "a"), ("c", "b"), ("d", "")], "a", "d"),
            (&[("a", ""), ("b", "a"), ("c", "b"), ("d", "")], "b", "ad"),
            (&[("a", "?"), ("b", "a"), ("c", "")], "", "c"),
            (&[("a", "z"), ("b", "a"), ("c", "")], "", "c"),
            (&[("a", "b"), ("b", "a"), ("c", "c")], "", "abc"),
            (&[("a", "b"), ("b", "ac"), ("c", "")], "c", ""),
            (&[("a", "a"), ("b", "")], "b", "a"),
            (&[("a", "b"), ("a", "c"), ("b", ""), ("c", "")], "c", "b"),
            (&[("a", "?"), ("a", ""), ("b", "")], "", "b"),
            (&[], "", ""),
        ] {
            let found = graph(edges);
            let found: String =
                found.open(|column| !denied.contains(*column)).into_iter().collect();
            assert_eq!(found, open, "{edges:?} {denied}");
        }
    }

    #[test]
    fn the_chain_ends_at_what_withholds() {
        for (edges, from, denied, expected) in [
            (&[("a", "b"), ("b", "c"), ("c", "")][..], "a", "c", "abc"),
            (&[("a", "b"), ("b", "c"), ("c", "")], "a", "", ""),
            (&[("a", "bd"), ("b", "c"), ("c", "d"), ("d", "")], "a", "d", "ad"),
            (&[("a", "b"), ("b", "?")], "a", "", "ab"),
            (&[("a", "z")], "a", "", "az"),
            (&[("a", "b"), ("b", "a")], "ab", "", ""),
            (&[("a", "")], "a", "a", "a"),
        ] {
            let from = from.chars().collect();
            let found = graph(edges).chain(&from, |column| !denied.contains(*column));
            assert_eq!(found.into_iter().collect::<String>(), expected, "{edges:?} {denied}");
        }
    }

    #[test]
    fn a_column_is_open_if_nothing_that_it_reaches_is_closed() {
        // Each graph of four columns whose edges are the bits of a number.
        for bits in (0..1_u32 << 16).step_by(37) {
            let mut graph = Graph::default();
            for column in 0..4_u32 {
                let columns = (0..4).filter(|read| bits >> (column * 4 + read) & 1 == 1).collect();
                graph.add(column, Reads { columns, is_unresolved: false });
            }
            let open = graph.open(|&column| column != 0);
            for column in 0..4 {
                let chain = graph.chain(&[column].into(), |&column| column != 0);
                assert_eq!(open.contains(&column), chain.is_empty(), "{bits:b} {column}");
            }
        }
    }

    #[test]
    fn a_graph_is_stored_and_read() {
        let graph = graph(&[("a", ""), ("b", "a?")]);
        let text = serde_json::to_string(&graph).unwrap();
        assert_eq!(serde_json::from_str::<Graph<char>>(&text).unwrap(), graph);
    }
}
