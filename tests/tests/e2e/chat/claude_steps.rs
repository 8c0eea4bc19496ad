//! Steps of a loop with tools, by the provider `anthropic` against a server that speaks the
//! Messages API, and by `bedrock` where models there differ.

use assistant::domain::{Effort, MessageRole, StopReason};
use assistant::{Content, Event, Fault, Provider, Request, ToolUse, Turn};
use futures_util::StreamExt as _;
use platform::ids;
use serde_json::{Value, json};
use tally_tests::Circuits;
use tally_tests::bedrock_api::{self, BedrockApi};
use tally_tests::messages_api::{Answer, Cut, KEY, MessagesApi, Step, reply};
use tally_tests::steps::{bodies, results, step, tools};

fn request() -> Request {
    let turns = vec![Turn::text(MessageRole::User, "What is open?")];
    Request { turns, tools: tools(), ..Request::default() }
}

/// The events of a call, without those of the usage.
async fn events(provider: &dyn Provider, request: Request) -> Vec<Result<Event, Fault>> {
    let events = provider.call(request).map(|event| event.map_err(|error| error.fault));
    events.filter(|event| std::future::ready(!matches!(event, Ok(Event::Usage(_))))).collect().await
}

/// The models that were announced, and how the call ended.
fn outcome(events: &[Result<Event, Fault>]) -> (Vec<&str>, Result<StopReason, Fault>) {
    let models = events.iter().filter_map(|event| match event {
        Ok(Event::Model(model)) => Some(model.as_str()),
        _ => None,
    });
    let end = match events.last() {
        Some(Ok(Event::Stop(reason))) => Ok(*reason),
        Some(Err(fault)) => Err(*fault),
        other => panic!("{other:?}"),
    };
    (models.collect(), end)
}

#[tokio::test]
async fn every_request_of_a_loop_is_taken_and_only_grows() {
    let bodies = bodies().await;
    assert_eq!(bodies.len(), 5);
    for (body, number) in bodies[1..].iter().zip(1..) {
        let tools = body["tools"].as_array().unwrap().iter();
        let strict: Vec<_> = tools.map(|tool| &tool["strict"]).collect();
        assert_eq!(json!(strict), json!([true, true, true, true, null]), "{number}");
        let is_last = number == 4;
        let choice = if is_last { json!({"type": "none"}) } else { json!(null) };
        assert_eq!(body["tool_choice"], choice, "{number}");
        assert_eq!(body["cache_control"].is_null(), is_last, "{number}");
        assert_eq!(body["model"], "third", "{number}");
    }
    let messages = |body: &Value| body["messages"].as_array().unwrap().clone();
    for pair in bodies[1..].windows(2) {
        assert!(messages(&pair[1]).starts_with(&messages(&pair[0])), "{pair:?}");
    }
    let roles: Vec<_> =
        messages(&bodies[4]).iter().map(|message| message["role"].clone()).collect();
    assert_eq!(
        json!(roles),
        json!(["user", "assistant", "user", "assistant", "user", "assistant", "assistant", "user"])
    );
    let answers = &messages(&bodies[2])[4]["content"];
    let expected = json!([
        {"type": "tool_result", "tool_use_id": "toolu_1", "content": "list_tasks"},
        {"type": "tool_result", "tool_use_id": "toolu_2", "content": "add_task", "is_error": true},
    ]);
    assert_eq!(*answers, expected);
}

