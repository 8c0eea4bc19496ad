//! The register of a sheet's columns: how a manager maps the present columns to those that rules
//! know.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{Column, Letter, Sheet, folded};

/// Columns of a register, at most.
pub const COLUMNS: usize = 1_000;

/// Names that a column keeps, at most. An earlier name is never dropped, because a rule may go by
/// it.
pub(crate) const NAMES: usize = 20;

/// Bytes of all names and headers of a sheet, at most: an item of `DynamoDB` has 400 KB.
const BYTES: usize = 300_000;

/// Bytes of all sheets of a workbook, at most: a decision about it reads them all.
const WORKBOOK_BYTES: usize = 2_000_000;

/// A column as a manager describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its column in the register; none for a new one.
    pub id: Option<String>,
    /// Its letter.
    pub letter: Letter,
    /// Its header. A column of the register may keep the one that it has.
    pub header: Option<String>,
    /// The column in the register that it replaces. The rules about that one hold for it.
    pub same_as: Option<String>,
    /// Whether the manager has reviewed it.
    pub cleared: bool,
}

/// The register after a manager's change. Some columns wait for a review, if a denied or waiting
/// column is missing now: any of them may be it. They have a new, renamed, blank or duplicate
/// header, and the manager has neither mapped nor cleared them. The error continues "the columns
/// …".
pub fn merged(
    old: &[Column],
    entries: Vec<Entry>,
    is_denied: impl Fn(&Column) -> bool,
    mut new_id: impl FnMut() -> String,
) -> Result<Vec<Column>, String> {
    if entries.len() > COLUMNS {
        return Err(format!("must be at most {COLUMNS}"));
    }
    let known: BTreeMap<_, _> =
        old.iter().flat_map(|column| column.ids().map(move |id| (id, column))).collect();
    let find = |at: usize, id: &Option<String>| match id {
        None => Ok(None),
        Some(id) => {
            let found = known.get(id.as_str()).copied();
            found.map(Some).ok_or_else(|| format!("{at}: {id} is no column of the register"))
        }
    };
    let mut taken = BTreeSet::new();
    let mut letters = BTreeSet::new();
    let mut seen = BTreeMap::<String, usize>::new();
    let mut columns = Vec::new();
    for (at, entry) in entries.into_iter().enumerate() {
        let (own, mapped) = (find(at, &entry.id)?, find(at, &entry.same_as)?);
        // A column that is mapped to itself is only reviewed.
        let sources: BTreeMap<_, _> =
            mapped.into_iter().chain(own).map(|column| (&column.id, column)).collect();
        if !letters.insert(entry.letter) {
            return Err(format!("{at}: {} comes twice", entry.letter));
        }
        if let Some(id) = sources.keys().find(|id| !taken.insert((**id).clone())) {
            return Err(format!("{at}: {id} comes twice"));
        }
        let is_computed = entry.header.is_none() && own.is_some_and(|column| column.is_computed);
        let kept = || own.map(|column| column.header.clone());
        let header = entry.header.or_else(kept).unwrap_or_default();
        let name = folded(&header);
        *seen.entry(name.clone()).or_default() += 1;
        let base = mapped.or(own);
        let is_changed = base.is_none_or(|column| folded(&column.header) != name);
        let mut names: BTreeSet<_> =
            sources.values().flat_map(|column| column.names.iter().cloned()).collect();
        if !name.is_empty() {
            names.insert(name);
        }
        let id = base.map_or_else(&mut new_id, |column| column.id.clone());
        let others = sources.values().flat_map(|column| column.ids()).filter(|other| *other != id);
        let also = others.map(str::to_owned).collect();
        let pending = own.is_some_and(|column| column.pending) && mapped.is_none();
        let column = Column {
            id,
            also,
            letter: entry.letter,
            header,
            is_computed,
            names: names.into_iter().collect(),
            pending: pending && !entry.cleared,
        };
        columns.push((column, is_changed, entry.cleared || mapped.is_some()));
    }
    let is_closed = |column: &Column| column.pending || is_denied(column);
    let is_missing = old.iter().any(|column| !taken.contains(&column.id) && is_closed(column));
    let mut columns: Vec<_> = columns
        .into_iter()
        .map(|(mut column, is_changed, is_reviewed)| {
            let name = folded(&column.header);
            let is_unclear = is_changed || name.is_empty() || seen[&name] > 1;
            column.pending |= is_missing && is_unclear && !is_reviewed;
            column
        })
        .collect();
    fits(&columns)?;
    columns.sort_by_key(|column| column.letter);
    Ok(columns)
}

