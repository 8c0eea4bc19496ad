//! Labels: how they move, who moves `production`, and what a head keeps of the moves.

use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};
use tally_tests::{Answer, Caller, TestStack};

use crate::audit::erasure::second_admin;
use crate::chat::own_events;
use crate::users::user_id;

/// No rate limits, replies without delay, and moves that are in force at once.
pub const AT_ONCE: [(&str, &str); 3] =
    [("RateLimits", "*=100000/1m"), ("LoremWordMilliseconds", "0"), ("PromptCacheSeconds", "0")];

/// Saves a version with this system prompt. Returns its number.
pub async fn save(stack: &TestStack, editor: &Caller, name: &str, system: &str) -> u64 {
    let body = json!({"kind": "chat", "system": system});
    let saved = stack.post(&format!("/prompts/{name}/versions"), Some(editor), &body).await;
    saved.expect(201)["version"].as_u64().unwrap()
}

/// Moves a label.
async fn put(
    stack: &TestStack,
    caller: &Caller,
    (name, label): (&str, &str),
    body: &Value,
) -> Answer {
    stack.call(Method::PUT, &format!("/prompts/{name}/labels/{label}"), caller, body).await
}

async fn remove(stack: &TestStack, caller: &Caller, (name, label): (&str, &str)) -> Answer {
    stack.delete(&format!("/prompts/{name}/labels/{label}"), Some(caller)).await
}

async fn prompt(stack: &TestStack, caller: &Caller, name: &str) -> Value {
    stack.get(&format!("/prompts/{name}"), Some(caller)).await.expect(200)
}

/// From where and to where the moves of a prompt went, newest first.
fn moves(prompt: &Value) -> Vec<(Value, Value)> {
    let moves = prompt["moves"].as_array().unwrap().iter();
    moves.map(|moved| (moved["from"].clone(), moved["to"].clone())).collect()
}

/// The version of the prompt that a new reply uses.
async fn used(stack: &TestStack, caller: &Caller, name: &str) -> Value {
    let body = json!({"message": "Hello", "prompt": name});
    stack.post("/chat", Some(caller), &body).await.expect(200);
    let last = own_events(stack, caller, "chat.message").await.pop().unwrap();
    assert_eq!(last["detail"]["prompt"], name);
    last["detail"]["prompt_version"].clone()
}

#[tokio::test]
async fn a_label_moves_from_where_its_mover_expects_it() {
    let stack = TestStack::start().await;
    let (editor, admin) = (stack.editor().await, stack.admin().await);
    for system in ["One.", "Two.", "Three."] {
        save(&stack, &editor, "close", system).await;
    }
    let staging = ("close", "staging");
    let mut revision = prompt(&stack, &editor, "close").await["revision"].as_u64().unwrap();
    for (body, from) in [
        (json!({"version": 1, "expected": null, "note": "The first."}), Ok(Value::Null)),
        (json!({"version": 2, "expected": 1}), Ok(json!(1))),
        (json!({"version": 3, "expected": 1}), Err(())),
        (json!({"version": 3, "expected": null}), Err(())),
        (json!({"version": 3, "expected": 0}), Err(())),
        (json!({"version": 3}), Ok(json!(2))),
        // The label stands there already.
        (json!({"version": 3, "expected": 3}), Ok(json!(3))),
        (json!({"version": 2, "expected": 3}), Ok(json!(3))),
    ] {
        let answer = put(&stack, &editor, staging, &body).await;
        match from {
            Ok(from) => {
                revision += u64::from(from != body["version"]);
                let expected = json!({
                    "label": "staging", "version": body["version"], "from": from,
                    "revision": revision,
                });
                assert_eq!(answer.expect(200), expected, "{body}");
            }
            Err(()) => drop(answer.problem(409, "conflict")),
        }
    }
    let shown = prompt(&stack, &editor, "close").await;
    assert_eq!((&shown["labels"], &shown["revision"]), (&json!({"staging": 2}), &json!(revision)));
    let expected = [(json!(3), json!(2)), (json!(2), json!(3)), (json!(1), json!(2))];
    let first = [(Value::Null, json!(1))];
    assert_eq!(moves(&shown), expected.into_iter().chain(first).collect::<Vec<_>>());
    let first = &shown["moves"][3];
    let editor_id = user_id(&stack, &editor.username).await;
    assert_eq!(
        (&first["label"], &first["by"], &first["note"]),
        (&json!("staging"), &json!(editor_id), &json!("The first."))
    );

    // A number that no version has, and labels and prompts that there are not.
    for version in [0, 4] {
        put(&stack, &editor, staging, &json!({"version": version})).await.invalid(&["/version"]);
    }
    for place in [("close", "latest"), ("close", "Staging"), ("open", "staging")] {
        put(&stack, &editor, place, &json!({"version": 1})).await.problem(404, "not_found");
        remove(&stack, &editor, place).await.problem(404, "not_found");
    }

    remove(&stack, &editor, staging).await.expect(204);
    remove(&stack, &editor, staging).await.problem(404, "not_found");
    let shown = prompt(&stack, &editor, "close").await;
    assert_eq!((&shown["labels"], &shown["revision"]), (&json!({}), &json!(revision + 1)));
    assert_eq!(moves(&shown)[0], (json!(2), Value::Null));

    let of = async |action: &str, outcome: &str| {
        let events = stack.events(&admin, action).await.into_iter();
        events.filter(|event| event["outcome"] == outcome).collect::<Vec<_>>()
    };
    let moved = of("prompt.label_moved", "success").await;
    let expected = json!({"label": "staging", "to": 1, "note": "The first."});
    assert_eq!((moved.len(), &moved[0]["detail"]), (5, &expected));
    assert_eq!(moved[1]["detail"], json!({"label": "staging", "from": 1, "to": 2}));
    assert!(moved.iter().all(|event| event["resource"] == "prompt:close"), "{moved:?}");
    // Three that expected the label elsewhere, and three without such a prompt or label.
    assert_eq!(of("prompt.label_moved", "failure").await.len(), 6);
    let removed = of("prompt.label_removed", "success").await;
    assert_eq!(
        removed.iter().map(|event| &event["detail"]).collect::<Vec<_>>(),
        [&json!({"label": "staging", "from": 2})]
    );
}

