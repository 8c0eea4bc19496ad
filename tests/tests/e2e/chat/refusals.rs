//! Messages that are not shown to a model again, and failures that are final.

use serde_json::{Value, json};
use tally_tests::messages_api::{Answer, Asked, MessagesApi, event, reply, reply_of};

use super::claude::{listen, stack};
use super::{path_of, poll, text};
use crate::audit::texts_of;

/// The conversation as a request shows it: each message's author and text.
fn shown(asked: &Asked) -> Vec<(String, String)> {
    let messages = asked.body["messages"].as_array().unwrap().iter();
    messages
        .map(|message| {
            (text(&message["role"]).to_owned(), text(&message["content"][0]["text"]).to_owned())
        })
        .collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(role, said)| ((*role).to_owned(), (*said).to_owned())).collect()
}

fn in_conversation(message: &str, first: &Value) -> Value {
    json!({"message": message, "conversation_id": first["conversation_id"]})
}

#[tokio::test]
async fn a_refused_turn_is_not_shown_again_and_a_stopped_reply_says_so() {
    let api = MessagesApi::start(|asked| match asked.message() {
        "bad" => Answer::stream(reply_of(&["I had", " begun"], "refusal")),
        "stop" => Answer::stream(reply(&["Half", " of it"])).up_to(4).then_silence(),
        _ => Answer::stream(reply(&["Well"])),
    });
    let api = api.await;
    let stack = stack(&api, &[("AiIdleMilliseconds", "60000")]).await;
    let caller = stack.someone().await;
    let first = stack.post("/chat", Some(&caller), &json!({"message": "hello"})).await.expect(200);
    let refused =
        stack.post("/chat", Some(&caller), &in_conversation("bad", &first)).await.expect(200);
    assert_eq!(
        (text(&refused["stop_reason"]), text(&refused["reply"])),
        ("refusal", "I had begun")
    );

    let mut socket = stack.connect(&caller).await;
    let mut send = in_conversation("stop", &first);
    send["action"] = "chat.send".into();
    let started = socket.ask(&send, "chat.started").await;
    socket.expect("chat.delta").await;
    socket.send(&json!({"action": "chat.cancel", "message_id": started["message_id"]})).await;
    let (_, end) = listen(&mut socket).await;
    assert_eq!(text(&end["stop_reason"]), "cancelled");

    // The cost is estimated from the same texts. Otherwise the worker would not ask.
    stack.post("/chat", Some(&caller), &in_conversation("and now", &first)).await.expect(200);
    let expected = [
        ("user", "hello"),
        ("assistant", "Well"),
        ("user", "stop"),
        ("assistant", "Half\n\n[The user stopped this reply here.]"),
        ("user", "and now"),
    ];
    assert_eq!(shown(api.asked().last().unwrap()), pairs(&expected));
    // The owner sees all of it.
    let path = format!("/conversations/{}", text(&first["conversation_id"]));
    assert_eq!(
        stack.get(&path, Some(&caller)).await.expect(200)["messages"]["items"]
            .as_array()
            .unwrap()
            .len(),
        8
    );
}

