//! Requests for analyses: what is estimated and held, faults, prompts, and repeats.

use serde_json::{Value, json};
use tally_tests::messages_api::MessagesApi;
use tally_tests::{id, task_model};

use super::{Owner, found, of_text, review, stack};
use crate::access::NOTHING;
use crate::chat::{own_events, text};
use crate::job_api::{budget, items, jobs, nanos, path, read, set_budget, under_key};
use crate::prompts::{save, update, with};

async fn model() -> MessagesApi {
    MessagesApi::start(|asked| review(asked, |_| vec![found("a-fault", "low", "two")])).await
}

#[tokio::test]
async fn an_analysis_is_estimated_held_run_and_paid() {
    let api = model().await;
    let stack = stack(&api).await;
    let mut owner = Owner::new(&stack, stack.someone().await).await;
    let body = of_text("one\ntwo\nthree\n");

    // A dry run leaves nothing.
    let dry = "/analyses?dry_run=true";
    let estimate = stack.post(dry, Some(&owner.caller), &body).await.expect(200);
    let worst = nanos(&estimate["worst_usd"]);
    assert_eq!(estimate["items"], 2, "a piece and the summary");
    assert!(estimate["input_tokens_at_most"].as_u64() > Some(100), "{estimate}");
    assert!(worst > 0, "{estimate}");
    assert_eq!(stack.items("JobsTable").await, Vec::<Value>::new());
    assert_eq!(own_events(&stack, &owner.caller, "job.").await, Vec::<Value>::new());
    assert_eq!(budget(&stack, &owner.caller).await, (0, 0));
    stack.post("/analyses?dry_run=1", Some(&owner.caller), &body).await.invalid(&["dry_run"]);

    let answer = stack.post("/analyses?dry_run=false", Some(&owner.caller), &body).await;
    let job = answer.expect(202);
    assert_eq!(answer.header("location"), path(&job));
    assert_eq!(
        (text(&job["kind"]), text(&job["status"]), text(&job["title"])),
        ("analysis", "queued", "code analysis of note.txt")
    );
    assert_eq!(job["prompt"], json!({"name": "code.review", "version": 0}));
    assert_eq!((nanos(&job["held_usd"]), nanos(&job["cost_usd"])), (worst, 0));
    let counts = |succeeded: u32| {
        json!({
            "total": 2, "pending": 2 - succeeded, "running": 0, "succeeded": succeeded,
            "failed": 0, "cancelled": 0,
        })
    };
    assert_eq!(job["counts"], counts(0));

    let ended = owner.end(&stack, &job).await;
    assert_eq!((text(&ended["status"]), &ended["counts"]), ("succeeded", &counts(2)));
    assert_eq!(ended["analysis"]["findings"], json!({"low": 1}));
    assert!(ended["analysis"]["summary"].is_string(), "{ended}");
    // Each call reads 25 tokens, 7 from the cache, 5 into it, and two are written.
    let usage = json!({
        "input_tokens": 50, "output_tokens": 4, "cache_read_tokens": 14, "cache_write_tokens": 10,
    });
    assert_eq!(ended["usage"], usage);
    assert_eq!((text(&ended["cost_usd"]), text(&ended["held_usd"])), ("0.0004195", "0.00"));
    assert_eq!(budget(&stack, &owner.caller).await, (nanos(&ended["cost_usd"]), 0));
    let found = items(&stack, &owner.caller, &ended).await;
    assert_eq!(found.iter().map(|item| &item["index"]).collect::<Vec<_>>(), [0, 1]);
    assert!(found.iter().all(|item| item["status"] == "succeeded" && item["attempts"] == 1));
    assert!(found[1]["result"]["summary"].is_string(), "{found:?}");

    let events = own_events(&stack, &owner.caller, "job.").await;
    let actions: Vec<_> = events.iter().map(|event| text(&event["action"])).collect();
    assert_eq!(actions, ["job.requested", "job.item", "job.item", "job.ended"]);
    let resource = json!(format!("job:{}", id(&job)));
    assert!(events.iter().all(|event| event["resource"] == resource), "{events:?}");
    assert_eq!(nanos(&events[0]["detail"]["held_usd"]), worst);
    assert_eq!(
        (&events[1]["detail"]["prompt"], &events[2]["detail"]["prompt"]),
        (&json!("code.review"), &json!("analysis.summary"))
    );
    // The events have nothing of the text.
    assert!(!json!(events).to_string().contains("note.txt"), "{events:?}");
}