#[tokio::test]
async fn a_reply_of_many_blocks_is_told_in_its_order() {
    let server_tool = json!({"type": "server_tool_use", "id": "s", "name": "web", "input": {}});
    let thinks = Step::new().thinks("Bóth at once.").says("Let me see.").has(&server_tool);
    let used = |id: &str, name: &str, input: Value| {
        Ok(Event::ToolUse(ToolUse { id: id.into(), name: name.into(), input }))
    };
    let all = thinks
        .uses("toolu_1", "list_tasks", &json!({"status": "ä"}))
        .thinks_secretly("eA==")
        .uses("toolu_2", "add_task", &json!({}))
        .says("And then.");
    for (reason, expected) in [
        (None, StopReason::ToolUse),
        (Some("pause_turn"), StopReason::PauseTurn),
        (Some("refusal"), StopReason::Refusal),
    ] {
        let reply = reason.map_or_else(|| all.clone(), |reason| all.clone().stops(reason));
        let api = MessagesApi::with(vec![reply.answer().in_pieces_of(7)]).await;
        let circuits = Circuits::start().await;
        let provider = circuits.anthropic(&api, &[]);
        let told = events(&*provider, request()).await;
        let signature = ids::sha256("Bóth at once.");
        let thought =
            json!({"type": "thinking", "thinking": "Bóth at once.", "signature": signature});
        let redacted = json!({"type": "redacted_thinking", "data": "eA=="});
        let text = |text: &str| Ok(Event::Text(text.into()));
        let expected = [
            Ok(Event::Model("first".into())),
            Ok(Event::Thought(thought)),
            text("Let m"),
            text("e see."),
            used("toolu_1", "list_tasks", json!({"status": "ä"})),
            Ok(Event::Thought(redacted)),
            used("toolu_2", "add_task", json!({})),
            text("And "),
            text("then."),
            Ok(Event::Stop(expected)),
        ];
        assert_eq!(told, expected);
    }
}

#[tokio::test]
async fn a_use_in_which_a_reply_is_cut_off_is_left_out() {
    let circuits = Circuits::start().await;
    for cut in [Cut::Empty, Cut::Closed, Cut::Open, Cut::Whole] {
        let whole = Step::new().uses("toolu_1", "list_tasks", &json!({}));
        let input = json!({"title": "Pay the rent"});
        let step = whole.uses("toolu_2", "add_task", &input).cut(cut);
        let api = MessagesApi::with(vec![step.answer()]).await;
        let told = events(&*circuits.anthropic(&api, &[]), request()).await;
        let first = ToolUse { id: "toolu_1".into(), name: "list_tasks".into(), input: json!({}) };
        let expected = [
            Ok(Event::Model("first".into())),
            Ok(Event::ToolUse(first)),
            Ok(Event::Stop(StopReason::MaxTokens)),
        ];
        assert_eq!(told, expected, "{cut:?}");
    }
}

#[tokio::test]
async fn thoughts_that_no_longer_stand_after_the_same_are_left_out() {
    let api = MessagesApi::steps(vec![
        Step::new().thinks("I look.").uses("toolu_1", "list_tasks", &json!({})).answer(),
        Step::new().says("Nothing.").answer(),
    ])
    .await;
    let circuits = Circuits::start().await;
    let provider = circuits.anthropic(&api, &[]);
    let mut request = request();
    let (turn, _) = step(&*provider, request.clone()).await;
    assert!(matches!(turn.content[0], Content::Thought(_)));
    let answers = results(&turn, |_| false);
    request.turns.extend([turn, answers]);
    // In the same place it is taken.
    assert_eq!(step(&*provider, request.clone()).await.1, StopReason::EndTurn);
    assert_eq!(api.refused(), Vec::<String>::new());
    // The user has lost the right to a tool since.
    request.tools.pop();
    let told = events(&*provider, request.clone()).await;
    assert_eq!(outcome(&told), (vec!["first"], Ok(StopReason::EndTurn)));
    assert_eq!(api.refused().len(), 1);
    let asked = api.asked();
    let [whole, left] = &asked[1..] else { panic!("{asked:?}") };
    let block = |body: &Value, block: usize| body["messages"][1]["content"][block].clone();
    assert_eq!(block(&whole.body, 0)["type"], "thinking");
    assert_eq!(block(&left.body, 0), block(&whole.body, 1));
}

