//! `POST /ranges/{id}/preview`: the cells that a model would be sent, and their cost.

use http::Method;
use serde_json::{Value, json};
use tally_tests::messages_api::{Answer, MessagesApi, reply};
use tally_tests::{Caller, TestStack};

use super::{shared, upload};
use crate::access::{add, me, rule, workbook};
use crate::chat::{claude, text};

async fn preview(stack: &TestStack, caller: &Caller, range: &str, body: &Value) -> Value {
    let path = format!("/ranges/{range}/preview");
    stack.post(&path, Some(caller), body).await.expect(200)
}

/// A member that is an amount of dollars.
fn dollars(value: &Value) -> f64 {
    text(value).parse().unwrap()
}

#[tokio::test]
async fn a_preview_says_what_would_be_sent_and_asks_no_model() {
    let api = MessagesApi::with(vec![Answer::stream(reply(&["Noted."]))]).await;
    let stack = claude::stack(&api, &[]).await;
    let (owner, reader, admin) = (stack.someone().await, stack.demo().await, stack.admin().await);
    let user = me(&stack, &reader).await;
    let (book, ready) = shared(&stack, &owner, "salary", &user).await;
    let budget = format!("/users/{user}/budget");
    stack.call(Method::PUT, &budget, &admin, &json!({"monthly_usd": "5"})).await.expect(200);
    let task = json!({"task": "Who has the largest bonus?"});
    let found = preview(&stack, &reader, &ready.range, &task).await;
    assert_eq!(found["would_send"], json!({"rows": 2, "cells": 4, "withheld": 4, "hidden": 0}));
    assert_eq!(found["columns"][1], json!({"letter": "B", "access": "withheld"}));
    assert_eq!(found["columns"][3]["header"], "Bonus");
    assert_eq!(found["sample"].as_array().unwrap().len(), 2);
    for member in ["tokens", "cost_usd"] {
        let (estimated, most) = (&found[member]["estimated"], &found[member]["at_most"]);
        let number = |value: &Value| value.as_f64().unwrap_or_else(|| dollars(value));
        assert!(number(estimated) > 0.0 && number(estimated) <= number(most), "{found}");
    }
    assert!((dollars(&found["budget_left_usd"]) - 5.0).abs() < 1e-9, "{found}");
    let excerpt = text(&found["excerpt"]);
    for secret in ["Salary", "510204817", "730619253", "510204827", "730619273", "B2+D2"] {
        assert!(!found.to_string().contains(secret), "{secret} is in {found}");
    }
    // The digest depends on the sent cells.
    assert_eq!(preview(&stack, &reader, &ready.range, &task).await, found);
    let whole = preview(&stack, &owner, &ready.range, &task).await;
    assert_ne!(whole["digest"], found["digest"]);
    assert_eq!(whole["would_send"], json!({"rows": 2, "cells": 8, "withheld": 0, "hidden": 0}));
    assert!(text(&whole["excerpt"]).contains("730619273"), "{whole}");
    assert_eq!(api.asked().len(), 0);

    // The chat sends the same text.
    let ask = json!({
        "message": "Who has the largest bonus?",
        "context": {"ranges": [{"range_id": ready.range}]},
    });
    stack.post("/chat", Some(&reader), &ask).await.expect(200);
    let sent = api.asked();
    let said = sent[0].body["messages"].to_string();
    let quoted = json!(excerpt).to_string();
    assert!(said.contains(quoted.trim_matches('"')), "{quoted} is not in {said}");
    let left = preview(&stack, &reader, &ready.range, &task).await;
    assert!(dollars(&left["budget_left_usd"]) < 5.0, "{left}");
    assert_eq!(left["digest"], found["digest"]);

    for (body, field) in [
        (json!({}), "/task"),
        (json!({"task": ""}), "/task"),
        (json!({"task": "x", "include_hidden": "no"}), "/include_hidden"),
        (json!({"task": "x", "rows": 1}), "/rows"),
    ] {
        let path = format!("/ranges/{}/preview", ready.range);
        stack.post(&path, Some(&reader), &body).await.invalid(&[field]);
    }
    let events = stack.events(&admin, "range.previewed").await;
    let resource = format!("range:{}", ready.range);
    assert!(events.iter().any(|event| event["resource"] == resource), "{events:?}");
    assert!(!json!(events).to_string().contains("bonus"), "{events:?}");

    // Reading alone lets no cell reach a model.
    let subject = json!({"actions": ["ai"], "subject": {"type": "user", "id": user}});
    add(&stack, &owner, &[rule(&book, "deny", subject)]).await.expect(200);
    let path = format!("/ranges/{}/preview", ready.range);
    let refused = stack.post(&path, Some(&reader), &task).await;
    refused.problem(403, "forbidden");
    for secret in ["Ann", "Bonus"] {
        assert!(!refused.text.contains(secret), "{secret} is in {refused:?}");
    }
    assert_eq!(api.asked().len(), 1);
}

#[tokio::test]
async fn hidden_rows_are_left_out_and_a_large_range_has_a_sample() {
    let stack = TestStack::start().await;
    let owner = stack.someone().await;
    let book = workbook(&stack, &owner).await;
    let rows = |from: u32| (from..from + 1_500).map(|n| json!([n, "word ".repeat(10), n * 2]));
    let values: Vec<_> = [json!(["Number", "Text", "Double"])].into_iter().chain(rows(1)).collect();
    let body = json!({
        "address": "A1:C1501", "values": values, "formulas": values,
        "hidden_rows": ["3:4"], "hidden_columns": ["C:C"],
    });
    let range = upload(&stack, &owner, &book, body).await.range;
    let task = |include_hidden: bool| json!({"task": "Sum", "include_hidden": include_hidden});
    let found = preview(&stack, &owner, &range, &task(false)).await;
    assert_eq!(
        found["would_send"],
        json!({"rows": 1498, "cells": 2996, "withheld": 0, "hidden": 1504})
    );
    let all = preview(&stack, &owner, &range, &task(true)).await;
    assert_eq!(all["would_send"], json!({"rows": 1500, "cells": 4500, "withheld": 0, "hidden": 0}));
    assert_ne!(all["digest"], found["digest"]);
    assert_eq!(found["sample"].as_array().unwrap().len(), 20);
    let excerpt = text(&found["excerpt"]);
    assert_eq!(excerpt.chars().count(), 4_000);
    assert!(!excerpt.contains("Double"), "{excerpt}");
    // The provider of this stack costs nothing.
    assert!(dollars(&found["cost_usd"]["at_most"]).abs() < 1e-9, "{found}");
}
