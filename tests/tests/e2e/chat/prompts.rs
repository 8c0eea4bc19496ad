//! Prompts with versions in a chat: which version answers, how its texts reach the model, and what
//! callers are told.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use assistant::domain::Cost;
use http::Method;
use platform::clock::Clock;
use platform::ids;
use platform::problem::Code;
use serde_json::{Value, json};
use tally_local::aws::Failure;
use tally_prompts::Registry;
use tally_prompts::domain::PromptRef;
use tally_tests::messages_api::{Answer, Asked, MessagesApi, Step, reply};
use tally_tests::{Caller, TestStack};

use super::claude::listen;
use super::{FAST, ask_async, claude, own_events, path_of, poll, text};
use crate::audit::texts_of;

const FOR_EVER: usize = usize::MAX;

/// Prices of the models, of which `third` is the dearest.
const PRICES: (&str, &str) =
    ("AiPrices", "first=5/25/6.25/0.50,second=1/5/1.25/0.10,third=10/50/12.50/1");

/// A stack that asks this server, and whose functions read each prompt anew.
async fn stack(api: &MessagesApi) -> TestStack {
    claude::stack(api, &[PRICES, ("PromptCacheSeconds", "0")]).await
}

/// A server that always says the same.
async fn assistant() -> MessagesApi {
    MessagesApi::with(vec![Answer::stream(reply(&["Well."]))]).await
}

/// Saves a version of a prompt for chats.
async fn save(stack: &TestStack, editor: &Caller, name: &str, more: &Value) -> Value {
    let mut body = json!({"kind": "chat"});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    stack.post(&format!("/prompts/{name}/versions"), Some(editor), &body).await.expect(201)
}

/// Moves the label `production`.
async fn release(stack: &TestStack, name: &str, version: u32) {
    let admin = stack.admin().await;
    let path = format!("/prompts/{name}/labels/production");
    stack.call(Method::PUT, &path, &admin, &json!({"version": version})).await.expect(200);
}

/// Saves a version and has replies use it.
async fn publish(stack: &TestStack, editor: &Caller, name: &str, more: &Value) -> Value {
    let saved = save(stack, editor, name, more).await;
    let number = saved["version"].as_u64().unwrap();
    release(stack, name, u32::try_from(number).unwrap()).await;
    saved
}

async fn archive(stack: &TestStack, editor: &Caller, name: &str, archived: bool) {
    let body = json!({"archived": archived});
    stack.call(Method::PATCH, &format!("/prompts/{name}"), editor, &body).await.expect(200);
}

/// The system prompt of a request.
fn system(asked: &Asked) -> &str {
    text(&asked.body["system"][0]["text"])
}

fn last(api: &MessagesApi) -> Asked {
    api.asked().pop().unwrap()
}

/// A message in the fence of its template.
fn fenced(message: &str) -> String {
    let hash = &ids::sha256(message)[..16];
    format!("<message-{hash}>\n{message}\n</message-{hash}>")
}

/// Sends a message over a connection, and hears its reply to the end. Gives `chat.started`.
async fn send(stack: &TestStack, caller: &Caller, body: &Value) -> Value {
    let mut message = body.clone();
    message["action"] = "chat.send".into();
    let mut socket = stack.connect(caller).await;
    let started = socket.ask(&message, "chat.started").await;
    assert_eq!(listen(&mut socket).await.1["type"], "chat.completed");
    started
}

/// Checks that a message is refused over HTTP and over a connection, and that nothing is stored.
async fn refused(stack: &TestStack, caller: &Caller, body: &Value, pointers: &[&str]) {
    stack.post("/chat", Some(caller), body).await.invalid(pointers);
    let mut message = body.clone();
    message["action"] = "chat.send".into();
    let error = stack.connect(caller).await.ask(&message, "error").await;
    let errors = error["errors"].as_array().unwrap().iter();
    let found: Vec<_> = errors.map(|error| text(&error["pointer"])).collect();
    assert_eq!((text(&error["code"]), found), ("validation_failed", pointers.to_vec()), "{body}");
    let list = stack.get("/conversations", Some(caller)).await.expect(200);
    assert_eq!(list["items"], json!([]), "{body}");
}

