//! Results of formulas: shown only if all columns that they lead to are readable.

use serde_json::{Value, json};
use tally_tests::{Caller, TestStack, id};

use super::{Ready, cells, upload};
use crate::access::{add, me, register, rule, workbook};

/// Headers and formulas of the second sheet. The flag says whether a reader who is denied the
/// salary sees the result.
const REPORT: [(&str, &str, bool); 16] = [
    ("Plain", "", true),
    ("Direct", "=Inputs!B2", false),
    ("Chain", "=B2*2", false),
    ("Longer", "=C2+A2", false),
    ("Rate", "=Inputs!C2", true),
    ("Of rate", "=E2*2", true),
    ("Wide", "=SUM(Inputs!A2:C2)", false),
    ("Whole rows", "=SUM(Inputs!2:2)", false),
    ("Indirect", "=INDIRECT(\"Inputs!C2\")", false),
    ("Offset", "=OFFSET(Inputs!C2,0,0)", false),
    ("Macro", "=MyMacro(Inputs!C2)", false),
    ("No sheet", "=Elsewhere!A1", false),
    ("Not uploaded", "=Inputs!Z2", false),
    ("Broken", "=SUM(Inputs!C2", false),
    ("Abroad", "=[Book2.xlsx]Inputs!C2", false),
    ("Named", "=Rate*2", true),
];

/// Salaries and rates.
fn inputs() -> Value {
    let values = json!([["Name", "Salary", "Rate"], ["Ann", 510_204_817, 3]]);
    json!({
        "sheet": {"name": "Inputs", "visibility": "visible"}, "address": "A1:C2",
        "values": values, "formulas": values,
    })
}

/// The result in a column of the second sheet. No id has so many digits in a row.
fn result(column: usize) -> String {
    (912_345_600 + column).to_string()
}

/// The sheet with the formulas.
fn report() -> Value {
    let headers: Vec<_> = REPORT.iter().map(|(header, ..)| json!(header)).collect();
    let results = (0..REPORT.len()).map(|at| json!(result(at).parse::<u32>().unwrap()));
    let results: Vec<_> = results.collect();
    let formulas = REPORT.iter().zip(&results).map(|((_, formula, _), result)| {
        if formula.is_empty() { result.clone() } else { json!(formula) }
    });
    let formulas: Vec<_> = formulas.collect();
    json!({
        "sheet": {"name": "Report", "visibility": "visible"}, "address": "A1:P2",
        "values": [headers, results], "formulas": [headers, formulas],
        "names": [{"name": "Rate", "formula": "=Inputs!$C$2"}],
    })
}

/// The headers of the second sheet whose results a caller is shown, with the formulas.
async fn shown(stack: &TestStack, caller: &Caller, report: &Ready) -> Vec<(String, bool)> {
    let answer = cells(stack, caller, &report.range, "A1:P2").await.expect(200);
    let columns = REPORT.iter().enumerate();
    let found = columns.filter(|(at, _)| !answer["values"][1][at].is_null());
    found
        .map(|(at, (header, ..))| ((*header).to_owned(), answer["formulas"][1][at].is_string()))
        .collect()
}

/// Headers of the results that a reader who is denied the salary sees.
fn expected() -> Vec<(String, bool)> {
    let open = REPORT.iter().filter(|(.., is_shown)| *is_shown);
    open.map(|(header, formula, _)| ((*header).to_owned(), !formula.is_empty())).collect()
}

/// The id of the salary's column.
async fn salary(stack: &TestStack, owner: &Caller, book: &str, inputs: &Ready) -> String {
    let columns = stack.get(&register(book, &inputs.sheet), Some(owner)).await.expect(200);
    id(&columns["columns"][1])
}