/// Puts a sheet under the rules of another: those about the sheet, and those about each column that
/// both have under one header. A second column with the same header waits for a review. So does
/// each column that may be a missing denied one. The error continues "the columns …".
pub fn take_over(
    sheet: &mut Sheet,
    other: &Sheet,
    is_denied: impl Fn(&Column) -> bool,
) -> Result<(), String> {
    let also = [&other.id].into_iter().chain(&other.also).chain(&sheet.also);
    let also: BTreeSet<_> = also.filter(|id| **id != sheet.id).cloned().collect();
    sheet.also = also.into_iter().collect();
    let mut by_name = BTreeMap::<_, Vec<usize>>::new();
    for (at, column) in sheet.columns.iter().enumerate() {
        column.names.iter().for_each(|name| by_name.entry(name.clone()).or_default().push(at));
    }
    // An id belongs to one column of a sheet.
    let mut taken: BTreeSet<String> =
        sheet.columns.iter().flat_map(|column| column.ids().map(str::to_owned)).collect();
    let (mut first, mut second) = (BTreeMap::<_, bool>::new(), BTreeSet::new());
    let mut is_missing = false;
    for source in &other.columns {
        let same = source.names.iter().filter_map(|name| by_name.get(name)).flatten().copied();
        let same: BTreeSet<usize> = same.collect();
        let is_it = |at: &usize| sheet.columns[*at].ids().any(|id| source.ids().any(|o| o == id));
        let Some(it) = same.iter().copied().find(is_it).or_else(|| same.first().copied()) else {
            is_missing |= source.pending || is_denied(source);
            continue;
        };
        *first.entry(it).or_default() |= source.pending;
        let new = source.ids().filter(|id| taken.insert((*id).to_owned()));
        sheet.columns[it].also.extend(new.map(str::to_owned));
        for at in same {
            let names = &mut sheet.columns[at].names;
            names.extend(source.names.iter().cloned());
            names.sort();
            names.dedup();
            second.insert(at);
        }
    }
    for (at, column) in sheet.columns.iter_mut().enumerate() {
        let waits = is_missing || second.contains(&at);
        column.pending = first.get(&at).copied().unwrap_or(column.pending || waits);
    }
    fits(&sheet.columns)
}

/// Whether the registers of a workbook are not too large. The error continues "the columns …".
pub fn fit_together(sheets: &[Sheet]) -> Result<(), String> {
    let bytes = sheets.iter().map(Sheet::bytes).sum::<usize>();
    if bytes > WORKBOOK_BYTES {
        return Err(format!(
            "make {bytes} bytes of the workbook's sheets, of at most {WORKBOOK_BYTES}"
        ));
    }
    Ok(())
}

