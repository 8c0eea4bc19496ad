//! A revoked right reaches back into messages that were written while it held.

use http::Method;
use serde_json::{Value, json};
use tally_tests::messages_api::{Answer, MessagesApi, reply};
use tally_tests::{Caller, TestStack, id};

use super::{Ready, shared};
use crate::access::{add, me, register, rule};
use crate::chat::{FAST, claude, own_events, path_of, text};

const SECRET: &str = "Bob has the largest salary: 730619253.";

/// Asks about the payroll, with a key that the client may repeat.
async fn ask(stack: &TestStack, caller: &Caller, body: &Value) -> tally_tests::Answer {
    let request = stack.request(Method::POST, "/chat").bearer_auth(&caller.access);
    stack.send(request.header("idempotency-key", "k").json(body)).await
}

/// Denies the salary to a user. Returns the rule.
async fn deny(stack: &TestStack, owner: &Caller, place: (&str, &Ready), more: Value) -> String {
    let (book, ready) = place;
    let columns = stack.get(&register(book, &ready.sheet), Some(owner)).await.expect(200);
    let salary = id(&columns["columns"][1]);
    let mut rule = rule(book, "deny", more);
    rule["column"] = json!({"ids": [salary]});
    id(&add(stack, owner, &[rule]).await.expect(200)["added"][0])
}

#[tokio::test]
async fn a_message_is_withheld_once_its_reader_may_not_read_a_source_of_it() {
    let api = MessagesApi::with(vec![
        Answer::stream(reply(&["Bob has the largest", " salary: 730619253."])),
        Answer::stream(reply(&["I can't tell."])),
    ])
    .await;
    let stack = claude::stack(&api, &[]).await;
    let (owner, reader, admin) = (stack.someone().await, stack.demo().await, stack.admin().await);
    let user = me(&stack, &reader).await;
    let (book, ready) = shared(&stack, &owner, "nothing", &user).await;
    let asked = json!({
        "message": "Who earns most?", "context": {"ranges": [{"range_id": ready.range}]},
    });
    let answer = ask(&stack, &reader, &asked).await.expect(200);
    assert_eq!(answer["reply"], SECRET);
    assert!(api.asked()[0].body.to_string().contains("730619253"));
    let path = path_of(&answer);
    let shown = stack.get(&path, Some(&reader)).await.expect(200);
    assert_eq!(shown["text"], SECRET);
    let source = &shown["sources"][0];
    assert_eq!((&source["workbook_id"], &source["sheet_id"]), (&json!(book), &json!(ready.sheet)));
    assert_eq!(source["column_ids"].as_array().unwrap().len(), 4);
    let event = own_events(&stack, &reader, "chat.message").await.pop().unwrap();

    let subject = json!({"subject": {"type": "user", "id": user}});
    let denied = deny(&stack, &owner, (&book, &ready), subject.clone()).await;
    let conversation = format!("/conversations/{}", text(&answer["conversation_id"]));
    let with_texts = format!("/audit/{}?texts=true", id(&event));
    let everywhere = async || {
        let mut texts = Vec::new();
        for path in [
            path.clone(),
            conversation.clone(),
            format!("{conversation}/export?format=json"),
            format!("{conversation}/export?format=markdown"),
            "/conversations?query=earns".to_owned(),
            with_texts.clone(),
        ] {
            texts.push(stack.get(&path, Some(&reader)).await.text);
        }
        texts.push(ask(&stack, &reader, &asked).await.text);
        texts
    };
    for text in everywhere().await {
        assert!(!text.contains("730619253") && !text.contains("largest salary"), "{text}");
    }
    let withheld = stack.get(&path, Some(&reader)).await.expect(200);
    assert_eq!((&withheld["text"], &withheld["withheld"]), (&json!(""), &json!(true)));
    let found = stack.get("/conversations?query=earns", Some(&reader)).await;
    assert_eq!(found.expect(200)["items"], json!([]));
    let mut socket = stack.connect(&reader).await;
    let message_id = &answer["message_id"];
    let resume = json!({"action": "chat.resume", "message_id": message_id, "after_sequence": 0});
    socket.send(&resume).await;
    loop {
        let frame = socket.next().await.expect("the connection stays");
        assert!(!frame.to_string().contains("730619253"), "{frame}");
        if frame["type"] != "chat.delta" {
            break;
        }
    }
    // No model sees it again.
    let next = json!({"message": "Go on", "conversation_id": answer["conversation_id"]});
    let next = stack.post("/chat", Some(&reader), &next).await.expect(200);
    assert_eq!(next["reply"], "I can't tell.");
    let prompt = api.asked().pop().unwrap().body.to_string();
    assert!(!prompt.contains("730619253") && !prompt.contains("largest salary"), "{prompt}");
    // An auditor reads the text as long as the auditor may read its sources.
    let audited = stack.get(&with_texts, Some(&admin)).await;
    assert!(audited.text.contains("730619253"), "{audited:?}");
    let auditors = json!({"subject": {"type": "role", "id": "auditor"}});
    deny(&stack, &owner, (&book, &ready), auditors).await;
    let audited = stack.get(&with_texts, Some(&admin)).await;
    assert!(audited.status == 200 && !audited.text.contains("730619253"), "{audited:?}");

    // The text is there again once its reader may read all of its sources.
    stack.post("/access/changes", Some(&owner), &json!({"remove": [denied]})).await.expect(200);
    let again = stack.get(&path, Some(&reader)).await.expect(200);
    assert_eq!((&again["text"], again.get("withheld")), (&json!(SECRET), None));

    // Without `ai` it is read, and no model sees it.
    let mut no_model = subject;
    no_model["actions"] = json!(["ai"]);
    deny(&stack, &owner, (&book, &ready), no_model).await;
    assert_eq!(stack.get(&path, Some(&reader)).await.expect(200)["text"], SECRET);
    let next = json!({"message": "And?", "conversation_id": answer["conversation_id"]});
    stack.post("/chat", Some(&reader), &next).await.expect(200);
    let prompt = api.asked().pop().unwrap().body.to_string();
    assert!(!prompt.contains("730619253") && !prompt.contains("largest salary"), "{prompt}");

    // The text is withheld once its workbook has gone.
    stack.delete(&format!("/workbooks/{book}"), Some(&owner)).await.expect(204);
    for text in everywhere().await {
        assert!(!text.contains("730619253"), "{text}");
    }
}

