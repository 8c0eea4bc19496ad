//! Messages over a WebSocket, and replies of the assistant.

use serde_json::{Value, json};
use tally_local::aws::Failure;
use tally_tests::{Socket, TestStack};

use super::{MOMENTS, TRANSACT, events};
use crate::audit::texts_of;
use crate::chat::{FAST, SLOW, ask_async, own_events, path_of, poll, text};

/// Sends a message and kills its function at the next transaction on `table`. API Gateway then
/// sends an error.
async fn cut(
    stack: &TestStack,
    socket: &mut Socket,
    moment: Failure,
    (function, table): (&str, &str),
    message: &Value,
) {
    stack.fail(table, Some(TRANSACT), moment, 1);
    socket.send(message).await;
    stack.local.aws().held().await;
    stack.local.functions().kill(function).unwrap();
    // Skip other messages on this connection.
    loop {
        let frame = socket.next().await.expect("the connection stays");
        if frame["message"] == "Internal server error" {
            return;
        }
    }
}

#[tokio::test]
async fn a_newer_token_that_is_cut_can_be_sent_again() {
    for moment in MOMENTS {
        let stack = TestStack::start().await;
        let caller = stack.someone().await;
        let mut socket = stack.connect(&caller).await;
        let renew = json!({"action": "auth.renew", "token": caller.access});
        cut(&stack, &mut socket, moment, ("AuthRenewFunction", "ConnectionsTable"), &renew).await;
        socket.ask(&renew, "auth.renewed").await;
    }
}

#[tokio::test]
async fn a_subscription_that_is_cut_streams_when_it_is_asked_for_again_and_so_ends() {
    for moment in MOMENTS {
        let stack = TestStack::start().await;
        let caller = stack.someone().await;
        let mut socket = stack.connect(&caller).await;
        let subscribe =
            json!({"action": "charts.subscribe", "chart_type": "bar", "interval_ms": 250});
        cut(&stack, &mut socket, moment, ("ChartsFunction", "SubscriptionsTable"), &subscribe)
            .await;
        let committed = usize::from(moment == Failure::HeldAfter);
        assert_eq!(events(&stack, "charts.subscribe", "success").await, committed, "{moment:?}");
        socket.ask(&subscribe, "charts.subscribed").await;
        assert_eq!(socket.expect("charts.data").await["sequence"], 1);
        assert_eq!(events(&stack, "charts.subscribe", "success").await, 1 + committed);

        let unsubscribe = json!({"action": "charts.unsubscribe", "chart_type": "bar"});
        cut(&stack, &mut socket, moment, ("ChartsFunction", "SubscriptionsTable"), &unsubscribe)
            .await;
        let amid = socket.ask_amid(&unsubscribe, &["charts.data"]).await;
        assert_eq!(amid["type"], "charts.unsubscribed");
    }
}

#[tokio::test]
async fn a_connection_that_is_cut_as_it_subscribes_can_be_opened_again() {
    for moment in MOMENTS {
        let stack = TestStack::start().await;
        let caller = stack.someone().await;
        let bearer = format!("Bearer {}", caller.access);
        let credentials = [("authorization", bearer.as_str())];
        let query = "?chart_type=bar&interval_ms=250";
        stack.fail("SubscriptionsTable", Some(TRANSACT), moment, 1);
        let kill = async {
            stack.local.aws().held().await;
            stack.local.functions().kill("ConnectFunction").unwrap();
        };
        let (refused, ()) = futures_util::join!(stack.handshake(query, &credentials), kill);
        assert!(refused.err().is_some_and(|refused| refused.status >= 500), "{moment:?}");
        let mut socket = stack.connect_with(&caller, query).await;
        socket.expect("charts.subscribed").await;
        assert_eq!(socket.expect("charts.data").await["sequence"], 1);
    }
}

#[tokio::test]
async fn a_stream_whose_worker_is_cut_begins_anew_when_it_is_asked_for_again() {
    for moment in MOMENTS {
        let stack = TestStack::start().await;
        let caller = stack.someone().await;
        let mut socket = stack.connect(&caller).await;
        let subscribe =
            json!({"action": "charts.subscribe", "chart_type": "bar", "interval_ms": 250});
        // The fault strikes the claim of the worker that would stream.
        stack.fail("SubscriptionsTable", Some("UpdateItem"), moment, 1);
        socket.ask(&subscribe, "charts.subscribed").await;
        stack.local.aws().held().await;
        stack.local.functions().kill("ChartStreamFunction").unwrap();
        socket.ask(&subscribe, "charts.subscribed").await;
        assert_eq!(socket.expect("charts.data").await["sequence"], 1, "{moment:?}");
    }
}

