//! How an upload's columns are found in the register of its sheet: by their headers. A column keeps
//! its id where it moves, and so the rules about it.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{Column, Letter, folded};
use crate::register::{COLUMNS, fits};

/// A column of an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uploaded {
    /// Its letter.
    pub letter: Letter,
    /// Its header. Empty where it has none.
    pub header: String,
    /// Whether the header may tell of other columns.
    pub is_computed: bool,
    /// Whether its cells were dropped, because the uploader may not read them.
    pub is_dropped: bool,
}

/// The register after an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aligned {
    /// The columns. A column that the upload lacks keeps its letter until a manager maps or removes
    /// it.
    pub columns: Vec<Column>,
    /// Ids of the upload's columns, in their order.
    pub ids: Vec<String>,
    /// Columns whose header is new, renamed, blank or a duplicate.
    unclear: BTreeSet<String>,
    /// Columns of the register before that were found by their headers.
    found: BTreeSet<String>,
}

/// Finds the columns of an upload in the register. A header that is unique on both sides finds its
/// column at any letter. Each other column takes the id of the column that was at its letter,
/// unless another letter has that one now. The error continues "the columns …".
pub fn aligned(
    old: &[Column],
    uploaded: &[Uploaded],
    mut new_id: impl FnMut(Letter) -> String,
) -> Result<Aligned, String> {
    let names: Vec<_> = uploaded.iter().map(|column| folded(&column.header)).collect();
    let (sure, places) = matched(old, uploaded, &names);
    let mut result = Aligned {
        columns: Vec::new(),
        ids: Vec::new(),
        unclear: BTreeSet::new(),
        // The upload has only the letter of a column whose cells were dropped. It may be another
        // column, and any unclear column may be the one that stood there.
        found: sure
            .iter()
            .filter(|(number, _)| !uploaded[**number].is_dropped)
            .map(|(_, at)| old[*at].id.clone())
            .collect(),
    };
    for (number, (column, name)) in uploaded.iter().zip(names).enumerate() {
        let known = places.get(&number).map(|at| &old[*at]);
        let mut after = known.cloned().unwrap_or_else(|| Column {
            id: new_id(column.letter),
            also: Vec::new(),
            letter: column.letter,
            header: String::new(),
            is_computed: false,
            names: Vec::new(),
            pending: false,
        });
        after.letter = column.letter;
        if !name.is_empty() {
            after.header.clone_from(&column.header);
            after.is_computed = column.is_computed;
            if !after.names.contains(&name) {
                after.names.push(name);
                after.names.sort();
            }
        }
        if !sure.contains_key(&number) {
            result.unclear.insert(after.id.clone());
        }
        result.ids.push(after.id.clone());
        result.columns.push(after);
    }
    let taken: BTreeSet<_> = places.into_values().collect();
    let left = old.iter().enumerate().filter(|(at, _)| !taken.contains(at));
    result.columns.extend(left.map(|(_, column)| column.clone()));
    result.columns.sort_by_key(|column| column.letter);
    if result.columns.len() > COLUMNS {
        return Err(format!("are more than {COLUMNS} with those of earlier uploads"));
    }
    fits(&result.columns)?;
    Ok(result)
}

impl Aligned {
    /// Whether one of these columns of the register was not found by its header.
    pub fn lacks(&self, ids: &BTreeSet<String>) -> bool {
        ids.iter().any(|id| !self.found.contains(id))
    }

    /// Lets the columns that are not clear wait for a review.
    pub fn review(&mut self) {
        for column in &mut self.columns {
            column.pending |= self.unclear.contains(&column.id);
        }
    }
}

/// Places in the register, by the numbers of the upload's columns.
type Found = BTreeMap<usize, usize>;

