//! The bodies of requests that the provider `openai` sends, for the types of OpenAI's SDK.

use assistant::domain::{Effort, MessageRole, StopReason};
use assistant::{Request, Turn};
use serde_json::{Value, json};

use super::chunks::reply;
use super::{Answer, CompletionsApi, Step, json as answer_of};
use crate::Circuits;
use crate::steps::{about_documents, conversation, results, step, tools};

/// The bodies of requests: one without tools, those of a reply with every kind of step, one about
/// documents whose answer is JSON, one to a new model and one to an old one. The steps have parallel
/// calls, a failed one, and a last step without tools.
pub async fn bodies() -> Vec<Value> {
    let mut bodies = loops().await;
    bodies.push(task().await);
    for model in ["new-model", "old-model"] {
        bodies.push(of_model(model).await);
    }
    bodies
}

async fn loops() -> Vec<Value> {
    let answers = [
        Step::new()
            .says("Let me see. ")
            .calls("call_1", "list_tasks", &json!({"status": "all"}))
            .calls("call_2", "add_task", &json!({"title": "Pay", "due_date": null}))
            .answer(),
        Step::new().calls("call_3", "read_cells", &json!({})).answer(),
        Step::new().says("Done.").answer(),
    ];
    let api = CompletionsApi::start(move |asked| {
        let has_tools = !asked.tools().is_empty();
        if has_tools { answers[asked.step()].clone() } else { Answer::stream(reply(&["Hi."])) }
    });
    let api = api.await;
    let circuits = Circuits::start().await;
    let provider = circuits.openai(&api, &[]);
    let mut request = conversation();
    step(&*provider, request.clone()).await;
    request.tools = tools();
    request.effort = Some(Effort::Medium);
    loop {
        request.without_tools = api.asked().len() == 3;
        let (turn, reason) = step(&*provider, request.clone()).await;
        let results = results(&turn, |number| number == 1);
        request.turns.push(turn);
        if reason != StopReason::ToolUse {
            break;
        }
        request.turns.push(results);
    }
    sent(&api)
}

/// A task about documents whose answer is JSON.
async fn task() -> Value {
    let api = CompletionsApi::with(vec![answer_of(&json!({"findings": []}))]).await;
    let finding = json!({
        "type": "object",
        "properties": {"rule": {"type": "string", "minLength": 1}},
        "required": ["rule"], "additionalProperties": false,
    });
    let output_schema = json!({
        "type": "object",
        "properties": {"findings": {"type": "array", "items": finding, "maxItems": 50}},
        "required": ["findings"], "additionalProperties": false,
    });
    let circuits = Circuits::start().await;
    step(&*circuits.openai(&api, &[]), about_documents(output_schema)).await;
    sent(&api).remove(0)
}

/// A short request to a model that refuses the usual one.
async fn of_model(model: &str) -> Value {
    let api = CompletionsApi::with(vec![Answer::stream(reply(&["Hi."]))]).await;
    let prices = format!("{model}=5/25/6.25/0.50");
    let circuits = Circuits::start().await;
    let provider = circuits.openai(&api, &[("AI_MODEL", model), ("AI_PRICES", &prices)]);
    let turns = vec![Turn::text(MessageRole::User, "Hello")];
    step(&*provider, Request { turns, ..Request::default() }).await;
    assert_eq!(api.refused().len(), 1);
    api.asked().remove(0).body
}

/// The bodies that a server took. It refused none.
fn sent(api: &CompletionsApi) -> Vec<Value> {
    assert_eq!(api.refused(), Vec::<String>::new());
    api.asked().into_iter().map(|asked| asked.body).collect()
}
