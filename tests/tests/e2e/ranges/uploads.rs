//! Uploads: parts, repeated parts, refused ones, and the end of a range.

use futures_util::future::{join, join_all};
use http::Method;
use platform::clock::Clock;
use serde_json::{Value, json};
use tally_tests::{Answer, Caller, TestStack, id};

use super::{begin, cells, complete, completion, csv, payroll, put, put_csv, says, split, upload};
use crate::access::{NOTHING, workbook};

/// A part with this address, whose cells all have one value.
fn part(address: &str, value: &str) -> Value {
    json!({"address": address, "values": value, "formulas": value})
}

/// The statuses of two answers, the smaller one first.
fn statuses((one, other): (Answer, Answer)) -> [u16; 2] {
    let mut both = [one.status, other.status];
    both.sort_unstable();
    both
}

#[tokio::test]
async fn a_range_comes_in_parts_that_may_be_repeated() {
    let stack = TestStack::start().await;
    let owner = stack.someone().await;
    let book = workbook(&stack, &owner).await;
    let head = json!({"address": "A1:B4", "parts": 3, "headers": "none"});
    let begun = begin(&stack, &owner, &book, head).await;
    let range = id(&begun.expect(201));
    assert_eq!(begun.header("location"), format!("/ranges/{range}"));
    assert_eq!(begun.json()["status"], "uploading");
    cells(&stack, &owner, &range, "A1").await.problem(409, "not_ready");

    // The same bytes again change nothing, and others are refused, also at the same time.
    let first = part("A1:B1", "x");
    for _ in 0..2 {
        put(&stack, &owner, &range, 1, &first).await.expect(204);
    }
    put(&stack, &owner, &range, 1, &part("A1:B1", "y")).await.problem(409, "conflict");
    let (same, other) = (part("A2:B2", "same"), part("A2:B2", "other"));
    let both = join(put(&stack, &owner, &range, 2, &same), put(&stack, &owner, &range, 2, &other));
    assert_eq!(statuses(both.await), [204, 409]);
    let early = complete(&stack, &owner, &range).await;
    says(&early, "3");
    let last = "c,d\r\n\"e \"\"f\"\"\",5\r\n";
    let both =
        join(put_csv(&stack, &owner, &range, 3, last), put_csv(&stack, &owner, &range, 3, last));
    assert_eq!(statuses(both.await), [204, 204]);
    put_csv(&stack, &owner, &range, 3, "c,d\r\ne,6\r\n").await.problem(409, "conflict");
    let beyond = put(&stack, &owner, &range, 4, &first).await;
    assert!([404, 422].contains(&beyond.status), "{beyond:?}");
    put(&stack, &owner, &range, 0, &first).await.problem(404, "not_found");

    let done = join_all((0..3).map(|_| complete(&stack, &owner, &range))).await;
    let view = done[0].expect(200);
    assert_eq!(view["status"], "ready");
    for answer in done {
        assert_eq!(answer.expect(200), view);
    }
    assert_eq!(complete(&stack, &owner, &range).await.expect(200), view);
    put(&stack, &owner, &range, 1, &part("A1:B1", "z")).await.problem(409, "conflict");
    let all = cells(&stack, &owner, &range, "A1:B4").await.expect(200);
    let second = all["values"][1][0].clone();
    assert!(second == "same" || second == "other", "{all}");
    assert_eq!(all["values"], json!([["x", "x"], [second, second], ["c", "d"], ["e \"f\"", "5"]]));
    let events = stack.events(&stack.admin().await, "range.uploaded").await;
    let done = events.iter().filter(|event| event["outcome"] == "success");
    let first = done.filter(|event| event["detail"]["repeated"] != true);
    let of_range = first.filter(|event| event["resource"] == format!("range:{range}"));
    assert_eq!(of_range.count(), 1, "{events:?}");
}

