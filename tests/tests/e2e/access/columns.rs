//! The register of a sheet: the columns that it shows, and how a manager maps changed ones.

use serde_json::{Value, json};
use tally_tests::{TestStack, id};

use super::{NOTHING, add, explained, register, rule, salaries, set_columns};

#[tokio::test]
async fn a_denied_column_is_a_letter_and_no_more() {
    let stack = TestStack::start().await;
    let (owner, reader) = (stack.someone().await, stack.demo().await);
    let (book, sheet, month, salary) = salaries(&stack, &owner).await;
    let path = register(&book, &sheet);
    stack.get(&path, Some(&reader)).await.problem(404, "not_found");
    let deny = rule(&book, "deny", json!({"column": {"header": "*SALARY*"}}));
    add(&stack, &owner, &[rule(&book, "allow", json!({})), deny]).await.expect(200);
    let shown = |id: &str, letter: &str, header: &str| {
        let status = "reviewed";
        json!({"id": id, "letter": letter, "header": header, "status": status})
    };
    let answer = stack.get(&path, Some(&reader)).await;
    assert_eq!(
        answer.expect(200),
        json!({"version": 2, "columns": [
            shown(&month, "A", "Month"), {"letter": "B", "access": "withheld"},
        ]})
    );
    assert!(!answer.text.contains(&salary) && !answer.text.contains("alary"), "{answer:?}");
    // A deny holds for the owner too, who keeps the id, to map the column.
    assert_eq!(
        stack.get(&path, Some(&owner)).await.expect(200)["columns"][1],
        json!({"id": salary, "letter": "B", "access": "withheld"})
    );
    // One who may read a column alone sees its sheet, and the other columns as letters.
    let (book, sheet, month, _) = salaries(&stack, &owner).await;
    let one = rule(&book, "allow", json!({"column": {"ids": [month]}}));
    add(&stack, &owner, &[one]).await.expect(200);
    let columns = stack.get(&register(&book, &sheet), Some(&reader)).await.expect(200);
    assert_eq!(columns["columns"][1], json!({"letter": "B", "access": "withheld"}));
    stack.get(&format!("/workbooks/{book}"), Some(&reader)).await.expect(200);
}

#[tokio::test]
async fn a_register_is_set_by_those_who_manage_the_workbook() {
    let stack = TestStack::start().await;
    let (owner, reader) = (stack.someone().await, stack.demo().await);
    let (book, sheet, month, salary) = salaries(&stack, &owner).await;
    let place = (book.as_str(), sheet.as_str());
    let columns = json!([{"id": month, "letter": "A", "header": "Month"}]);
    set_columns(&stack, &reader, place, columns.clone(), 2).await.problem(404, "not_found");
    add(&stack, &owner, &[rule(&book, "allow", json!({}))]).await.expect(200);
    set_columns(&stack, &reader, place, columns.clone(), 2).await.problem(403, "forbidden");
    set_columns(&stack, &owner, (&book, NOTHING), columns.clone(), 2)
        .await
        .problem(404, "not_found");
    set_columns(&stack, &owner, place, columns.clone(), 1).await.problem(409, "conflict");
    for faulty in [
        json!([{"letter": "A", "header": "x"}, {"letter": "a", "header": "y"}]),
        json!([{"id": NOTHING, "letter": "A", "header": "x"}]),
        json!([{"letter": "XFE", "header": "x"}]),
        json!([{"letter": "A"}]),
        json!("A"),
    ] {
        set_columns(&stack, &owner, place, faulty, 2).await.invalid(&["/columns"]);
    }
    let set = set_columns(&stack, &owner, place, columns, 2).await.expect(200);
    assert_eq!((&set["version"], set["columns"].as_array().unwrap().len()), (&json!(3), 1));
    assert_eq!(stack.get(&register(&book, &sheet), Some(&owner)).await.expect(200), set);
    // A column that has left the register is no longer known.
    let gone = json!([{"id": salary, "letter": "B", "header": "Base Salary"}]);
    set_columns(&stack, &owner, place, gone, 3).await.invalid(&["/columns"]);
    let events = stack.events(&stack.admin().await, "columns.reviewed").await;
    let event = events.iter().rfind(|event| event["outcome"] == "success").unwrap();
    assert_eq!(event["resource"], format!("sheet:{sheet}"));
    let detail = json!({"workbook_id": book, "columns": 1, "unreviewed": 0});
    assert_eq!(event["detail"], detail);
}