#[tokio::test]
async fn a_move_of_production_is_in_force_and_without_the_label_the_built_in_version_answers() {
    let api = assistant().await;
    let stack = stack(&api).await;
    let (editor, caller) = (stack.editor().await, stack.someone().await);
    for words in ["Version one.", "Version two."] {
        save(&stack, &editor, "default", &json!({"system": words})).await;
    }
    let built_in = tally_prompts::built_in(&PromptRef::default().name).unwrap();
    let built_in = built_in.content.system.as_str();
    // Only the label counts, and not that there are versions.
    let moves = [
        (None, built_in),
        (Some(1), "Version one."),
        (Some(2), "Version two."),
        (Some(1), "Version one."),
        (Some(0), built_in),
        (Some(2), "Version two."),
    ];
    for (number, (version, expected)) in moves.into_iter().enumerate() {
        if let Some(version) = version {
            release(&stack, "default", version).await;
        }
        let pinned = json!({"name": "default", "version": version.unwrap_or(0)});
        let body = json!({"message": "Hi"});
        let answer = stack.post("/chat", Some(&caller), &body).await.expect(200);
        assert_eq!((system(&last(&api)), &answer["prompt"]), (expected, &pinned));
        assert_eq!(send(&stack, &caller, &body).await["prompt"], pinned);
        assert_eq!(system(&last(&api)), expected);
        let accepted = ask_async(&stack, &caller, &body).await.expect(202);
        assert_eq!(accepted["prompt"], pinned);
        let message = poll(&stack, &caller, &path_of(&accepted)).await.pop().unwrap();
        assert_eq!(message["prompt"], pinned);
        for action in ["chat.requested", "chat.message"] {
            let events = own_events(&stack, &caller, action).await;
            let told = events.iter().skip(3 * number).map(|event| {
                let detail = &event["detail"];
                json!({"name": detail["prompt"], "version": detail["prompt_version"]})
            });
            assert_eq!(told.collect::<Vec<_>>(), vec![pinned.clone(); 3], "{action}");
        }
    }
    let label = "/prompts/default/labels/production";
    stack.delete(label, Some(&stack.admin().await)).await.expect(204);
    let answer = stack.post("/chat", Some(&caller), &json!({"message": "Hi"})).await.expect(200);
    assert_eq!((system(&last(&api)), &answer["prompt"]["version"]), (built_in, &json!(0)));

    // The export has it too. Messages of users have none.
    let path = format!("/conversations/{}/export", text(&answer["conversation_id"]));
    let export = stack.get(&path, Some(&caller)).await.expect(200);
    assert_eq!(export["messages"][0].get("prompt"), None);
    assert_eq!(export["messages"][1]["prompt"], answer["prompt"]);
}

#[tokio::test]
async fn a_registry_asks_again_after_its_time_and_lives_a_minute_without_its_table() {
    let stack = TestStack::with(&FAST).await;
    let (editor, admin) = (stack.editor().await, stack.admin().await);
    let mut platform = stack.platform("ChatFunction");
    let clock = Arc::new(AtomicI64::new(1_800_000_000_000));
    platform.clock = Clock::Manual(Arc::clone(&clock));
    let registry = Registry::new(&platform).unwrap();
    let greeter: PromptRef = "greeter".parse().unwrap();
    let version = async || {
        let found = registry.find(&greeter).await;
        found.map(|found| found.map(|version| version.version)).map_err(|problem| problem.code)
    };
    let later = |milliseconds| clock.fetch_add(milliseconds, Ordering::Relaxed);

    // A name without a version is not remembered.
    assert_eq!(version().await, Ok(None));
    publish(&stack, &editor, "greeter", &json!({"system": "One."})).await;
    assert_eq!(version().await, Ok(Some(1)));
    publish(&stack, &editor, "greeter", &json!({"system": "Two."})).await;
    later(4_999);
    assert_eq!(version().await, Ok(Some(1)));
    later(1);
    assert_eq!(version().await, Ok(Some(2)));

    stack.fail("PromptsTable", None, Failure::Internal, FOR_EVER);
    later(59_999);
    assert_eq!(version().await, Ok(Some(2)));
    later(1);
    assert_eq!(version().await, Err(Code::Unavailable));
    // A version that is known never changes.
    let known = registry.version(&greeter.name, 1).await.unwrap().unwrap();
    assert_eq!(known.content.system, "One.");
    let unknown: PromptRef = "default".parse().unwrap();
    assert_eq!(registry.find(&unknown).await.unwrap_err().code, Code::Unavailable);
    stack.local.aws().recover();
    assert_eq!(version().await, Ok(Some(2)));

    // The end of the label, and an archived prompt.
    let label = "/prompts/greeter/labels/production";
    stack.delete(label, Some(&admin)).await.expect(204);
    later(4_999);
    assert_eq!(version().await, Ok(Some(2)));
    later(1);
    assert_eq!(version().await, Ok(None));
    release(&stack, "greeter", 1).await;
    assert_eq!(version().await, Ok(Some(1)));
    archive(&stack, &editor, "greeter", true).await;
    later(5_000);
    assert_eq!(version().await, Ok(None));
    archive(&stack, &editor, "greeter", false).await;
    assert_eq!(version().await, Ok(Some(1)));
}

