//! How an upload ends. The parts have to tile the range. Its columns are found in the register, and
//! the sources of its formulas join the graph of the workbook.
//!
//! The writes before the transaction add to sets, or are under keys of this attempt alone. So two
//! completions at once, and one that is repeated after a crash, leave one range.

use std::collections::{BTreeSet, HashMap};

use cells::address::{Area, tile};
use cells::formula::{Groups, Sources};
use cells::graph::Reads;
use cells::grid::Grid;
use platform::clock::Timestamp;
use platform::database::Write;
use platform::problem::Code;
use platform::{Problem, ids};
use tally_access::alignment::{Aligned, Uploaded, aligned};
use tally_access::cell_access::Node;
use tally_access::domain::{Action, Letter, Sheet, folded};
use tally_access::places::Places;
use tally_access::store::Snapshot;

use crate::blob::pack;
use crate::domain::{Completed, GroupPiece, Headers, RangeHead, RangeStatus, is_granted};
use crate::ranges::{Ranges, Upload, formulas_required, refused};
use crate::store::Place;
use crate::stored_cells::{read, read_about};

/// The columns of a range at its completion.
struct Columns {
    /// The sheet from now on.
    sheet: Sheet,
    /// The ids of the range's columns.
    ids: Vec<String>,
    /// Columns that the uploader may not read, from zero in the sheet.
    dropped: BTreeSet<u32>,
}

impl Ranges {
    /// The head of a range that is whole, and the writes that make it so. If it was whole already,
    /// there are no writes. If the condition of a write fails, the caller makes a new plan.
    pub async fn complete(
        &self,
        range_id: &str,
        user_id: &str,
        now: Timestamp,
    ) -> Result<(RangeHead, Vec<Write>), Problem> {
        let Upload { mut head, mut snapshot } = self.upload(range_id, user_id, now).await?;
        if head.is_ready() {
            return Ok((head, Vec::new()));
        }
        check(&head)?;
        let grid = self.grid(&head).await?;
        head.header_rows = grid.layout().header_rows;
        let before = sheet_of(&snapshot, &head)?;
        let columns = columns(&head, &before, &grid, &mut snapshot, (user_id, now))?;
        let has_formulas = head.has_formulas();
        let groups = grid.groups().clone();
        drop(grid);
        let first = head.area.first().column;
        let own = (first, columns.ids.as_slice());
        let places = Places::of(&groups.sources, &snapshot.sheets, &columns.sheet, own);
        let is_known = |column: u32| has_formulas && !columns.dropped.contains(&column);
        let nodes = nodes(&groups, head.area, (columns.ids.as_slice(), &places), is_known);
        let generation = self.add_nodes(&head.workbook_id, nodes).await?;
        let (groups, sources) = self.store_groups(&head, &groups, &places).await?;
        head.status = RangeStatus::Ready;
        head.completed = Some(Completed {
            column_ids: columns.ids,
            dropped: columns.dropped.into_iter().collect(),
            has_formulas,
            generation,
            groups,
            sources,
        });
        let is_current = self.graphs.must_be(&head.workbook_id, generation);
        let mut writes = vec![self.heads.complete(&head)?, is_current];
        writes.extend(self.register(&snapshot, &head.workbook_id, &before, &columns.sheet, now)?);
        Ok((head, writes))
    }

    /// The cells of all parts, with their groups.
    async fn grid(&self, head: &RangeHead) -> Result<Grid, Problem> {
        let about = read_about(&self.pieces, head).await?.ok_or_else(Problem::not_found)?;
        let found = read(&self.pieces, head, head.area).await?;
        let (mut grid, _) = found.ok_or_else(Problem::not_found)?;
        let rows = match head.headers {
            Headers::Auto => grid.detect_header_rows(),
            Headers::Rows(rows) => rows,
        };
        grid.set_header_rows(rows);
        grid.complete(&about.book(&head.sheet_name));
        Ok(grid)
    }

    /// Adds the sources that the graph lacks. Gives the generation of the graph that has them.
    async fn add_nodes(&self, workbook_id: &str, nodes: Vec<Node>) -> Result<u64, Problem> {
        let graph = self.graphs.get(workbook_id).await?;
        let known = graph.nodes.iter().map(|(id, reads)| (id.as_str(), reads));
        let known: HashMap<_, _> = known.collect();
        let is_new = |(id, reads): &Node| {
            known.get(id.as_str()).is_none_or(|known| {
                reads.is_unresolved && !known.is_unresolved
                    || !reads.columns.is_subset(&known.columns)
            })
        };
        let new = nodes.into_iter().filter(is_new).collect();
        self.graphs.add(workbook_id, graph.generation, new).await?;
        Ok(graph.generation)
    }