#[tokio::test]
async fn parts_tile_the_range() {
    let stack = TestStack::start().await;
    let owner = stack.someone().await;
    let book = workbook(&stack, &owner).await;
    for (parts, says_first) in [
        (&["A1:B2", "A3:B4"][..], None),
        (&["A1:A4", "B1:B4"], None),
        (&["A1:B2"], Some("A3")),
        (&["A1:B2", "A4:B4"], Some("A3")),
        (&["A1:B2", "A2:B4"], Some("A2")),
        (&["A1:B2", "A3:B5"], Some("B5")),
        (&["A1:B2", "C3:D4"], Some("C3")),
    ] {
        let head = json!({"address": "A1:B4", "parts": parts.len()});
        let range = id(&begin(&stack, &owner, &book, head).await.expect(201));
        // A part that does not fit is refused at once, or at the end.
        let mut refused = None;
        for (address, number) in parts.iter().zip(1..) {
            let answer = put(&stack, &owner, &range, number, &part(address, "x")).await;
            refused = refused.or((answer.status != 204).then_some(answer));
        }
        let end = complete(&stack, &owner, &range).await;
        match says_first {
            None => assert_eq!(end.expect(200)["status"], "ready"),
            Some(cell) => says(&refused.unwrap_or(end), cell),
        }
    }
}

#[tokio::test]
async fn an_upload_is_checked_before_it_begins() {
    let stack = TestStack::start().await;
    let owner = stack.someone().await;
    let book = workbook(&stack, &owner).await;
    for (change, field) in [
        (json!({"address": ""}), "/address"),
        (json!({"address": "A0"}), "/address"),
        (json!({"address": "XFE1"}), "/address"),
        (json!({"address": "A1048577"}), "/address"),
        (json!({"address": "A1:B2,D1:E2"}), "/address"),
        (json!({"address": "Jan:Mar!A1"}), "/address"),
        (json!({"address": "[Book1.xlsx]P&L!A1"}), "/address"),
        (json!({"address": "A1:A500001"}), "/address"),
        (json!({"address": "A:A"}), "/address"),
        // A register has at most 1,000 columns.
        (json!({"address": "1:5"}), "/address"),
        (json!({"address": null}), "/address"),
        (json!({"parts": 0}), "/parts"),
        (json!({"parts": 101}), "/parts"),
        (json!({"headers": 0}), "/headers"),
        (json!({"headers": 6}), "/headers"),
        (json!({"headers": "some"}), "/headers"),
        (json!({"separators": {"decimal": ".", "group": "."}}), "/separators"),
        (json!({"separators": {"decimal": ";", "group": ","}}), "/separators"),
        (json!({"date_system": 1901}), "/date_system"),
        (json!({"sheet": {"name": "", "visibility": "visible"}}), "/sheet"),
        (json!({"sheet": "P&L"}), "/sheet"),
        (json!({"hidden_rows": ["A,B"]}), "/hidden_rows"),
        (json!({"merged": [1]}), "/merged"),
        (json!({"names": [{"name": "Rate"}]}), "/names"),
        (json!({"tables": [{"name": "Rate"}]}), "/tables"),
        (json!({"names": vec![json!({"name": "a", "formula": "=1"}); 10_001]}), "/names"),
        (
            json!({"tables": vec![json!({"name": "a", "address": "S!A1", "columns": []}); 1_001]}),
            "/tables",
        ),
        (json!({"merged": vec!["Z9"; 10_001]}), "/merged"),
        (json!({"hidden_columns": ["A:B", "A:A"]}), "/hidden_columns"),
        (json!({"cells": 5}), "/cells"),
    ] {
        let mut body = json!({"address": "A1:B4"});
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let refused = begin(&stack, &owner, &book, body).await;
        let problem = refused.problem(422, "validation_failed");
        let errors = problem["errors"].as_array().unwrap();
        let is_named = |error: &Value| error["pointer"].as_str().unwrap().starts_with(field);
        assert!(errors.iter().all(is_named), "{change}: {problem}");
    }
    for (address, shown) in [
        ("$A$1:b2", "A1:B2"),
        ("B2:A1", "A1:B2"),
        ("'P&L'!A1:B2", "A1:B2"),
        ("A1:A500000", "A1:A500000"),
    ] {
        let begun = begin(&stack, &owner, &book, json!({"address": address})).await.expect(201);
        let found = begun["address"].as_str().unwrap();
        assert_eq!(found.rsplit('!').next(), Some(shown), "{begun}");
    }
}