#[tokio::test]
async fn a_label_is_read_each_time_and_lives_a_minute_without_its_table() {
    let stack = TestStack::with(&FAST).await;
    let editor = stack.editor().await;
    let mut platform = stack.platform("ChatFunction");
    let clock = Arc::new(AtomicI64::new(1_800_000_000_000));
    platform.clock = Clock::Manual(Arc::clone(&clock));
    let registry = Registry::new(&platform).unwrap();
    let version = async |reference: &str| {
        let found = registry.find(&reference.parse().unwrap()).await;
        found.map(|found| found.map(|version| version.version)).map_err(|problem| problem.code)
    };
    let later = |milliseconds| clock.fetch_add(milliseconds, Ordering::Relaxed);
    let staged = |words: &str| json!({"system": words, "labels": ["staging"]});
    // A prompt without a head is not remembered.
    assert_eq!(version("greeter@staging").await, Ok(None));
    for (number, words) in (1..).zip(["One.", "Two."]) {
        save(&stack, &editor, "greeter", &staged(words)).await;
        assert_eq!(version("greeter@staging").await, Ok(Some(number)));
    }
    assert_eq!(version("default@production").await, Ok(Some(0)));

    stack.fail("PromptsTable", None, Failure::Internal, FOR_EVER);
    later(59_999);
    for (reference, expected) in [
        ("greeter@staging", Some(2)),
        ("greeter@1", Some(1)),
        ("greeter@canary", None),
        ("default@0", Some(0)),
    ] {
        assert_eq!(version(reference).await, Ok(expected), "{reference}");
    }
    later(1);
    for reference in ["greeter@staging", "greeter@1", "default@0"] {
        assert_eq!(version(reference).await, Err(Code::Unavailable), "{reference}");
    }
    stack.local.aws().recover();
    archive(&stack, &editor, "greeter", true).await;
    assert_eq!(version("greeter@staging").await, Ok(None));
    // The prompt is known to be archived.
    stack.fail("PromptsTable", None, Failure::Internal, FOR_EVER);
    assert_eq!(version("greeter@1").await, Ok(None));
}

#[tokio::test]
async fn without_the_table_warm_functions_go_on_and_cold_ones_are_unavailable() {
    let stack = TestStack::with(&[FAST[0], FAST[1], ("PromptCacheSeconds", "0")]).await;
    let caller = stack.someone().await;
    let body = json!({"message": "Hi"});
    let chat = async || stack.post("/chat", Some(&caller), &body).await;
    chat().await.expect(200);
    let mut socket = stack.connect(&caller).await;
    stack.fail("PromptsTable", None, Failure::Internal, FOR_EVER);
    // The stack may have started another process beside the first one.
    let mut statuses = Vec::new();
    while statuses.len() < 4 && !statuses.contains(&200) {
        statuses.push(chat().await.status);
    }
    assert!(statuses.pop() == Some(200) && statuses.iter().all(|status| *status == 503));
    let send = json!({"action": "chat.send", "message": "Hi"});
    assert_eq!(socket.ask(&send, "error").await["code"], "unavailable");
    let other = json!({"message": "Hi", "prompt": "excel.formula"});
    stack.post("/chat", Some(&caller), &other).await.problem(503, "unavailable");

    stack.local.aws().recover();
    socket.ask(&send, "chat.started").await;
    stack.post("/chat", Some(&caller), &other).await.expect(200);
}

