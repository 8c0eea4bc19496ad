use std::iter;

use platform::clock::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::decision::Decision;
use crate::domain::{Action, Book, Rule, Sheet, Standing};

/// The id that ends with this number.
fn id(number: usize) -> String {
    format!("019a0000-0000-7000-8000-{number:012x}")
}

fn source(workbook: usize, sheet: usize, columns: impl IntoIterator<Item = usize>) -> Source {
    Source {
        workbook_id: id(workbook),
        sheet_id: id(sheet),
        column_ids: columns.into_iter().map(id).collect(),
        results_only: false,
    }
}

/// The same, of which only results were seen.
fn results(workbook: usize, sheet: usize, columns: impl IntoIterator<Item = usize>) -> Source {
    Source { results_only: true, ..source(workbook, sheet, columns) }
}

fn stored(sources: &Sources) -> String {
    serde_json::from_value(json!(sources)).unwrap()
}

#[test]
fn sources_are_read_as_they_were_stored() {
    for sources in [
        vec![],
        vec![source(1, 2, [3])],
        vec![source(1, 2, [])],
        vec![source(1, 2, [3, 4, 5]), source(1, 6, []), source(7, 8, 0..1_000)],
        vec![source(1, 2, [3]), results(1, 2, [4]), results(1, 5, []), results(7, 8, 0..1_000)],
    ] {
        let all = Sources::of(&sources).unwrap();
        assert_eq!(all.is_empty(), sources.is_empty());
        assert_eq!(all.record(), sources);
        // Users are not told of columns whose cells they did not see.
        assert!(all.list().iter().all(|source| !source.results_only));
        assert_eq!(serde_json::from_value::<Vec<Source>>(json!(sources)).unwrap(), sources);
        assert_eq!(stored(&all).len(), all.bytes());
        assert_eq!(serde_json::from_value::<Sources>(json!(all)).unwrap(), all);
    }
    let text = stored(&Sources::of(&[source(1, 2, [3])]).unwrap());
    for wrong in ["", "AA", "Ag", "é", &text[..text.len() - 2], &format!("{text}AA")] {
        assert!(serde_json::from_value::<Sources>(json!(wrong)).is_err(), "{wrong}");
    }
    for wrong in ["", "profits", "019a0000-0000-7000-8000-00000000000"] {
        let of = |change: fn(&mut Source, String)| {
            let mut source = source(1, 2, [3]);
            change(&mut source, wrong.to_owned());
            Sources::of(&[source])
        };
        assert_eq!(of(|source, id| source.workbook_id = id), None);
        assert_eq!(of(|source, id| source.sheet_id = id), None);
        assert_eq!(of(|source, id| source.column_ids.push(id)), None);
    }
}

#[test]
fn a_union_has_each_sheet_once_and_a_whole_sheet_stays_whole() {
    for (a, b, union) in [
        (source(1, 2, [3]), source(1, 2, [3, 4]), vec![source(1, 2, [3, 4])]),
        (source(1, 2, [3]), source(1, 5, [3]), vec![source(1, 2, [3]), source(1, 5, [3])]),
        (source(1, 2, [3]), source(4, 2, [3]), vec![source(1, 2, [3]), source(4, 2, [3])]),
        (source(1, 2, [3]), source(1, 2, []), vec![source(1, 2, [])]),
        (source(1, 2, []), source(1, 2, [3]), vec![source(1, 2, [])]),
    ] {
        let mut all = Sources::of(std::slice::from_ref(&a)).unwrap();
        assert!(all.add(&Sources::of(std::slice::from_ref(&b)).unwrap()));
        assert_eq!(all.list(), union);
        assert_eq!(Sources::of(&[a, b]).unwrap(), all);
    }
}

