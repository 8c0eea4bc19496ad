//! Results of batches: lists, filters, files, and rows whose calls are still to come.

use std::sync::Arc;

use serde_json::{Value, json};
use tally_tests::messages_api::MessagesApi;
use tokio::sync::Barrier;

use super::{counts, explain, give, held, path, results, states, uploaded};
use crate::access::NOTHING;
use crate::analyses::{Owner, of_text, stack, stack_in_turn};
use crate::chat::{own_events, text};
use crate::job_api::{items, retry};
use crate::prompts::with;
use crate::ranges::csv;

#[tokio::test]
async fn results_are_listed_row_by_row_and_by_state() {
    let api = MessagesApi::start(|asked| {
        give(asked, |row| (row % 2 == 0).then(|| json!(format!("Said {row}."))))
    });
    let api = api.await;
    let stack = stack(&api).await;
    let mut owner = Owner::new(&stack, stack.someone().await).await;
    let other = stack.someone().await;
    let (_, ready) = uploaded(&stack, &owner.caller).await;
    let body = with(explain(&ready.range), &json!({"rows_per_call": 2}));
    let job = owner.run(&stack, "/batches", &body).await;
    let all = results(&stack, &owner.caller, &job, "").await;
    let missing = Some("missing_output");
    assert_eq!(
        states(&all),
        [
            (2, "succeeded", None),
            (3, "failed", missing),
            (4, "succeeded", None),
            (5, "failed", missing),
            (6, "succeeded", None),
        ]
    );
    let failed = json!({
        "row": 3, "status": "failed", "output": null, "attempts": 1, "cells": ["A3", "B3"],
        "error": {"code": "missing_output", "detail": all[1]["error"]["detail"]},
    });
    assert_eq!(all[1], failed);
    for (query, rows) in [
        ("?status=succeeded", &[2, 4, 6][..]),
        ("?status=failed", &[3, 5]),
        ("?status=pending", &[]),
        ("?status=cancelled", &[]),
    ] {
        let found = results(&stack, &owner.caller, &job, query).await;
        let found: Vec<_> = found.iter().map(|row| row["row"].as_u64().unwrap()).collect();
        assert_eq!(found, rows, "{query}");
    }
    for limit in [1, 2, 3] {
        assert_eq!(stack.pages(&path(&job), &owner.caller, limit).await, all, "{limit}");
    }
    for (query, fault) in
        [("status=done", "status"), ("limit=0", "limit"), ("cursor=x", "cursor"), ("row=2", "row")]
    {
        let wrong = format!("{}?{query}", path(&job));
        stack.get(&wrong, Some(&owner.caller)).await.invalid(&[fault]);
    }
    stack.get(&path(&job), Some(&other)).await.problem(404, "not_found");
    let nothing = format!("/batches/{NOTHING}/results");
    stack.get(&nothing, Some(&owner.caller)).await.problem(404, "not_found");
    // Another kind of job has no rows.
    let analysis = owner.run(&stack, "/analyses", &of_text("one\n")).await;
    let refused = stack.get(&path(&analysis), Some(&owner.caller)).await;
    assert!([404, 409].contains(&refused.status), "{refused:?}");
}

#[tokio::test]
async fn results_are_exported_without_formulas_and_each_read_leaves_an_event() {
    let api = MessagesApi::start(|asked| {
        give(asked, |row| {
            Some(match row {
                2 => json!("=HYPERLINK(\"http://evil.example\")"),
                3 => json!("a \"b\", c\nd"),
                _ => json!(format!("Said {row}.")),
            })
        })
    });
    let api = api.await;
    let stack = stack(&api).await;
    let mut owner = Owner::new(&stack, stack.someone().await).await;
    let (_, ready) = uploaded(&stack, &owner.caller).await;
    let job = owner.run(&stack, "/batches", &explain(&ready.range)).await;
    results(&stack, &owner.caller, &job, "").await;
    let file = csv(&stack, &owner.caller, &path(&job)).await;
    file.expect(200);
    assert!(file.header("content-type").starts_with("text/csv"), "{file:?}");
    for cell in ["\"a \"\"b\"\", c\nd\"", "Said 4.", "Said 6.", "succeeded"] {
        assert!(file.text.contains(cell), "{cell} is missing in {}", file.text);
    }
    for before in [",", ",\"", "\r\n", "\r\n\""] {
        assert!(!file.text.contains(&format!("{before}=")), "{}", file.text);
    }
    let filtered = format!("{}?status=failed", path(&job));
    let none = csv(&stack, &owner.caller, &filtered).await;
    none.expect(200);
    assert!(!none.text.contains("Said"), "{}", none.text);

    let events = own_events(&stack, &owner.caller, "batch.").await;
    let actions: Vec<_> = events.iter().map(|event| text(&event["action"])).collect();
    assert_eq!(actions, ["batch.read", "batch.exported", "batch.exported"]);
    let resource = json!(format!("job:{}", text(&job["id"])));
    assert!(events.iter().all(|event| event["resource"] == resource), "{events:?}");
    assert!(!json!(events).to_string().contains("Said"), "{events:?}");
}

#[tokio::test]
async fn rows_whose_calls_are_still_to_come_are_pending() {
    let barrier = Arc::new(Barrier::new(2));
    let api = held(1, &barrier).await;
    let stack = stack_in_turn(&api).await;
    let mut owner = Owner::new(&stack, stack.someone().await).await;
    let (_, ready) = uploaded(&stack, &owner.caller).await;
    let body = with(explain(&ready.range), &json!({"rows_per_call": 2}));
    let job = owner.start(&stack, "/batches", &body).await;
    api.was_asked(2).await;
    let found = results(&stack, &owner.caller, &job, "").await;
    assert_eq!(
        states(&found),
        [
            (2, "succeeded", None),
            (3, "succeeded", None),
            (4, "pending", None),
            (5, "pending", None),
            (6, "pending", None),
        ]
    );
    assert_eq!((&found[2]["output"], &found[0]["output"]), (&Value::Null, &json!("Said 2.")));
    retry(&stack, &owner.caller, &job, &json!({})).await.problem(409, "job_open");
    let items = items(&stack, &owner.caller, &job).await;
    let running: Vec<_> = items.iter().map(|item| text(&item["status"])).collect();
    assert_eq!(running, ["succeeded", "running", "pending"]);
    barrier.wait().await;
    let ended = owner.end(&stack, &job).await;
    assert_eq!(counts(&ended), [5, 0, 0, 5, 0, 0]);
}
