//! Versions: how they are saved, also by many at once, and which of them replies use.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};
use tally_tests::messages_api::MessagesApi;
use tally_tests::{Answer, Caller, TestStack};

use super::{chat, in_use, read, save, update, with};
use crate::access::me;

/// The statuses of answers, sorted.
fn statuses(answers: &[Answer]) -> Vec<u16> {
    let mut statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    statuses
}

/// Saves each of these at the same moment.
async fn save_at_once(
    stack: &TestStack,
    caller: &Caller,
    name: &str,
    bodies: &[Value],
) -> Vec<Answer> {
    join_all(bodies.iter().map(|body| save(stack, caller, name, body))).await
}

/// The details of the events of an action that were successes, oldest first.
async fn told(stack: &TestStack, admin: &Caller, action: &str) -> Vec<Value> {
    let events = stack.events(admin, action).await;
    let events = events.into_iter().filter(|event| event["outcome"] == "success");
    events.map(|event| event["detail"].clone()).collect()
}

#[tokio::test]
async fn a_version_is_saved_once_and_never_changes() {
    let stack = TestStack::start().await;
    let (editor, admin) = (stack.editor().await, stack.admin().await);
    let body = json!({
        "kind": "task", "system": "On {{today}} in {{ year }}.", "user": "{{rows}}\n{{input}}",
        "variables": [
            {"name": "year", "type": "integer"},
            {"name": "rows", "type": "json", "default": [], "description": "Rows."},
        ],
        "model": "claude-opus-5-5", "max_tokens": 2000, "effort": "low",
        "output_schema": {"type": "object"}, "note": "First", "based_on": 0,
    });
    let answer = save(&stack, &editor, "finance.rows", &body).await;
    let first = answer.expect(201);
    assert_eq!(answer.header("location"), "/prompts/finance.rows/versions/1");
    let expected = json!({
        "name": "finance.rows", "version": 1, "kind": "task",
        "system": "On {{today}} in {{ year }}.", "user": "{{rows}}\n{{input}}",
        "variables": [
            {"name": "year", "type": "integer", "required": true},
            {
                "name": "rows", "type": "json", "required": true, "default": [],
                "description": "Rows.",
            },
        ],
        "model": "claude-opus-5-5", "max_tokens": 2000, "effort": "low",
        "output_schema": {"type": "object"}, "note": "First", "sha256": first["sha256"],
        "created_at": first["created_at"], "created_by": me(&stack, &editor).await, "labels": [],
    });
    assert_eq!(first, expected);

    // The same content is the same version, and keeps its note.
    let same = with(body.clone(), &json!({"note": "Again", "based_on": 1}));
    let again = save(&stack, &admin, "finance.rows", &same).await;
    assert_eq!(again.expect(200), first);
    assert_eq!(again.header("location"), "/prompts/finance.rows/versions/1");
    let other = with(body.clone(), &json!({"effort": "high", "based_on": 1}));
    let second = save(&stack, &admin, "finance.rows", &other).await.expect(201);
    assert_eq!((&second["version"], &second["effort"]), (&json!(2), &json!("high")));
    assert_ne!(second["sha256"], first["sha256"]);
    // An earlier content is a new version.
    let third = save(&stack, &editor, "finance.rows", &with(body, &json!({"based_on": 2}))).await;
    let third = third.expect(201);
    assert_eq!((&third["version"], &third["sha256"]), (&json!(3), &first["sha256"]));
    let path = "/prompts/finance.rows/versions/1";
    assert_eq!(stack.get(path, Some(&editor)).await.expect(200), first);
    // No version is in use before the label is moved.
    assert_eq!(in_use(&stack, "finance.rows").await, None);

    let told = told(&stack, &admin, "prompt.version_created").await;
    let told: Vec<_> = told.iter().map(|told| (&told["version"], &told["created"])).collect();
    let (yes, no) = (json!(true), json!(false));
    let (one, two, three) = (json!(1), json!(2), json!(3));
    assert_eq!(told, [(&one, &yes), (&one, &no), (&two, &yes), (&three, &yes)]);
    let events = stack.events(&admin, "prompt.version_created").await;
    assert_eq!(events[0]["resource"], "prompt:finance.rows");
    assert_eq!(events[0]["detail"]["sha256"], first["sha256"]);
    assert!(!format!("{events:?}").contains("On {{today}}"), "an event has a text of a prompt");
}