#[tokio::test]
async fn a_result_is_shown_if_all_that_it_leads_to_is_readable() {
    let stack = TestStack::start().await;
    let (owner, reader) = (stack.someone().await, stack.demo().await);
    let user = me(&stack, &reader).await;
    for is_report_first in [false, true] {
        let book = workbook(&stack, &owner).await;
        let (inputs, report) = if is_report_first {
            let report = upload(&stack, &owner, &book, report()).await;
            (upload(&stack, &owner, &book, inputs()).await, report)
        } else {
            let inputs = upload(&stack, &owner, &book, inputs()).await;
            (inputs, upload(&stack, &owner, &book, report()).await)
        };
        let salary = salary(&stack, &owner, &book, &inputs).await;
        let allow = rule(&book, "allow", json!({"actions": ["read", "ai", "export"]}));
        add(&stack, &owner, &[allow]).await.expect(200);
        // A caller who is denied nothing sees all.
        for caller in [&owner, &reader] {
            assert_eq!(shown(&stack, caller, &report).await.len(), REPORT.len());
        }
        let subject = json!({"type": "user", "id": user});
        let deny = json!({"column": {"ids": [salary]}, "subject": subject});
        let denied = add(&stack, &owner, &[rule(&book, "deny", deny.clone())]).await.expect(200);
        let seen = shown(&stack, &reader, &report).await;
        if is_report_first {
            // The formulas came before their sources, so they are unresolved.
            assert_eq!(seen, [("Plain".to_owned(), false)]);
            continue;
        }
        assert_eq!(seen, expected());
        assert_eq!(shown(&stack, &owner, &report).await.len(), REPORT.len());

        // The statistics leave out withheld results.
        let path = format!("/ranges/{}", report.range);
        let view = stack.get(&path, Some(&reader)).await;
        view.expect(200);
        for (at, (.., is_shown)) in REPORT.iter().enumerate() {
            assert_eq!(view.text.contains(&result(at)), *is_shown, "{at}: {view:?}");
        }

        // Another rule allows results. It allows no formula and no unresolved result.
        let mut lenient = deny;
        lenient["derived"] = json!("allow");
        let swap = json!({
            "add": [rule(&book, "deny", lenient)], "remove": [id(&denied["added"][0])],
        });
        stack.post("/access/changes", Some(&owner), &swap).await.expect(200);
        let let_through = shown(&stack, &reader, &report).await;
        for (header, has_formula) in [
            ("Plain", false),
            ("Direct", false),
            ("Chain", false),
            ("Longer", false),
            ("Wide", false),
            ("Rate", true),
            ("Named", true),
        ] {
            let found = let_through.iter().find(|(found, _)| found == header);
            assert_eq!(found, Some(&(header.to_owned(), has_formula)));
        }
        for header in ["Indirect", "Offset", "Macro", "No sheet", "Broken", "Abroad"] {
            assert!(!let_through.iter().any(|(found, _)| found == header), "{header}");
        }
        let salaries = cells(&stack, &reader, &inputs.range, "A1:C2").await.expect(200);
        assert_eq!(salaries["values"][1], json!(["Ann", null, "3"]));
    }
}