#[tokio::test]
async fn what_came_from_a_result_is_withheld_with_what_the_result_leads_to() {
    let api = MessagesApi::with(vec![Answer::stream(reply(&["Bob costs 730619273."]))]).await;
    let stack = claude::stack(&api, &[]).await;
    let (owner, reader) = (stack.someone().await, stack.demo().await);
    let user = me(&stack, &reader).await;
    let subject = json!({"type": "user", "id": user});
    for is_denied_before in [false, true] {
        let (book, ready) = shared(&stack, &owner, "nothing", &user).await;
        let mut lenient = Vec::new();
        if is_denied_before {
            // The rule lets results through.
            let more = json!({"subject": subject, "derived": "allow"});
            lenient.push(deny(&stack, &owner, (&book, &ready), more).await);
        }
        // The totals alone, whose formulas read the salary.
        let context = json!({"ranges": [{"range_id": ready.range, "address": "C1:C3"}]});
        let asked = json!({"message": "Who costs most?", "context": context});
        let answer = stack.post("/chat", Some(&reader), &asked).await.expect(200);
        assert!(api.asked().pop().unwrap().body.to_string().contains("730619273"));
        let path = path_of(&answer);
        let shown = stack.get(&path, Some(&reader)).await.expect(200);
        assert!(text(&shown["text"]).contains("730619273"), "{shown}");
        // The reader is not told of a column of which only results were seen.
        let columns = shown["sources"][0]["column_ids"].as_array().unwrap();
        assert_eq!(columns.len(), if is_denied_before { 2 } else { 3 }, "{shown}");
        deny(&stack, &owner, (&book, &ready), json!({"subject": subject})).await;
        let removed = json!({"remove": lenient});
        if is_denied_before {
            stack.post("/access/changes", Some(&owner), &removed).await.expect(200);
        }
        let shown = stack.get(&path, Some(&reader)).await.expect(200);
        assert_eq!((&shown["text"], &shown["withheld"]), (&json!(""), &json!(true)));
    }
}