    /// Stores the groups under keys of this attempt. Gives the keys of the groups and sources.
    async fn store_groups(
        &self,
        head: &RangeHead,
        groups: &Groups,
        places: &Places,
    ) -> Result<(Vec<GroupPiece>, Vec<String>), Problem> {
        let attempt = ids::new_secret::<12>();
        let place = |item: &str| Place::of_range(&head.id, item.to_owned());
        let too_much = || refused("has formulas that read too many columns together".to_owned());
        let blob = pack(&(&groups.sources, places)).map_err(|_| too_much())?;
        let sources: Vec<_> = (0..blob.len()).map(|at| format!("{attempt}#sources#{at}")).collect();
        let mut all: Vec<_> = sources.iter().map(|item| place(item)).zip(blob).collect();
        let mut pieces = Vec::new();
        for (at, piece) in groups.pieces().into_iter().enumerate() {
            let item = format!("{attempt}#groups#{at}");
            let before = piece.first.checked_sub(1).and_then(|before| groups.ids.get(before));
            let before = before.copied().unwrap_or_default();
            all.push((place(&item), piece.bytes));
            pieces.push(GroupPiece { item, count: piece.count, before });
        }
        self.pieces.put(all, head.expires_at).await?;
        Ok((pieces, sources))
    }

    /// The writes of the register. They require that the rules and the sheet are still those of the
    /// decision.
    fn register(
        &self,
        snapshot: &Snapshot,
        workbook_id: &str,
        before: &Sheet,
        after: &Sheet,
        now: Timestamp,
    ) -> Result<Vec<Write>, Problem> {
        let mut writes = Vec::from(self.must_hold(workbook_id, snapshot));
        if before.version == after.version {
            writes.push(self.workbooks.must_be(workbook_id));
            writes.push(self.workbooks.sheet_must_be(workbook_id, before));
        } else {
            writes.push(self.workbooks.touch(workbook_id, now));
            writes.push(self.workbooks.change_sheet(workbook_id, after)?);
        }
        Ok(writes)
    }
}

/// Refuses a range of which a part is missing, or whose parts do not tile it.
fn check(head: &RangeHead) -> Result<(), Problem> {
    let missing = (1..=head.parts).filter(|number| !head.arrived.contains_key(number));
    let missing: Vec<_> = missing.map(|number| number.to_string()).collect();
    if !missing.is_empty() {
        return Err(refused(format!("lacks the parts {}", missing.join(", "))));
    }
    let areas: Vec<_> = head.arrived.values().map(|part| part.area).collect();
    tile(head.area, &areas).map_err(|misfit| refused(format!("can't be completed: {misfit}")))
}

/// The sheet of a range as the register has it.
fn sheet_of(snapshot: &Snapshot, head: &RangeHead) -> Result<Sheet, Problem> {
    let found = snapshot.sheets.iter().find(|sheet| sheet.id == head.sheet_id);
    found.cloned().ok_or_else(Problem::not_found)
}

/// Finds the columns of a range in the register, and what their uploader may read of them. The
/// snapshot has the new register then.
fn columns(
    head: &RangeHead,
    before: &Sheet,
    grid: &Grid,
    snapshot: &mut Snapshot,
    (user_id, now): (&str, Timestamp),
) -> Result<Columns, Problem> {
    let mut dropped = head.dropped.clone();
    let numbers = head.area.first().column..=head.area.last().column;
    let headers = grid.headers().into_iter().zip(grid.computed_headers());
    let uploaded = numbers.clone().zip(headers).filter_map(|(number, (header, is_computed))| {
        let is_dropped = dropped.contains(&number);
        let header = header.filter(|_| !is_dropped).unwrap_or_default();
        Some(Uploaded { letter: Letter::of(number)?, header, is_computed, is_dropped })
    });
    let uploaded: Vec<_> = uploaded.collect();
    // The ids follow from the range, so that another attempt has the same.
    let new_id = |letter: Letter| {
        let time = Timestamp::from_millisecond(head.created_at).unwrap_or(now);
        ids::derived_id(time, &format!("column {letter} of the range {}", head.id))
    };
    let mut found = aligned(&before.columns, &uploaded, new_id).map_err(|detail| {
        Problem::new(Code::LimitReached, format!("The columns of the sheet {detail}."))
    })?;
    let denied = snapshot.under_deny(before, now);
    put_sheet(snapshot, &with_columns(before, head, &found, before.is_renamed));
    let is_renamed = {
        let decision = snapshot.decision(user_id, now);
        if decision.is_denied_anywhere() && !head.has_formulas() {
            return Err(formulas_required(&head.unstated));
        }
        let is_clear = decision.manages() && !found.lacks(&denied);
        if decision.has_column_rule(&before.id) && !is_clear {
            found.review();
        }
        let closed = decision.columns(&before.id);
        let closed = closed.filter(|(_, place)| !is_granted(place, Action::Read));
        let closed: BTreeSet<_> = closed.map(|(column, _)| column.id.as_str()).collect();
        let closed = numbers.zip(&found.ids).filter(|(_, id)| closed.contains(id.as_str()));
        dropped.extend(closed.map(|(number, _)| number));
        !decision.manages() && (before.is_renamed || has_other_name(before, head))
    };
    let sheet = with_columns(before, head, &found, is_renamed);
    put_sheet(snapshot, &sheet);
    Ok(Columns { sheet, ids: found.ids, dropped })
}

