//! The workbook of the profits: it has a sheet for each company, with a year, a month and a profit.
//! So the rules that hold for sheets hold for profits too. Its ids are the same in every
//! deployment.

use std::collections::HashMap;

use platform::clock::Timestamp;
use platform::ids;

use crate::cleared::{Cleared, clear_rows};
use crate::decision::{Decision, Place};
use crate::domain::{
    Action, Actions, Approval, Column, Derived, Effect, Rule, Sheet, Subject, folded,
};
use crate::store::Workbook;

/// The headers, and the letters of their columns.
const HEADERS: [(&str, &str); 3] = [("A", "year"), ("B", "month"), ("C", "profit")];

/// Id of the workbook.
pub fn book_id() -> String {
    derived("workbook")
}

/// Id of a company's sheet.
pub fn company_sheet_id(company: &str) -> String {
    derived(&format!("sheet {company}"))
}

/// The workbook, which belongs to the deployment, with this number of new sheets.
pub fn workbook(now: Timestamp, sheets: u64) -> Workbook {
    let now = now.as_millisecond();
    Workbook {
        id: book_id(),
        name: "profits".to_owned(),
        approval: Approval::Other,
        owner_id: None,
        version: 1,
        sheet_changes: sheets,
        created_at: now,
        updated_at: now,
    }
}

/// A company's sheet.
pub fn sheet(company: &str) -> Sheet {
    let column = |(letter, header): (&str, &str)| {
        Some(Column {
            id: derived(&format!("column {header} of {company}")),
            also: Vec::new(),
            letter: letter.parse().ok()?,
            header: header.to_owned(),
            is_computed: false,
            names: vec![folded(header)],
            pending: false,
        })
    };
    Sheet {
        id: company_sheet_id(company),
        also: Vec::new(),
        name: company.to_owned(),
        pending: false,
        is_renamed: false,
        version: 1,
        columns: HEADERS.into_iter().filter_map(column).collect(),
    }
}

/// The rule that a new deployment has: everyone may read profits, ask a model about them, and
/// export them.
pub fn open_to_all(now: Timestamp) -> Rule {
    Rule {
        id: derived("rule"),
        effect: Effect::Allow,
        actions: Actions::from(vec![Action::Read, Action::Ai, Action::Export]),
        subject: Subject::Everyone,
        workbook_id: Some(book_id()),
        sheet_id: None,
        column: None,
        derived: Derived::Deny,
        note: "Profits are open to all users.".to_owned(),
        expires_at: None,
        created_by: derived("seed"),
        created_at: now.as_millisecond(),
    }
}

/// The rows that a user may have: those of a company's sheet, if they may have all of its columns.
/// A row whose company has no sheet is withheld.
pub fn clear<R>(
    rows: Vec<R>,
    decision: &Decision<'_>,
    action: Action,
    company: impl Fn(&R) -> String,
) -> Cleared<Vec<R>> {
    let sheets: HashMap<_, Vec<Place<'_>>> = decision
        .sheets()
        .map(|(sheet, _)| {
            (sheet.id.clone(), decision.columns(&sheet.id).map(|(_, place)| place).collect())
        })
        .collect();
    clear_rows(rows, action, |row| {
        sheets.get(&company_sheet_id(&company(row))).into_iter().flatten()
    })
}

/// An id that is computed from its meaning.
fn derived(meaning: &str) -> String {
    ids::derived_id(Timestamp::UNIX_EPOCH, &format!("profits {meaning}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Book, ColumnMatch, Standing};

    #[test]
    fn a_row_is_shown_if_every_column_of_its_company_is() {
        let now = Timestamp::UNIX_EPOCH;
        let sheets = [sheet("Alpha"), sheet("Beta")];
        let deny = |change: fn(&mut Rule)| {
            let mut rule = Rule { effect: Effect::Deny, ..open_to_all(now) };
            change(&mut rule);
            rule
        };
        for (rules, expected) in [
            (vec![], ""),
            (vec![open_to_all(now)], "Alpha Beta"),
            (
                vec![open_to_all(now), deny(|r| r.sheet_id = Some(company_sheet_id("Beta")))],
                "Alpha",
            ),
            (
                vec![
                    open_to_all(now),
                    deny(|r| {
                        r.sheet_id = Some(company_sheet_id("Alpha"));
                        let glob = "profit".to_owned().try_into().unwrap();
                        r.column = Some(ColumnMatch::Header(glob));
                    }),
                ],
                "Beta",
            ),
        ] {
            let book = Book { owner_id: None, sheets: &sheets, rules: &rules, every: &[] };
            let decision = Decision::new(&Standing::default(), book, now);
            let rows = vec!["Alpha", "Beta", "Gamma"];
            let cleared = clear(rows, &decision, Action::Read, |row| (*row).to_owned());
            assert_eq!(cleared.get().join(" "), expected);
        }
    }

    #[test]
    fn ids_are_the_same_in_every_deployment() {
        assert_eq!(book_id(), book_id());
        let all = [
            book_id(),
            company_sheet_id("Alpha"),
            company_sheet_id("Beta"),
            open_to_all(Timestamp::UNIX_EPOCH).id,
        ];
        assert!(
            all.iter().all(|id| id.starts_with("00000000-0000-7") && id.len() == 36),
            "{all:?}"
        );
        let different: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(different.len(), all.len());
    }
}
