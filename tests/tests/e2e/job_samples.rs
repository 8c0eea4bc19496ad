//! Jobs that the tests of other areas start.

use serde_json::json;
use tally_tests::{Answer, Caller, TestStack};

/// Starts an analysis of a text. It has two calls: one for the text, and one for the summary.
pub async fn analysis(stack: &TestStack, caller: &Caller, text: &str) -> Answer {
    let body = json!({"type": "code", "inputs": [{"name": text, "text": text}]});
    stack.post("/analyses", Some(caller), &body).await
}

/// Starts an evaluation with so many calls, one after the other in groups. The caller may write
/// prompts.
pub async fn evaluation(stack: &TestStack, caller: &Caller, calls: usize) -> Answer {
    const PROMPT: &str = "sample.task";
    let version = json!({"kind": "task", "system": "Answer briefly.", "user": "{{input}}"});
    let saved = stack.post(&format!("/prompts/{PROMPT}/versions"), Some(caller), &version).await;
    assert!([200, 201].contains(&saved.status), "{saved:?}");
    let cases = vec![json!({"input": "Hello", "expect": "Hello"}); calls];
    let body = json!({"prompt": PROMPT, "versions": [1], "cases": cases, "checks": ["contains"]});
    stack.post("/evaluations", Some(caller), &body).await
}
