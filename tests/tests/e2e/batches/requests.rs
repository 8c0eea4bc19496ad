//! Requests for batches: what is held, faults, previews, and repeats.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tally_tests::messages_api::MessagesApi;
use tally_tests::{Caller, id, task_model};

use super::{counts, explain, give, invoices, uploaded};
use crate::access::{NOTHING, add, me, rule, workbook};
use crate::analyses::{Owner, stack};
use crate::api_keys::new_key;
use crate::chat::{own_events, text};
use crate::job_api::{budget, jobs, nanos, path, set_budget, under_key};
use crate::prompts::with;
use crate::ranges::{begin, upload};

async fn model() -> MessagesApi {
    MessagesApi::start(|asked| give(asked, |_| Some(json!("Fine.")))).await
}

#[tokio::test]
async fn a_batch_is_held_run_and_paid() {
    let api = model().await;
    let stack = stack(&api).await;
    let mut owner = Owner::new(&stack, stack.someone().await).await;
    let (_, ready) = uploaded(&stack, &owner.caller).await;
    let body = explain(&ready.range);
    let answer = stack.post("/batches", Some(&owner.caller), &body).await;
    let job = answer.expect(202);
    assert_eq!(answer.header("location"), path(&job));
    assert_eq!(
        (text(&job["kind"]), text(&job["status"]), text(&job["title"]), counts(&job)),
        ("batch", "queued", "Batch explain of A2:B6", [5, 5, 0, 0, 0, 0])
    );
    // Each of the five calls may answer with 350 tokens, of 25 dollars for a million.
    let held = nanos(&job["held_usd"]);
    assert!(held > 5 * 350 * 25_000, "{held}");
    let ended = owner.end(&stack, &job).await;
    assert_eq!((text(&ended["status"]), counts(&ended)), ("succeeded", [5, 0, 0, 5, 0, 0]));
    assert_eq!((text(&ended["cost_usd"]), text(&ended["held_usd"])), ("0.00104875", "0.00"));
    assert_eq!(budget(&stack, &owner.caller).await, (nanos(&ended["cost_usd"]), 0));
    assert!(api.asked().iter().all(|asked| asked.body["max_tokens"] == 350));
    let events = own_events(&stack, &owner.caller, "job.").await;
    let actions: Vec<_> = events.iter().map(|event| text(&event["action"])).collect();
    let calls = ["job.item"; 5];
    assert_eq!(actions, [&["job.requested"][..], &calls, &["job.ended"]].concat());
    assert_eq!(nanos(&events[0]["detail"]["held_usd"]), held);
    // An event has nothing of the cells.
    let logged = json!(events).to_string();
    assert!(!logged.contains("Paper") && !logged.contains("Invoice"), "{logged}");

    // No room in a budget: nothing starts.
    set_budget(&stack, &owner.caller, held).await;
    stack.post("/batches", Some(&owner.caller), &body).await.problem(402, "budget_exceeded");
    assert_eq!(jobs(&stack, &owner.caller).await.len(), 1);
    assert_eq!(api.asked().len(), 5);
}