#[tokio::test]
async fn twenty_saves_at_once_are_twenty_versions_without_gaps() {
    let stack = TestStack::start().await;
    let editor = stack.editor().await;
    let bodies: Vec<_> = (0..20).map(|number| chat(&format!("Number {number}."))).collect();
    let answers = save_at_once(&stack, &editor, "busy", &bodies).await;
    let mut numbers: Vec<_> =
        answers.iter().map(|answer| answer.expect(201)["version"].as_u64().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=20).collect::<Vec<u64>>());
    let page = stack.get("/prompts/busy/versions", Some(&editor)).await.expect(200);
    let items = page["items"].as_array().unwrap();
    let listed: Vec<_> = items.iter().map(|item| item["version"].as_u64().unwrap()).collect();
    assert_eq!(listed, (1..=20).rev().collect::<Vec<u64>>());
    let hashes: BTreeSet<_> = items.iter().map(|item| item["sha256"].to_string()).collect();
    assert_eq!((hashes.len(), &page["next_cursor"]), (20, &Value::Null));
    // The answer of each save has its own text.
    for (body, answer) in bodies.iter().zip(&answers) {
        assert_eq!(answer.json()["system"], body["system"]);
    }
    let prompt = read(&stack, &editor, "busy").await;
    assert_eq!((&prompt["latest"], &prompt["revision"]), (&json!(20), &json!(20)));

    // Of those that are based on one version, one follows it.
    let based = json!({"based_on": 20});
    let bodies: Vec<_> =
        (20..30).map(|number| with(chat(&format!("Number {number}.")), &based)).collect();
    let answers = save_at_once(&stack, &editor, "busy", &bodies).await;
    assert_eq!(statuses(&answers)[..2], [201, 409]);
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        let problem = answer.problem(409, "version_conflict");
        assert!(problem["detail"].as_str().unwrap().contains("21"), "{problem}");
    }
    // The same content is saved once.
    let same: Vec<_> = (0..10).map(|_| chat("Same.")).collect();
    let answers = save_at_once(&stack, &editor, "busy", &same).await;
    assert_eq!(statuses(&answers)[..2], [200, 200]);
    let created = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!((created, &answers[0].json()["version"]), (1, &json!(22)));
}

#[tokio::test]
async fn a_save_moves_labels_and_an_administrator_production() {
    let stack = TestStack::start().await;
    let (editor, admin) = (stack.editor().await, stack.admin().await);
    let labelled = |labels: Value| json!({"labels": labels, "note": "Why"});
    let first = with(chat("One."), &labelled(json!(["staging", "eu"])));
    let first = save(&stack, &editor, "faq", &first).await.expect(201);
    assert_eq!(first["labels"], json!(["eu", "staging"]));
    let production = labelled(json!(["production"]));
    let refused = save(&stack, &editor, "faq", &with(chat("Two."), &production)).await;
    refused.problem(403, "forbidden");
    assert_eq!(read(&stack, &editor, "faq").await["latest"], 1);

    save(&stack, &admin, "faq", &with(chat("Two."), &production)).await.expect(201);
    assert_eq!(in_use(&stack, "faq").await, Some(2));
    save(&stack, &editor, "faq", &chat("Three.")).await.expect(201);
    assert_eq!(in_use(&stack, "faq").await, Some(2));
    // The version stays, and its labels move.
    let moved = with(chat("Three."), &labelled(json!(["staging"])));
    for _ in 0..2 {
        let moved = save(&stack, &editor, "faq", &moved).await.expect(200);
        assert_eq!((&moved["version"], &moved["labels"]), (&json!(3), &json!(["staging"])));
    }
    save(&stack, &admin, "faq", &with(chat("Three."), &production)).await.expect(200);
    assert_eq!(in_use(&stack, "faq").await, Some(3));

    let prompt = read(&stack, &editor, "faq").await;
    assert_eq!(prompt["labels"], json!({"eu": 1, "production": 3, "staging": 3}));
    // Five changes: three versions and two moves.
    assert_eq!((&prompt["latest"], &prompt["revision"]), (&json!(3), &json!(5)));
    let history = prompt["moves"].as_array().unwrap();
    let versions: Vec<_> =
        history.iter().map(|step| json!([step["label"], step["from"], step["to"]])).collect();
    let newest =
        [json!(["production", 2, 3]), json!(["staging", 1, 3]), json!(["production", null, 2])];
    assert_eq!((&versions[..3], versions.len()), (&newest[..], 5));
    assert_eq!(
        (&history[0]["by"], &history[0]["note"]),
        (&json!(me(&stack, &admin).await), &json!("Why"))
    );

    let told = told(&stack, &admin, "prompt.label_moved").await;
    let last = json!({"label": "production", "from": 2, "to": 3, "note": "Why"});
    assert_eq!((told.len(), told.last()), (5, Some(&last)));

    let many: Vec<_> = (0..8).map(|number| format!("label-{number}")).collect();
    let many = with(chat("Four."), &json!({"labels": many}));
    save(&stack, &editor, "faq", &many).await.problem(409, "limit_reached");
    assert_eq!(read(&stack, &editor, "faq").await["latest"], 3);
}

