//! How a part arrives.

use std::collections::BTreeSet;

use cells::address::{Area, Cell};
use cells::csv::Table;
use cells::part::{Part, PartBody};
use platform::clock::Timestamp;
use platform::database::{Item, Write};
use platform::{Problem, ids};
use tally_access::Decision;
use tally_access::domain::Action;

use crate::blob::pack;
use crate::domain::{PartBytes, PartHead, RangeHead, TEXT, is_granted};
use crate::ranges::{Ranges, Upload, damaged, formulas_required, refused};
use crate::store::{Heads, Place};

/// A part that arrives.
#[derive(Debug)]
pub struct Arrival {
    number: u32,
    hash: String,
    /// Bytes of its text.
    text: u64,
}

impl Ranges {
    /// The write of a part, with the arrival, which gives the answer if the condition fails. There
    /// is none for the same bytes again, and other bytes are a 409. It drops columns that the
    /// uploader may not read: their cells are never stored.
    pub async fn put_part(
        &self,
        range_id: &str,
        number: u32,
        bytes: PartBytes<'_>,
        user_id: &str,
        now: Timestamp,
    ) -> Result<Option<(Write, Arrival)>, Problem> {
        let Upload { head, snapshot } = self.upload(range_id, user_id, now).await?;
        if !(1..=head.parts).contains(&number) {
            return Err(Problem::not_found());
        }
        let mut arrival = Arrival { number, hash: hash(bytes), text: 0 };
        if arrival.is_there(&head)? {
            return Ok(None);
        }
        let mut part = parse(bytes, &head, number)?;
        check(&head, &part)?;
        let dropped = {
            let decision = snapshot.decision(user_id, now);
            let has_formulas = part.has_formulas && head.unstated.is_empty();
            if !has_formulas && decision.is_denied_anywhere() {
                return Err(formulas_required(&head.unstated));
            }
            dropped(&decision, &head, part.area)
        };
        part.drop_columns(|column| !dropped.contains(&column));
        arrival.text = u64::try_from(part.text_bytes()).unwrap_or(u64::MAX);
        arrival.must_fit(&head)?;
        let (formats, pieces) = self.store(&head, number, &part).await?;
        let is_csv = matches!(bytes, PartBytes::Csv(_));
        let (area, has_formulas) = (part.area, part.has_formulas);
        let hash = arrival.hash.clone();
        let part = PartHead { hash, area, is_csv, has_formulas, formats, pieces };
        let write = self.heads.arrive(&head.id, (number, &part), arrival.text, &dropped)?;
        Ok(Some((write, arrival)))
    }

    /// Stores the number formats and the cells of a part. Gives their keys, which are of this
    /// attempt alone: after a change of the rules, the same bytes may store other cells.
    async fn store(
        &self,
        head: &RangeHead,
        number: u32,
        part: &Part,
    ) -> Result<(Vec<String>, Vec<(String, usize)>), Problem> {
        let attempt = ids::new_secret::<12>();
        let place = |item: &str| Place::of_part(&head.id, number, item.to_owned());
        let codes: Vec<&str> = part.formats.iter().map(AsRef::as_ref).collect();
        let codes = pack(&codes).map_err(damaged(&head.id))?;
        let formats: Vec<_> =
            (0..codes.len()).map(|at| format!("{attempt}#formats#{at}")).collect();
        let mut all: Vec<_> = formats.iter().map(|item| place(item)).zip(codes).collect();
        let mut cells = Vec::new();
        for (at, piece) in part.pieces().into_iter().enumerate() {
            let item = format!("{attempt}#cells#{at}");
            all.push((place(&item), piece.bytes));
            cells.push((item, piece.count));
        }
        self.pieces.put(all, head.expires_at).await?;
        Ok((formats, cells))
    }
}

impl Arrival {
    /// The answer after the write's condition has failed for this head. It is a success if another
    /// request has sent the same bytes meanwhile.
    pub fn overtaken(&self, head: Option<Item>) -> Result<(), Problem> {
        let head = head.ok_or_else(Problem::not_found)?;
        self.meets(&Heads::of_item(head)?)
    }

    fn meets(&self, head: &RangeHead) -> Result<(), Problem> {
        if self.is_there(head)? {
            return Ok(());
        }
        self.must_fit(head)?;
        Err(Problem::conflict())
    }

    /// Whether the range has this part. Another one in its place is a 409.
    fn is_there(&self, head: &RangeHead) -> Result<bool, Problem> {
        match head.arrived.get(&self.number) {
            None => Ok(false),
            Some(known) if known.hash == self.hash => Ok(true),
            Some(_) => Err(other_bytes()),
        }
    }

    /// Requires that the range has room for the text.
    fn must_fit(&self, head: &RangeHead) -> Result<(), Problem> {
        if head.text.saturating_add(self.text) <= TEXT {
            return Ok(());
        }
        let most = TEXT >> 20;
        Err(refused(format!("has more than {most} MiB of text together with the other parts")))
    }
}

fn hash(bytes: PartBytes<'_>) -> String {
    match bytes {
        PartBytes::Json(bytes) => ids::sha256_of(bytes),
        PartBytes::Csv(bytes) => format!("csv-{}", ids::sha256_of(bytes)),
    }
}

fn other_bytes() -> Problem {
    let detail = "The part is there already, with other bytes. Begin another upload to change it.";
    Problem { detail: detail.to_owned(), ..Problem::conflict() }
}