#[tokio::test]
async fn a_reply_keeps_the_version_that_it_began_with() {
    let api = MessagesApi::steps(vec![
        Step::new()
            .thinks("I add it.")
            .uses("toolu_1", "add_task", &json!({"title": "Pay"}))
            .answer(),
        Step::new().says("Done.").answer(),
    ])
    .await;
    let stack = stack(&api).await;
    let (editor, admin, caller) =
        (stack.editor().await, stack.admin().await, stack.someone().await);
    let variables = json!([{"name": "unit", "type": "enum", "values": ["EUR", "USD"]}]);
    let first = json!({"system": "One: {{unit}}.", "user": "{{message}}!", "variables": variables});
    publish(&stack, &editor, "keeper", &first).await;
    let agent = json!({"title": "Keeper", "prompt": "keeper", "tools": ["add_task"]});
    stack.call(Method::PUT, "/agents/keeper", &admin, &agent).await.expect(201);

    let ask = json!({"message": "Hi", "agent": "keeper", "variables": {"unit": "USD"}});
    let waiting = stack.post("/chat", Some(&caller), &ask).await.expect(202);
    assert_eq!(text(&waiting["status"]), "awaiting_confirmation");
    // Meanwhile the prompt changes, and then it is archived.
    publish(&stack, &editor, "keeper", &json!({"system": "Two."})).await;
    archive(&stack, &editor, "keeper", true).await;
    let decision = json!({"call_id": waiting["tool_calls"][0]["call_id"], "decision": "approve"});
    let path = format!("{}/confirmations", path_of(&waiting));
    let decided = stack.post(&path, Some(&caller), &json!({"decisions": [decision]})).await;
    assert!(decided.status < 300, "{decided:?}");
    let message = poll(&stack, &caller, &path_of(&waiting)).await.pop().unwrap();
    assert_eq!((text(&message["status"]), text(&message["text"])), ("completed", "Done."));
    assert_eq!(message["prompt"], json!({"name": "keeper", "version": 1}));
    let asked = api.asked();
    assert_eq!(asked.len(), 2);
    for asked in &asked {
        assert_eq!(system(asked), "One: USD.");
        assert_eq!(asked.message(), format!("{}!", fenced("Hi")));
    }
    assert_eq!(api.refused(), Vec::<String>::new());

    // The agent cannot be used until its prompt can. Then its replies have the new version.
    let ask = json!({"message": "Hi", "agent": "keeper"});
    stack.post("/chat", Some(&caller), &ask).await.invalid(&["/agent"]);
    stack.call(Method::PUT, "/agents/keeper", &admin, &agent).await.invalid(&["/prompt"]);
    archive(&stack, &editor, "keeper", false).await;
    let next = stack.post("/chat", Some(&caller), &ask).await.expect(202);
    assert_eq!(next["prompt"], json!({"name": "keeper", "version": 2}));
    assert_eq!(system(&last(&api)), "Two.");
}

/// A prompt with variables of all kinds.
fn report() -> Value {
    json!({
        "system": "You write in {{unit}} about {{ year }} on {{today}}.",
        "user": "Notes: {{notes}}\nRows: {{rows}}\n{{message}}\nBe brief.",
        "variables": [
            {"name": "unit", "type": "enum", "values": ["EUR", "USD"], "default": "EUR"},
            {"name": "year", "type": "integer"},
            {"name": "notes", "type": "string", "max_length": 100_000},
            {"name": "rows", "type": "json", "required": false},
        ],
    })
}

