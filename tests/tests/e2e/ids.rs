//! Ids are the same in upper and lower case (RFC 9562 section 4), in every place of a request.

use http::Method;
use serde_json::json;
use tally_tests::{TestStack, id};

use crate::chat::FAST;

#[tokio::test]
async fn an_id_in_capitals_is_the_same_id_in_paths_queries_bodies_and_messages() {
    let stack = TestStack::with(&FAST).await;
    let caller = stack.someone().await;
    let first = stack.post("/chat", Some(&caller), &json!({"message": "x"})).await.expect(200);
    let conversation = first["conversation_id"].as_str().unwrap();
    let message = first["message_id"].as_str().unwrap();
    let me = id(&stack.get("/auth/me", Some(&caller)).await.expect(200)["user"]);
    let capitals = conversation.to_uppercase();

    let body = json!({"message": "y", "conversation_id": capitals});
    assert_eq!(
        stack.post("/chat", Some(&caller), &body).await.expect(200)["conversation_id"],
        conversation
    );
    for path in [
        format!("/conversations/{capitals}"),
        format!("/conversations/{capitals}/messages/{}", message.to_uppercase()),
        format!("/conversations/{capitals}/export"),
        format!("/usage?user_id={}", me.to_uppercase()),
        format!("/audit?actor={}", me.to_uppercase()),
        format!("/users/{}/budget", me.to_uppercase()),
    ] {
        stack.get(&path, Some(&caller)).await.expect(200);
    }
    // A cursor from one spelling of the id is valid for the other.
    let page =
        stack.get(&format!("/conversations/{capitals}?limit=1"), Some(&caller)).await.expect(200);
    let next = page["messages"]["next_cursor"].as_str().unwrap();
    stack
        .get(&format!("/conversations/{conversation}?limit=1&cursor={next}"), Some(&caller))
        .await
        .expect(200);

    let auditor = stack.admin().await;
    let resource = format!("/audit?resource=message:{}", message.to_uppercase());
    let lower = stack.get(&resource.to_lowercase(), Some(&auditor)).await.expect(200);
    assert_eq!(stack.get(&resource, Some(&auditor)).await.expect(200)["items"], lower["items"]);
    stack.get(&format!("/users/{}", me.to_uppercase()), Some(&auditor)).await.expect(200);

    let mut socket = stack.connect(&caller).await;
    let resume =
        json!({"action": "chat.resume", "message_id": message.to_uppercase(), "after_sequence": 0});
    socket.send(&resume).await;
    loop {
        let frame = socket.next().await.unwrap();
        assert_eq!(
            (&frame["message_id"], frame["type"] == "error"),
            (&json!(message), false),
            "{frame}"
        );
        if frame["type"] == "chat.completed" {
            break;
        }
    }
    stack
        .call(Method::PATCH, &format!("/conversations/{capitals}"), &caller, &json!({"title": "z"}))
        .await
        .expect(200);
    stack.delete(&format!("/conversations/{capitals}"), Some(&caller)).await.expect(204);
    stack
        .get(&format!("/conversations/{conversation}"), Some(&caller))
        .await
        .problem(404, "not_found");
}

#[tokio::test]
async fn a_member_that_comes_twice_is_refused_over_a_websocket_too() {
    let stack = TestStack::start().await;
    let mut socket = stack.connect(&stack.demo().await).await;
    for text in [
        r#"{"action":"ping","id":"1","id":"2"}"#,
        r#"{"action":"chat.send","message":"x","more":{"a":1,"a":2}}"#,
    ] {
        socket.send_text(text).await;
        let error = socket.next().await.unwrap();
        assert_eq!(
            (&error["type"], &error["code"]),
            (&json!("error"), &json!("malformed_json")),
            "{error}"
        );
    }
    crate::realtime::assert_alive(&mut socket).await;
}
