//! Prompts under version control: their versions, their readers and their writers.

mod labels;
mod reading;
mod render;
mod saving;
mod usage;

use http::Method;
use serde_json::{Value, json};
use tally_prompts::Registry;
use tally_prompts::domain::PromptRef;
use tally_tests::{Answer, Caller, TestStack};

/// The content of a chat prompt with this system prompt.
pub fn chat(system: &str) -> Value {
    json!({"kind": "chat", "system": system})
}

/// A body with more members.
pub fn with(mut body: Value, more: &Value) -> Value {
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

/// Saves a version.
pub async fn save(stack: &TestStack, caller: &Caller, name: &str, body: &Value) -> Answer {
    stack.post(&format!("/prompts/{name}/versions"), Some(caller), body).await
}

/// Changes the description of a prompt, or whether it is archived.
pub async fn update(stack: &TestStack, caller: &Caller, name: &str, body: &Value) -> Answer {
    stack.call(Method::PATCH, &format!("/prompts/{name}"), caller, body).await
}

/// The prompt as a caller sees it.
pub async fn read(stack: &TestStack, caller: &Caller, name: &str) -> Value {
    stack.get(&format!("/prompts/{name}"), Some(caller)).await.expect(200)
}

/// The number of the version that replies use.
pub async fn in_use(stack: &TestStack, name: &str) -> Option<u32> {
    // A new registry has nothing in its cache.
    let registry = Registry::new(&stack.platform("PromptsFunction")).unwrap();
    let reference: PromptRef = name.parse().unwrap();
    registry.find(&reference).await.unwrap().map(|version| version.version)
}