#[tokio::test]
async fn values_and_the_message_reach_the_model_as_the_template_has_them() {
    let api = assistant().await;
    let stack = stack(&api).await;
    let (editor, caller) = (stack.editor().await, stack.someone().await);
    let saved = publish(&stack, &editor, "report", &report()).await;
    let said = "Sum {{year}} up.\n</message> It's \"<b>\" & {{message}}";
    let notes = "{{unit}} {{message}} </message>\n\\{{year}}";
    let variables = json!({"year": 2023, "notes": notes, "rows": {"b": [1, {"c": "{{notes}}"}]}});
    let body = json!({"message": said, "prompt": "report", "variables": variables});
    let answer = stack.post("/chat", Some(&caller), &body).await.expect(200);
    send(&stack, &caller, &body).await;
    let rows = r#"{"b":[1,{"c":"{{notes}}"}]}"#;
    let turn = format!("Notes: {notes}\nRows: {rows}\n{}\nBe brief.", fenced(said));
    let message = stack.get(&path_of(&answer), Some(&caller)).await.expect(200);
    let today = &text(&message["created_at"])[..10];
    let first = &api.asked()[0];
    assert_eq!(system(first), format!("You write in EUR about 2023 on {today}."));
    for asked in api.asked() {
        let content = json!([{"type": "text", "text": turn}]);
        assert_eq!(asked.body["messages"], json!([{"role": "user", "content": content}]));
    }

    // The audit log has what the model was sent, and the values.
    let event = own_events(&stack, &caller, "chat.message").await.remove(0);
    let asked = texts_of(&stack, &caller, &event).await["prompt"].take();
    let asked: Value = serde_json::from_str(text(&asked)).unwrap();
    let prompt = json!({"name": "report", "version": 1, "sha256": saved["sha256"]});
    let expected = json!({"prompt": prompt, "variables": variables, "shown": [], "turn": turn});
    assert_eq!(asked, expected);

    // The conversation has the message as it was sent, and so has the next turn.
    let conversation_id = &answer["conversation_id"];
    let path = format!("/conversations/{}", text(conversation_id));
    let conversation = stack.get(&path, Some(&caller)).await.expect(200);
    assert_eq!(conversation["messages"]["items"][1]["text"], said);
    let next = json!({"message": "And now?", "conversation_id": conversation_id});
    stack.post("/chat", Some(&caller), &next).await.expect(200);
    let next = last(&api);
    let texts = next.body["messages"].as_array().unwrap().iter();
    let texts: Vec<_> = texts.map(|message| text(&message["content"][0]["text"])).collect();
    assert_eq!(texts, [said, "Well.", "And now?"]);
}

#[tokio::test]
async fn values_of_any_depth_and_any_number_are_taken() {
    let api = assistant().await;
    let stack = stack(&api).await;
    let (editor, caller) = (stack.editor().await, stack.someone().await);
    publish(&stack, &editor, "report", &report()).await;
    let mut rows = json!([1e300, -1e-300, u64::MAX, {"": null}]);
    for _ in 0..60 {
        rows = json!([rows]);
    }
    let variables = json!({"year": u64::MAX, "notes": "", "rows": rows});
    let body = json!({"message": "Hi", "prompt": "report", "variables": variables});
    stack.post("/chat", Some(&caller), &body).await.expect(200);
    let turn = format!("Notes: \nRows: {rows}\n{}\nBe brief.", fenced("Hi"));
    assert_eq!(last(&api).message(), turn);
}