#[tokio::test]
async fn the_effort_of_a_request_is_sent() {
    let api = MessagesApi::start(|asked| {
        let takes_effort = asked.body["model"] != "second";
        if !takes_effort && !asked.body["output_config"].is_null() {
            let why = "This model does not support the effort parameter.";
            return Answer::error_saying(400, "invalid_request_error", why);
        }
        Answer::stream(reply(&["Hi."]))
    });
    let api = api.await;
    let circuits = Circuits::start().await;
    let provider = circuits.anthropic(&api, &[]);
    let config = |word: &str| json!({"effort": word});
    for (model, effort, sent) in [
        ("first", None, vec![Value::Null]),
        ("first", Some(Effort::Max), vec![config("max")]),
        ("first", Some(Effort::Low), vec![config("low")]),
        // The model takes none.
        ("second", Some(Effort::High), vec![config("high"), Value::Null]),
        ("second", None, vec![Value::Null]),
    ] {
        let before = api.asked().len();
        let model = Some(model.to_owned());
        let told = events(&*provider, Request { model, effort, ..request() }).await;
        assert_eq!(outcome(&told).1, Ok(StopReason::EndTurn));
        let asked = api.asked();
        let found = asked[before..].iter().map(|asked| asked.body["output_config"].clone());
        assert_eq!(found.collect::<Vec<_>>(), sent, "{effort:?}");
    }
    assert_eq!(api.refused(), Vec::<String>::new());
}

#[tokio::test]
async fn strict_tools_are_given_up_where_a_model_refuses_them() {
    let api = MessagesApi::start(|asked| {
        let tools = asked.body["tools"].as_array().unwrap();
        let is_strict = tools.iter().any(|tool| tool["strict"] == true);
        if is_strict && asked.body["model"] == "first" {
            let why = "The compiled grammar is too large. Reduce the number of strict tools.";
            return Answer::error_saying(400, "invalid_request_error", why);
        }
        Answer::stream(reply(&["Hi."]))
    });
    let api = api.await;
    let circuits = Circuits::start().await;
    let provider = circuits.anthropic(&api, &[]);
    // The provider remembers it of the model.
    for (model, requests) in [("first", 2), ("first", 1), ("third", 1)] {
        let before = api.asked().len();
        let request = Request { model: Some(model.to_owned()), ..request() };
        let told = events(&*provider, request).await;
        assert_eq!(outcome(&told), (vec![model], Ok(StopReason::EndTurn)));
        assert_eq!(api.asked().len() - before, requests, "{model}");
    }
    // Another refusal is final.
    let api = MessagesApi::with(vec![Answer::error(400, "invalid_request_error")]).await;
    let circuits = Circuits::start().await;
    let told = events(&*circuits.anthropic(&api, &[]), request()).await;
    assert_eq!(outcome(&told).1, Err(Fault::RequestRefused));
    assert_eq!(api.asked().len(), 1);
}

#[tokio::test]
async fn a_model_that_knows_no_wish_for_an_answer_without_a_tool_gives_one() {
    let api = BedrockApi::start(|asked| {
        if !asked.body["tool_choice"].is_null() {
            return bedrock_api::error(bedrock_api::errors::NO_TOOL_CHOICE);
        }
        let used = Step::new().says("Done.").uses("toolu_1", "list_tasks", &json!({}));
        bedrock_api::of_step(&used)
    });
    let api = api.await;
    let circuits = Circuits::start().await;
    let provider = circuits.bedrock(&api, &[]);
    // The provider remembers it of the model.
    for requests in [2, 1] {
        let before = api.asked().len();
        let request = Request { without_tools: true, ..request() };
        let (turn, reason) = step(&*provider, request).await;
        assert_eq!(turn.content, [Content::Text("Done.".into())]);
        assert_eq!((reason, api.asked().len() - before), (StopReason::ToolUse, requests));
    }
    assert_eq!(api.refused(), Vec::<String>::new());
}

