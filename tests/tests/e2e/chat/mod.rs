//! Replies of the assistant: over HTTP, over a WebSocket, and from the worker's side.

mod anthropic;
mod bedrock;
mod budgets;
mod cells;
mod circuits;
pub mod claude;
mod claude_steps;
mod claude_tasks;
mod confirm;
mod cost;
mod follow;
mod http;
mod many;
mod openai;
mod prompts;
mod property;
mod providers;
mod refusals;
mod repeats;
mod socket;
mod stops;
mod subscribers;
pub mod sweep;
mod texts;
mod tools;
pub mod worker;

use std::time::Duration;

use serde_json::Value;
use tally_chat::ReplyStart;
use tally_tests::{Answer, Caller, TestStack, id};

use ::http::Method;

/// No rate limits, and a reply without delay.
pub const FAST: [(&str, &str); 2] = [("RateLimits", "*=100000/1m"), ("LoremWordMilliseconds", "0")];

/// No rate limits, and a reply that takes 2.5 to 6 seconds.
pub const SLOW: [(&str, &str); 2] =
    [("RateLimits", "*=100000/1m"), ("LoremWordMilliseconds", "50")];

pub fn words(text: &Value) -> u64 {
    text.as_str().unwrap().split_whitespace().count() as u64
}

pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no string"))
}

/// Path of the reply in an answer of `POST /chat`.
pub fn path_of(answer: &Value) -> String {
    format!(
        "/conversations/{}/messages/{}",
        text(&answer["conversation_id"]),
        text(&answer["message_id"])
    )
}

pub async fn ask_async(stack: &TestStack, caller: &Caller, body: &Value) -> Answer {
    let request = stack
        .request(Method::POST, "/chat")
        .bearer_auth(&caller.access)
        .header("prefer", "respond-async");
    stack.send(request.json(body)).await
}

/// Polls a reply until it has ended. Returns every state that was seen, the end last.
pub async fn poll(stack: &TestStack, caller: &Caller, path: &str) -> Vec<Value> {
    let mut seen = Vec::new();
    for _ in 0..400 {
        let message = stack.get(path, Some(caller)).await.expect(200);
        let ended = !matches!(text(&message["status"]), "pending" | "streaming");
        seen.push(message);
        if ended {
            return seen;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{path} does not end: {seen:?}");
}

/// Events of an action or prefix by this caller, oldest first.
pub async fn own_events(stack: &TestStack, caller: &Caller, action: &str) -> Vec<Value> {
    let page = stack
        .get(&format!("/audit?actor=me&action={action}&order=asc&limit=100"), Some(caller))
        .await
        .expect(200);
    page["items"].as_array().unwrap().clone()
}

/// The input with which the worker of a caller's reply is started.
pub async fn start_of(stack: &TestStack, caller: &Caller, answer: &Value) -> ReplyStart {
    let me = stack.get("/auth/me", Some(caller)).await.expect(200);
    ReplyStart {
        conversation_id: text(&answer["conversation_id"]).into(),
        message_id: text(&answer["message_id"]).into(),
        user_id: id(&me["user"]),
    }
}
