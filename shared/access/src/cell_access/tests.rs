//! Cases for the cells that a user sees.

use cells::address::column_letters;
use cells::formula::Span;
use platform::clock::Timestamp;
use serde_json::json;

use super::*;
use crate::domain::{Action, Book, Rule, Sheet, Standing};

/// The sheet `Pay` with names, salaries, twice of them, and notes. The sheet `Sum` with totals and
/// rates.
fn sheets() -> Vec<Sheet> {
    let column = |id: &str, letter: &str, header: &str, pending: bool| {
        let names = [header.to_lowercase()];
        json!({"id": id, "letter": letter, "header": header, "names": names, "pending": pending})
    };
    let sheets = json!([
        {"id": "p", "name": "Pay", "version": 1, "columns": [
            column("name", "A", "Name", false),
            column("salary", "B", "Salary", false),
            column("twice", "C", "Twice", false),
            column("note", "D", "Note", true),
        ]},
        {"id": "s", "name": "Sum", "version": 1, "pending": true, "columns": [
            column("total", "A", "Total", false),
            column("rate", "B", "Rate", false),
        ]},
    ]);
    serde_json::from_value(sheets).unwrap()
}

/// The total reads twice the salary, and the sources of the rate are unresolved.
fn nodes() -> Vec<Node> {
    let node = |id: &str, reads: &[&str], is_unresolved| {
        let columns = reads.iter().map(|id| (*id).to_owned()).collect();
        (id.to_owned(), Reads { columns, is_unresolved })
    };
    vec![
        node("name", &[], false),
        node("salary", &[], false),
        node("twice", &["salary"], false),
        node("note", &[], false),
        node("total", &["twice"], false),
        node("rate", &[], true),
    ]
}

fn rules(rules: &serde_json::Value) -> Vec<Rule> {
    let rule = |rule: &serde_json::Value| {
        let mut whole = json!({
            "id": "r", "effect": "deny", "actions": ["read"], "subject": {"type": "everyone"},
            "workbook_id": "w", "created_by": "u", "created_at": 0,
        });
        whole.as_object_mut().unwrap().extend(rule.as_object().unwrap().clone());
        serde_json::from_value(whole).unwrap()
    };
    rules.as_array().unwrap().iter().map(rule).collect()
}

/// Sources by what formulas name: `B`, `Sum!A`.
fn sources(text: &str) -> Sources {
    let span = |name: &str| {
        let (sheet, letter) = name.rsplit_once('!').unwrap_or(("", name));
        let number = u32::from(letter.as_bytes()[0] - b'A');
        let sheet = (!sheet.is_empty()).then(|| sheet.into());
        Span { sheet, first: number, last: number }
    };
    Sources { columns: text.split(' ').map(span).collect(), ..Sources::default() }
}

const NAMED: [&str; 8] = ["A", "B", "C", "D", "Sum!A", "sum!B", "Gone!A", "Z"];

/// The view of a user on the sheet `Pay`. First its columns, then the columns whose results are
/// shown; `=` says that the formulas are shown too. Then whether nothing is denied.
fn seen(user: &str, rules: &[Rule], actions: Actions, nodes: &[Node]) -> String {
    let sheets = sheets();
    let all: Vec<_> = NAMED.iter().map(|name| sources(name)).collect();
    let ids = ["name", "salary", "twice", "note"].map(str::to_owned);
    let places = Places::of(&all, &sheets, &sheets[0], (0, &ids));
    let who = Standing { user_id: user.into(), ..Standing::default() };
    let book = Book { owner_id: Some("owner"), sheets: &sheets, rules, every: &[] };
    let decision = Decision::new(&who, book, Timestamp::UNIX_EPOCH);
    let range = RangeColumns { sheet_id: "p", first: 0, ids: &ids, places: &places };
    let access = CellAccess::new(&decision, range, nodes, actions);
    let columns = (0..5).filter(|column| access.shows_column(*column));
    let columns: String = columns.map(column_letters).collect();
    let results = NAMED.iter().zip(&all).filter(|(_, sources)| access.shows_results(sources));
    let results: Vec<_> =
        results
            .map(|(name, sources)| {
                if access.shows_formulas(sources) { format!("={name}") } else { (*name).to_owned() }
            })
            .collect();
    let free = if access.is_unrestricted() { " all" } else { "" };
    format!("{columns} | {}{free}", results.join(" "))
}

