//! Steps of a loop with tools at a provider itself, without the worker around it.

use assistant::domain::{Effort, MessageRole, StopReason};
use assistant::{Content, Document, Event, Provider, Request, Tool, ToolResult, Turn};
use futures_util::StreamExt as _;
use serde_json::{Value, json};

use crate::Circuits;
use crate::messages_api::{Answer, MessagesApi, Step, reply};

/// Makes one call. Returns the model's turn with its blocks in order, and why it stopped.
pub async fn step(provider: &dyn Provider, request: Request) -> (Turn, StopReason) {
    let mut content = Vec::new();
    let mut events = provider.call(request);
    while let Some(event) = events.next().await {
        match event.unwrap() {
            Event::Text(more) => match content.last_mut() {
                Some(Content::Text(text)) => text.push_str(&more),
                _ => content.push(Content::Text(more)),
            },
            Event::ToolUse(used) => content.push(Content::ToolUse(used)),
            Event::Thought(thought) => content.push(Content::Thought(thought)),
            Event::Stop(reason) => {
                return (Turn { role: MessageRole::Assistant, content }, reason);
            }
            Event::Model(_) | Event::Shown(_) | Event::Usage(_) => {}
        }
    }
    panic!("a call ends with a stop");
}

/// The results of the uses in a turn of the model: of each its name, as failed as `is_error` says.
pub fn results(turn: &Turn, is_error: impl Fn(usize) -> bool) -> Turn {
    let uses = turn.content.iter().filter_map(|content| match content {
        Content::ToolUse(used) => Some(used),
        _ => None,
    });
    let results = uses.enumerate().map(|(number, used)| ToolResult {
        tool_use_id: used.id.clone(),
        content: used.name.clone(),
        is_error: is_error(number),
    });
    Turn { role: MessageRole::User, content: results.map(Content::ToolResult).collect() }
}

/// Tools with schemas of many kinds. Together their optional parameters are more than strict tools
/// may have.
pub fn tools() -> Vec<Tool> {
    let text = json!({"type": "string", "minLength": 1, "maxLength": 200, "description": "Text."});
    let date = json!({"type": ["string", "null"], "format": "date", "example": "2026-01-31"});
    let status = json!({"type": "string", "enum": ["open", "all"], "default": "open"});
    let either = json!({"oneOf": [{"type": "null"}, {"type": "integer", "minimum": 1}]});
    let cells = json!({
        "type": "array", "items": {"type": "string", "format": "uuid"}, "minItems": 1,
        "maxItems": 5,
    });
    let filters: serde_json::Map<_, _> =
        (0..20).map(|number| (format!("filter_{number}"), text.clone())).collect();
    let tool = |name: &str, properties: Value, required: &[&str]| Tool {
        name: name.to_owned(),
        description: format!("The tool {name}."),
        input_schema: json!({
            "type": "object", "properties": properties, "required": required,
            "additionalProperties": false,
        }),
    };
    vec![
        tool("add_task", json!({"title": text, "due_date": date}), &["title"]),
        tool("list_tasks", json!({"status": status, "version": either}), &[]),
        tool("query", Value::Object(filters.clone()), &[]),
        tool("read_cells", json!({"cells": cells}), &["cells"]),
        tool("search", Value::Object(filters), &[]),
    ]
}

/// A request with a system prompt and the first turns of a conversation.
pub(crate) fn conversation() -> Request {
    let said = |role, text: &str| Turn::text(role, text);
    let turns = vec![
        said(MessageRole::User, "Hello"),
        said(MessageRole::Assistant, "Hello."),
        said(MessageRole::User, "What is open, and add one?"),
    ];
    Request { system: "You are brief.".to_owned(), turns, ..Request::default() }
}

/// A request about two documents, whose answer has this schema.
pub(crate) fn about_documents(output_schema: Value) -> Request {
    let document = |title: &str| {
        let data = "JVBERi0xLjcK".to_owned();
        Content::Document(Document { title: title.to_owned(), data, pages: 2 })
    };
    let question = Content::Text("What does not add up?".to_owned());
    let content = vec![question, document("Q3.pdf, pages 1-2"), document("")];
    Request {
        system: "You are brief.".to_owned(),
        turns: vec![Turn { role: MessageRole::User, content }],
        effort: Some(Effort::Low),
        output_schema: Some(output_schema),
        ..Request::default()
    }
}

/// The bodies of all requests of a reply with every kind of step. It has thoughts, parallel uses, a
/// failed use, a pause, and a last step without tools. The first body has no tools at all.
pub async fn bodies() -> Vec<Value> {
    let answers = [
        Step::new()
            .thinks("Both at once. €")
            .says("Let me see. ")
            .uses("toolu_1", "list_tasks", &json!({"status": "all"}))
            .uses("toolu_2", "add_task", &json!({"title": "Pay", "due_date": null}))
            .answer(),
        Step::new().thinks_secretly("c2VjcmV0").says("One moment… \n").stops("pause_turn").answer(),
        Step::new().thinks("Again.").uses("toolu_3", "read_cells", &json!({})).answer(),
        Step::new().says("Done.").answer(),
    ];
    let api = MessagesApi::start(move |asked| {
        let has_tools = !asked.tools().is_empty();
        if has_tools { answers[asked.step()].clone() } else { Answer::stream(reply(&["Hi."])) }
    });
    let api = api.await;
    let circuits = Circuits::start().await;
    let provider = circuits.anthropic(&api, &[("AI_FALLBACK_MODEL", "second")]);
    let mut request = conversation();
    step(&*provider, request.clone()).await;
    request.tools = tools();
    request.effort = Some(Effort::Medium);
    request.model = Some("third".to_owned());
    loop {
        request.without_tools = api.asked().len() == 4;
        let (turn, reason) = step(&*provider, request.clone()).await;
        let results = results(&turn, |number| number == 1);
        request.turns.push(turn);
        match reason {
            StopReason::ToolUse => request.turns.push(results),
            StopReason::PauseTurn => {}
            _ => break,
        }
    }
    assert_eq!(api.refused(), Vec::<String>::new());
    api.asked().into_iter().map(|asked| asked.body).collect()
}

/// The bodies of a task about documents whose answer is JSON: that of the count of its tokens, and
/// that of its call.
pub async fn task_bodies() -> [Value; 2] {
    let answer = json!({"findings": [], "total": 12.5, "due": null});
    let api = MessagesApi::with(vec![Answer::json(&answer)]).await;
    let circuits = Circuits::start().await;
    let provider = circuits.anthropic(&api, &[]);
    let finding = json!({
        "type": "object",
        "properties": {
            "rule": {"type": "string", "minLength": 1},
            "severity": {"type": "string", "enum": ["info", "low", "medium", "high", "critical"]},
        },
        "required": ["rule", "severity"],
    });
    let output_schema = json!({
        "type": "object",
        "properties": {
            "findings": {"type": "array", "items": finding, "minItems": 0, "maxItems": 50},
            "total": {"type": "number", "minimum": 0},
            "due": {"anyOf": [{"type": "null"}, {"type": "string", "format": "date"}]},
        },
        "required": ["findings"],
    });
    let request = about_documents(output_schema);
    assert!(provider.count_tokens(&request).await.unwrap().is_some());
    step(&*provider, request).await;
    assert_eq!(api.refused(), Vec::<String>::new());
    [api.counted(), api.asked()].map(|mut asked| asked.remove(0).body)
}