#[tokio::test]
async fn a_part_that_can_not_be_taken_says_why() {
    let stack = TestStack::start().await;
    let owner = stack.someone().await;
    let book = workbook(&stack, &owner).await;
    let head = json!({"address": "A1:B2", "headers": "none"});
    let range = id(&begin(&stack, &owner, &book, head).await.expect(201));
    let long = "x".repeat(32_768);
    for (body, wanted) in [
        (json!({"address": "A1:B2", "values": null}), "ead smaller blocks"),
        (json!({"address": "A1:B2", "formulas": 1}), "ead smaller blocks"),
        (json!({"address": "A1:B2", "values": [[1, 2]]}), "has 1 rows"),
        (json!({"address": "A1:B2", "values": [[1, 2], [3]]}), "[1] has 1 cells"),
        (
            json!({"address": "A1:B2", "values": 1, "formulas": [[1, 2], [3, 4], [5, 6]]}),
            "has 3 rows",
        ),
        (json!({"address": "A1:B2", "values": 1, "number_formats": 5}), "number_formats"),
        (json!({"address": "A1:B2", "values": 1, "value_types": "Float"}), "value_types"),
        (json!({"address": "A1:B2", "values": long}), "more than 32767 characters"),
        (json!({"address": "A1:B2", "values": [[{}, 1], [1, 1]]}), ""),
        (json!({"address": "A1,B2", "values": 1}), "several areas"),
        (json!({"address": "A1:B2", "values": 1, "value": 2}), ""),
        (json!({"values": 1}), ""),
    ] {
        says(&put(&stack, &owner, &range, 1, &body).await, wanted);
    }
    for (body, wanted) in [
        ("a,b\r\nc\r\n", "row 2 has 1 fields"),
        ("a,\"b\r\n", "no end"),
        (format!("a,{long}\r\nc,d\r\n").as_str(), "more than 32767 characters"),
    ] {
        says(&put_csv(&stack, &owner, &range, 1, body.to_owned()).await, wanted);
    }
    let utf16 = vec![0xff, 0xfe, b'a', 0];
    says(&put_csv(&stack, &owner, &range, 1, utf16).await, "UTF-16");

    let large = json!({"address": "A1:B2", "values": "x".repeat(1 << 20)});
    put(&stack, &owner, &range, 1, &large).await.problem(413, "body_too_large");
    let request = stack.request(Method::PUT, &format!("/ranges/{range}/parts/1"));
    let request = request.bearer_auth(&owner.access).header("content-type", "application/xml");
    stack.send(request.body("<a/>")).await.problem(415, "unsupported_media_type");
    let request = stack.request(Method::PUT, &format!("/ranges/{range}/parts/1"));
    let request = request.bearer_auth(&owner.access).header("content-type", "application/json");
    stack.send(request.body("{\"address\":")).await.problem(400, "malformed_json");

    // Nothing of all this has taken the part's place.
    let body = json!({"address": "A1:B2", "values": "é".repeat(32_767)});
    put(&stack, &owner, &range, 1, &body).await.expect(204);
    complete(&stack, &owner, &range).await.expect(200);
}