#[tokio::test]
async fn a_question_over_a_connection_that_is_cut_is_not_there_or_ends_as_failed() {
    for moment in MOMENTS {
        let stack = TestStack::with(&SLOW).await;
        let caller = stack.someone().await;
        let mut socket = stack.connect(&caller).await;
        let ask = json!({"action": "chat.send", "message": "Hello"});
        cut(&stack, &mut socket, moment, ("ChatSendFunction", "DraftsTable"), &ask).await;
        let asked = stack.events(&stack.admin().await, "chat.requested").await;
        assert_eq!(asked.len(), usize::from(moment == Failure::HeldAfter), "{moment:?}");
        if let Some(event) = asked.first() {
            // No worker writes the reply. The sweep ends it and tells the client that asked.
            let id = json!(text(&event["resource"]).strip_prefix("message:").unwrap());
            crate::chat::sweep::grow_old(&stack, &id, 0).await;
            crate::chat::sweep::sweep(&stack).await;
            let failed = socket.expect("chat.failed").await;
            assert_eq!((&failed["message_id"], text(&failed["code"])), (&id, "unavailable"));
        }
        socket.ask(&ask, "chat.started").await;
    }
}

#[tokio::test]
async fn a_question_with_a_key_that_is_cut_is_answered_when_it_is_sent_again() {
    for moment in MOMENTS {
        let stack = TestStack::with(&FAST).await;
        let caller = stack.someone().await;
        let mut socket = stack.connect(&caller).await;
        let ask = json!({"action": "chat.send", "message": "Hello", "idempotency_key": "k"});
        cut(&stack, &mut socket, moment, ("ChatSendFunction", "DraftsTable"), &ask).await;
        let started = socket.ask(&ask, "chat.started").await;
        let end = loop {
            let frame = socket.next().await.expect("the connection stays");
            if frame["type"] != "chat.delta" {
                break frame;
            }
        };
        assert_eq!(
            (text(&end["type"]), &end["message_id"]),
            ("chat.completed", &started["message_id"])
        );
        assert_eq!(
            stack.events(&stack.admin().await, "chat.message").await.len(),
            1,
            "one reply was written, {moment:?}"
        );
    }
}

#[tokio::test]
async fn a_command_to_stop_a_reply_is_applied_or_can_be_sent_again() {
    for moment in MOMENTS {
        let stack = TestStack::with(&[SLOW[0], ("LoremWordMilliseconds", "250")]).await;
        let caller = stack.someone().await;
        let mut socket = stack.connect(&caller).await;
        let started =
            socket.ask(&json!({"action": "chat.send", "message": "Stop"}), "chat.started").await;
        let cancel = json!({"action": "chat.cancel", "message_id": started["message_id"]});
        cut(&stack, &mut socket, moment, ("ChatFollowFunction", "DraftsTable"), &cancel).await;
        if moment == Failure::HeldBefore {
            assert_eq!(events(&stack, "chat.cancelled", "success").await, 0);
            socket.send(&cancel).await;
        }
        let end = poll(&stack, &caller, &path_of(&started)).await.pop().unwrap();
        assert_eq!(text(&end["status"]), "cancelled", "{moment:?}");
        assert_eq!(events(&stack, "chat.cancelled", "success").await, 1);
    }
}

#[tokio::test]
async fn a_decision_that_is_cut_counts_or_can_be_sent_again_and_the_call_is_made_once() {
    for moment in MOMENTS {
        let stack = TestStack::with(&FAST).await;
        let caller = stack.someone().await;
        let ask = json!({"message": "/tool add_task {\"title\": \"Once\"}", "agent": "tasks"});
        let started = stack.post("/chat", Some(&caller), &ask).await.expect(202);
        let mut socket = stack.connect(&caller).await;
        let confirm = json!({
            "action": "chat.confirm", "message_id": started["message_id"], "id": "d",
            "decisions": [
                {"call_id": started["tool_calls"][0]["call_id"], "decision": "approve"},
            ],
        });
        cut(&stack, &mut socket, moment, ("ChatFollowFunction", "StepsTable"), &confirm).await;
        let committed = moment == Failure::HeldAfter;
        assert_eq!(events(&stack, "tool.confirmed", "success").await, usize::from(committed));
        let message = stack.get(&path_of(&started), Some(&caller)).await.expect(200);
        let expected = if committed { "pending" } else { "awaiting_confirmation" };
        assert_eq!(text(&message["status"]), expected);
        // The same decision again starts the worker that was not started.
        socket.ask(&confirm, "chat.confirmed").await;
        let end = poll(&stack, &caller, &path_of(&started)).await.pop().unwrap();
        assert_eq!(text(&end["status"]), "completed", "{moment:?}");
        assert_eq!(text(&end["tool_calls"][0]["status"]), "completed", "{moment:?}");
        let tasks = stack.get("/tasks?status=all", Some(&caller)).await.expect(200);
        assert_eq!(tasks["items"].as_array().unwrap().len(), 1, "{moment:?}");
        assert_eq!(events(&stack, "tool.confirmed", "success").await, 1);
    }
}