#[tokio::test]
async fn of_two_moves_that_expect_the_same_one_is_made_and_others_do_not_collide() {
    let stack = TestStack::start().await;
    let editor = stack.editor().await;
    for system in ["One.", "Two.", "Three."] {
        save(&stack, &editor, "close", system).await;
    }
    let staging = ("close", "staging");
    put(&stack, &editor, staging, &json!({"version": 1})).await.expect(200);
    for _ in 0..3 {
        let before = prompt(&stack, &editor, "close").await["labels"]["staging"].clone();
        let others = [1, 2, 3].into_iter().filter(|version| before != *version);
        let bodies: Vec<_> =
            others.map(|version| json!({"version": version, "expected": before})).collect();
        let sent = bodies.iter().map(|body| put(&stack, &editor, staging, body));
        let [first, second] = <[Answer; 2]>::try_from(join_all(sent).await).unwrap();
        let (made, refused) = if first.status == 200 { (first, second) } else { (second, first) };
        refused.problem(409, "conflict");
        let now = prompt(&stack, &editor, "close").await["labels"]["staging"].clone();
        assert_eq!(made.expect(200)["version"], now);
    }

    let labels: Vec<_> = (0..5).map(|number| format!("label-{number}")).collect();
    let before = prompt(&stack, &editor, "close").await["revision"].as_u64().unwrap();
    let body = json!({"version": 2, "expected": null});
    let sent = labels.iter().map(|label| put(&stack, &editor, ("close", label.as_str()), &body));
    let answers = join_all(sent).await;
    let mut revisions: Vec<_> =
        answers.iter().map(|answer| answer.expect(200)["revision"].as_u64().unwrap()).collect();
    revisions.sort_unstable();
    assert_eq!(revisions, (before + 1..=before + 5).collect::<Vec<_>>());
    let shown = prompt(&stack, &editor, "close").await;
    assert!(labels.iter().all(|label| shown["labels"][label] == 2), "{shown}");
}

