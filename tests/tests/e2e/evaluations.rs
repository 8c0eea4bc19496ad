//! Evaluations: the scores of versions of a prompt, repetitions, calls that fail, and who may ask
//! for them.

use http::Method;
use serde_json::{Value, json};
use tally_tests::messages_api::{self, Asked, MessagesApi, reply_of};
use tally_tests::{Caller, TestStack, id, task_model};

use crate::analyses::{Owner, stack};
use crate::chat::{own_events, text};
use crate::job_api::{items, nanos, path, under_key};
use crate::prompts::{save, update, with};

/// The system prompt and the input of a request. The prompts here have no template of the user's
/// turn.
fn asked_for(asked: &Asked) -> (String, String) {
    let system = text(&asked.body["system"][0]["text"]).to_owned();
    (system, task_model::said(asked))
}

/// Saves the versions of a prompt whose system prompts these are.
async fn versions(stack: &TestStack, editor: &Caller, name: &str, systems: &[&str], more: &Value) {
    for system in systems {
        let content = with(json!({"kind": "task", "system": system}), more);
        save(stack, editor, name, &content).await.expect(201);
    }
}

/// An evaluation of versions of the prompt `judge`.
fn of_judge(versions: &[u32], cases: &Value, checks: &[&str]) -> Value {
    json!({"prompt": "judge", "versions": versions, "cases": cases, "checks": checks})
}

/// The scores of a version: its mean by a check, and whether the scores lie apart.
#[track_caller]
fn mean(version: &Value, check: &str) -> (f64, bool) {
    let score = &version["scores"][check];
    let number = |member: &str| score[member].as_f64().unwrap_or_else(|| panic!("{version}"));
    (number("mean"), number("spread") > 0.0)
}