/// A sheet with its columns after an upload. It has the next version if something changes.
fn with_columns(before: &Sheet, head: &RangeHead, found: &Aligned, is_renamed: bool) -> Sheet {
    let (name, columns) = (head.sheet_name.clone(), found.columns.clone());
    let after = Sheet { name, columns, is_renamed, ..before.clone() };
    let version = if after == *before { before.version } else { before.version + 1 };
    Sheet { version, ..after }
}

/// Whether an upload gives a sheet another name. Formulas name sheets in any case.
fn has_other_name(before: &Sheet, head: &RangeHead) -> bool {
    folded(&before.name) != folded(&head.sheet_name)
}

fn put_sheet(snapshot: &mut Snapshot, after: &Sheet) {
    let sheets = snapshot.sheets.iter().map(|sheet| {
        let sheet = if sheet.id == after.id { after } else { sheet };
        sheet.clone()
    });
    snapshot.sheets = sheets.collect();
}

/// The sources of the columns of a range. A column with unknown formulas is unresolved.
fn nodes(
    groups: &Groups,
    area: Area,
    (ids, places): (&[String], &Places),
    is_known: impl Fn(u32) -> bool,
) -> Vec<Node> {
    let columns = (area.first().column..).zip(ids).zip(groups.by_column(area));
    let node = |((number, id), sources): ((u32, &String), Sources)| {
        let columns = places.ids(&sources).filter(|_| is_known(number));
        let is_unresolved = columns.is_none();
        let columns = columns.into_iter().flatten().map(str::to_owned).collect();
        (id.clone(), Reads { columns, is_unresolved })
    };
    columns.map(node).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use cells::address::Address;
    use cells::formula::Book;
    use cells::layout::Layout;

    use super::*;
    use crate::domain::samples;

    #[test]
    fn parts_are_all_there_and_tile_the_range() {
        for (arrived, expected) in [
            (&[(1, "B2:C5"), (2, "B6:C9"), (3, "B10:C11")][..], ""),
            (&[(2, "B6:C9")], "lacks the parts 1, 3"),
            (
                &[(1, "B2:C5"), (2, "B6:C9"), (3, "B10:B11")],
                "can't be completed: no part has the cell C10",
            ),
            (
                &[(1, "B2:C5"), (2, "B5:C9"), (3, "B10:C11")],
                "can't be completed: parts 1 and 2 both have the cell B5",
            ),
        ] {
            let found = check(&samples::head(arrived)).err();
            let found = found.map(|problem| problem.errors[0].detail.clone());
            assert_eq!(found.unwrap_or_default(), expected);
        }
    }

    #[test]
    fn the_graph_gets_what_is_known_of_each_column() {
        let area = "B1:F2".parse::<Address>().unwrap().area;
        // Two rows. No formula is known of the last column.
        let formulas =
            ["", "=B1", "=A1+C1", "=Gone!A1", "=B1", "", "=B2", "=INDIRECT(\"B2\")", "", "=B2"];
        let formulas = formulas.map(|text| (!text.is_empty()).then(|| Arc::<str>::from(text)));
        let groups = Groups::of(area, &formulas, &Layout::default(), &Book::default());
        let sheet = serde_json::json!({
            "id": "s", "name": "S", "version": 1,
            "columns": [{"id": "a", "letter": "A", "header": "", "names": []}],
        });
        let sheet: Sheet = serde_json::from_value(sheet).unwrap();
        let ids = ["b", "c", "d", "e", "f"].map(str::to_owned);
        let places = Places::of(&groups.sources, &[], &sheet, (1, &ids));
        let found = nodes(&groups, area, (&ids, &places), |column| column != 5);
        let text = |(id, reads): &Node| {
            let columns: Vec<_> = reads.columns.iter().cloned().collect();
            let mark = if reads.is_unresolved { "?" } else { "" };
            format!("{id}:{}{mark}", columns.join("+"))
        };
        let found: Vec<_> = found.iter().map(text).collect();
        assert_eq!(found, ["b:", "c:b", "d:?", "e:?", "f:?"]);
    }
}