#[tokio::test]
async fn a_value_that_is_missing_unknown_or_wrong_is_named() {
    let api = assistant().await;
    let stack = stack(&api).await;
    let (editor, caller) = (stack.editor().await, stack.someone().await);
    publish(&stack, &editor, "report", &report()).await;
    let user = format!("{}{{{{message}}}}", "{{x}}".repeat(90));
    let variables = json!([{"name": "x", "type": "string"}]);
    let many = json!({"system": "Be brief.", "user": user, "variables": variables});
    publish(&stack, &editor, "echo", &many).await;
    for (prompt, variables, faults) in [
        ("report", json!({}), &["/variables/year", "/variables/notes"][..]),
        ("report", json!({"year": 2023}), &["/variables/notes"]),
        (
            "report",
            json!({"year": "2023", "notes": null}),
            &["/variables/year", "/variables/notes"],
        ),
        ("report", json!({"year": 2023, "notes": "", "unit": "GBP"}), &["/variables/unit"]),
        ("report", json!({"year": 2023, "notes": "", "rows": null}), &["/variables/rows"]),
        ("report", json!({"year": 2023, "notes": "", "a/b": 1}), &["/variables/a~1b"]),
        ("report", json!({"year": 2023, "notes": "", "today": ""}), &["/variables/today"]),
        ("default", json!({"year": 2023}), &["/variables/year"]),
        ("default", json!([]), &["/variables"]),
        // The template names it 90 times.
        ("echo", json!({"x": "y".repeat(10_000)}), &["/variables"]),
    ] {
        let body = json!({"message": "Hi", "prompt": prompt, "variables": variables});
        refused(&stack, &caller, &body, faults).await;
    }
    // A frame has room for the first faults of many.
    let many: serde_json::Map<_, _> =
        (0..400).map(|number| (format!("v{number:03}"), json!(1))).collect();
    let faults: Vec<_> = (0..20).map(|number| format!("/variables/v{number:03}")).collect();
    let faults: Vec<_> = faults.iter().map(String::as_str).chain(["/variables"]).collect();
    refused(&stack, &caller, &json!({"message": "Hi", "variables": many}), &faults).await;
    // A frame of a connection is not that long.
    let long = json!({"year": 2023, "notes": "x".repeat(100_000)});
    let body = json!({"message": "Hi", "prompt": "report", "variables": long});
    stack.post("/chat", Some(&caller), &body).await.invalid(&["/variables"]);
    assert_eq!(api.asked().len(), 0);
    let none = json!({"message": "Hi", "variables": null});
    stack.post("/chat", Some(&caller), &none).await.expect(200);
}

#[tokio::test]
async fn editors_alone_name_a_version_and_no_one_a_prompt_that_cannot_answer() {
    let api = assistant().await;
    let stack = stack(&api).await;
    let (editor, admin, caller) =
        (stack.editor().await, stack.admin().await, stack.someone().await);
    save(&stack, &editor, "greeter", &json!({"system": "One."})).await;
    save(&stack, &editor, "greeter", &json!({"system": "Two.", "labels": ["staging"]})).await;
    save(&stack, &editor, "summary", &json!({"kind": "task", "system": "Sum it up."})).await;
    release(&stack, "summary", 1).await;
    let named = |prompt: &str| json!({"message": "Hi", "prompt": prompt});
    for prompt in ["greeter@1", "greeter@staging", "default@0", "default@production", "no.such@1"] {
        let body = named(prompt);
        stack.post("/chat", Some(&caller), &body).await.problem(403, "forbidden");
        let mut message = body.clone();
        message["action"] = "chat.send".into();
        let error = stack.connect(&caller).await.ask(&message, "error").await;
        assert_eq!(error["code"], "forbidden", "{prompt}");
    }
    for (prompt, version, expected) in [
        ("greeter@1", 1, Some("One.")),
        ("greeter@2", 2, Some("Two.")),
        ("greeter@staging", 2, Some("Two.")),
        ("default@0", 0, None),
        ("default@production", 0, None),
    ] {
        for editor in [&editor, &admin] {
            let answer = stack.post("/chat", Some(editor), &named(prompt)).await.expect(200);
            assert_eq!(answer["prompt"]["version"], version, "{prompt}");
            let asked = last(&api);
            assert!(expected.is_none_or(|expected| system(&asked) == expected), "{prompt}");
        }
    }
    // Nothing is in production, there is no such version, or it is for other calls.
    for prompt in ["no.such.prompt", "greeter", "summary"] {
        refused(&stack, &caller, &named(prompt), &["/prompt"]).await;
    }
    for prompt in ["greeter@3", "greeter@0", "greeter@canary", "summary@1", "no.such@1"] {
        stack.post("/chat", Some(&editor), &named(prompt)).await.invalid(&["/prompt"]);
    }
    release(&stack, "greeter", 1).await;
    stack.post("/chat", Some(&editor), &named("greeter")).await.expect(200);
    archive(&stack, &editor, "greeter", true).await;
    refused(&stack, &caller, &named("greeter"), &["/prompt"]).await;
    for prompt in ["greeter@1", "greeter@staging", "greeter@production"] {
        stack.post("/chat", Some(&editor), &named(prompt)).await.invalid(&["/prompt"]);
    }
    // Agents have no such prompt either.
    for prompt in ["greeter", "greeter@1", "summary", "summary@1", "no.such.prompt"] {
        let agent = json!({"title": "A", "prompt": prompt});
        stack.call(Method::PUT, "/agents/a", &admin, &agent).await.invalid(&["/prompt"]);
    }
}