/// The cells of a body. A file begins below the parts before it.
fn parse(bytes: PartBytes<'_>, head: &RangeHead, number: u32) -> Result<Part, Problem> {
    match bytes {
        PartBytes::Json(bytes) => {
            // An error of serde may quote a cell, so the answer has its place alone.
            let body: PartBody = serde_json::from_slice(bytes).map_err(|error| {
                let place = format!("line {}, column {}", error.line(), error.column());
                if error.is_data() {
                    refused(format!("does not have the form of a part at {place}"))
                } else {
                    Problem::malformed_json(format!("The body is no JSON at {place}."))
                }
            })?;
            Part::new(&body).map_err(|error| {
                let text = error.to_string();
                let field = text.split([' ', '[', ':']).next().unwrap_or_default();
                Problem::invalid_field(field, text.as_str())
            })
        }
        PartBytes::Csv(bytes) => {
            let before: Vec<_> = (1..number).filter_map(|part| head.arrived.get(&part)).collect();
            if u32::try_from(before.len()) != Ok(number - 1) {
                return Err(refused("begins below the parts before it. Send those first".into()));
            }
            let top = before.iter().map(|part| part.area.last().row + 1).max();
            let first = head.area.first();
            let first = Cell { row: top.unwrap_or(first.row), ..first };
            let table = Table::parse(bytes, None).map_err(|error| refused(error.to_string()))?;
            table.into_part(first).map_err(|error| refused(error.to_string()))
        }
    }
}

/// Refuses a part that lies outside the range, or has cells of another part.
fn check(head: &RangeHead, part: &Part) -> Result<(), Problem> {
    let refuse = |detail: String| Err(Problem::invalid_field("address", detail));
    if !head.area.covers(part.area) {
        return refuse(format!("{} reaches beyond the range {}", part.area, head.area));
    }
    let shared = head.arrived.iter().find_map(|(number, other)| {
        other.area.intersection(part.area).map(|shared| (number, shared.first()))
    });
    match shared {
        Some((number, cell)) => refuse(format!("has the cell {cell}, as part {number} has")),
        None => Ok(()),
    }
}

/// The columns of an area that the rules let the uploader not read, by the letters that the
/// register knows.
fn dropped(decision: &Decision<'_>, head: &RangeHead, area: Area) -> BTreeSet<u32> {
    let columns = decision.columns(&head.sheet_id);
    let denied = columns.filter(|(_, place)| !is_granted(place, Action::Read));
    let denied = denied.map(|(column, _)| column.letter.number());
    let within = area.first().column..=area.last().column;
    denied.filter(|number| within.contains(number)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::samples::head;

    fn detail(problem: &Problem) -> String {
        let error = problem.errors.first();
        error.map_or(problem.detail.clone(), |error| {
            format!("{} {}", error.pointer.as_deref().unwrap_or("?"), error.detail)
        })
    }

    #[test]
    fn a_part_that_another_request_sent_first_is_the_same_or_a_conflict() {
        let arrival = |hash: &str, text| Arrival { number: 1, hash: hash.into(), text };
        for (arrival, arrived, text, expected) in [
            (arrival("h", 0), &[(1, "B2:C5")][..], TEXT, None),
            (arrival("i", 0), &[(1, "B2:C5")], 0, Some("conflict")),
            (arrival("h", 5), &[], TEXT - 4, Some("validation_failed")),
            (arrival("h", 5), &[], TEXT - 5, Some("conflict")),
        ] {
            let found = arrival.meets(&RangeHead { text, ..head(arrived) }).err();
            let found = found.map(|problem| problem.code.as_str());
            assert_eq!(found, expected, "{arrival:?}");
        }
        let gone = arrival("h", 0).overtaken(None).unwrap_err();
        assert_eq!(gone.code.as_str(), "not_found");
    }

    #[test]
    fn a_file_begins_below_the_parts_before_it() {
        for (arrived, number, expected) in [
            (&[][..], 1, Ok("B2:C3")),
            (&[(1, "B2:C5")], 2, Ok("B6:C7")),
            (&[(1, "B2:C5"), (2, "B6:C6")], 3, Ok("B7:C8")),
            (&[(1, "B2:C5")], 3, Err(" begins below the parts before it. Send those first")),
        ] {
            let found = parse(PartBytes::Csv(b"a,b\n1,2\n"), &head(arrived), number);
            let found = found.map(|part| part.area.to_string());
            let found = found.map_err(|problem| detail(&problem));
            assert_eq!(found, expected.map(str::to_owned).map_err(str::to_owned), "{arrived:?}");
        }
    }

    #[test]
    fn a_part_lies_in_the_range_and_has_no_cell_of_another() {
        for (address, expected) in [
            ("B2:C5", ""),
            ("B5:C6", "/address has the cell B6, as part 2 has"),
            ("A2:B5", "/address A2:B5 reaches beyond the range B2:C11"),
        ] {
            let body = format!(r#"{{"address": "{address}", "values": 1}}"#);
            let head = head(&[(2, "B6:C9")]);
            let part = parse(PartBytes::Json(body.as_bytes()), &head, 1).unwrap();
            let found = check(&head, &part).err().map(|problem| detail(&problem));
            assert_eq!(found.unwrap_or_default(), expected);
        }
    }

    #[test]
    fn a_body_that_is_no_part_is_refused_without_its_cells() {
        for (body, expected) in [
            (r#"{"address": "B2", "values": [[{"pay": "canary"}]]}"#, " does not have the form"),
            (r#"{"address": "B2", "values": 1, "canary": 2}"#, " does not have the form"),
            (r#"{"address": "B2", "values": "#, "The body is no JSON"),
            (r#"{"address": "", "values": "canary"}"#, "/address address is empty"),
            (r#"{"address": "B2", "values": [["a"], ["canary"]]}"#, "/values values has 2 rows"),
        ] {
            let found = parse(PartBytes::Json(body.as_bytes()), &head(&[]), 1).unwrap_err();
            let found = detail(&found);
            assert!(found.starts_with(expected) && !found.contains("canary"), "{found}");
        }
    }
}