#[tokio::test]
async fn a_reply_whose_end_is_cut_is_whole_or_ends_as_failed_with_what_was_stored() {
    for moment in MOMENTS {
        let stack = TestStack::with(&SLOW).await;
        let caller = stack.someone().await;
        let asked = ask_async(&stack, &caller, &json!({"message": "Hello"})).await.expect(202);
        stack.fail("MessagesTable", Some(TRANSACT), moment, 1);
        stack.local.aws().held().await;
        stack.local.functions().kill("ChatStreamFunction").unwrap();
        let committed = moment == Failure::HeldAfter;
        let message = stack.get(&path_of(&asked), Some(&caller)).await.expect(200);
        assert_eq!(text(&message["status"]), if committed { "completed" } else { "streaming" });
        if !committed {
            crate::chat::sweep::grow_old(&stack, &asked["message_id"], 5).await;
            crate::chat::sweep::sweep(&stack).await;
            let failed = stack.get(&path_of(&asked), Some(&caller)).await.expect(200);
            // All but the last frames had been stored.
            assert_eq!((text(&failed["status"]), &failed["text"]), ("failed", &message["text"]));
            assert!(text(&failed["text"]).split_whitespace().count() > 20, "{failed}");
        }
        let ends = own_events(&stack, &caller, "chat.message").await;
        let [end] = ends.as_slice() else { panic!("{moment:?}: {ends:?}") };
        let kept = stack.get(&path_of(&asked), Some(&caller)).await.expect(200);
        assert_eq!(texts_of(&stack, &caller, end).await["reply"], kept["text"]);
        // The texts of an end that was not committed stay until they expire.
        let items = stack.items("AuditTextsTable").await.len();
        assert_eq!(items, if committed { 2 } else { 4 });
    }
}

#[tokio::test]
async fn a_reply_whose_key_or_texts_are_cut_ends_as_failed_with_texts() {
    for moment in MOMENTS {
        for table in ["DataKeysTable", "AuditTextsTable"] {
            let stack = TestStack::with(&FAST).await;
            let caller = stack.someone().await;
            stack.fail(table, Some("PutItem"), moment, 1);
            let asked = ask_async(&stack, &caller, &json!({"message": "Hello"})).await.expect(202);
            stack.local.aws().held().await;
            // The worker makes the key while it acquires the reply.
            let read = async || stack.get(&path_of(&asked), Some(&caller)).await.expect(200);
            while read().await["status"] == "pending" {}
            stack.local.functions().kill("ChatStreamFunction").unwrap();
            crate::chat::sweep::grow_old(&stack, &asked["message_id"], 0).await;
            crate::chat::sweep::sweep(&stack).await;
            assert_eq!(read().await["status"], "failed", "{moment:?} {table}");
            let ends = own_events(&stack, &caller, "chat.message").await;
            let [end] = ends.as_slice() else { panic!("{moment:?} {table}: {ends:?}") };
            let prompt = texts_of(&stack, &caller, end).await["prompt"].take();
            assert!(text(&prompt).ends_with(r#""shown":null,"turn":"Hello"}"#), "{prompt}");
            assert_eq!(stack.items("DataKeysTable").await.len(), 1);
        }
    }
}

#[tokio::test]
async fn an_end_that_is_cut_before_it_was_sent_is_sent_by_the_sweep() {
    let stack = TestStack::with(&SLOW).await;
    let caller = stack.someone().await;
    let mut socket = stack.connect(&caller).await;
    let started =
        socket.ask(&json!({"action": "chat.send", "message": "Hello"}), "chat.started").await;
    stack.fail("MessagesTable", Some(TRANSACT), Failure::HeldAfter, 1);
    stack.local.aws().held().await;
    stack.local.functions().kill("ChatStreamFunction").unwrap();
    assert!(crate::chat::sweep::make_sweep_due(&stack, &started["message_id"]).await);
    crate::chat::sweep::sweep(&stack).await;
    let mut heard = String::new();
    let end = loop {
        let message = socket.next().await.unwrap();
        if message["type"] != "chat.delta" {
            break message;
        }
        heard.push_str(text(&message["text"]));
    };
    let stored = stack.get(&path_of(&started), Some(&caller)).await.expect(200);
    assert_eq!((text(&stored["status"]), text(&stored["text"])), ("completed", heard.as_str()));
    let told = [&end["type"], &end["message_id"], &end["stop_reason"], &end["usage"]];
    assert_eq!(
        told,
        [
            &json!("chat.completed"),
            &started["message_id"],
            &stored["stop_reason"],
            &stored["usage"]
        ]
    );
    // The client is told once.
    assert!(!crate::chat::sweep::make_sweep_due(&stack, &started["message_id"]).await);
    crate::chat::sweep::sweep(&stack).await;
    socket.ask(&json!({"action": "ping"}), "pong").await;
}