#[tokio::test]
async fn every_fault_of_a_request_is_named() {
    let api = model().await;
    let stack = stack(&api).await;
    let owner = stack.someone().await;
    let (_, ready) = uploaded(&stack, &owner).await;
    let right = explain(&ready.range);
    let operation = |operation: Value| json!({"operation": operation});
    let many: Vec<_> = (0..51).map(|label| label.to_string()).collect();
    for (change, faults) in [
        (json!({"range_id": null}), &["/range_id"][..]),
        (json!({"range_id": "r-1"}), &["/range_id"]),
        (json!({"operation": null}), &["/operation"]),
        (operation(json!({"type": "translate"})), &["/operation"]),
        (operation(json!({"type": "explain", "to": "text"})), &["/operation"]),
        (operation(json!({"type": "clean", "column": "A", "to": "money"})), &["/operation"]),
        (operation(json!({"type": "classify", "labels": ["one"]})), &["/operation"]),
        (operation(json!({"type": "classify", "labels": many})), &["/operation"]),
        (operation(json!({"type": "extract", "fields": []})), &["/operation"]),
        (json!({"input_columns": []}), &["/input_columns"]),
        (json!({"input_columns": ["1"]}), &["/input_columns"]),
        (json!({"input_columns": ["A", "A"]}), &["/input_columns"]),
        (json!({"input_columns": "A"}), &["/input_columns"]),
        (json!({"rows_per_call": 0}), &["/rows_per_call"]),
        (json!({"rows_per_call": 51}), &["/rows_per_call"]),
        (json!({"max_cost_usd": "much"}), &["/max_cost_usd"]),
        (json!({"instructions": " "}), &["/instructions"]),
        (operation(json!({"type": "clean", "column": "C", "to": "text"})), &["/operation"]),
        (json!({"columns": ["A"]}), &["/columns"]),
        (
            json!({
                "range_id": 1, "operation": 2, "input_columns": 3, "rows_per_call": "4",
                "max_cost_usd": [], "instructions": 5, "more": 6,
            }),
            &[
                "/input_columns",
                "/instructions",
                "/max_cost_usd",
                "/more",
                "/operation",
                "/range_id",
                "/rows_per_call",
            ],
        ),
    ] {
        let answer = stack.post("/batches", Some(&owner), &with(right.clone(), &change)).await;
        let problem = answer.problem(422, "validation_failed");
        let errors = problem["errors"].as_array().unwrap();
        let mut named: Vec<_> = errors.iter().map(|error| text(&error["pointer"])).collect();
        named.sort_unstable();
        assert_eq!(named, faults, "{change}: {problem}");
    }
    // These are wrong for this range alone.
    for (change, field) in [
        (json!({"address": "E2:F3"}), "/address"),
        (json!({"address": "Other!A2"}), "/address"),
        (json!({"address": "A2,B3"}), "/address"),
        (json!({"address": "A1:C1"}), "/address"),
        (json!({"input_columns": ["A", "D"]}), "/input_columns"),
    ] {
        let answer = stack.post("/batches", Some(&owner), &with(right.clone(), &change)).await;
        answer.invalid(&[field]);
    }
    stack.post("/batches", None, &right).await.problem(401, "unauthenticated");

    // A batch has 50,000 rows at most.
    let book = workbook(&stack, &owner).await;
    let column = json!({"address": "A1:A50002", "values": "x", "formulas": "x"});
    let long = upload(&stack, &owner, &book, column).await.range;
    let body = with(explain(&long), &json!({"input_columns": ["A"], "rows_per_call": 50}));
    stack.post("/batches", Some(&owner), &body).await.invalid(&["/address"]);
    assert_eq!(stack.items("JobsTable").await, Vec::<Value>::new());
    assert_eq!(api.asked().len(), 0);
}

#[tokio::test]
async fn a_batch_needs_rights_on_each_of_its_columns() {
    let api = model().await;
    let stack = stack(&api).await;
    let (owner, reader, stranger) =
        (stack.someone().await, stack.someone().await, stack.someone().await);
    let (book, ready) = uploaded(&stack, &owner).await;
    let user = me(&stack, &reader).await;
    let subject = json!({"type": "user", "id": user});
    let allow =
        |actions: &[&str]| rule(&book, "allow", json!({"actions": actions, "subject": subject}));
    let unready = json!({"address": "A1:C6"});
    let unready = id(&begin(&stack, &owner, &book, unready).await.expect(201));
    let body = explain(&ready.range);
    let ask =
        async |caller: &Caller, body: &Value| stack.post("/batches", Some(caller), body).await;
    ask(&stranger, &body).await.problem(404, "not_found");
    ask(&owner, &explain(NOTHING)).await.problem(404, "not_found");
    ask(&owner, &explain(&unready)).await.problem(409, "not_ready");
    add(&stack, &owner, &[allow(&["read"])]).await.expect(200);
    ask(&reader, &body).await.problem(403, "forbidden");
    add(&stack, &owner, &[allow(&["ai"])]).await.expect(200);
    let one = json!({"column": {"header": "Text"}, "actions": ["ai"], "subject": subject});
    add(&stack, &owner, &[rule(&book, "deny", one)]).await.expect(200);
    ask(&reader, &body).await.problem(403, "forbidden");
    let other = with(body, &json!({"input_columns": ["A", "C"], "rows_per_call": 20}));
    ask(&reader, &other).await.expect(202);
}