#[tokio::test]
async fn the_settings_of_a_prompt_reach_the_model_and_a_hold_covers_them() {
    let api = assistant().await;
    let stack = stack(&api).await;
    let (editor, admin, caller) =
        (stack.editor().await, stack.admin().await, stack.someone().await);
    let mut content = report();
    for (name, value) in
        [("model", json!("third")), ("max_tokens", json!(300)), ("effort", json!("low"))]
    {
        content[name] = value;
    }
    publish(&stack, &editor, "report", &content).await;
    let hold = async |notes: &str| -> Cost {
        let variables = json!({"year": 2023, "notes": notes});
        let body = json!({"message": "Hi", "prompt": "report", "variables": variables});
        let answer = stack.post("/chat", Some(&caller), &body).await.expect(200);
        // 25 tokens read, 7 from the cache, 5 into it, and two written, by the prices of `third`.
        assert_eq!(text(&answer["cost_usd"]), "0.0004195");
        let held = own_events(&stack, &caller, "chat.requested").await.pop().unwrap();
        text(&held["detail"]["hold_usd"]).parse().unwrap()
    };
    let (short, long) = (hold("").await, hold(&"x".repeat(1_000)).await);
    // The hold covers each byte of the rendered texts, at the price of the prompt's model.
    assert_eq!(long.nanos() - short.nanos(), 1_000 * 12_500);
    let asked = last(&api).body;
    assert_eq!(
        (&asked["model"], &asked["max_tokens"], &asked["output_config"]),
        (&json!("third"), &json!(300), &json!({"effort": "low"}))
    );
    let budget = stack.get("/users/me/budget", Some(&caller)).await.expect(200);
    assert_eq!(text(&budget["held_usd"]), "0.00");

    // The model of an agent comes before that of its prompt.
    let agent = json!({"title": "A", "prompt": "report", "model": "second", "max_cost_usd": "1"});
    stack.call(Method::PUT, "/agents/a", &admin, &agent).await.expect(201);
    let variables = json!({"year": 2023, "notes": ""});
    let body = json!({"message": "Hi", "agent": "a", "variables": variables});
    stack.post("/chat", Some(&caller), &body).await.expect(200);
    let asked = last(&api).body;
    assert_eq!((&asked["model"], &asked["max_tokens"]), (&json!("second"), &json!(300)));
    assert_eq!(api.refused(), Vec::<String>::new());
}

#[tokio::test]
async fn a_message_that_is_asked_again_has_its_values_and_the_version_of_the_moment() {
    let is_down = Arc::new(AtomicBool::new(true));
    let down = Arc::clone(&is_down);
    let api = MessagesApi::start(move |_| {
        if down.load(Ordering::Relaxed) {
            return Answer::error(529, "overloaded_error").header("x-should-retry", "false");
        }
        Answer::stream(reply(&["Well."]))
    });
    let api = api.await;
    let stack = stack(&api).await;
    let (editor, caller) = (stack.editor().await, stack.someone().await);
    let content = |words: &str| {
        let variables = json!([{"name": "x", "type": "string"}]);
        json!({"system": words, "user": "{{x}}: {{message}}", "variables": variables})
    };
    publish(&stack, &editor, "asker", &content("One.")).await;
    let body = json!({"message": "Hi", "prompt": "asker", "variables": {"x": "a"}});
    let post = async |body: &Value| {
        let request = stack.request(Method::POST, "/chat").header("idempotency-key", "k");
        stack.send(request.bearer_auth(&caller.access).json(body)).await
    };
    let mut message = body.clone();
    message["action"] = "chat.send".into();
    message["idempotency_key"] = "k".into();
    let mut socket = stack.connect(&caller).await;
    post(&body).await.problem(503, "unavailable");
    let first = socket.ask(&message, "chat.started").await;
    assert_eq!(text(&listen(&mut socket).await.1["code"]), "unavailable");

    is_down.store(false, Ordering::Relaxed);
    publish(&stack, &editor, "asker", &content("Two.")).await;
    let turn = format!("a: {}", fenced("Hi"));
    let answer = post(&body).await.expect(200);
    assert_eq!(answer["prompt"]["version"], 2);
    let asked = last(&api);
    assert_eq!((system(&asked), asked.message()), ("Two.", turn.as_str()));
    let second = socket.ask(&message, "chat.started").await;
    assert_eq!(second["conversation_id"], first["conversation_id"]);
    assert_eq!((&first["prompt"]["version"], &second["prompt"]["version"]), (&json!(1), &json!(2)));
    assert_eq!(text(&listen(&mut socket).await.1["type"]), "chat.completed");
    assert_eq!(last(&api).message(), turn);

    // Other values are another message.
    let mut other = body.clone();
    other["variables"]["x"] = "b".into();
    post(&other).await.problem(422, "idempotency_key_reused");
    message["variables"]["x"] = "b".into();
    assert_eq!(socket.ask(&message, "error").await["code"], "idempotency_key_reused");
}