#[test]
fn what_is_too_large_is_widened_to_whole_sheets_or_refused() {
    let wide = [source(1, 2, 0..1_000), source(1, 3, 0..999), source(1, 4, [5])];
    let all = Sources::of(&wide).unwrap();
    let columns: Vec<_> = all.list().iter().map(|source| source.column_ids.len()).collect();
    assert_eq!(columns, [0, 999, 1]);
    assert!(all.bytes() <= STORED_BYTES);
    // As many sheets as fit, and more.
    let sheets = |count| (0..count).map(|sheet| source(1, sheet, [])).collect::<Vec<_>>();
    assert!(Sources::of(&sheets(882)).is_some());
    assert_eq!(Sources::of(&sheets(883)), None);
    let workbooks = |from, count| {
        Sources::of(&(from..from + count).map(|w| source(w, 0, [1])).collect::<Vec<_>>())
    };
    assert_eq!(workbooks(0, WORKBOOKS + 1), None);
    let (mut all, more) = (workbooks(0, WORKBOOKS).unwrap(), workbooks(WORKBOOKS, 1).unwrap());
    let before = all.clone();
    assert!(!all.add(&more));
    assert_eq!(all, before);
    assert!(all.add(&before));
}

#[test]
fn a_page_ends_before_it_names_too_many_workbooks() {
    let of = |workbooks: std::ops::Range<usize>| {
        let sources: Vec<_> = workbooks.map(|workbook| source(workbook, 0, [1])).collect();
        Sources::of(&sources).unwrap()
    };
    for (page, fitting) in [
        (vec![], 0),
        (vec![of(0..0), of(0..0)], 2),
        (vec![of(0..45)], 1),
        (vec![of(0..45), of(0..0), of(7..20)], 3),
        (vec![of(0..45), of(0..0), of(45..46), of(0..1)], 2),
        (vec![of(0..20), of(20..40), of(30..45), of(44..46)], 3),
    ] {
        assert_eq!(Sources::fitting(&page), fitting);
    }
    let many: Vec<_> = iter::repeat_n(of(0..1), 100).collect();
    assert_eq!(Sources::fitting(&many), 100);
}

/// A workbook 1 under these rules, for a user. Its sheets are 2 (columns 3 and 4, formerly 5) and 6
/// (formerly 7).
fn rights(rules: &[Value], named: &[Source]) -> Rights {
    let column = |number, letter: &str, also: &[usize]| {
        let also: Vec<_> = also.iter().copied().map(id).collect();
        json!({
            "id": id(number), "letter": letter, "header": letter, "names": [letter], "also": also,
        })
    };
    let sheets: Vec<Sheet> = serde_json::from_value(json!([
        {"id": id(2), "name": "S", "version": 1,
            "columns": [column(3, "A", &[]), column(4, "B", &[5])]},
        {"id": id(6), "name": "T", "version": 1, "also": [id(7), id(2)],
            "columns": [column(8, "A", &[])]},
        {"id": id(9), "name": "U", "version": 1},
    ]))
    .unwrap();
    let rule = |rule: &Value| -> Rule {
        let mut full = json!({
            "id": "r", "effect": "allow", "actions": ["read"], "subject": {"type": "everyone"},
            "workbook_id": id(1), "created_by": "u", "created_at": 0,
        });
        full.as_object_mut().unwrap().extend(rule.as_object().unwrap().clone());
        serde_json::from_value(full).unwrap()
    };
    let rules: Vec<_> = rules.iter().map(rule).collect();
    let book = Book { owner_id: None, sheets: &sheets, rules: &rules, every: &[] };
    let decision = Decision::new(&Standing::default(), book, Timestamp::UNIX_EPOCH);
    let mut rights = Rights::default();
    let named = Sources::of(named).unwrap();
    rights.extend(&decision, named.0.keys());
    rights
}