#[tokio::test]
async fn versions_are_scored_by_their_answers_to_each_case() {
    let api = MessagesApi::start(|asked| {
        let (system, input) = asked_for(asked);
        task_model::text(match (system.as_str(), input.as_str()) {
            ("One.", "a") => " Alpha\n",
            ("One.", _) => "It is Beta, of course.",
            _ => "Beta",
        })
    });
    let api = api.await;
    let stack = stack(&api).await;
    let mut editor = Owner::new(&stack, stack.editor().await).await;
    versions(&stack, &editor.caller, "judge", &["One.", "Two."], &json!({})).await;
    let cases = json!([{"input": "a", "expect": "Alpha"}, {"input": "b", "expect": "Beta"}]);
    let body = with(of_judge(&[2, 1], &cases, &["exact", "contains"]), &json!({"repeat": 2}));
    let answer = stack.post("/evaluations", Some(&editor.caller), &body).await;
    let job = answer.expect(202);
    assert_eq!(answer.header("location"), path(&job));
    assert_eq!(
        (text(&job["kind"]), &job["counts"]["total"], &job["prompt"]),
        ("evaluation", &json!(8), &json!({"name": "judge", "version": 2}))
    );
    let ended = editor.end(&stack, &job).await;
    assert_eq!((text(&ended["status"]), &ended["counts"]["succeeded"]), ("succeeded", &json!(8)));

    let found = ended["evaluation"]["versions"].as_array().unwrap();
    assert_eq!(found.iter().map(|version| &version["version"]).collect::<Vec<_>>(), [2, 1]);
    for version in found {
        assert_eq!((&version["answered"], &version["failed"]), (&json!(4), &json!(0)));
        // Four calls, each of 25 tokens read, 7 from the cache, 5 into it, and two written.
        assert_eq!(text(&version["cost_usd"]), "0.000839");
        assert!(version["latency_ms"]["mean"].is_number(), "{version}");
    }
    // White space around a text does not count.
    assert_eq!((mean(&found[0], "exact"), mean(&found[1], "exact")), ((0.5, true), (0.5, true)));
    assert_eq!(
        (mean(&found[0], "contains"), mean(&found[1], "contains")),
        ((0.5, true), (1.0, false))
    );

    let items = items(&stack, &editor.caller, &job).await;
    for (index, item) in items.iter().enumerate() {
        let result = &item["result"];
        let place = [index / 4, index / 2 % 2, index % 2];
        assert_eq!(result["version"], [2, 1][place[0]], "{item}");
        assert_eq!((&result["case"], &result["repetition"]), (&json!(place[1]), &json!(place[2])));
        let is_right = matches!(place[..2], [0, 1] | [1, 0]);
        let exact = if is_right { 1.0 } else { 0.0 };
        assert_eq!(result["scores"]["exact"].as_f64(), Some(exact), "{item}");
        assert!(result["latency_ms"].is_u64() && result["text"].is_string(), "{item}");
    }
    // The calls count as usage of their versions, and in their events.
    let usage = stack.get("/prompts/judge/usage", Some(&editor.caller)).await.expect(200);
    let requests: Vec<_> = usage["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| (item["version"].as_u64(), item["requests"].as_u64()))
        .collect();
    assert_eq!(requests, [(Some(1), Some(4)), (Some(2), Some(4))]);
    let events = own_events(&stack, &editor.caller, "job.item").await;
    let of = |version: u32| {
        events.iter().filter(move |event| event["detail"]["prompt_version"] == version)
    };
    assert_eq!((of(1).count(), of(2).count()), (4, 4));
}

#[tokio::test]
async fn answers_in_json_are_compared_as_json_and_checked_by_the_schema() {
    let api = MessagesApi::start(|asked| {
        let (system, input) = asked_for(asked);
        task_model::text(match (system.as_str(), input.as_str()) {
            ("Good.", _) => "{\"note\": \"a\",\n \"label\": \"paid\"}",
            (_, "label") => r#"{"label": "lost", "note": "a"}"#,
            _ => "It is paid.",
        })
    });
    let api = api.await;
    let stack = stack(&api).await;
    let mut editor = Owner::new(&stack, stack.editor().await).await;
    let properties = json!({
        "label": {"type": "string", "enum": ["paid", "open"]}, "note": {"type": "string"},
    });
    let schema = json!({
        "type": "object", "properties": properties, "required": ["label", "note"],
        "additionalProperties": false,
    });
    let more = json!({"output_schema": schema});
    versions(&stack, &editor.caller, "judge", &["Good.", "Bad."], &more).await;
    let expect = json!({"label": "paid", "note": "a"});
    let cases = json!([{"input": "label", "expect": expect}, {"input": "form", "expect": expect}]);
    let body = of_judge(&[1, 2], &cases, &["schema", "exact"]);
    let job = editor.run(&stack, "/evaluations", &body).await;
    let found = job["evaluation"]["versions"].as_array().unwrap();
    for (version, expected) in found.iter().zip([(1.0, false), (0.0, false)]) {
        assert_eq!((&version["answered"], &version["failed"]), (&json!(2), &json!(0)), "{job}");
        for check in ["schema", "exact"] {
            assert_eq!(mean(version, check), expected, "{version}");
        }
    }
    // The API takes no type beside the values of an enum.
    let mut sent = schema;
    sent["properties"]["label"] = json!({"enum": ["paid", "open"]});
    assert_eq!(task_model::schema(&api.asked()[0]), &sent);

    // Of a list, the score is the share of texts that stand in the answer.
    let cases = json!([
        {"input": "form", "expect": ["It is", "paid"]},
        {"input": "form", "expect": ["It is", "open"]},
        {"input": "form", "expect": "paid"},
        {"input": "form", "expect": "Paid"},
    ]);
    let body = of_judge(&[2], &cases, &["contains"]);
    let job = editor.run(&stack, "/evaluations", &body).await;
    let items = items(&stack, &editor.caller, &job).await;
    let scores: Vec<_> =
        items.iter().map(|item| item["result"]["scores"]["contains"].as_f64()).collect();
    assert_eq!(scores, [Some(1.0), Some(0.5), Some(1.0), Some(0.0)]);
}

#[tokio::test]
async fn calls_that_fail_count_in_no_score() {
    let api = MessagesApi::start(|asked| {
        let (system, input) = asked_for(asked);
        match (system.as_str(), input.as_str()) {
            ("One.", "b") => messages_api::Answer::stream(reply_of(&["No."], "refusal")),
            ("Long.", _) => messages_api::Answer::stream(reply_of(&["Alpha"], "max_tokens")),
            _ => task_model::text("Alpha"),
        }
    });
    let api = api.await;
    let stack = stack(&api).await;
    let mut editor = Owner::new(&stack, stack.editor().await).await;
    versions(&stack, &editor.caller, "judge", &["One.", "Two.", "Long."], &json!({})).await;
    let case = |input: &str| json!({"input": input, "expect": "Alpha"});
    let cases = json!([case("a"), case("b"), case("c")]);
    let body = of_judge(&[1, 2, 3], &cases, &["exact"]);
    let job = editor.run(&stack, "/evaluations", &body).await;
    assert_eq!(job["status"], "succeeded");
    assert_eq!((&job["counts"]["succeeded"], &job["counts"]["failed"]), (&json!(5), &json!(4)));
    let found = job["evaluation"]["versions"].as_array().unwrap();
    let told: Vec<_> =
        found.iter().map(|v| (v["answered"].as_u64(), v["failed"].as_u64())).collect();
    assert_eq!(told, [(Some(2), Some(1)), (Some(3), Some(0)), (Some(0), Some(3))]);
    assert_eq!((mean(&found[0], "exact"), mean(&found[1], "exact")), ((1.0, false), (1.0, false)));
    // They cost what they took.
    let costs: Vec<_> = found.iter().map(|version| nanos(&version["cost_usd"])).collect();
    assert_eq!((costs[0], costs[2]), (costs[1], costs[1]));
    let items = items(&stack, &editor.caller, &job).await;
    let codes: Vec<_> = items.iter().filter_map(|item| item["error"]["code"].as_str()).collect();
    assert_eq!(codes, ["refused", "output_too_long", "output_too_long", "output_too_long"]);
    let findings = stack.get(&format!("{}/findings", path(&job)), Some(&editor.caller)).await;
    findings.problem(409, "conflict");
    let rerun = json!({"rerun_of": id(&job)});
    stack.post("/analyses", Some(&editor.caller), &rerun).await.invalid(&["/rerun_of"]);
}

#[tokio::test]
async fn the_version_that_is_built_in_is_compared_with_a_draft() {
    let api = MessagesApi::start(task_model::answer).await;
    let stack = stack(&api).await;
    let mut editor = Owner::new(&stack, stack.editor().await).await;
    let built_in = "/prompts/code.review/versions/0";
    let built_in = stack.get(built_in, Some(&editor.caller)).await.expect(200);
    let more = json!({"user": "{{input}}", "output_schema": built_in["output_schema"]});
    versions(&stack, &editor.caller, "code.review", &["Find faults."], &more).await;
    let body = json!({
        "prompt": "code.review", "versions": [0, 1], "cases": [{"input": "1\tlet a = b;"}],
        "checks": ["schema"],
    });
    let job = editor.run(&stack, "/evaluations", &body).await;
    let found = job["evaluation"]["versions"].as_array().unwrap();
    assert_eq!(found.iter().map(|version| &version["version"]).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(
        (mean(&found[0], "schema"), mean(&found[1], "schema")),
        ((1.0, false), (1.0, false))
    );
    let asked = api.asked();
    let systems: Vec<_> = asked.iter().map(|asked| &asked.body["system"][0]["text"]).collect();
    assert!(systems.contains(&&built_in["system"]) && systems.contains(&&json!("Find faults.")));
}

#[tokio::test]
async fn evaluations_are_for_editors_and_their_faults_are_named() {
    let api = MessagesApi::start(|_| task_model::text("b")).await;
    let stack = stack(&api).await;
    let viewer = stack.someone().await;
    let mut editor = Owner::new(&stack, stack.editor().await).await;
    versions(&stack, &editor.caller, "judge", &["One.", "Two."], &json!({})).await;
    versions(&stack, &editor.caller, "old", &["Old."], &json!({})).await;
    update(&stack, &editor.caller, "old", &json!({"archived": true})).await.expect(200);
    let right = of_judge(&[1], &json!([{"input": "a", "expect": "b"}]), &["exact"]);
    for caller in [&viewer, &stack.someone_with("auditor").await] {
        stack.post("/evaluations", Some(caller), &right).await.problem(403, "forbidden");
    }
    stack.post("/evaluations", None, &right).await.problem(401, "unauthenticated");
    let case = |more: &Value| {
        let case = with(json!({"input": "a", "expect": "b"}), more);
        json!({"cases": [{"input": "a", "expect": "b"}, case]})
    };
    for (change, faults) in [
        (json!({"prompt": "no.such"}), &["/prompt"][..]),
        (json!({"prompt": "default"}), &["/prompt"]),
        (json!({"prompt": "old"}), &["/prompt"]),
        (json!({"prompt": "judge@1"}), &["/prompt"]),
        (json!({"versions": [3]}), &["/versions/0"]),
        (json!({"versions": [1, 0, 2, 7]}), &["/versions/1", "/versions/3"]),
        (json!({"versions": [1, 1]}), &["/versions"]),
        (json!({"versions": [1, 2, 3, 4, 5, 6]}), &["/versions"]),
        (json!({"cases": []}), &["/cases"]),
        (case(&json!({"input": ""})), &["/cases"]),
        (case(&json!({"expect": null})), &["/cases"]),
        (case(&json!({"input": "x".repeat(60_001)})), &["/cases"]),
        (case(&json!({"variables": {"year": 1}})), &["/cases/1/variables/year"]),
        (json!({"checks": []}), &["/checks"]),
        (json!({"checks": ["exact", "judge"]}), &["/checks"]),
        (json!({"checks": ["schema"], "versions": [2, 1]}), &["/versions/0", "/versions/1"]),
        (json!({"repeat": 6}), &["/repeat"]),
        (
            json!({
                "prompt": 1, "versions": "1", "cases": {}, "checks": "exact", "repeat": 0,
                "max_cost_usd": "x", "title": "", "more": 1,
            }),
            &[
                "/prompt",
                "/versions",
                "/cases",
                "/checks",
                "/repeat",
                "/max_cost_usd",
                "/title",
                "/more",
            ],
        ),
    ] {
        let body = with(right.clone(), &change);
        stack.post("/evaluations", Some(&editor.caller), &body).await.invalid(faults);
    }
    assert_eq!(stack.items("JobsTable").await, Vec::<Value>::new());

    // A request that is sent again starts nothing else.
    let first = under_key(&stack, &editor.caller, "/evaluations", "k", &right).await.expect(202);
    let ended = editor.end(&stack, &first).await;
    let again = under_key(&stack, &editor.caller, "/evaluations", "k", &right).await;
    assert_eq!(again.expect(202), ended);
    assert_eq!(api.asked().len(), 1);
    // A former editor still reads the result, and starts no other.
    let admin = stack.admin().await;
    let me = stack.get("/auth/me", Some(&editor.caller)).await.expect(200);
    let account = format!("/users/{}", id(&me["user"]));
    let roles = json!({"roles": ["user"]});
    stack.call(Method::PATCH, &account, &admin, &roles).await.expect(200);
    assert_eq!(stack.get(&path(&first), Some(&editor.caller)).await.expect(200), ended);
    stack.post("/evaluations", Some(&editor.caller), &right).await.problem(403, "forbidden");
}