#[tokio::test]
async fn a_prompt_that_is_built_in_begins_with_version_0() {
    let stack = TestStack::start().await;
    let (editor, admin) = (stack.editor().await, stack.admin().await);
    let built_in = stack.get("/prompts/default/versions/production", Some(&editor)).await;
    let built_in = built_in.expect(200);
    assert_eq!((&built_in["version"], &built_in["created_by"]), (&json!(0), &Value::Null));
    let same = chat(built_in["system"].as_str().unwrap());
    let found = save(&stack, &editor, "default", &same).await;
    assert_eq!(found.expect(200), built_in);
    let staging = with(same, &json!({"labels": ["staging"]}));
    let found = save(&stack, &editor, "default", &staging).await.expect(200);
    assert_eq!((&found["version"], &found["labels"]), (&json!(0), &json!(["staging"])));

    let task = with(chat("Other."), &json!({"kind": "task"}));
    save(&stack, &editor, "default", &task).await.invalid(&["/kind"]);
    save(&stack, &editor, "default", &chat("Other.")).await.expect(201);
    assert_eq!(in_use(&stack, "default").await, Some(0));
    let other = with(chat("Another."), &json!({"labels": ["production"], "based_on": 1}));
    save(&stack, &admin, "default", &other).await.expect(201);
    assert_eq!(in_use(&stack, "default").await, Some(2));
    let prompt = read(&stack, &editor, "default").await;
    assert_eq!(prompt["labels"], json!({"production": 2, "staging": 0}));
    assert_eq!(prompt["description"], "The assistant, without tools.");
}

#[tokio::test]
async fn where_versions_are_reviewed_the_author_does_not_release() {
    let stack = TestStack::with(&[("PromptReview", "on"), ("RateLimits", "*=100000/1m")]).await;
    let (admin, other) = (stack.admin().await, stack.someone_with("admin").await);
    let body = with(chat("Mine."), &json!({"labels": ["production"]}));
    save(&stack, &admin, "faq", &body).await.problem(403, "forbidden");
    save(&stack, &admin, "faq", &chat("Mine.")).await.expect(201);
    let refused = save(&stack, &admin, "faq", &body).await.problem(403, "forbidden");
    assert!(refused["detail"].as_str().unwrap().contains("another administrator"), "{refused}");
    assert_eq!(in_use(&stack, "faq").await, None);
    save(&stack, &other, "faq", &body).await.expect(200);
    assert_eq!(in_use(&stack, "faq").await, Some(1));
}