#[tokio::test]
async fn a_final_failure_has_one_code_on_every_way_and_leaves_the_conversation_usable() {
    let invalid = |message: &str| Answer::error_saying(400, "invalid_request_error", message);
    let late = json!({
        "type": "error",
        "error": {
            "type": "invalid_request_error",
            "message": "Output blocked by content filtering policy",
        },
    });
    let late = Answer::stream(reply(&["Half", " of it"]).into_iter().take(4).chain([event(&late)]));
    let api = MessagesApi::start(move |asked| match asked.message() {
        "long" => invalid("prompt is too long: 208310 tokens > 200000 maximum"),
        "longer" => {
            invalid("input length and `max_tokens` exceed context limit: 199211 + 20000 > 200000")
        }
        "large" => Answer::error(413, "request_too_large"),
        "filter" => invalid("Output blocked by content filtering policy"),
        "filter late" => late.clone(),
        "wrong" => invalid("messages.0: this field is not known"),
        "forbidden" => Answer::error(403, "permission_error"),
        _ => Answer::stream(reply(&["Well"])),
    });
    let api = api.await;
    let stack = stack(&api, &[]).await;
    let caller = stack.someone().await;
    let first = stack.post("/chat", Some(&caller), &json!({"message": "hello"})).await.expect(200);
    let mut socket = stack.connect(&caller).await;
    for (message, written, status, code) in [
        ("long", "", 422, "context_too_long"),
        ("longer", "", 422, "context_too_long"),
        ("large", "", 422, "context_too_long"),
        ("filter", "", 422, "content_refused"),
        ("filter late", "Half", 422, "content_refused"),
        ("wrong", "", 502, "provider_rejected"),
        ("forbidden", "", 502, "provider_rejected"),
    ] {
        let mut send = in_conversation(message, &first);
        send["action"] = "chat.send".into();
        let started = socket.ask(&send, "chat.started").await;
        let (heard, live) = listen(&mut socket).await;
        assert_eq!(
            (text(&live["type"]), text(&live["code"]), heard.as_str()),
            ("chat.failed", code, written),
            "{message}: {live}"
        );
        socket
            .send(&json!({
                "action": "chat.resume", "message_id": started["message_id"], "after_sequence": 0,
            }))
            .await;
        assert_eq!(listen(&mut socket).await, (heard, live.clone()), "{message}");
        let polled = poll(&stack, &caller, &path_of(&started)).await.pop().unwrap();
        assert_eq!(polled["error"], json!({"code": code, "detail": live["detail"]}), "{message}");

        let answer = stack.post("/chat", Some(&caller), &in_conversation(message, &first)).await;
        assert_eq!(
            (answer.problem(status, code)["detail"].clone(), answer.header("retry-after")),
            (live["detail"].clone(), "")
        );
        stack.post("/chat", Some(&caller), &in_conversation("short", &first)).await.expect(200);
        assert!(
            shown(api.asked().last().unwrap()).iter().all(|(_, said)| said != message),
            "{message}"
        );
    }
    let events = super::own_events(&stack, &caller, "chat.message").await;
    assert!(
        events
            .iter()
            .any(|event| event["outcome"] == "failure"
                && event["detail"]["code"] == "content_refused"),
        "{events:?}"
    );
}

#[tokio::test]
async fn a_history_that_is_too_long_is_shortened_by_whole_turns() {
    // A model that accepts at most three messages.
    let api = MessagesApi::start(|asked| {
        let messages = asked.body["messages"].as_array().unwrap().len();
        if messages > 3 {
            Answer::error(413, "request_too_large")
        } else {
            Answer::stream(reply(&["Well"]))
        }
    });
    let api = api.await;
    let stack = stack(&api, &[]).await;
    let caller = stack.someone().await;
    let first = stack.post("/chat", Some(&caller), &json!({"message": "turn 0"})).await.expect(200);
    for turn in 1..6 {
        let message = format!("turn {turn}");
        stack.post("/chat", Some(&caller), &in_conversation(&message, &first)).await.expect(200);
        let before = format!("turn {}", turn - 1);
        let asked = shown(api.asked().last().unwrap());
        let three = pairs(&[("user", &before), ("assistant", "Well"), ("user", &message)]);
        assert!(asked == three || asked == pairs(&[("user", &message)]), "{asked:?}");
        // The audit log names the messages that were shown at last.
        let event = super::own_events(&stack, &caller, "chat.message").await.pop().unwrap();
        let prompt = texts_of(&stack, &caller, &event).await["prompt"].take();
        let prompt: Value = serde_json::from_str(text(&prompt)).unwrap();
        assert_eq!(prompt["turn"], message);
        assert_eq!(prompt["shown"].as_array().unwrap().len(), asked.len() - 1);
    }
}