#[tokio::test]
async fn a_reply_that_is_too_long_keeps_its_steps_and_loses_its_thoughts() {
    let too_long = Answer::error(413, "request_too_large");
    let step_of =
        |id: &str, text: &str| Step::new().thinks(text).uses(id, "list_tasks", &json!({})).answer();
    let api = MessagesApi::with(vec![
        step_of("toolu_1", "One."),
        step_of("toolu_2", "Two."),
        too_long,
        Answer::stream(reply(&["Done."])),
    ])
    .await;
    let circuits = Circuits::start().await;
    let provider = circuits.anthropic(&api, &[]);
    let said = |role, text: &str| Turn::text(role, text);
    let mut turns = vec![said(MessageRole::User, "a"), said(MessageRole::Assistant, "b")];
    turns.push(said(MessageRole::User, "c"));
    let mut request = Request { turns, ..request() };
    for _ in 0..2 {
        let (turn, _) = step(&*provider, request.clone()).await;
        let answers = results(&turn, |_| false);
        request.turns.extend([turn, answers]);
    }
    let told = events(&*provider, request.clone()).await;
    assert_eq!(outcome(&told).1, Ok(StopReason::EndTurn));
    let shown = told.iter().filter_map(|event| match event {
        Ok(Event::Shown(turns)) => Some(turns.clone()),
        _ => None,
    });
    assert_eq!(shown.collect::<Vec<_>>(), [vec![2, 3, 4, 5, 6]]);
    assert_eq!(api.refused(), Vec::<String>::new());
    request.turns.drain(..2);
    assert!(request.forget_thoughts());
    let sent = api.asked().last().unwrap().body["messages"].as_array().unwrap().len();
    assert_eq!(sent, request.turns.len());
}

#[tokio::test]
async fn the_server_refuses_what_the_api_refuses() {
    let api = MessagesApi::with(vec![Answer::stream(reply(&["Hi."]))]).await;
    let client = reqwest::Client::new();
    let text = json!({"type": "text", "text": "Hi"});
    let used = json!({"type": "tool_use", "id": "a", "name": "list", "input": {}});
    let result = json!({"type": "tool_result", "tool_use_id": "a", "content": "1"});
    let thought = json!({"type": "thinking", "thinking": "", "signature": "c2ln"});
    let schema = json!({
        "type": "object", "properties": {}, "required": [], "additionalProperties": false,
    });
    let tool = json!({"name": "list", "input_schema": schema, "strict": true});
    let valid = json!({
        "model": "m", "max_tokens": 1, "stream": true, "tools": [tool],
        "messages": [
            {"role": "user", "content": [text]},
            {"role": "assistant", "content": [text, used]},
            {"role": "user", "content": [result, text]},
        ],
    });
    for (place, value, why) in [
        ("/max_tokens", json!(2), None),
        ("/messages/0/content", json!("Hi"), None),
        ("/max_tokens", json!(0), Some("max_tokens")),
        ("/tools", json!([]), Some("must define tools")),
        ("/tools/0/name", json!("a b"), Some("name")),
        ("/tools", json!([tool, tool]), Some("unique")),
        ("/tools/0/input_schema/maxProperties", json!(1), Some("'maxProperties'")),
        ("/tools/0/input_schema/additionalProperties", json!(true), Some("set to false")),
        ("/messages/0/role", json!("assistant"), Some("first message")),
        ("/messages/1/content/0/text", json!(" "), Some("messages.1.content.0")),
        ("/messages/1/content/1/input", json!("{}"), Some("messages.1.content.1")),
        ("/messages/1/content", json!([text]), Some("unexpected `tool_use_id`")),
        ("/messages/1/content", json!([thought, used]), Some("different conversation")),
        ("/messages/1/role", json!("user"), Some("messages.1.content.1")),
        ("/messages/2/content", json!([text]), Some("without `tool_result` blocks")),
        ("/messages/2/content", json!([text, result]), Some("unexpected `tool_use_id`")),
        ("/messages/2/content", json!([result, result]), Some("unexpected `tool_use_id`")),
        ("/messages/2/content/0/tool_use_id", json!("b"), Some("unexpected `tool_use_id`")),
        ("/messages/2/content", json!([]), Some("non-empty")),
        ("/temperature", json!(1), Some("temperature")),
    ] {
        let mut body = valid.clone();
        let (parent, member) = place.rsplit_once('/').unwrap();
        body.pointer_mut(parent).unwrap()[member] = value;
        let request = client.post(format!("{}/v1/messages", api.url)).bearer_auth(KEY);
        let request = request.header("anthropic-version", "2026-10-21").json(&body);
        let status = request.send().await.unwrap().status().as_u16();
        assert_eq!(status, if why.is_some() { 400 } else { 200 }, "{place}");
        let refused = api.refused();
        let is_why = why.is_none_or(|why| refused.last().unwrap().contains(why));
        assert!(is_why, "{place}: {refused:?}");
    }
    assert_eq!(api.asked().len(), 2);
}
