//! The Model Context Protocol: both eras of it, who may call which tool, and resources.

mod door;
mod resources;
mod tools;
mod versions;

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tally_tests::{Answer, Caller, TestStack};

use crate::api_keys::new_key;

/// The version that names itself in each request.
const MODERN: &str = "2026-07-28";

/// An API key of a user with these scopes.
async fn key(stack: &TestStack, owner: &Caller, scopes: &[&str]) -> Caller {
    let new = new_key(scopes, Duration::from_hours(1));
    let made = stack.post("/api-keys", Some(owner), &new).await.expect(201);
    Caller { access: made["key"].as_str().unwrap().to_owned(), ..owner.clone() }
}

/// A POST with a key.
fn post(stack: &TestStack, key: &Caller) -> reqwest::RequestBuilder {
    stack.request(Method::POST, "/mcp").header("x-api-key", &key.access)
}

/// Sends a request of a client that names no version.
async fn ask(stack: &TestStack, key: &Caller, method: &str, params: Value) -> Answer {
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    stack.send(post(stack, key).json(&body)).await
}

/// The result of such a request.
async fn result(stack: &TestStack, key: &Caller, method: &str, params: Value) -> Value {
    let answer = ask(stack, key, method, params).await.expect(200);
    assert_eq!((&answer["jsonrpc"], &answer["id"]), (&json!("2.0"), &json!(1)), "{answer}");
    assert!(answer["result"].is_object(), "{answer}");
    answer["result"].clone()
}

/// The error of an answer with this status.
#[track_caller]
fn error(answer: &Answer, status: u16) -> Value {
    let body = answer.expect(status);
    assert!(body["error"]["message"].is_string() && body.get("result").is_none(), "{body}");
    body["error"].clone()
}

/// A modern request, complete and with the headers that it needs.
fn modern(
    stack: &TestStack,
    key: &Caller,
    method: &str,
    mut params: Value,
) -> reqwest::RequestBuilder {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientInfo": {"name": "Modern", "version": "1.2"},
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let request =
        post(stack, key).header("mcp-protocol-version", MODERN).header("mcp-method", method);
    let name = params["name"].as_str().or(params["uri"].as_str());
    let request = name.into_iter().fold(request, |request, name| request.header("mcp-name", name));
    request.json(&json!({"jsonrpc": "2.0", "id": "a", "method": method, "params": params}))
}

/// Calls a tool. Returns the result, which may be an error of the tool.
async fn call(stack: &TestStack, key: &Caller, tool: &str, arguments: Value) -> Value {
    result(stack, key, "tools/call", json!({"name": tool, "arguments": arguments})).await
}

/// Calls a tool that succeeds. Returns its output, which the text repeats. A text from cells stands
/// in a fence.
async fn output(stack: &TestStack, key: &Caller, tool: &str, arguments: Value) -> Value {
    let called = call(stack, key, tool, arguments).await;
    assert_eq!(called["isError"], false, "{called}");
    let text = called["content"][0]["text"].as_str().unwrap();
    if let Some(fenced) = text.strip_prefix("<cells>") {
        assert!(fenced.trim_end().ends_with("</cells>"), "{called}");
    } else {
        assert_eq!(serde_json::from_str::<Value>(text).unwrap(), called["structuredContent"]);
    }
    called["structuredContent"].clone()
}

/// Calls a tool that fails. Returns the text for the model.
async fn failure(stack: &TestStack, key: &Caller, tool: &str, arguments: Value) -> String {
    let called = call(stack, key, tool, arguments).await;
    assert_eq!(called["isError"], true, "{called}");
    assert_eq!(called.get("structuredContent"), None, "{called}");
    called["content"][0]["text"].as_str().unwrap().to_owned()
}

/// The names of a list.
fn names(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|entry| entry["name"].as_str().unwrap()).collect()
}
