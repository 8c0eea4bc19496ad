//! Analyses again with another version of their prompt, comparisons, prompts of users, and
//! summaries.

use serde_json::{Value, json};
use tally_tests::messages_api::{self, Asked, MessagesApi, reply_of};
use tally_tests::{Caller, TestStack, id, task_model};

use super::{Owner, findings, found, of_text, review, stack};
use crate::access::NOTHING;
use crate::chat::text;
use crate::job_api::{items, path};
use crate::prompts::{save, with};

const TEXT: &str = "one\ntwo\nthree\n";

/// The system prompt of a request.
fn system(asked: &Asked) -> &str {
    asked.body["system"][0]["text"].as_str().unwrap_or_default()
}

/// The content of a prompt whose answers are findings, with this system prompt.
async fn finder(stack: &TestStack, editor: &Caller, system: &str) -> Value {
    let path = "/prompts/code.review/versions/0";
    let schema = stack.get(path, Some(editor)).await.expect(200)["output_schema"].clone();
    json!({"kind": "task", "system": system, "user": "{{input}}", "output_schema": schema})
}

async fn compare(stack: &TestStack, owner: &Owner, job: &Value, with: &Value) -> Value {
    let path = format!("{}/compare?with={}", path(job), id(with));
    stack.get(&path, Some(&owner.caller)).await.expect(200)
}

fn rules(findings: &Value) -> Vec<&str> {
    findings.as_array().unwrap().iter().map(|finding| text(&finding["rule"])).collect()
}

#[tokio::test]
async fn an_analysis_is_run_again_with_another_version_and_compared() {
    let api = MessagesApi::start(|asked| {
        review(asked, |_| match system(asked) {
            "First." => vec![found("a", "low", "one"), found("b", "low", "two")],
            // The same finding with another message and severity, and a longer answer.
            "Second." => {
                let message = json!({"message": "x".repeat(4_000)});
                vec![with(found("b", "high", "two"), &message), found("c", "low", "three")]
            }
            other => panic!("{other}"),
        })
    });
    let api = api.await;
    let stack = stack(&api).await;
    let mut owner = Owner::new(&stack, stack.editor().await).await;
    for system in ["First.", "Second."] {
        let content = finder(&stack, &owner.caller, system).await;
        save(&stack, &owner.caller, "mine", &content).await.expect(201);
    }
    let new = with(of_text(TEXT), &json!({"prompt": "mine@1", "title": "Mine"}));
    let first = owner.run(&stack, "/analyses", &new).await;
    assert_eq!(first.get("rerun_of"), None);

    let again = json!({"rerun_of": first["id"], "prompt": "mine@2"});
    let dry = "/analyses?dry_run=true";
    assert_eq!(stack.post(dry, Some(&owner.caller), &again).await.expect(200)["items"], 2);
    let second = owner.run(&stack, "/analyses", &again).await;
    assert_eq!(
        (&second["rerun_of"], text(&second["title"]), &second["prompt"]["version"]),
        (&first["id"], "Mine", &json!(2))
    );
    // It reads the same piece.
    let pieces: Vec<_> = api
        .asked()
        .iter()
        .filter(|asked| ["First.", "Second."].contains(&system(asked)))
        .map(task_model::said)
        .collect();
    assert_eq!(pieces.len(), 2);
    assert_eq!(pieces[0], pieces[1]);

    let forth = compare(&stack, &owner, &second, &first).await;
    assert_eq!((rules(&forth["added"]), rules(&forth["removed"])), (vec!["c"], vec!["a"]));
    assert_eq!((&forth["unchanged"], text(&forth["cost_delta_usd"])), (&json!(1), "0.00005"));
    let back = compare(&stack, &owner, &first, &second).await;
    assert_eq!((rules(&back["added"]), rules(&back["removed"])), (vec!["a"], vec!["c"]));
    assert_eq!((&back["unchanged"], text(&back["cost_delta_usd"])), (&json!(1), "-0.00005"));
    let same = compare(&stack, &owner, &second, &second).await;
    assert_eq!((&same["added"], &same["removed"]), (&json!([]), &json!([])));
    assert_eq!((&same["unchanged"], text(&same["cost_delta_usd"])), (&json!(2), "0.00"));

    // Without a prompt, it is the version of the earlier one, also if another one came later.
    let third = owner.run(&stack, "/analyses", &json!({"rerun_of": first["id"]})).await;
    assert_eq!(third["prompt"], first["prompt"]);
    assert_eq!(rules(&compare(&stack, &owner, &third, &first).await["added"]), [""; 0]);

    let other = stack.someone().await;
    for (caller, body) in [
        (&other, json!({"rerun_of": first["id"]})),
        (&owner.caller, json!({"rerun_of": NOTHING})),
        (&owner.caller, json!({"rerun_of": "j-1"})),
    ] {
        stack.post("/analyses", Some(caller), &body).await.invalid(&["/rerun_of"]);
    }
    let base = format!("{}/compare", path(&first));
    let unknown = format!("?with={NOTHING}");
    for query in ["", "?with=j-1", "?with=", &unknown] {
        let wrong = format!("{base}{query}");
        stack.get(&wrong, Some(&owner.caller)).await.invalid(&["with"]);
    }
    let with_second = format!("{base}?with={}", id(&second));
    stack.get(&with_second, Some(&other)).await.problem(404, "not_found");
}