#[tokio::test]
async fn a_column_that_may_be_a_missing_one_is_closed_until_it_is_mapped() {
    let stack = TestStack::start().await;
    let (owner, reader) = (stack.someone().await, stack.demo().await);
    let (book, sheet, month, salary) = salaries(&stack, &owner).await;
    let place = (book.as_str(), sheet.as_str());
    let deny = rule(
        &book,
        "deny",
        json!({
            "column": {"header": "*salary*"}, "subject": {"type": "role", "id": "user"},
        }),
    );
    add(&stack, &owner, &[rule(&book, "allow", json!({})), deny]).await.expect(200);

    // The salary is gone, and another column has come.
    let month_entry = json!({"id": month, "letter": "A", "header": "Month"});
    let renamed = json!([month_entry, {"letter": "B", "header": "Pay"}]);
    let set = set_columns(&stack, &owner, place, renamed, 2).await.expect(200);
    let pay = id(&set["columns"][1]);
    assert_eq!(set["columns"][1]["status"], "unreviewed");
    let columns =
        stack.get(&register(&book, &sheet), Some(&reader)).await.expect(200)["columns"].clone();
    assert_eq!(columns[1], json!({"letter": "B", "access": "withheld"}));
    assert_eq!(explained(&stack, &reader, &book, &pay, "read").await, (false, "unreviewed".into()));
    assert_eq!(explained(&stack, &owner, &book, &pay, "read").await, (true, "owner".into()));

    // It is cleared: it is another one.
    let cleared = json!([
        month_entry, {"id": pay, "letter": "B", "header": "Pay", "cleared": true},
    ]);
    set_columns(&stack, &owner, place, cleared, 3).await.expect(200);
    assert_eq!(explained(&stack, &reader, &book, &pay, "read").await, (true, "rule".into()));

    // In a second sheet it is mapped, and the rules about its old name hold.
    let (book, sheet, month, salary) = {
        drop((book, sheet, month, salary));
        salaries(&stack, &owner).await
    };
    let deny = rule(&book, "deny", json!({"column": {"ids": [salary]}}));
    add(&stack, &owner, &[rule(&book, "allow", json!({})), deny]).await.expect(200);
    let mapped = json!([
        {"id": month, "letter": "A", "header": "Month"},
        {"letter": "B", "header": "Pay", "same_as": salary},
    ]);
    set_columns(&stack, &owner, (&book, &sheet), mapped, 2).await.expect(200);
    assert_eq!(
        explained(&stack, &reader, &book, &salary, "read").await,
        (false, "forbidden".into())
    );
    let by_old_name = rule(&book, "allow", json!({"column": {"header": "base salary"}}));
    let change = json!({"add": [by_old_name]});
    stack.post("/access/changes", Some(&owner), &change).await.expect(200);
    let path = format!("/workbooks/{book}/access");
    let rows = stack.get(&path, Some(&owner)).await.expect(200)["items"].clone();
    let row = rows.as_array().unwrap().iter().find(|row| row["column_id"] == salary).unwrap();
    assert_eq!((&row["read"]["reason"], row.get("header")), (&json!("forbidden"), None::<&Value>));
}

#[tokio::test]
async fn a_manager_keeps_the_header_that_they_may_not_read() {
    let stack = TestStack::start().await;
    let owner = stack.someone().await;
    let (book, sheet, month, salary) = salaries(&stack, &owner).await;
    let place = (book.as_str(), sheet.as_str());
    let deny = rule(&book, "deny", json!({"column": {"header": "*salary*"}}));
    let denied = add(&stack, &owner, &[deny]).await.expect(200);
    let kept = json!([
        {"id": month, "letter": "A", "header": "Period"}, {"id": salary, "letter": "C"},
    ]);
    let set = set_columns(&stack, &owner, place, kept, 2).await.expect(200);
    assert_eq!(set["columns"][1], json!({"id": salary, "letter": "C", "access": "withheld"}));
    let remove = json!({"remove": [id(&denied["added"][0])]});
    stack.post("/access/changes", Some(&owner), &remove).await.expect(200);
    let columns = stack.get(&register(&book, &sheet), Some(&owner)).await.expect(200);
    assert_eq!(columns["columns"][1]["header"], "Base Salary");
}

/// A rule for every workbook no longer matches a name of the sheet then.
#[tokio::test]
async fn a_column_in_the_place_of_the_only_match_is_closed_too() {
    let stack = TestStack::start().await;
    let (owner, reader, admin) = (stack.someone().await, stack.demo().await, stack.admin().await);
    let (book, sheet, month, _) = salaries(&stack, &owner).await;
    add(&stack, &owner, &[rule(&book, "allow", json!({}))]).await.expect(200);
    let mut deny = rule(&book, "deny", json!({"column": {"header": "*salary*"}}));
    deny["workbook_id"] = Value::Null;
    add(&stack, &admin, &[deny]).await.expect(200);
    let columns = json!([
        {"id": month, "letter": "A", "header": "Month"}, {"letter": "B", "header": "Pay"},
    ]);
    let set = set_columns(&stack, &owner, (&book, &sheet), columns, 2).await.expect(200);
    assert_eq!(set["columns"][1]["status"], "unreviewed");
    let columns = stack.get(&register(&book, &sheet), Some(&reader)).await.expect(200);
    assert_eq!(columns["columns"][1], json!({"letter": "B", "access": "withheld"}));
}

#[tokio::test]
async fn the_registers_of_a_workbook_have_a_bounded_size() {
    let stack = TestStack::start().await;
    let owner = stack.someone().await;
    let book = super::workbook(&stack, &owner).await;
    let letter = |number: usize| {
        let digit = |number: usize| char::from(b'A' + u8::try_from(number % 26).unwrap());
        [digit(number / 26), digit(number)].iter().collect::<String>()
    };
    let columns = |count: usize| -> Value {
        let column = |number| {
            let header = format!("{number}{}", "é".repeat(240));
            json!({"letter": letter(number), "header": header})
        };
        (0..count).map(column).collect()
    };
    let mut full = 0;
    loop {
        let sheet = super::sheet(&stack, &owner, &book).await;
        let place = (book.as_str(), sheet.as_str());
        let set = set_columns(&stack, &owner, place, columns(250), 1).await;
        if set.status != 200 {
            set.invalid(&["/columns"]);
            // A smaller one is taken all the same.
            set_columns(&stack, &owner, place, columns(1), 1).await.expect(200);
            break;
        }
        full += 1;
    }
    assert!((4..20).contains(&full), "{full}");
}