#[test]
fn a_user_sees_what_leads_to_readable_columns_alone() {
    let allow = json!({"effect": "allow", "actions": ["read", "ai", "export"]});
    let no_salary = json!({"column": {"ids": ["salary"]}});
    let no_ai = json!({"actions": ["ai"], "column": {"ids": ["salary"]}});
    let results = json!({"column": {"ids": ["salary"]}, "derived": "allow"});
    let (read, ai) = (Action::Read.with_read(), Action::Ai.with_read());
    let open = "=A =B =C =D =Sum!A";
    for (user, given, actions, expected) in [
        ("anna", json!([]), read, " | ".to_owned()),
        ("anna", json!([allow]), read, format!("ABCD | {open} all")),
        ("owner", json!([]), read, format!("ABCD | {open} all")),
        // Formulas lead to it through two columns of two sheets. The note and the sheet `Sum` have
        // yet to be reviewed, and only those who manage the workbook see them.
        ("anna", json!([allow, no_salary]), read, "AC | =A".to_owned()),
        ("owner", json!([no_salary]), read, "ACD | =A =D".to_owned()),
        // The rules let results through.
        ("anna", json!([allow, results]), read, "AC | =A B C".to_owned()),
        ("owner", json!([results]), read, "ACD | =A B C =D Sum!A".to_owned()),
        ("anna", json!([allow, results, no_salary]), read, "AC | =A".to_owned()),
        // A model sees less than the user.
        ("owner", json!([no_ai]), read, format!("ABCD | {open} all")),
        ("owner", json!([no_ai]), ai, "ACD | =A =D".to_owned()),
        // A column that no rule allows is denied.
        (
            "anna",
            json!([{"effect": "allow", "column": {"ids": ["name", "twice"]}}]),
            read,
            "AC | =A".to_owned(),
        ),
        (
            "anna",
            json!([{"effect": "allow", "sheet_id": "p"}]),
            read,
            "ABCD | =A =B =C =D".to_owned(),
        ),
        // A column that has left the register may be denied all the same.
        ("owner", json!([{"column": {"ids": ["left"]}}]), read, format!("ABCD | {open}")),
    ] {
        assert_eq!(seen(user, &rules(&given), actions, &nodes()), expected, "{user} {given}");
    }
}

#[test]
fn what_the_graph_does_not_know_is_closed() {
    let given = rules(&json!([{"column": {"ids": ["rate"]}}]));
    let read = Action::Read.with_read();
    assert_eq!(seen("owner", &given, read, &nodes()), "ABCD | =A =B =C =D =Sum!A");
    let mut nodes = nodes();
    nodes.retain(|(id, _)| id != "salary");
    assert_eq!(seen("owner", &given, read, &nodes), "ABCD | =A =D");
    nodes.clear();
    assert_eq!(seen("owner", &given, read, &nodes), "ABCD | ");
}

#[test]
fn a_column_is_meant_by_every_id_that_it_had() {
    let mut sheets = sheets();
    sheets[0].columns[1].also = vec!["pay".into(), "both".into()];
    sheets[1].columns[0].also = vec!["both".into(), "salary".into()];
    let who = Standing { user_id: "owner".into(), ..Standing::default() };
    let given = rules(&json!([{"column": {"ids": ["rate"]}}]));
    let book = Book { owner_id: Some("owner"), sheets: &sheets, rules: &given, every: &[] };
    let decision = Decision::new(&who, book, Timestamp::UNIX_EPOCH);
    let known = Known::of(&decision, Action::Read.with_read());
    let ids = ["pay", "salary", "total", "both", "gone"].map(|id| known.id(id));
    assert_eq!(ids, [Some("salary"), Some("salary"), Some("total"), None, None]);
    // An upload under the earlier id says what the column reads, too.
    let mut nodes = nodes();
    nodes.push(("pay".into(), Reads { columns: ["rate".to_owned()].into(), is_unresolved: false }));
    assert!(known.graph(&nodes).get(&"salary").unwrap().columns.contains("rate"));
}

#[test]
fn a_withheld_result_is_explained_and_a_shown_one_has_its_sources() {
    let (sheets, nodes) = (sheets(), nodes());
    let all = [sources("Sum!A A")];
    let ids = ["name", "salary", "twice", "note"].map(str::to_owned);
    let places = Places::of(&all, &sheets, &sheets[0], (0, &ids));
    let who = Standing { user_id: "owner".into(), ..Standing::default() };
    for (given, chain, reached) in [
        (json!([]), "", Some("salary total twice |")),
        (json!([{"column": {"ids": ["salary"]}}]), "total twice salary", Some("total twice |")),
        (json!([{"column": {"ids": ["total"]}}]), "total", Some(" |")),
        // The user saw results of what reads it, and what it reads itself.
        (
            json!([{"column": {"ids": ["twice"]}, "derived": "allow"}]),
            "",
            Some("salary total | twice"),
        ),
    ] {
        let given = rules(&given);
        let book = Book { owner_id: Some("owner"), sheets: &sheets, rules: &given, every: &[] };
        let decision = Decision::new(&who, book, Timestamp::UNIX_EPOCH);
        let range = RangeColumns { sheet_id: "p", first: 0, ids: &ids, places: &places };
        let access = CellAccess::new(&decision, range, &nodes, Action::Read.with_read());
        assert_eq!(access.chain(&all[0]).join(" "), chain);
        let found = access.reached(["total"]);
        let found = found.map(|Reached { open, results }| {
            let join = |ids: BTreeSet<&str>| ids.into_iter().collect::<Vec<_>>().join(" ");
            format!("{} | {}", join(open), join(results)).trim_end().to_owned()
        });
        assert_eq!(found.as_deref(), reached);
        // If nothing is denied, the user saw results of unresolved formulas.
        assert_eq!(access.reached(["rate"]).is_none(), access.is_unrestricted());
    }
}