/// The columns that are found without doubt, and all that are found.
fn matched(old: &[Column], uploaded: &[Uploaded], names: &[String]) -> (Found, Found) {
    let mut known = BTreeMap::<String, Vec<usize>>::new();
    for (at, column) in old.iter().enumerate() {
        known.entry(folded(&column.header)).or_default().push(at);
    }
    let mut counts = BTreeMap::<&str, usize>::new();
    for name in names {
        *counts.entry(name).or_default() += 1;
    }
    let mut sure = Found::new();
    for (number, name) in names.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
        if let Some([at]) =
            known.get(name).map(Vec::as_slice).filter(|_| counts[name.as_str()] == 1)
        {
            sure.insert(number, *at);
        }
    }
    let mut taken: BTreeSet<usize> = sure.values().copied().collect();
    let mut all = sure.clone();
    for (number, column) in uploaded.iter().enumerate() {
        if all.contains_key(&number) {
            continue;
        }
        let is_there =
            |(at, old): &(usize, &Column)| old.letter == column.letter && !taken.contains(at);
        if let Some((at, _)) = old.iter().enumerate().find(is_there) {
            taken.insert(at);
            all.insert(number, at);
            // No cell of it came, so nothing waits for a review with it.
            if column.is_dropped {
                sure.insert(number, at);
            }
        }
    }
    (sure, all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::register::NAMES;

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

    /// Columns from `A` on. A star stands for one whose cells were dropped.
    fn upload(first: u32, headers: &[&str]) -> Vec<Uploaded> {
        let column = |(letter, header): (u32, &&str)| Uploaded {
            letter: Letter::of(letter).unwrap(),
            header: header.trim_start_matches('*').into(),
            is_computed: false,
            is_dropped: header.starts_with('*'),
        };
        (first..).zip(headers).map(column).collect()
    }

    fn align(old: &[Column], uploaded: &[Uploaded]) -> Aligned {
        aligned(old, uploaded, |letter| format!("new-{letter}")).unwrap()
    }

    #[test]
    fn columns_are_found_by_their_headers() {
        let old = [column("n", "A", "Name"), column("s", "B", "Salary"), column("c", "C", "City")];
        for (first, headers, ids, register, unclear, lacks) in [
            (0, &["Name", "Salary", "City"][..], "n s c", "A:n B:s C:c", "", false),
            (0, &["NAME", " salary ", "City"], "n s c", "A:n B:s C:c", "", false),
            // A column is inserted.
            (
                0,
                &["Name", "Dept", "Salary", "City"],
                "n new-B s c",
                "A:n B:new-B C:s D:c",
                "new-B",
                false,
            ),
            // A part of the sheet, and another part.
            (0, &["Name"], "n", "A:n B:s C:c", "", true),
            (5, &["Note"], "new-F", "A:n B:s C:c F:new-F", "new-F", true),
            // A column is renamed, and perhaps moved.
            (0, &["Name", "Pay", "City"], "n s c", "A:n B:s C:c", "s", true),
            (
                0,
                &["Name", "Dept", "Pay", "City"],
                "n s new-C c",
                "A:n B:s C:new-C D:c",
                "new-C s",
                true,
            ),
            // A column has gone. It stays at its letter.
            (0, &["Name", "City"], "n c", "A:n B:c B:s", "", true),
            // Blank and duplicate headers.
            (0, &["Name", "", "City"], "n s c", "A:n B:s C:c", "s", true),
            (0, &["Name", "Salary", "Salary"], "n s c", "A:n B:s C:c", "c s", true),
            (1, &["", ""], "s c", "A:n B:s C:c", "c s", true),
            // The cells of a column were dropped.
            (0, &["Name", "*", "City"], "n s c", "A:n B:s C:c", "", true),
            // A column was inserted before it. Under its letter the other one was dropped.
            (0, &["Name", "*", "Pay", "City"], "n s new-C c", "A:n B:s C:new-C D:c", "new-C", true),
            (0, &["Name", "*", "Salary"], "n new-B s", "A:n B:new-B C:s C:c", "new-B", false),
        ] {
            let found = align(&old, &upload(first, headers));
            assert_eq!(found.ids.join(" "), ids, "{headers:?}");
            let columns = found.columns.iter();
            let columns: Vec<_> =
                columns.map(|column| format!("{}:{}", column.letter, column.id)).collect();
            assert_eq!(columns.join(" "), register, "{headers:?}");
            let names: Vec<_> = found.unclear.iter().cloned().collect();
            assert_eq!(names.join(" "), unclear, "{headers:?}");
            assert_eq!(found.lacks(&["s".to_owned()].into()), lacks, "{headers:?}");
        }
    }

    #[test]
    fn a_column_keeps_its_names_and_waits_if_it_is_unclear() {
        let old = [column("n", "A", "Name"), column("s", "B", "Salary")];
        let mut found = align(&old, &upload(0, &["Name", "Pay"]));
        assert_eq!(found.columns[1].names, ["pay", "salary"]);
        assert_eq!(found.columns[1].header, "Pay");
        found.review();
        let pending: Vec<_> = found.columns.iter().map(|column| column.pending).collect();
        assert_eq!(pending, [false, true]);
        // Another upload finds it by its new header, and it waits on.
        let again = align(&found.columns, &upload(0, &["Name", "Pay"]));
        assert_eq!((again.columns, again.unclear.len()), (found.columns, 0));
        // A blank header takes no name away.
        let blank = align(&old, &upload(0, &["Name", ""]));
        assert_eq!(blank.columns[1].header, "Salary");
    }

    #[test]
    fn a_computed_header_is_one_until_another_header_comes() {
        let upload = |header: &str, is_computed| {
            let [column] = <[_; 1]>::try_from(upload(0, &[header])).unwrap();
            [Uploaded { is_computed, ..column }]
        };
        let first = align(&[], &upload("Sum: 3", true)).columns;
        let blank = align(&first, &upload("", false)).columns;
        let typed = align(&first, &upload("Sum: 3", false)).columns;
        let flags = [first, blank, typed].map(|columns| columns[0].is_computed);
        assert_eq!(flags, [true, true, false]);
    }

    #[test]
    fn a_register_is_bounded() {
        let long = "é".repeat(40_000);
        let many: Vec<_> = (0..COLUMNS).map(|_| "").collect();
        assert!(aligned(&[], &upload(0, &many), |letter| letter.to_string()).is_ok());
        let old = [column("x", "XFD", "x")];
        let error = aligned(&old, &upload(0, &many), |letter| letter.to_string()).unwrap_err();
        assert!(error.starts_with("are more than 1000"), "{error}");
        let error = aligned(&[], &upload(0, &[&long, &long]), |_| String::new()).unwrap_err();
        assert!(error.contains("bytes of names"), "{error}");
        let names = (0..NAMES).map(|number| format!("name {number}")).collect();
        let old = [Column { names, ..column("x", "A", "x") }];
        let error = aligned(&old, &upload(0, &["another"]), |_| String::new()).unwrap_err();
        assert!(error.contains("A may have had 20"), "{error}");
    }
}