#[tokio::test]
async fn a_chain_is_explained_up_to_the_first_thing_that_its_reader_may_not_see() {
    let stack = TestStack::start().await;
    let (owner, reader, admin) = (stack.someone().await, stack.demo().await, stack.admin().await);
    let user = me(&stack, &reader).await;
    let book = workbook(&stack, &owner).await;
    let inputs = upload(&stack, &owner, &book, inputs()).await;
    let report = upload(&stack, &owner, &book, report()).await;
    let salary = salary(&stack, &owner, &book, &inputs).await;
    let deny = json!({
        "sheet_id": inputs.sheet, "subject": {"type": "user", "id": user},
        "note": "Salaries are for HR.",
    });
    let rules = [rule(&book, "allow", json!({})), rule(&book, "deny", deny)];
    add(&stack, &owner, &rules).await.expect(200);
    let path = |cell: &str| format!("/ranges/{}/access?cell={cell}", report.range);
    let letters = |found: &Value| -> String {
        let links = found["chain"].as_array().unwrap().iter();
        links.map(|link| link["letter"].as_str().unwrap()).collect()
    };
    let own = stack.get(&path("D2"), Some(&reader)).await;
    let found = own.expect(200);
    assert_eq!((&found["shown"], &found["by"]), (&json!(false), &json!("formula")));
    assert_eq!((letters(&found).as_str(), &found["is_cut"]), ("DCB", &json!(true)));
    for secret in [&*salary, &*inputs.sheet, "Salary", "Inputs", "510204817", &result(3)] {
        assert!(!own.text.contains(secret), "{secret} is in {own:?}");
    }
    // The manager of the workbook is told the whole chain. Others may ask about themselves alone.
    let of_reader = |cell: &str| format!("{}&user_id={user}", path(cell));
    let told = stack.get(&of_reader("D2"), Some(&owner)).await;
    let found = told.expect(200);
    assert_eq!((letters(&found).as_str(), &found["is_cut"]), ("DCBB", &json!(false)));
    let last = &found["chain"][3];
    assert_eq!((&last["column_id"], &last["readable"]), (&json!(salary), &json!(false)));
    for (cell, by) in
        [("A2", "nothing"), ("E2", "formula"), ("I2", "unresolved"), ("N2", "unresolved")]
    {
        let found = stack.get(&of_reader(cell), Some(&owner)).await.expect(200);
        assert_eq!(found["by"], by, "{found}");
    }
    stack.get(&of_reader("D2"), Some(&reader)).await.expect(200);
    let owner_id = me(&stack, &owner).await;
    let of_owner = format!("{}&user_id={owner_id}", path("D2"));
    stack.get(&of_owner, Some(&reader)).await.problem(403, "forbidden");
    let third = stack.someone().await;
    stack.get(&of_reader("D2"), Some(&third)).await.problem(403, "forbidden");
    for cell in ["", "A", "A1:B2", "Q1", "A3", "Inputs%21B2"] {
        stack.get(&path(cell), Some(&owner)).await.problem(422, "validation_failed");
    }
    let events = stack.events(&admin, "access.explained").await;
    let resource = format!("range:{}", report.range);
    let of_range = events.iter().filter(|event| event["resource"] == resource);
    assert!(of_range.count() >= 3, "{events:?}");
}

#[tokio::test]
async fn a_range_without_formulas_is_unresolved_however_late_the_deny_came() {
    let stack = TestStack::start().await;
    let (owner, reader) = (stack.someone().await, stack.demo().await);
    let user = me(&stack, &reader).await;
    let book = workbook(&stack, &owner).await;
    let mut ranges = Vec::new();
    // Cells that spill and those of pivot tables have no formula either, and look like typed ones.
    for left_out in ["formulas", "spills", "pivots"] {
        let mut body = inputs();
        body[left_out] = Value::Null;
        ranges.push(upload(&stack, &owner, &book, body).await.range);
    }
    let other = upload(&stack, &owner, &book, report()).await;
    add(&stack, &owner, &[rule(&book, "allow", json!({}))]).await.expect(200);
    let values = async |caller: &Caller| {
        let mut rows = Vec::new();
        for range in &ranges {
            let found = cells(&stack, caller, range, "A2:C2").await.expect(200);
            rows.push(found["values"][0].clone());
        }
        assert!(rows.iter().all(|row| *row == rows[0]), "{rows:?}");
        rows.remove(0)
    };
    assert_eq!(values(&reader).await, json!(["Ann", "510204817", "3"]));
    // The deny is of another sheet.
    let deny = json!({
        "sheet_id": other.sheet, "column": {"letters": "A"},
        "subject": {"type": "user", "id": user},
    });
    add(&stack, &owner, &[rule(&book, "deny", deny)]).await.expect(200);
    assert_eq!(values(&reader).await, json!([null, null, null]));
    assert_eq!(values(&owner).await, json!(["Ann", "510204817", "3"]));
}