#[tokio::test]
async fn a_batch_of_a_range_that_is_not_as_in_its_preview_is_refused() {
    let api = model().await;
    let stack = stack(&api).await;
    let mut owner = Owner::new(&stack, stack.someone().await).await;
    let book = workbook(&stack, &owner.caller).await;
    let ready = upload(&stack, &owner.caller, &book, invoices()).await;
    let preview = format!("/ranges/{}/preview", ready.range);
    let preview = stack.post(&preview, Some(&owner.caller), &json!({"task": "Explain"})).await;
    let digest = preview.expect(200)["digest"].clone();
    let body = with(explain(&ready.range), &json!({"preview_digest": digest}));
    let job = owner.run(&stack, "/batches", &body).await;
    assert_eq!(job["status"], "succeeded");
    let other = platform::ids::sha256("other cells");
    let wrong = with(body.clone(), &json!({"preview_digest": other}));
    stack.post("/batches", Some(&owner.caller), &wrong).await.problem(409, "preview_outdated");
    // Another upload has other cells.
    let mut changed = invoices();
    changed["values"][1][1] = json!("Paper, 13 EUR");
    changed["formulas"][1][1] = json!("Paper, 13 EUR");
    let later = upload(&stack, &owner.caller, &book, changed).await.range;
    let outdated = with(body, &json!({"range_id": later}));
    stack.post("/batches", Some(&owner.caller), &outdated).await.problem(409, "preview_outdated");
    assert_eq!(jobs(&stack, &owner.caller).await.len(), 1);
}

#[tokio::test]
async fn a_repeated_request_starts_no_other_batch() {
    let api = model().await;
    let stack = stack(&api).await;
    let mut owner = Owner::new(&stack, stack.someone().await).await;
    let (_, ready) = uploaded(&stack, &owner.caller).await;
    let body = explain(&ready.range);
    let first = under_key(&stack, &owner.caller, "/batches", "k", &body).await.expect(202);
    let ended = owner.end(&stack, &first).await;
    assert_eq!(under_key(&stack, &owner.caller, "/batches", "k", &body).await.expect(202), ended);
    let other = with(body.clone(), &json!({"rows_per_call": 2}));
    let refused = under_key(&stack, &owner.caller, "/batches", "k", &other).await;
    refused.problem(422, "idempotency_key_reused");
    // It is the same job also once its range is gone.
    stack.delete(&format!("/ranges/{}", ready.range), Some(&owner.caller)).await.expect(204);
    assert_eq!(under_key(&stack, &owner.caller, "/batches", "k", &body).await.expect(202), ended);
    assert_eq!((jobs(&stack, &owner.caller).await.len(), api.asked().len()), (1, 5));
    stack.post("/batches", Some(&owner.caller), &body).await.problem(404, "not_found");
}

#[tokio::test]
async fn an_address_chooses_rows_and_the_columns_are_chosen_apart() {
    let api = model().await;
    let stack = stack(&api).await;
    let mut owner = Owner::new(&stack, stack.someone().await).await;
    let (_, ready) = uploaded(&stack, &owner.caller).await;
    for (address, rows) in [("A3:A4", &[3, 4][..]), ("C1:C2", &[2]), ("5:99", &[5, 6])] {
        let more = json!({"address": address, "input_columns": ["B"], "rows_per_call": 20});
        let before = api.asked().len();
        let job = owner.run(&stack, "/batches", &with(explain(&ready.range), &more)).await;
        assert_eq!(counts(&job)[3], rows.len() as u64, "{address}");
        assert_eq!(task_model::rows(&api.asked()[before]), rows, "{address}");
    }
}

#[tokio::test]
async fn a_key_that_starts_a_batch_needs_the_scope_to_read_ranges() {
    let api = model().await;
    let stack = stack(&api).await;
    let owner = stack.someone().await;
    let (_, ready) = uploaded(&stack, &owner).await;
    for (scopes, status) in
        [(&["jobs:write"][..], 403), (&["ranges:read"], 403), (&["jobs:write", "ranges:read"], 202)]
    {
        let body = new_key(scopes, Duration::from_hours(1));
        let key = stack.post("/api-keys", Some(&owner), &body).await.expect(201);
        let request =
            stack.request(Method::POST, "/batches").header("x-api-key", text(&key["key"]));
        let answer = stack.send(request.json(&explain(&ready.range))).await;
        assert_eq!(answer.status, status, "{scopes:?}: {answer:?}");
    }
}