#[tokio::test]
async fn an_archived_prompt_is_out_of_use_and_comes_back_as_it_was() {
    let stack = TestStack::start().await;
    let (editor, admin) = (stack.editor().await, stack.admin().await);
    let body = with(chat("One."), &json!({"labels": ["production"]}));
    save(&stack, &admin, "faq", &body).await.expect(201);
    let archive = |archived: bool| json!({"archived": archived});
    let archived = update(&stack, &editor, "faq", &archive(true)).await.expect(200);
    assert_eq!((&archived["archived"], &archived["revision"]), (&json!(true), &json!(2)));
    assert_eq!(archived["labels"], json!({"production": 1}));
    assert_eq!(in_use(&stack, "faq").await, None);
    save(&stack, &editor, "faq", &chat("Two.")).await.problem(409, "conflict");
    // It is still read, and its name stays taken.
    stack.get("/prompts/faq/versions/production", Some(&editor)).await.expect(200);
    let again = update(&stack, &editor, "faq", &archive(true)).await.expect(200);
    assert_eq!(again, archived);
    let back = json!({"archived": false, "description": "Questions."});
    let back = update(&stack, &editor, "faq", &back).await.expect(200);
    assert_eq!((&back["archived"], &back["description"]), (&json!(false), &json!("Questions.")));
    assert_eq!(in_use(&stack, "faq").await, Some(1));

    update(&stack, &editor, "default", &archive(true)).await.invalid(&["/archived"]);
    update(&stack, &editor, "unknown", &archive(true)).await.problem(404, "not_found");
    update(&stack, &editor, "faq", &json!({})).await.invalid(&["/description"]);
    let ours = json!({"description": "Our assistant."});
    let described = update(&stack, &editor, "default", &ours).await.expect(200);
    assert_eq!(
        (&described["latest"], &described["revision"], &described["labels"]),
        (&json!(0), &json!(1), &json!({}))
    );
    assert_eq!(in_use(&stack, "default").await, Some(0));
    let told = told(&stack, &admin, "prompt.updated").await;
    assert_eq!(told[0], json!({"fields": ["archived"], "archived": true}));
    assert_eq!(told.len(), 4);
}

#[tokio::test]
async fn changes_at_once_are_all_made() {
    let stack = TestStack::start().await;
    let editor = stack.editor().await;
    save(&stack, &editor, "faq", &chat("One.")).await.expect(201);
    let change = json!({"description": "Questions."});
    let restored = json!({"archived": false, "description": "Questions."});
    let body = with(chat("Two."), &json!({"labels": ["staging"]}));
    let (described, archived, saved) = futures_util::join!(
        update(&stack, &editor, "faq", &change),
        update(&stack, &editor, "faq", &restored),
        save(&stack, &editor, "faq", &body),
    );
    described.expect(200);
    archived.expect(200);
    saved.expect(201);
    let prompt = read(&stack, &editor, "faq").await;
    assert_eq!(
        (&prompt["description"], &prompt["latest"], &prompt["labels"]),
        (&json!("Questions."), &json!(2), &json!({"staging": 2}))
    );

    // Many saves leave no move of a label behind, and no description.
    let bodies: Vec<_> = (0..12).map(|number| chat(&format!("Number {number}."))).collect();
    let places: Vec<_> = (0..6).map(|number| format!("/prompts/faq/labels/l{number}")).collect();
    let first = json!({"version": 1});
    let described = json!({"description": "Answers."});
    let (saved, moved, described) = futures_util::join!(
        save_at_once(&stack, &editor, "faq", &bodies),
        join_all(places.iter().map(|path| stack.call(Method::PUT, path, &editor, &first))),
        update(&stack, &editor, "faq", &described),
    );
    assert_eq!((statuses(&saved), statuses(&moved)), (vec![201; 12], vec![200; 6]));
    described.expect(200);
    let prompt = read(&stack, &editor, "faq").await;
    assert_eq!((&prompt["description"], &prompt["latest"]), (&json!("Answers."), &json!(14)));
    assert_eq!(prompt["labels"].as_object().unwrap().len(), 7);
}