#[tokio::test]
async fn the_parts_of_a_range_have_at_most_64_mib_of_text() {
    let stack = TestStack::start().await;
    let owner = stack.someone().await;
    let book = workbook(&stack, &owner).await;
    let head = json!({"address": "A1:A2304", "parts": 9, "headers": "none"});
    let range = id(&begin(&stack, &owner, &book, head).await.expect(201));
    // One text stands for each of the 256 cells of a part.
    let rows = |number: u32| format!("A{}:A{}", number * 256 - 255, number * 256);
    let long = "x".repeat(32_767);
    for number in 1..=8 {
        put(&stack, &owner, &range, number, &part(&rows(number), &long)).await.expect(204);
    }
    // There is room for eight more bytes in each cell.
    let ninth = |length| part(&rows(9), &"x".repeat(length));
    says(&put(&stack, &owner, &range, 9, &ninth(9)).await, "more than 64 MiB");
    put(&stack, &owner, &range, 9, &ninth(8)).await.expect(204);
}

#[tokio::test]
async fn one_value_stands_for_all_and_what_is_no_formula_is_none() {
    let stack = TestStack::start().await;
    let owner = stack.someone().await;
    let book = workbook(&stack, &owner).await;
    let body = json!({
        "address": "B2:C3", "headers": "none",
        "values": 0.5, "number_formats": "0%", "value_types": "Double",
        "formulas": [["=A1", "A1"], ["0.5", 0.5]],
    });
    let range = upload(&stack, &owner, &book, body).await.range;
    let answer = cells(&stack, &owner, &range, "B2:C3").await.expect(200);
    assert_eq!(answer["values"], json!([["0.5", "0.5"], ["0.5", "0.5"]]));
    assert_eq!(answer["value_types"], json!([["percent", "percent"], ["percent", "percent"]]));
    assert_eq!(answer["formulas"], json!([["=A1", null], [null, null]]));
}

#[tokio::test]
async fn headers_are_the_rows_that_the_upload_says() {
    let stack = TestStack::start().await;
    let owner = stack.someone().await;
    let book = workbook(&stack, &owner).await;
    let rows = json!([["Pay", ""], ["Base", "Bonus"], [5, 7], [6, 8]]);
    for (headers, values, rows, names) in [
        (json!("auto"), json!([["Pay", "Bonus"], [1, 2], [3, 4], [5, 6]]), 1, ["Pay", "Bonus"]),
        (json!("auto"), json!([[1, 2], [3, 4], [5, 6], [7, 8]]), 0, ["", ""]),
        (json!("none"), rows.clone(), 0, ["", ""]),
        (json!(1), rows.clone(), 1, ["Pay", ""]),
        (json!(2), rows, 2, ["Pay / Base", "Bonus"]),
    ] {
        let body = json!({
            "address": "A1:B4", "headers": headers, "values": values, "formulas": values,
        });
        let view = upload(&stack, &owner, &book, body).await.view;
        assert_eq!(view["header_rows"], rows, "{headers}: {view}");
        for (column, name) in view["columns"].as_array().unwrap().iter().zip(names) {
            assert_eq!(column["header"].as_str().unwrap_or_default(), name, "{headers}: {view}");
        }
    }
}

/// Every call about a range, as this caller, with its answer.
async fn all_calls(stack: &TestStack, caller: &Caller, range: &str) -> Vec<Answer> {
    let (_, part) = split(payroll());
    let preview = json!({"task": "Sum it up"});
    let path = |end: &str| format!("/ranges/{range}{end}");
    vec![
        stack.get(&path(""), Some(caller)).await,
        stack.get(&path("/cells?address=A1"), Some(caller)).await,
        csv(stack, caller, &path("/cells?address=A1")).await,
        stack.get(&path("/issues"), Some(caller)).await,
        stack.get(&path("/access?cell=A1"), Some(caller)).await,
        stack.post(&path("/preview"), Some(caller), &preview).await,
        put(stack, caller, range, 1, &part).await,
        complete(stack, caller, range).await,
        stack.delete(&path(""), Some(caller)).await,
    ]
}

