//! The time of a decision: 700 rules, 200 columns, six actions. It must stay below 2 ms.

use platform::clock::Timestamp;
use serde_json::{Value, json};
use tally_access::Decision;
use tally_access::domain::{Action, Book, Rule, Sheet, Standing};

fn main() {
    divan::main();
}

/// A third of the rules name columns by their ids, a third by a header; the others name none.
fn rules(count: usize, workbook: Option<&str>) -> Vec<Rule> {
    let rule = |number: usize| {
        let column = match number % 3 {
            0 => json!({"ids": ids(number)}),
            1 => json!({"header": format!("*amount {number}*")}),
            _ => Value::Null,
        };
        let rule = json!({
            "id": format!("r-{number}"),
            "effect": if number.is_multiple_of(5) { "deny" } else { "allow" },
            "actions": ["read", "ai", "export", "write"], "subject": {"type": "everyone"},
            "workbook_id": workbook, "column": column, "created_by": "u", "created_at": 0,
        });
        serde_json::from_value(rule)
    };
    (0..count).map(rule).collect::<Result<_, _>>().unwrap_or_default()
}

/// Twenty ids of columns.
fn ids(first: usize) -> Vec<String> {
    (first..first + 20).map(|number| format!("c-{}", number % 200)).collect()
}

fn sheet() -> Vec<Sheet> {
    let column = |number: usize| {
        let name = format!("net amount {number} (eur)");
        let id = format!("c-{number}");
        json!({"id": id, "letter": letter(number), "header": name, "names": [name]})
    };
    let columns: Vec<_> = (0..200).map(column).collect();
    let sheet = json!({"id": "s", "name": "S", "version": 1, "columns": columns});
    serde_json::from_value(sheet).into_iter().collect()
}

fn letter(number: usize) -> String {
    let digit = |number: usize| char::from(b'A' + u8::try_from(number % 26).unwrap_or(0));
    [digit(number / 26), digit(number)].iter().collect()
}

#[divan::bench]
fn decide(bencher: divan::Bencher<'_, '_>) {
    let (own, every, sheets) = (rules(500, Some("w")), rules(200, None), sheet());
    assert_eq!((own.len(), every.len(), sheets.len()), (500, 200, 1));
    let who = Standing { user_id: "u".to_owned(), ..Standing::default() };
    let book = Book { owner_id: None, sheets: &sheets, rules: &own, every: &every };
    bencher.bench(|| {
        let decision = Decision::new(&who, book, Timestamp::UNIX_EPOCH);
        let verdicts = decision
            .columns("s")
            .map(|(_, place)| Action::ALL.map(|action| place.verdict(action).allowed));
        verdicts.flatten().filter(|allowed| *allowed).count()
    });
}