#[tokio::test]
async fn a_rerun_keeps_the_values_of_its_prompt() {
    let api = MessagesApi::start(|asked| review(asked, |_| Vec::new())).await;
    let stack = stack(&api).await;
    let mut owner = Owner::new(&stack, stack.editor().await).await;
    let variables = json!([{"name": "year", "type": "integer"}]);
    for system in ["In {{year}}.", "Also in {{year}}."] {
        let content = finder(&stack, &owner.caller, system).await;
        let content = with(content, &json!({"variables": variables}));
        save(&stack, &owner.caller, "yearly", &content).await.expect(201);
    }
    let plain = finder(&stack, &owner.caller, "Plain.").await;
    save(&stack, &owner.caller, "plain", &plain).await.expect(201);
    let more = json!({"prompt": "yearly@1", "variables": {"year": 2025}});
    let first = owner.run(&stack, "/analyses", &with(of_text(TEXT), &more)).await;
    for (more, expected) in [
        (json!({}), "In 2025."),
        (json!({"prompt": "yearly@2"}), "Also in 2025."),
        (json!({"variables": {"year": 2026}}), "In 2026."),
        (json!({"prompt": "plain@1"}), "Plain."),
    ] {
        let before = api.asked().len();
        let body = with(json!({"rerun_of": first["id"]}), &more);
        owner.run(&stack, "/analyses", &body).await;
        assert_eq!(system(&api.asked()[before]), expected, "{more}");
    }
    let wrong = json!({"rerun_of": first["id"], "variables": {}});
    stack.post("/analyses", Some(&owner.caller), &wrong).await.invalid(&["/variables/year"]);
}

#[tokio::test]
async fn a_prompt_of_a_user_gives_findings_json_or_text() {
    let schema = json!({
        "type": "object", "properties": {"total": {"type": "number"}}, "required": ["total"],
        "additionalProperties": false,
    });
    let api = MessagesApi::start(|asked| match system(asked) {
        "Total." => task_model::value(&json!({"total": 5.5})),
        "Wrong total." => task_model::value(&json!({"total": "much"})),
        "Poem." => task_model::text(" Roses are red.\n"),
        _ => review(asked, |_| vec![found("a", "low", "one")]),
    });
    let api = api.await;
    let stack = stack(&api).await;
    let mut owner = Owner::new(&stack, stack.editor().await).await;
    let finds = finder(&stack, &owner.caller, "Finds.").await;
    let task = |system: &str| json!({"kind": "task", "system": system});
    let totals = |system: &str| with(task(system), &json!({"output_schema": schema}));
    for (name, content, result, code) in [
        ("total", totals("Total."), json!({"output": {"total": 5.5}}), None),
        ("wrong", totals("Wrong total."), Value::Null, Some("invalid_output")),
        ("poem", task("Poem."), json!({"text": "Roses are red."}), None),
        ("finds", finds, Value::Null, None),
    ] {
        save(&stack, &owner.caller, name, &content).await.expect(201);
        let more = json!({"type": "custom", "prompt": format!("{name}@1")});
        let job = owner.run(&stack, "/analyses", &with(of_text(TEXT), &more)).await;
        let items = items(&stack, &owner.caller, &job).await;
        assert_eq!(items[0]["error"]["code"].as_str(), code, "{name}: {items:?}");
        let found = findings(&stack, &owner, &job, "").await;
        if name == "finds" {
            assert_eq!(items[0]["result"], json!({"findings": found}), "{name}");
            assert_eq!(found.len(), 1);
        } else {
            assert_eq!(items[0]["result"], result, "{name}");
            assert_eq!(found, Vec::<Value>::new(), "{name}");
        }
    }
    // The schema goes to the provider. The text of the user's turn is the piece alone.
    let asked = api.asked();
    let total = asked.iter().find(|asked| system(asked) == "Total.").unwrap();
    assert_eq!(task_model::schema(total), &schema);
    assert_eq!(task_model::said(total), "File: note.txt, lines 1-3\n\n1\tone\n2\ttwo\n3\tthree\n");
}

#[tokio::test]
async fn an_analysis_without_a_summary_has_its_findings() {
    let api = MessagesApi::start(|asked| {
        if task_model::asks_for_findings(asked) {
            review(asked, |_| vec![found("a", "low", "one")])
        } else {
            messages_api::Answer::stream(reply_of(&["No."], "refusal"))
        }
    });
    let api = api.await;
    let stack = stack(&api).await;
    let mut owner = Owner::new(&stack, stack.someone().await).await;
    let job = owner.run(&stack, "/analyses", &of_text(TEXT)).await;
    assert_eq!((text(&job["status"]), &job["counts"]["failed"]), ("succeeded", &json!(1)));
    assert_eq!(job["analysis"], json!({"findings": {"low": 1}}));
    let items = items(&stack, &owner.caller, &job).await;
    assert_eq!(items[1]["error"]["code"], "refused");
    // The summary is made of what was found.
    let last = api.asked().pop().unwrap();
    let said = task_model::said(&last);
    assert!(said.contains("There is a.") && said.contains("note.txt"), "{said}");
}