/// Whether the names of a register fit into the table. The error continues "the columns …".
pub(crate) fn fits(columns: &[Column]) -> Result<(), String> {
    if let Some(column) = columns.iter().find(|column| column.names.len() > NAMES) {
        let letter = column.letter;
        return Err(format!("have too many names: {letter} may have had {NAMES} at most"));
    }
    let bytes = columns.iter().map(Column::bytes).sum::<usize>();
    if bytes > BYTES {
        return Err(format!("have {bytes} bytes of names, and may have {BYTES}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(id: &str, letter: &str, header: &str) -> Column {
        Column {
            id: id.into(),
            also: Vec::new(),
            letter: letter.parse().unwrap(),
            header: header.into(),
            is_computed: false,
            names: vec![folded(header)],
            pending: false,
        }
    }

    fn entry(id: Option<&str>, letter: &str, header: &str) -> Entry {
        Entry {
            id: id.map(str::to_owned),
            letter: letter.parse().unwrap(),
            header: Some(header.into()),
            same_as: None,
            cleared: false,
        }
    }

    /// A column that keeps its header.
    fn entry_of(id: &str, letter: &str) -> Entry {
        Entry { header: None, ..entry(Some(id), letter, "") }
    }

    fn same_as(other: &str, entry: Entry) -> Entry {
        Entry { same_as: Some(other.into()), ..entry }
    }

    fn cleared(entry: Entry) -> Entry {
        Entry { cleared: true, ..entry }
    }

    /// The register of a month and a salary, of which the salary is denied, after a change.
    fn change(entries: Vec<Entry>) -> Result<Vec<Column>, String> {
        let old = [column("a", "A", "Month"), column("b", "B", "Salary")];
        let mut number = 0;
        let new_id = || {
            number += 1;
            format!("new-{number}")
        };
        merged(&old, entries, |column| column.id == "b", new_id)
    }

    #[test]
    fn columns_that_may_be_a_missing_one_wait_for_a_review() {
        for (entries, pending) in [
            // Nothing is missing.
            (vec![entry(Some("a"), "A", "Month"), entry(Some("b"), "C", "Salary")], ""),
            (vec![entry(Some("b"), "A", "Pay"), entry(None, "B", "Pay"), entry(None, "C", "")], ""),
            // The salary is.
            (vec![entry(Some("a"), "A", "Month"), entry(None, "B", "Pay")], "B"),
            (vec![entry(Some("a"), "A", "Pay"), entry(None, "B", "")], "A B"),
            (vec![entry(Some("a"), "A", "Month"), entry(None, "B", "month")], "A B"),
            (vec![entry(Some("a"), "A", "MONTH")], ""),
            (vec![entry(Some("a"), "A", "Month"), cleared(entry(None, "B", "Pay"))], ""),
            // It has another name, and the manager says so.
            (vec![entry(Some("a"), "A", "Month"), same_as("b", entry(None, "B", "Pay"))], ""),
            // Those who may not read a header keep it.
            (vec![entry_of("a", "A")], ""),
        ] {
            let columns = change(entries.clone()).unwrap();
            let waits = columns.iter().filter(|column| column.pending);
            let waits: Vec<_> = waits.map(|column| column.letter.to_string()).collect();
            assert_eq!(waits.join(" "), pending, "{entries:?}");
        }
    }

    #[test]
    fn a_mapped_column_keeps_its_id_and_every_name() {
        let columns =
            change(vec![same_as("b", entry(Some("a"), "D", "Pay")), entry(None, "C", "x")])
                .unwrap();
        let [new, mapped] = columns.as_slice() else { panic!("{columns:?}") };
        assert_eq!((new.id.as_str(), new.letter.to_string().as_str()), ("new-1", "C"));
        assert_eq!((mapped.id.as_str(), mapped.also.as_slice()), ("b", &["a".to_owned()][..]));
        assert_eq!(mapped.names, ["month", "pay", "salary"]);
        // A column of its own again is known by either id.
        let again = merged(&columns, vec![entry(Some("a"), "A", "Pay")], |_| false, String::new);
        assert_eq!(again.unwrap()[0].id, "b");
    }

    #[test]
    fn a_column_waits_until_it_is_mapped_or_cleared() {
        let old = [Column { pending: true, ..column("a", "A", "Month") }, column("b", "B", "Pay")];
        for (entry, pending) in [
            (entry(Some("a"), "A", "Month"), true),
            (cleared(entry(Some("a"), "A", "Month")), false),
            (same_as("b", entry(Some("a"), "A", "Month")), false),
            (same_as("a", entry(Some("a"), "A", "Month")), false),
        ] {
            let columns = merged(&old, vec![entry.clone()], |_| false, String::new).unwrap();
            assert_eq!(columns[0].pending, pending, "{entry:?}");
        }
    }

    #[test]
    fn a_column_that_waits_does_not_come_back_as_a_new_one() {
        let old = [Column { pending: true, ..column("a", "A", "Pay") }, column("b", "B", "Month")];
        let new = |entry: Entry| {
            let entries = vec![entry, entry_of("b", "B")];
            let columns = merged(&old, entries, |_| false, || "new".into()).unwrap();
            columns.iter().map(|column| column.pending).collect::<Vec<_>>()
        };
        assert_eq!(new(entry(None, "A", "Pay")), [true, false]);
        assert_eq!(new(cleared(entry(None, "A", "Pay"))), [false, false]);
        assert_eq!(new(entry(Some("a"), "A", "Pay")), [true, false]);
    }

    #[test]
    fn a_header_is_kept_where_none_is_given() {
        let columns = change(vec![entry_of("b", "D")]).unwrap();
        assert_eq!(
            (columns[0].header.as_str(), columns[0].letter.to_string()),
            ("Salary", "D".into())
        );
        assert_eq!(columns[0].names, ["salary"]);
        // Whether it may tell of other columns is kept with it. A manager's own header does not.
        let old = [Column { is_computed: true, ..column("a", "A", "Sum: 3") }];
        let change = |entry| merged(&old, vec![entry], |_| false, String::new).unwrap();
        assert!(change(entry_of("a", "A"))[0].is_computed);
        assert!(!change(entry(Some("a"), "A", "Sum"))[0].is_computed);
    }

    #[test]
    fn a_register_has_each_column_and_letter_once() {
        for (entries, expected) in [
            (vec![entry(Some("x"), "A", "")], "0: x is no column of the register"),
            (vec![entry(None, "A", ""), entry(None, "a", "")], "1: A comes twice"),
            (vec![entry(Some("a"), "A", ""), entry(Some("a"), "B", "")], "1: a comes twice"),
            (
                vec![entry(Some("b"), "A", ""), same_as("b", entry(None, "B", ""))],
                "1: b comes twice",
            ),
        ] {
            assert_eq!(change(entries), Err(expected.to_owned()));
        }
        let long = "é".repeat(250);
        let many = |count: u32| {
            let letter = |number: u32| {
                let digit = |n: u32| char::from(b'A' + u8::try_from(n).unwrap());
                [digit(number / 26), digit(number % 26)].iter().collect::<String>()
            };
            (0..count)
                .map(|number| entry(None, &letter(number), &format!("{long}{number}")))
                .collect()
        };
        assert!(change(many(200)).is_ok());
        assert!(change(many(600)).unwrap_err().contains("bytes of names"));
    }

    fn sheet(id: &str, columns: Vec<Column>) -> Sheet {
        let also = vec![format!("{id}-before")];
        let name = String::new();
        let (id, is_renamed) = (id.into(), false);
        Sheet { id, also, name, pending: true, is_renamed, version: 1, columns }
    }

    #[test]
    fn a_sheet_takes_over_the_columns_that_both_have() {
        let mut renamed = column("o-2", "A", "Pay");
        renamed.names.push("salary".into());
        renamed.also.push("o-1".into());
        let other = sheet("o", vec![renamed, column("o-3", "B", "Year")]);
        let waits = |column: Column| Column { pending: true, ..column };
        let columns = vec![waits(column("c-1", "A", "SALARY")), waits(column("c-2", "B", "New"))];
        let mut copy = sheet("c", columns);
        take_over(&mut copy, &other, |_| false).unwrap();
        assert_eq!(copy.also, ["c-before", "o", "o-before"]);
        assert_eq!(copy.columns[0].also, ["o-2", "o-1"]);
        assert_eq!(copy.columns[0].names, ["pay", "salary"]);
        assert_eq!((copy.columns[0].pending, copy.columns[1].pending), (false, true));
        // A second call changes nothing.
        let again = copy.clone();
        take_over(&mut copy, &other, |_| false).unwrap();
        assert_eq!(copy, again);
    }

    #[test]
    fn what_a_sheet_may_have_of_another_waits_for_a_review() {
        let headers = |headers: &[&str]| {
            let columns = headers.iter().zip(["A", "B", "C"]).map(|(header, letter)| {
                let id = format!("{header}-{letter}").to_lowercase();
                column(&id, letter, header)
            });
            columns.collect::<Vec<_>>()
        };
        for (other, waiting, copy, expected) in [
            // The salary is denied, and missing.
            (&["Month", "Salary"][..], "", &["Month", "Pay"][..], "B"),
            (&["Month", "Salary"], "", &["Month", "Salary"], ""),
            (&["Month", "Salary"], "", &["Pay", "Salary"], ""),
            // Only one of two columns has the ids that rules name.
            (&["Month", "Salary"], "", &["Salary", "salary"], "B"),
            (&["Month", "Pay"], "", &["Month", "Cost"], ""),
            // A column that waits there waits here.
            (&["Month", "Pay"], "pay-b", &["Month", "Pay"], "B"),
            (&["Month", "Pay"], "pay-b", &["Month", "Cost"], "B"),
        ] {
            let mut known = sheet("o", headers(other));
            known.columns.iter_mut().for_each(|column| column.pending = column.id == waiting);
            let own =
                headers(copy).into_iter().map(|own| Column { id: format!("c-{}", own.id), ..own });
            let mut sheet = sheet("c", own.collect());
            for _ in 0..2 {
                let is_denied = |column: &Column| column.header == "Salary";
                take_over(&mut sheet, &known, is_denied).unwrap();
                let waits = sheet.columns.iter().filter(|column| column.pending);
                let waits: Vec<_> = waits.map(|column| column.letter.to_string()).collect();
                assert_eq!(waits.join(" "), expected, "{other:?} {copy:?}");
            }
        }
    }

    #[test]
    fn a_sheet_takes_over_no_more_names_than_a_column_may_have() {
        let mut many = column("o-1", "A", "Pay");
        many.names.extend((1..NAMES).map(|number| format!("pay {number}")));
        let other = sheet("o", vec![many]);
        let mut own = column("c-1", "A", "Pay");
        let mut copy = sheet("c", vec![own.clone()]);
        assert!(take_over(&mut copy, &other, |_| false).is_ok());
        own.names.push("wages".into());
        let mut copy = sheet("c", vec![own]);
        assert!(take_over(&mut copy, &other, |_| false).unwrap_err().contains("names"));
    }
}