/// A sheet that reads the rates: its first column plain, its second by this formula, and its third
/// through the second. With an id it is uploaded again.
fn doubled(sheet: Option<&str>, formula: &str) -> Value {
    let headers = json!(["Plain", "Rate", "Double"]);
    let mut body = json!({
        "sheet": {"name": "Report", "visibility": "visible"}, "address": "A1:C2",
        "values": [headers, [1, 3, 6]], "formulas": [headers, [1, formula, "=B2*2"]],
    });
    if let Some(id) = sheet {
        body["sheet"]["id"] = json!(id);
    }
    body
}

#[tokio::test]
async fn a_column_that_was_unresolved_opens_after_a_reset_and_older_ranges_stay_closed() {
    let stack = TestStack::start().await;
    let (owner, reader) = (stack.someone().await, stack.demo().await);
    let (writer, stranger, admin) =
        (stack.someone().await, stack.someone().await, stack.admin().await);
    let (user, writer_id) = (me(&stack, &reader).await, me(&stack, &writer).await);
    let book = workbook(&stack, &owner).await;
    let first = upload(&stack, &owner, &book, inputs()).await;
    let unresolved = doubled(None, "=INDIRECT(\"Inputs!C2\")");
    let bad = upload(&stack, &owner, &book, unresolved).await;
    let salary = salary(&stack, &owner, &book, &first).await;
    let to = |id: &str| json!({"type": "user", "id": id});
    let write = json!({"actions": ["read", "write"], "subject": to(&writer_id)});
    let read = json!({"subject": to(&user)});
    let deny = json!({"column": {"ids": [salary]}, "subject": to(&user)});
    let rules =
        [rule(&book, "allow", read), rule(&book, "allow", write), rule(&book, "deny", deny)];
    add(&stack, &owner, &rules).await.expect(200);
    let row = async |caller: &Caller, range: &str| {
        let answer = cells(&stack, caller, range, "A2:C2").await.expect(200);
        answer["values"][0].clone()
    };
    let (all, none) = (json!(["1", "3", "6"]), json!([null, null, null]));
    let partly = json!(["1", null, null]);
    assert_eq!(row(&reader, &bad.range).await, partly);

    // Another upload of the column changes nothing of what the graph knows.
    let again = || doubled(Some(&bad.sheet), "=Inputs!C2");
    let better = upload(&stack, &owner, &book, again()).await;
    assert_eq!(row(&reader, &better.range).await, json!(["1", "3", null]));

    let path = format!("/workbooks/{book}/graph");
    stack.delete(&path, Some(&stranger)).await.problem(404, "not_found");
    for caller in [&writer, &reader] {
        stack.delete(&path, Some(caller)).await.problem(403, "forbidden");
    }
    assert_eq!(row(&reader, &better.range).await, json!(["1", "3", null]));
    for _ in 0..2 {
        stack.delete(&path, Some(&owner)).await.expect(204);
    }
    let events = stack.events(&admin, "graph.reset").await;
    let done: Vec<_> = events.iter().filter(|event| event["outcome"] == "success").collect();
    assert_eq!(done.len(), 2, "{events:?}");
    assert_eq!(done[0]["resource"], format!("workbook:{book}"));
    assert_eq!(done[0]["detail"]["workbook_id"], json!(book));

    for range in [&bad.range, &better.range] {
        assert_eq!(row(&reader, range).await, none);
        assert_eq!(row(&owner, range).await, all);
    }
    assert_eq!(row(&reader, &first.range).await, none);
    let mut whole = inputs();
    whole["sheet"]["id"] = json!(first.sheet);
    let second = upload(&stack, &owner, &book, whole).await;
    let best = upload(&stack, &owner, &book, again()).await;
    assert_eq!(row(&reader, &second.range).await, json!(["Ann", null, "3"]));
    assert_eq!(row(&reader, &best.range).await, all);
    // The new uploads open nothing of the earlier ones.
    for range in [&first.range, &bad.range, &better.range] {
        assert_eq!(row(&reader, range).await, none);
    }
    let explained = format!("/ranges/{}/access?cell=A2", bad.range);
    let found = stack.get(&explained, Some(&reader)).await.expect(200);
    assert_eq!(found["by"], "unresolved", "{found}");
}