#[tokio::test]
async fn a_range_exists_for_those_who_may_see_it_until_it_expires_or_is_deleted() {
    let stack = TestStack::start().await;
    let (owner, stranger, admin) =
        (stack.someone().await, stack.someone().await, stack.admin().await);
    let book = workbook(&stack, &owner).await;
    let ready = upload(&stack, &owner, &book, payroll()).await;
    let (other, gone) = (
        upload(&stack, &owner, &book, payroll()).await.range,
        upload(&stack, &owner, &book, payroll()).await.range,
    );
    // An administrator reads nothing by the role.
    for caller in [&stranger, &admin] {
        for answer in all_calls(&stack, caller, &ready.range).await {
            answer.problem(404, "not_found");
        }
        let list = format!("/workbooks/{book}/ranges");
        stack.get(&list, Some(caller)).await.problem(404, "not_found");
        begin(&stack, caller, &book, json!({"address": "A1"})).await.problem(404, "not_found");
    }
    for unknown in [NOTHING, "x", ready.sheet.as_str()] {
        for answer in all_calls(&stack, &owner, unknown).await {
            answer.problem(404, "not_found");
        }
    }
    begin(&stack, &owner, NOTHING, json!({"address": "A1"})).await.problem(404, "not_found");

    let left = ready.view["expires_at"].as_str().unwrap();
    let left = platform::clock::parse_rfc3339(left).unwrap().as_second();
    let hours = (left - Clock::System.now().as_second()).div_euclid(3_600);
    assert!((71..=72).contains(&hours), "{hours}");
    expire(&stack, &other).await;
    stack.delete(&format!("/ranges/{gone}"), Some(&owner)).await.expect(204);
    for range in [&other, &gone] {
        for answer in all_calls(&stack, &owner, range).await {
            answer.problem(404, "not_found");
        }
    }
    let list = stack.get(&format!("/workbooks/{book}/ranges"), Some(&owner)).await.expect(200);
    let listed: Vec<_> = list["items"].as_array().unwrap().iter().map(id).collect();
    assert!(listed.contains(&ready.range), "{listed:?}");
    assert!(!listed.contains(&other) && !listed.contains(&gone), "{listed:?}");
    let deleted = stack.events(&admin, "range.deleted").await;
    let resource = format!("range:{gone}");
    let done = |event: &&Value| event["resource"] == resource && event["outcome"] == "success";
    assert_eq!(deleted.iter().filter(done).count(), 1, "{deleted:?}");
    stack.send(completion(&stack, &owner, &ready.range)).await.expect(200);
}

/// Makes the time of a range pass, also that of its parts.
pub async fn expire(stack: &TestStack, range: &str) {
    let past = json!({"N": (Clock::System.now().as_second() - 1).to_string()});
    let mut found = 0;
    for mut item in stack.items("RangesTable").await {
        if item.to_string().contains(range) && item["expires_at"].is_object() {
            item["expires_at"] = past.clone();
            stack.put_item("RangesTable", &item).await;
            found += 1;
        }
    }
    assert!(found > 0, "no item of {range} expires");
}

#[tokio::test]
async fn a_lost_answer_begins_no_second_upload() {
    let stack = TestStack::start().await;
    let owner = stack.someone().await;
    let book = workbook(&stack, &owner).await;
    let mut body = json!({
        "sheet": {"name": "P&L", "visibility": "visible"}, "address": "A1:B2", "parts": 1,
        "headers": "auto", "separators": {"decimal": ",", "group": "."}, "date_system": 1904,
    });
    let begin = |body: &Value| {
        let path = format!("/workbooks/{book}/ranges");
        let request = stack.request(Method::POST, &path).bearer_auth(&owner.access);
        stack.send(request.header("idempotency-key", "k").json(body))
    };
    let (first, again) = (begin(&body).await.expect(201), begin(&body).await.expect(201));
    assert_eq!(first, again);
    body["parts"] = json!(2);
    begin(&body).await.problem(422, "idempotency_key_reused");
    let sheets = stack.get(&format!("/workbooks/{book}/sheets"), Some(&owner)).await.expect(200);
    assert_eq!(sheets["items"].as_array().unwrap().len(), 1);
}