#[tokio::test]
async fn a_conversation_with_long_values_is_remembered_and_read_to_its_beginning() {
    let api = assistant().await;
    let stack = stack(&api).await;
    let (editor, caller) = (stack.editor().await, stack.someone().await);
    publish(&stack, &editor, "report", &report()).await;
    // Together they are longer than what one call reads of a table.
    let notes = "x".repeat(99_900);
    let mut body = json!({
        "message": "turn 0", "prompt": "report", "variables": {"year": 2023, "notes": notes},
    });
    for turn in 0..12 {
        body["message"] = format!("turn {turn}").into();
        let answer = stack.post("/chat", Some(&caller), &body).await.expect(200);
        body["conversation_id"] = answer["conversation_id"].clone();
    }
    // Twenty messages, without the first one of the assistant.
    let asked = last(&api);
    let said = asked.body["messages"].as_array().unwrap();
    let texts: Vec<_> = said.iter().map(|said| text(&said["content"][0]["text"])).collect();
    assert_eq!(texts.len(), 19);
    assert_eq!((texts[0], texts[1]), ("turn 2", "Well."));
    assert!(texts[18].starts_with("Notes: xxx") && texts[18].contains("\nturn 11\n"));

    let path = format!("/conversations/{}", text(&body["conversation_id"]));
    let (mut read, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = stack.get(&format!("{path}?limit=100{cursor}"), Some(&caller)).await.expect(200);
        let messages = &page["messages"];
        let items = messages["items"].as_array().unwrap().iter();
        read.extend(items.map(|message| text(&message["text"]).to_owned()));
        let Some(next) = messages["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    let expected = (0..12).rev().flat_map(|turn| ["Well.".to_owned(), format!("turn {turn}")]);
    assert_eq!(read, expected.collect::<Vec<_>>());
    let export = stack.get(&format!("{path}/export"), Some(&caller)).await.expect(200);
    assert_eq!(export["messages"].as_array().unwrap().len(), 24);
    let found = stack.get("/conversations?query=turn%202", Some(&caller)).await.expect(200);
    assert_eq!(found["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_prompt_costs_cold_functions_a_read_each_and_warm_ones_none() {
    let stack = TestStack::with(&[FAST[0], FAST[1], ("PromptCacheSeconds", "60")]).await;
    let (editor, caller) = (stack.editor().await, stack.someone().await);
    publish(&stack, &editor, "default", &json!({"system": "One."})).await;
    let (body, mut reads) = (json!({"message": "Hi"}), Vec::new());
    for _ in 0..6 {
        let chat = stack.post("/chat", Some(&caller), &body);
        let (answer, calls) = stack.round_trips(chat).await;
        answer.expect(200);
        let of_prompts = calls.iter().filter(|call| call.contains("Prompts"));
        let of_prompts: Vec<_> = of_prompts.collect();
        assert!(of_prompts.iter().all(|call| call.starts_with("GetItem ")), "{of_prompts:?}");
        reads.push(of_prompts.len());
    }
    // The function and its worker. The stack may start another process beside the first one, which
    // reads the prompt too.
    assert_eq!(reads[0], 2);
    assert!(reads.iter().all(|reads| *reads <= 2) && reads.contains(&0), "{reads:?}");
}
