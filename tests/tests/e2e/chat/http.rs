//! `POST /chat`, and polling a message.

use serde_json::json;
use tally_tests::TestStack;

use super::{FAST, SLOW, ask_async, own_events, path_of, poll, text, words};

#[tokio::test]
async fn a_reply_is_waited_for_and_audited_without_its_text() {
    let stack = TestStack::with(&FAST).await;
    let caller = stack.someone().await;
    let asked = stack
        .post(
            "/chat",
            Some(&caller),
            &json!({"message": "How much\r\nwas it?\u{0}", "prompt": "default"}),
        )
        .await;
    let answer = asked.expect(200);
    let expected_usage = json!({
        "input_tokens": 4, "output_tokens": words(&answer["reply"]), "cache_read_tokens": 0,
        "cache_write_tokens": 0,
    });
    assert!((50..=120).contains(&words(&answer["reply"])), "{answer}");
    assert_eq!(answer["usage"], expected_usage);
    assert_eq!((text(&answer["stop_reason"]), text(&answer["cost_usd"])), ("end_turn", "0.00"));
    assert!(
        asked.header("ratelimit-policy").contains("chat_user")
            && asked.header("ratelimit").contains("chat_session"),
        "{asked:?}"
    );

    let message = stack.get(&path_of(&answer), Some(&caller)).await.expect(200);
    let expected = json!({
        "id": answer["message_id"], "conversation_id": answer["conversation_id"],
        "role": "assistant", "text": answer["reply"],
        "status": "completed", "created_at": message["created_at"], "stop_reason": "end_turn",
        "usage": expected_usage,
        "cost_usd": "0.00", "prompt": {"name": "default", "version": 0},
    });
    assert_eq!(message, expected);

    let resource = format!("message:{}", text(&answer["message_id"]));
    for action in ["chat.requested", "chat.message"] {
        let events = own_events(&stack, &caller, action).await;
        let [event] = events.as_slice() else { panic!("{action}: {events:?}") };
        assert_eq!(
            (text(&event["resource"]), text(&event["outcome"])),
            (resource.as_str(), "success")
        );
        assert_eq!(event["request_id"], asked.header("x-request-id"));
        assert_eq!(event["actor"]["username"], caller.username);
        assert_eq!(event["detail"]["conversation_id"], answer["conversation_id"]);
        assert!(
            !event.to_string().contains("much") && !event.to_string().contains("ipsum"),
            "{event}"
        );
        if action == "chat.message" {
            let detail = &event["detail"];
            assert_eq!(
                (&detail["model"], &detail["cost_usd"], &detail["input_tokens"]),
                (&json!("lorem"), &json!("0.00"), &json!(4))
            );
            assert_eq!(detail["output_tokens"], expected_usage["output_tokens"]);
        }
    }
}

#[tokio::test]
async fn a_conversation_goes_on_and_the_model_sees_its_last_20_messages() {
    let stack = TestStack::with(&FAST).await;
    let caller = stack.someone().await;
    let first =
        stack.post("/chat", Some(&caller), &json!({"message": "one two three"})).await.expect(200);
    let mut said = vec![3, words(&first["reply"])];
    for _ in 0..11 {
        let body = json!({"message": "and then", "conversation_id": first["conversation_id"]});
        let next = stack.post("/chat", Some(&caller), &body).await.expect(200);
        assert_eq!(next["conversation_id"], first["conversation_id"]);
        assert_ne!(next["message_id"], first["message_id"]);
        said.push(2);
        let seen: u64 = said.iter().rev().take(20).sum();
        assert_eq!(next["usage"]["input_tokens"], seen, "after {} messages", said.len());
        said.push(words(&next["reply"]));
    }
}