#[tokio::test]
async fn an_administrator_moves_production_and_replies_follow() {
    let stack = TestStack::with(&AT_ONCE).await;
    let (editor, admin) = (stack.editor().await, stack.admin().await);
    let caller = stack.someone().await;
    let production = ("default", "production");
    // The version that is built in answers until the label is set.
    assert_eq!(used(&stack, &caller, "default").await, 0);
    let moved = put(&stack, &admin, production, &json!({"version": 0, "expected": null})).await;
    let expected = json!({"label": "production", "version": 0, "from": null, "revision": 1});
    assert_eq!(moved.expect(200), expected);
    assert_eq!(used(&stack, &caller, "default").await, 0);

    assert_eq!(save(&stack, &editor, "default", "Be brief.").await, 1);
    assert_eq!(save(&stack, &admin, "default", "Be long.").await, 2);
    assert_eq!(used(&stack, &caller, "default").await, 0);
    for version in [0, 1] {
        let answer = put(&stack, &editor, production, &json!({"version": version})).await;
        answer.problem(403, "forbidden");
    }
    remove(&stack, &editor, production).await.problem(403, "forbidden");
    put(&stack, &caller, production, &json!({"version": 1})).await.problem(403, "forbidden");
    // Without a review, administrators also move it to their own versions. Moving back rolls back.
    for (version, from) in [(1, 0), (2, 1), (1, 2), (0, 1), (2, 0)] {
        let body = json!({"version": version, "expected": from});
        put(&stack, &admin, production, &body).await.expect(200);
        assert_eq!(used(&stack, &caller, "default").await, version);
    }
    remove(&stack, &admin, production).await.expect(204);
    assert_eq!(used(&stack, &caller, "default").await, 0);
    let labels = &prompt(&stack, &caller, "default").await["labels"];
    assert_eq!(*labels, json!({}));

    // A prompt that is not built in has replies once the label is set, and no longer than that.
    save(&stack, &editor, "close", "Help with the close.").await;
    let ask = json!({"message": "Hello", "prompt": "close"});
    stack.post("/chat", Some(&caller), &ask).await.invalid(&["/prompt"]);
    let place = ("close", "production");
    put(&stack, &admin, place, &json!({"version": 1})).await.expect(200);
    assert_eq!(used(&stack, &caller, "close").await, 1);
    // Another label changes nothing for replies.
    put(&stack, &editor, ("close", "staging"), &json!({"version": 1})).await.expect(200);
    remove(&stack, &editor, ("close", "staging")).await.expect(204);
    assert_eq!(used(&stack, &caller, "close").await, 1);
    remove(&stack, &admin, place).await.expect(204);
    stack.post("/chat", Some(&caller), &ask).await.invalid(&["/prompt"]);

    let denied = stack.events(&admin, "prompt.").await.into_iter();
    let denied = denied.filter(|event| event["outcome"] == "denied");
    let denied = denied.map(|event| (event["action"].clone(), event["resource"].clone()));
    let expected = ["prompt.label_moved", "prompt.label_moved", "prompt.label_removed"];
    let expected = expected.map(|action| (json!(action), json!("prompt:default")));
    assert_eq!(denied.collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn with_a_review_an_author_does_not_move_production_to_the_own_version() {
    let sets = [("RateLimits", "*=100000/1m"), ("PromptReview", "on")];
    let stack = TestStack::with(&sets).await;
    let (editor, admin) = (stack.editor().await, stack.admin().await);
    let second = second_admin(&stack, &admin).await;
    assert_eq!(save(&stack, &admin, "default", "Mine.").await, 1);
    assert_eq!(save(&stack, &editor, "default", "Of an editor.").await, 2);
    let production = ("default", "production");
    let refused = put(&stack, &admin, production, &json!({"version": 1})).await;
    refused.problem(403, "forbidden");
    for (caller, version) in [(&second, 1), (&admin, 2), (&admin, 0), (&second, 1)] {
        put(&stack, caller, production, &json!({"version": version})).await.expect(200);
    }
    // What answers without the label has no author. Other labels need no review.
    remove(&stack, &admin, production).await.expect(204);
    put(&stack, &admin, ("default", "staging"), &json!({"version": 1})).await.expect(200);
    put(&stack, &editor, production, &json!({"version": 1})).await.problem(403, "forbidden");
}

#[tokio::test]
async fn a_prompt_has_ten_labels_and_keeps_its_last_fifty_moves() {
    let stack = TestStack::start().await;
    let editor = stack.editor().await;
    for system in ["One.", "Two."] {
        save(&stack, &editor, "close", system).await;
    }
    let labels: Vec<_> = (0..10).map(|number| format!("label-{number}")).collect();
    for label in &labels {
        let body = json!({"version": 1});
        put(&stack, &editor, ("close", label.as_str()), &body).await.expect(200);
    }
    let more = ("close", "one-more");
    put(&stack, &editor, more, &json!({"version": 1})).await.problem(409, "limit_reached");
    put(&stack, &editor, ("close", "label-0"), &json!({"version": 2})).await.expect(200);
    remove(&stack, &editor, ("close", "label-9")).await.expect(204);
    put(&stack, &editor, more, &json!({"version": 1})).await.expect(200);

    for number in 0..51 {
        let body = json!({"version": 1 + (number + 1) % 2, "note": number.to_string()});
        put(&stack, &editor, more, &body).await.expect(200);
    }
    let shown = prompt(&stack, &editor, "close").await;
    let kept = shown["moves"].as_array().unwrap();
    let notes: Vec<_> = kept.iter().map(|moved| moved["note"].as_str().unwrap()).collect();
    let expected: Vec<_> = (1..51).rev().map(|number: u8| number.to_string()).collect();
    assert_eq!(notes, expected);
    assert!(kept.is_sorted_by(|newer, older| newer["at"].as_str() >= older["at"].as_str()));
}