#[tokio::test]
async fn a_hold_is_no_more_than_its_owner_and_the_budget_allow() {
    let api = model().await;
    let stack = stack(&api).await;
    let mut owner = Owner::new(&stack, stack.someone().await).await;
    let body = of_text("one\ntwo\n");
    let dry = "/analyses?dry_run=true";
    let estimate = stack.post(dry, Some(&owner.caller), &body).await.expect(200);
    let worst = nanos(&estimate["worst_usd"]);

    // The worst case of one call alone is more.
    let little = with(body.clone(), &json!({"max_cost_usd": "0.01"}));
    let job = owner.start(&stack, "/analyses", &little).await;
    assert_eq!(job["held_usd"], "0.01");
    let ended = owner.end(&stack, &job).await;
    assert_eq!(
        (text(&ended["status"]), &ended["error"]["code"], text(&ended["cost_usd"])),
        ("failed", &json!("budget_exceeded"), "0.00")
    );
    assert_eq!((&ended["counts"]["failed"], api.asked().len()), (&json!(2), 0));
    // More than the worst case is held of no budget.
    let much = with(body.clone(), &json!({"max_cost_usd": 19}));
    let ended = owner.run(&stack, "/analyses", &much).await;
    assert_eq!(ended["status"], "succeeded");
    let requested = own_events(&stack, &owner.caller, "job.requested").await;
    assert_eq!(nanos(&requested[1]["detail"]["held_usd"]), worst);

    let (spent, _) = budget(&stack, &owner.caller).await;
    set_budget(&stack, &owner.caller, spent + worst - 1).await;
    stack.post("/analyses", Some(&owner.caller), &body).await.problem(402, "budget_exceeded");
    // An estimate needs no budget.
    assert_eq!(stack.post(dry, Some(&owner.caller), &body).await.expect(200), estimate);
    assert_eq!(jobs(&stack, &owner.caller).await.len(), 2);
    assert_eq!(budget(&stack, &owner.caller).await, (spent, 0));
    let less = with(body, &json!({"max_cost_usd": "0.01"}));
    owner.run(&stack, "/analyses", &less).await;
}

#[tokio::test]
async fn every_fault_of_a_request_is_named() {
    let api = model().await;
    let stack = stack(&api).await;
    let caller = stack.someone().await;
    let right = of_text("one\n");
    let one = &right["inputs"][0];
    for (change, faults) in [
        (json!({"type": "fast"}), &["/type"][..]),
        (json!({"type": null}), &["/type"]),
        (json!({"inputs": []}), &["/inputs"]),
        (json!({"inputs": vec![one.clone(); 21]}), &["/inputs"]),
        (json!({"inputs": [{"name": "a"}]}), &["/inputs"]),
        (json!({"inputs": [{"name": "a", "text": ""}]}), &["/inputs"]),
        (json!({"inputs": [{"name": "a", "text": "b", "file_id": NOTHING}]}), &["/inputs"]),
        (json!({"inputs": [{"name": "a", "text": "x".repeat(500_001)}]}), &["/inputs"]),
        (json!({"inputs": [one, {"file_id": "f-1"}]}), &["/inputs"]),
        (json!({"type": "custom"}), &["/prompt"]),
        (json!({"prompt": "a b"}), &["/prompt"]),
        (json!({"variables": []}), &["/variables"]),
        (json!({"variables": {"year": 2026}}), &["/variables/year"]),
        (json!({"max_cost_usd": -1}), &["/max_cost_usd"]),
        (json!({"title": ""}), &["/title"]),
        (json!({"title": "x".repeat(201)}), &["/title"]),
        (json!({"operation": "clean"}), &["/operation"]),
        (json!({"rerun_of": NOTHING}), &["/type", "/inputs"]),
        (
            json!({
                "type": "fast", "inputs": "a", "prompt": 7, "variables": "b",
                "max_cost_usd": "much", "title": 1, "more": true,
            }),
            &["/type", "/inputs", "/prompt", "/variables", "/max_cost_usd", "/title", "/more"],
        ),
    ] {
        let body = with(right.clone(), &change);
        for path in ["/analyses", "/analyses?dry_run=true"] {
            let answer = stack.post(path, Some(&caller), &body).await;
            let problem = answer.problem(422, "validation_failed");
            let named = problem["errors"].as_array().unwrap().iter();
            let mut named: Vec<_> = named.map(|error| text(&error["pointer"])).collect();
            let mut faults = faults.to_vec();
            named.sort_unstable();
            faults.sort_unstable();
            assert_eq!(named, faults, "{answer:?}");
        }
    }
    stack.post("/analyses", Some(&caller), &json!({})).await.invalid(&["/type", "/inputs"]);
    stack.post("/analyses", None, &right).await.problem(401, "unauthenticated");
    assert_eq!(stack.items("JobsTable").await, Vec::<Value>::new());
    assert_eq!(api.asked().len(), 0);
}