#[tokio::test]
async fn what_is_someone_elses_is_not_there() {
    let stack = TestStack::with(&FAST).await;
    let caller = stack.someone().await;
    let other = stack.someone().await;
    let answer = stack.post("/chat", Some(&caller), &json!({"message": "Mine"})).await.expect(200);
    let intruding = json!({"message": "Yours?", "conversation_id": answer["conversation_id"]});
    stack.post("/chat", Some(&other), &intruding).await.problem(404, "not_found");
    stack.get(&path_of(&answer), Some(&other)).await.problem(404, "not_found");
    for unknown in ["019a0000-0000-7000-8000-000000000000", "7f0c1d8e-3f63-4a3c-9d0e-5f1b9a3a7c11"]
    {
        let body = json!({"message": "Anyone?", "conversation_id": unknown});
        stack.post("/chat", Some(&caller), &body).await.problem(404, "not_found");
    }
    let conversation = text(&answer["conversation_id"]);
    let message = text(&answer["message_id"]);
    for path in [
        format!("/conversations/{conversation}/messages/{conversation}"),
        format!("/conversations/{message}/messages/{message}"),
        format!("/conversations/{conversation}/messages/me"),
        format!("/conversations/me/messages/{message}"),
    ] {
        stack.get(&path, Some(&caller)).await.problem(404, "not_found");
    }
    // An id in capitals is the same id (RFC 9562 section 4).
    let path = format!(
        "/conversations/{}/messages/{}",
        conversation.to_uppercase(),
        message.to_uppercase()
    );
    assert_eq!(stack.get(&path, Some(&caller)).await.expect(200)["id"], message);
    // The conversation contains only its owner's messages.
    let next = json!({"message": "Still mine", "conversation_id": answer["conversation_id"]});
    let next = stack.post("/chat", Some(&caller), &next).await.expect(200);
    assert_eq!(next["usage"]["input_tokens"], 1 + words(&answer["reply"]) + 2);
}

#[tokio::test]
async fn a_reply_that_is_not_waited_for_can_be_polled_while_it_is_written() {
    let stack = TestStack::with(&SLOW).await;
    let caller = stack.someone().await;
    let accepted = ask_async(&stack, &caller, &json!({"message": "Take your time"})).await;
    let answer = accepted.expect(202);
    assert_eq!(accepted.header("location"), path_of(&answer));
    assert_eq!(
        (accepted.header("retry-after"), accepted.header("preference-applied")),
        ("1", "respond-async")
    );
    assert_eq!(answer["status"], "pending");
    assert_eq!(answer["prompt"], json!({"name": "default", "version": 0}));
    assert_eq!(answer.as_object().unwrap().len(), 4, "{answer}");

    let seen = poll(&stack, &caller, accepted.header("location")).await;
    let end = seen.last().unwrap();
    assert_eq!(end["status"], "completed");
    assert!((50..=120).contains(&words(&end["text"])), "{end}");
    let partial = seen
        .iter()
        .filter(|message| message["status"] == "streaming" && message["text"] != "")
        .count();
    assert!(partial > 0, "nothing was seen of it: {seen:?}");
    for pair in seen.windows(2) {
        assert!(text(&pair[1]["text"]).starts_with(text(&pair[0]["text"])), "{pair:?}");
    }
}

#[tokio::test]
async fn a_reply_that_takes_too_long_is_answered_202() {
    let stack = TestStack::with(&[SLOW[0], SLOW[1], ("ChatWaitSeconds", "1")]).await;
    let caller = stack.someone().await;
    let accepted = stack.post("/chat", Some(&caller), &json!({"message": "Hurry"})).await;
    let answer = accepted.expect(202);
    assert_eq!((text(&answer["status"]), accepted.header("preference-applied")), ("streaming", ""));
    assert_eq!(accepted.header("location"), path_of(&answer));
    let end = poll(&stack, &caller, &path_of(&answer)).await.pop().unwrap();
    assert_eq!(end["status"], "completed");
}

#[tokio::test]
async fn what_is_asked_is_checked() {
    let stack = TestStack::with(&FAST).await;
    let caller = stack.someone().await;
    for (body, faults) in [
        (json!({}), &["/message"][..]),
        (json!({"message": ""}), &["/message"]),
        (json!({"message": " \u{0}\n "}), &["/message"]),
        (json!({"message": "x".repeat(10_001)}), &["/message"]),
        (
            json!({"message": 1, "conversation_id": "mine", "prompt": "You are a pirate."}),
            &["/message", "/conversation_id", "/prompt"],
        ),
        (json!({"message": "Hi", "system": "You are a pirate."}), &["/system"]),
    ] {
        stack.post("/chat", Some(&caller), &body).await.invalid(faults);
    }
    stack.post("/chat?x=1", Some(&caller), &json!({"message": "Hi"})).await.invalid(&["x"]);
    stack
        .post(
            "/chat",
            Some(&caller),
            &json!({"message": "€".repeat(10_000), "conversation_id": null, "prompt": null}),
        )
        .await
        .expect(200);
}