#[test]
fn a_message_is_readable_as_long_as_all_of_its_sources_are() {
    let allow = || json!({"actions": ["read", "ai"]});
    let deny = |column: usize| json!({"effect": "deny", "column": {"ids": [id(column)]}});
    let no_ai = |column: usize| {
        let ids = [id(column)];
        json!({"effect": "deny", "actions": ["ai"], "column": {"ids": ids}})
    };
    let no_sheet = |sheet: usize| json!({"effect": "deny", "sheet_id": id(sheet)});
    let lenient = |mut rule: Value| {
        rule["derived"] = json!("allow");
        rule
    };
    for (rules, sources, expected) in [
        (vec![], vec![], (true, true)),
        (vec![], vec![source(1, 2, [3])], (false, false)),
        (vec![allow()], vec![source(1, 2, [3, 4])], (true, true)),
        (vec![allow()], vec![source(1, 2, [])], (true, true)),
        (vec![allow()], vec![source(1, 9, [])], (true, true)),
        // Denied, for all or for models.
        (vec![allow(), deny(4)], vec![source(1, 2, [3])], (true, true)),
        (vec![allow(), deny(4)], vec![source(1, 2, [3, 4])], (false, false)),
        (vec![allow(), deny(4)], vec![source(1, 2, [])], (false, false)),
        (vec![allow(), deny(4)], vec![source(1, 2, [3]), source(1, 6, [8])], (true, true)),
        (vec![allow(), deny(8)], vec![source(1, 2, [3]), source(1, 6, [8])], (false, false)),
        (vec![allow(), no_ai(4)], vec![source(1, 2, [4])], (true, false)),
        (vec![allow(), no_ai(4)], vec![source(1, 2, [])], (true, false)),
        (vec![json!({})], vec![source(1, 2, [3])], (true, false)),
        (vec![allow(), no_sheet(9)], vec![source(1, 9, [])], (false, false)),
        (vec![allow(), no_sheet(9)], vec![source(1, 2, [])], (true, true)),
        // Known by an id of before.
        (vec![allow()], vec![source(1, 2, [5])], (true, true)),
        (vec![allow(), deny(4)], vec![source(1, 2, [5])], (false, false)),
        (vec![allow()], vec![source(1, 7, [8])], (true, true)),
        (vec![allow(), no_sheet(6)], vec![source(1, 7, [8])], (false, false)),
        // A sheet that is there is not another one with its rules.
        (vec![allow()], vec![source(1, 2, [8])], (false, false)),
        // Only results were seen, so rules that let results through suffice.
        (vec![allow()], vec![results(1, 2, [4])], (true, true)),
        (vec![allow(), lenient(deny(4))], vec![results(1, 2, [4])], (true, true)),
        (vec![allow(), lenient(deny(4))], vec![results(1, 2, [])], (true, true)),
        (vec![allow(), lenient(deny(4))], vec![source(1, 2, [4])], (false, false)),
        (
            vec![allow(), lenient(deny(4))],
            vec![source(1, 2, [3]), results(1, 2, [4])],
            (true, true),
        ),
        (vec![allow(), lenient(no_ai(4))], vec![results(1, 2, [4])], (true, true)),
        (vec![allow(), no_ai(4)], vec![results(1, 2, [4])], (true, false)),
        (vec![allow(), lenient(no_sheet(9))], vec![results(1, 9, [])], (true, true)),
        (vec![allow(), deny(4)], vec![results(1, 2, [4])], (false, false)),
        (vec![allow(), deny(4), lenient(deny(4))], vec![results(1, 2, [4])], (false, false)),
        (vec![lenient(deny(4))], vec![results(1, 2, [4])], (false, false)),
        (vec![allow()], vec![results(1, 2, [10])], (false, false)),
        // Gone.
        (vec![allow()], vec![source(1, 2, [3, 10])], (false, false)),
        (vec![allow()], vec![source(1, 10, [3])], (false, false)),
        (vec![allow()], vec![source(1, 10, [])], (false, false)),
    ] {
        let rights = rights(&rules, &sources);
        let all = Sources::of(&sources).unwrap();
        let found = (rights.may(&all, Action::Read), rights.may(&all, Action::Ai));
        assert_eq!(found, expected, "{rules:?} {sources:?}");
    }
    // Sources that were not looked up.
    let elsewhere = Sources::of(&[source(11, 2, [3])]).unwrap();
    assert!(!rights(&[allow()], &[source(1, 2, [3])]).may(&elsewhere, Action::Read));
}