#[tokio::test]
async fn a_reference_names_a_task_that_its_caller_may_use() {
    let api = model().await;
    let stack = stack(&api).await;
    let (editor, admin) = (stack.editor().await, stack.admin().await);
    let mut viewer = Owner::new(&stack, stack.someone().await).await;
    let task = |system: &str| json!({"kind": "task", "system": system, "user": "{{input}}"});
    save(&stack, &editor, "mine", &task("Draft.")).await.expect(201);
    save(&stack, &editor, "old", &task("Old.")).await.expect(201);
    update(&stack, &editor, "old", &json!({"archived": true})).await.expect(200);
    let year = json!({"variables": [{"name": "year", "type": "integer"}]});
    let yearly = with(task("Faults of {{year}}."), &year);
    let produced = with(yearly, &json!({"labels": ["production"]}));
    save(&stack, &admin, "yearly", &produced).await.expect(201);
    let of = |prompt: &str| with(of_text("one\n"), &json!({"prompt": prompt}));

    for prompt in ["mine@1", "mine@staging", "code.review@0", "no.such@1"] {
        let refused = stack.post("/analyses", Some(&viewer.caller), &of(prompt)).await;
        refused.problem(403, "forbidden");
    }
    // There is no version of `mine` in production.
    for prompt in ["default", "excel.formula", "no.such", "old", "mine"] {
        stack.post("/analyses", Some(&viewer.caller), &of(prompt)).await.invalid(&["/prompt"]);
    }
    for prompt in ["old@1", "mine@2", "mine@staging", "default@0"] {
        stack.post("/analyses", Some(&editor), &of(prompt)).await.invalid(&["/prompt"]);
    }
    for (variables, fault) in [
        (json!({}), "/variables/year"),
        (json!({"year": "soon"}), "/variables/year"),
        (json!({"year": 2026, "month": 1}), "/variables/month"),
    ] {
        let body = with(of("yearly"), &json!({"variables": variables}));
        stack.post("/analyses", Some(&viewer.caller), &body).await.invalid(&[fault]);
    }
    assert_eq!(api.asked().len(), 0);

    let body = with(of("yearly"), &json!({"variables": {"year": 2026}}));
    let job = viewer.run(&stack, "/analyses", &body).await;
    assert_eq!(job["prompt"], json!({"name": "yearly", "version": 1}));
    assert_eq!(api.asked()[0].body["system"][0]["text"], "Faults of 2026.");
    let mut editor = Owner::new(&stack, editor).await;
    let job = editor.run(&stack, "/analyses", &of("mine@1")).await;
    assert_eq!(job["prompt"], json!({"name": "mine", "version": 1}));
    let asked = api.asked();
    let last = asked.iter().rfind(|asked| asked.body["system"][0]["text"] == "Draft.").unwrap();
    assert!(task_model::said(last).contains("File: note.txt, line 1\n\n1\tone\n"), "{last:?}");
}

#[tokio::test]
async fn a_repeated_request_starts_no_other_job() {
    let api = model().await;
    let stack = stack(&api).await;
    let mut owner = Owner::new(&stack, stack.someone().await).await;
    let body = of_text("one\ntwo\n");
    let first = under_key(&stack, &owner.caller, "/analyses", "k", &body).await.expect(202);
    let ended = owner.end(&stack, &first).await;
    let again = under_key(&stack, &owner.caller, "/analyses", "k", &body).await;
    assert_eq!((again.expect(202), again.header("location")), (ended.clone(), &*path(&ended)));
    let other = of_text("three\n");
    let refused = under_key(&stack, &owner.caller, "/analyses", "k", &other).await;
    refused.problem(422, "idempotency_key_reused");
    assert_eq!(read(&stack, &owner.caller, &first).await, ended);
    assert_eq!((jobs(&stack, &owner.caller).await.len(), api.asked().len()), (1, 2));
    let mut requested = own_events(&stack, &owner.caller, "job.requested").await;
    requested.retain(|event| event["outcome"] == "success");
    let repeated: Vec<_> =
        requested.iter().map(|event| event["detail"]["repeated"] == true).collect();
    assert_eq!(repeated, [false, true]);
    // It is the owner's key.
    let other = stack.someone().await;
    let theirs = under_key(&stack, &other, "/analyses", "k", &body).await.expect(202);
    assert_ne!(theirs["id"], first["id"]);

    stack.delete(&path(&first), Some(&owner.caller)).await.expect(204);
    let gone = under_key(&stack, &owner.caller, "/analyses", "k", &body).await;
    gone.problem(404, "not_found");
}