#[tokio::test]
async fn a_reply_stops_where_its_reader_loses_a_source() {
    // Two parts of the text come, and nothing behind them.
    let parts = ["Bob has the largest", " salary: 730619253"];
    let api = MessagesApi::with(vec![Answer::stream(reply(&parts)).up_to(5).then_silence()]).await;
    let stack = claude::stack(&api, &[("AiIdleMilliseconds", "600000")]).await;
    let (owner, reader) = (stack.someone().await, stack.demo().await);
    let user = me(&stack, &reader).await;
    let (book, ready) = shared(&stack, &owner, "nothing", &user).await;
    let mut socket = stack.connect(&reader).await;
    let send = json!({
        "action": "chat.send", "message": "Who earns most?",
        "context": {"ranges": [{"range_id": ready.range}]},
    });
    let started = socket.ask(&send, "chat.started").await;
    let mut said = String::new();
    while !said.contains("730619253") {
        said.push_str(text(&socket.expect("chat.delta").await["text"]));
    }
    let subject = json!({"subject": {"type": "user", "id": user}});
    deny(&stack, &owner, (&book, &ready), subject).await;
    // The worker hangs up on the provider, and says the end.
    let end = socket.next().await.expect("the connection stays");
    assert_eq!((&end["type"], &end["withheld"]), (&json!("chat.completed"), &json!(true)), "{end}");
    api.hung_up(1).await;
    let mut late = stack.connect(&reader).await;
    let resume = json!({
        "action": "chat.resume", "message_id": started["message_id"], "after_sequence": 0,
    });
    late.send(&resume).await;
    let heard = late.next().await.expect("the connection stays");
    assert_ne!(heard["type"], "chat.delta", "{heard}");
    let stored = stack.get(&path_of(&started), Some(&reader)).await.expect(200);
    assert_eq!((&stored["text"], &stored["withheld"]), (&json!(""), &json!(true)));
}

#[tokio::test]
async fn calls_of_tools_are_withheld_with_their_cells_and_no_model_sees_them_again() {
    let stack = TestStack::with(&FAST).await;
    let (owner, reader, admin) = (stack.someone().await, stack.demo().await, stack.admin().await);
    let user = me(&stack, &reader).await;
    let (book, ready) = shared(&stack, &owner, "nothing", &user).await;
    let agent = json!({"title": "Reader", "tools": ["read_cells", "add_task"]});
    stack.call(Method::PUT, "/agents/reader", &admin, &agent).await.expect(201);
    let place = json!({"range_id": ready.range, "address": "A3:B3"});
    let task = json!({"title": "Pay Bob"});
    let message = format!("/tool read_cells {place}\n/tool add_task {task}");
    let asked = json!({"message": message, "agent": "reader"});
    let waits = stack.post("/chat", Some(&reader), &asked).await.expect(202);
    let (path, message_id) = (path_of(&waits), &waits["message_id"]);
    let read = async || stack.get(&path, Some(&reader)).await.expect(200);
    let calls = read().await["tool_calls"].clone();
    assert_eq!(
        (&calls[0]["status"], &calls[1]["status"]),
        (&json!("completed"), &json!("awaiting_confirmation"))
    );

    let subject = json!({"subject": {"type": "user", "id": user}});
    let denied = deny(&stack, &owner, (&book, &ready), subject.clone()).await;
    let withheld = read().await;
    assert_eq!((withheld.get("tool_calls"), &withheld["withheld"]), (None, &json!(true)));
    let conversation = format!("/conversations/{}", text(&waits["conversation_id"]));
    for path in [conversation.clone(), format!("{conversation}/export?format=json")] {
        let shown = stack.get(&path, Some(&reader)).await;
        assert!(shown.status == 200 && !shown.text.contains("tool_calls"), "{shown:?}");
    }
    let mut socket = stack.connect(&reader).await;
    let resume = json!({"action": "chat.resume", "message_id": message_id, "after_sequence": 0});
    assert_eq!(text(&socket.ask(&resume, "chat.failed").await["code"]), "forbidden");
    // A user who does not see a call can't decide about it.
    let approve = json!({
        "decisions": [{"call_id": calls[1]["call_id"], "decision": "approve"}],
    });
    let confirmations = format!("{path}/confirmations");
    stack.post(&confirmations, Some(&reader), &approve).await.problem(403, "forbidden");
    stack.post("/access/changes", Some(&owner), &json!({"remove": [denied]})).await.expect(200);
    assert_eq!(read().await["tool_calls"], calls);

    // Without `ai` the reader sees the calls and decides, and the model gets no result of them.
    let mut no_model = subject;
    no_model["actions"] = json!(["ai"]);
    deny(&stack, &owner, (&book, &ready), no_model).await;
    stack.post(&confirmations, Some(&reader), &approve).await.problem(403, "forbidden");
    let failed = read().await;
    assert_eq!(
        (text(&failed["status"]), &failed["error"]["code"], &failed["text"]),
        ("failed", &json!("forbidden"), &json!(""))
    );
    assert_eq!(failed["tool_calls"][1]["status"], "completed");
}