#[tokio::test]
async fn contents_that_are_rendered_otherwise_are_two_versions() {
    let stack = TestStack::start().await;
    let editor = stack.editor().await;
    // Each number is written like the one before it in the form that is hashed.
    for (number, default) in (1_u64..).zip([
        json!(9_007_199_254_740_992_u64),
        json!(9_007_199_254_740_993_u64),
        json!(4),
        json!(4.0),
    ]) {
        let variables = json!([{"name": "x", "type": "number", "default": default}]);
        let body = with(chat("At most {{x}}."), &json!({"variables": variables}));
        assert_eq!(save(&stack, &editor, "faq", &body).await.expect(201)["version"], number);
        assert_eq!(save(&stack, &editor, "faq", &body).await.expect(200)["version"], number);
        let which = json!({"version": number});
        let rendered = stack.post("/prompts/faq/render", Some(&editor), &which).await.expect(200);
        assert_eq!(rendered["system"], format!("At most {default}."));
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_version_is_named() {
    let stack = TestStack::start().await;
    let editor = stack.editor().await;
    let variable = |kind: &str| json!([{"name": "x", "type": kind}]);
    for (more, faults) in [
        (json!({"kind": "agent"}), &["/kind"][..]),
        (json!({"system": " "}), &["/system"]),
        (json!({"system": "x".repeat(100_001)}), &["/system"]),
        (json!({"system": "{{x}}"}), &["/system"]),
        (json!({"system": "{{x}}", "variables": variable("string")}), &["/system"]),
        (json!({"variables": variable("date")}), &["/variables"]),
        (json!({"user": "Hello"}), &["/user"]),
        (json!({"model": "a model"}), &["/model"]),
        (json!({"max_tokens": 0, "effort": "enormous"}), &["/max_tokens", "/effort"]),
        (json!({"output_schema": {}}), &["/output_schema"]),
        (json!({"based_on": "1"}), &["/based_on"]),
        (json!({"labels": ["latest"]}), &["/labels"]),
        (json!({"labels": ["a", "a"]}), &["/labels"]),
        (json!({"note": "x".repeat(501)}), &["/note"]),
        (json!({"name": "faq"}), &["/name"]),
        (json!({"temperature": 0}), &["/temperature"]),
    ] {
        save(&stack, &editor, "faq", &with(chat("One."), &more)).await.invalid(faults);
    }
    save(&stack, &editor, "faq", &with(chat("One."), &json!({"based_on": 1})))
        .await
        .problem(409, "version_conflict");
    stack.get("/prompts/faq", Some(&editor)).await.problem(404, "not_found");
    let events = stack.events(&stack.admin().await, "prompt.").await;
    // Invalid input is no attempt, and the conflict is one.
    let told: Vec<_> = events.iter().map(|event| (&event["outcome"], &event["resource"])).collect();
    assert_eq!(told, [(&json!("failure"), &json!("prompt:faq"))]);

    let api = MessagesApi::with(Vec::new()).await;
    let stack = crate::chat::claude::stack(&api, &[]).await;
    let editor = stack.editor().await;
    let of = |model: &str| with(chat("One."), &json!({"model": model}));
    save(&stack, &editor, "faq", &of("third")).await.invalid(&["/model"]);
    assert_eq!(save(&stack, &editor, "faq", &of("second")).await.expect(201)["model"], "second");
}

#[tokio::test]
async fn a_save_that_is_sent_again_is_answered_with_the_same_version() {
    let stack = TestStack::start().await;
    let (editor, other) = (stack.editor().await, stack.editor().await);
    let send = async |caller: &Caller, name: &str, body: &Value, key: &str| {
        let request = stack.request(Method::POST, &format!("/prompts/{name}/versions"));
        let request = request.bearer_auth(&caller.access).header("idempotency-key", key);
        stack.send(request.json(body)).await
    };
    let (one, two) = (chat("One."), chat("Two."));
    let first = send(&editor, "faq", &one, "a").await.expect(201);
    let second = with(two.clone(), &json!({"labels": ["staging"]}));
    send(&editor, "faq", &second, "b").await.expect(201);
    let again = send(&editor, "faq", &one, "a").await;
    assert_eq!(again.expect(201), first);
    assert_eq!(again.header("location"), "/prompts/faq/versions/1");
    assert_eq!(send(&editor, "faq", &second, "b").await.expect(201)["labels"], json!(["staging"]));
    send(&editor, "faq", &two, "a").await.problem(422, "idempotency_key_reused");
    // The key is one of the route, for all prompts.
    send(&editor, "other", &one, "a").await.problem(422, "idempotency_key_reused");
    // A version that was there before is found again, too.
    for _ in 0..2 {
        assert_eq!(send(&editor, "faq", &two, "c").await.expect(200)["version"], 2);
    }
    save(&stack, &editor, "faq", &chat("Three.")).await.expect(201);
    assert_eq!(send(&editor, "faq", &two, "c").await.expect(200)["version"], 2);
    // Another caller's key is another key.
    assert_eq!(send(&other, "faq", &one, "a").await.expect(201)["version"], 4);
    assert_eq!(read(&stack, &editor, "faq").await["latest"], 4);
}
