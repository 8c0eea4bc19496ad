//! Tasks of the provider `anthropic` against a server that speaks the Messages API: answers in JSON,
//! documents, and the tokens of a request before it is sent.

use std::time::Duration;

use assistant::domain::{Effort, MessageRole, StopReason};
use assistant::{Content, Document, Event, Fault, Provider, Request, Turn};
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use tally_tests::Circuits;
use tally_tests::messages_api::{Answer, KEY, MessagesApi, reply};
use tally_tests::steps::{step, tools};

/// The head of a PDF in base64.
const PDF: &str = "JVBERi0xLjcK";

fn schema() -> Value {
    json!({
        "type": "object", "properties": {"summary": {"type": "string", "minLength": 1}},
        "required": ["summary"],
    })
}

/// The schema as the API takes it.
fn strict() -> Value {
    json!({
        "type": "object", "required": ["summary"], "additionalProperties": false,
        "properties": {"summary": {"type": "string", "description": "{minLength: 1}"}},
    })
}

fn request() -> Request {
    let turns = vec![Turn::text(MessageRole::User, "Sum it up.")];
    Request { turns, output_schema: Some(schema()), ..Request::default() }
}

fn document() -> Content {
    Content::Document(Document { title: "Q3.pdf".into(), data: PDF.into(), pages: 2 })
}

#[tokio::test]
async fn an_answer_has_the_form_that_is_asked_for_or_none_if_the_model_takes_none() {
    let answer = json!({"summary": "It is long: ".to_owned() + &"€ and more. ".repeat(20)});
    let said = answer.clone();
    let api = MessagesApi::start(move |asked| {
        let refuses = |why| Answer::error_saying(400, "invalid_request_error", why);
        match (asked.body["model"].as_str().unwrap(), asked.schema()) {
            ("second", Some(_)) => refuses("output_config.format: not supported by this model"),
            ("third", Some(_)) => refuses("The compiled grammar is too large. Simplify it."),
            _ => Answer::json(&said),
        }
    });
    let api = api.await;
    let circuits = Circuits::start().await;
    let provider = circuits.anthropic(&api, &[]);
    let format = json!({"format": {"type": "json_schema", "schema": strict()}});
    let both = json!({"format": format["format"], "effort": "low"});
    for (model, effort, schema, sent) in [
        ("first", None, schema(), vec![format.clone()]),
        ("first", Some(Effort::Low), schema(), vec![both.clone()]),
        // It means more than the API can hold the model to.
        ("first", None, json!({"type": "object", "additionalProperties": true}), vec![json!(null)]),
        ("second", Some(Effort::Low), schema(), vec![both, json!({"effort": "low"})]),
        ("third", None, schema(), vec![format, json!(null)]),
    ] {
        let before = api.asked().len();
        let model = Some(model.to_owned());
        let request = Request { model, effort, output_schema: Some(schema), ..request() };
        let (turn, reason) = step(&*provider, request).await;
        assert_eq!(reason, StopReason::EndTurn);
        let [Content::Text(text)] = turn.content.as_slice() else { panic!("{turn:?}") };
        assert_eq!(serde_json::from_str::<Value>(text).unwrap(), answer);
        let asked = api.asked();
        let found: Vec<_> =
            asked[before..].iter().map(|asked| asked.body["output_config"].clone()).collect();
        assert_eq!(found, sent);
    }
    assert_eq!(api.refused(), Vec::<String>::new());
}

#[tokio::test]
async fn a_document_stands_before_the_question_and_is_estimated_by_its_pages() {
    let api = MessagesApi::with(vec![Answer::stream(reply(&["It rose."]))]).await;
    let circuits = Circuits::start().await;
    let provider = circuits.anthropic(&api, &[]);
    let question = Content::Text("What does it say?".into());
    let turn = Turn { role: MessageRole::User, content: vec![question, document()] };
    let mut events = provider.call(Request { turns: vec![turn], ..Request::default() });
    let mut estimated = None;
    while let Some(event) = events.next().await {
        if let Event::Usage(usage) = event.unwrap() {
            estimated.get_or_insert(usage.input_tokens);
        }
    }
    // 17 bytes of the question and 6 of the title are 16 tokens.
    assert_eq!(estimated, Some(16 + 2 * 8_000));
    let asked = api.asked();
    assert_eq!(asked[0].documents(), [("Q3.pdf", PDF)]);
    assert_eq!((asked[0].message(), asked[0].cells()), ("What does it say?", None));
    let kinds = asked[0].body["messages"][0]["content"].as_array().unwrap().iter();
    let kinds: Vec<_> = kinds.map(|block| block["type"].clone()).collect();
    assert_eq!(json!(kinds), json!(["document", "text"]));
    assert_eq!(api.refused(), Vec::<String>::new());
}

/// The count of a request, or the fault.
async fn count(provider: &dyn Provider, request: &Request) -> Result<Option<u64>, Fault> {
    provider.count_tokens(request).await.map_err(|error| error.fault)
}

#[tokio::test]
async fn a_request_is_counted_as_it_would_be_sent() {
    let api = MessagesApi::with(vec![Answer::json(&json!({"summary": "."}))]).await;
    let circuits = Circuits::start().await;
    let provider = circuits.anthropic(&api, &[]);
    let mut request = Request { tools: tools(), effort: Some(Effort::High), ..request() };
    request.turns[0].content.push(document());
    // A document is more than its text.
    assert!(count(&*provider, &request).await.unwrap() > Some(1_500));
    api.count_by(|asked| 10_000 * asked.documents().len() as u64 + 7);
    assert_eq!(count(&*provider, &request).await, Ok(Some(10_007)));
    step(&*provider, request.clone()).await;
    let mut sent = api.asked()[0].body.clone();
    for member in ["max_tokens", "stream"] {
        assert!(sent.as_object_mut().unwrap().remove(member).is_some());
    }
    assert_eq!(api.counted()[1].body, sent);
    for (model, asked) in [(None, "first"), (Some("third"), "third")] {
        request.model = model.map(str::to_owned);
        count(&*provider, &request).await.unwrap();
        assert_eq!(api.counted().last().unwrap().body["model"], asked);
    }
    // It has no price, so it is never asked.
    let before = api.counted().len();
    request.model = Some("fourth".to_owned());
    assert_eq!(count(&*provider, &request).await, Err(Fault::UnknownModel));
    assert_eq!(api.counted().len(), before);
    assert_eq!((api.asked().len(), api.refused()), (1, Vec::new()));
}

#[tokio::test]
async fn a_count_is_tried_again_once_and_without_what_is_refused() {
    let api = MessagesApi::with(vec![Answer::json(&json!({}))]).await;
    let circuits = Circuits::start().await;
    let patience = [("AI_FIRST_TOKEN_MILLISECONDS", "500"), ("AI_IDLE_MILLISECONDS", "500")];
    let brief = |status, kind| Answer::error(status, kind).header("retry-after-ms", "1");
    let busy = || brief(529, "overloaded_error");
    let refuses = |why| Answer::error_saying(400, "invalid_request_error", why);
    let html = || Answer::body(200, "text/html", "<html>");
    let counts = || Answer::count(9);
    for (answers, expected, requests) in [
        (vec![counts()], Ok(Some(9)), 1),
        (vec![busy(), counts()], Ok(Some(9)), 2),
        (vec![brief(429, "rate_limit_error"), counts()], Ok(Some(9)), 2),
        (vec![Answer::reset(), counts()], Ok(Some(9)), 2),
        (vec![html(), counts()], Ok(Some(9)), 2),
        (vec![busy(), busy(), counts()], Err(Fault::Overloaded), 2),
        (vec![html(), html(), counts()], Err(Fault::Broken), 2),
        (vec![refuses("no"), counts()], Err(Fault::RequestRefused), 1),
        (vec![refuses("prompt is too long"), counts()], Err(Fault::ContextTooLong), 1),
        (vec![Answer::error(404, "not_found_error"), counts()], Err(Fault::UnknownModel), 1),
        (vec![refuses("output_config.format: no"), counts()], Ok(Some(9)), 2),
        (vec![refuses("The grammar is too large"), busy(), counts()], Ok(Some(9)), 3),
        (vec![Answer::body(200, "application/json", &"9".repeat(70_000))], Err(Fault::Broken), 1),
    ] {
        let provider = circuits.anthropic(&api, &[]);
        let before = api.counted().len();
        api.answer_counts(move |asked| {
            answers[(asked.number - before).min(answers.len() - 1)].clone()
        });
        assert_eq!(count(&*provider, &request()).await, expected);
        let counted = api.counted();
        assert_eq!(counted.len() - before, requests, "{expected:?}");
        assert_eq!(counted[before].schema(), Some(&strict()));
    }
    let without = api.counted().iter().filter(|asked| asked.schema().is_none()).count();
    assert_eq!(without, 3);
    // Nothing arrives, in two attempts.
    api.answer_counts(|_| Answer::silence());
    let provider = circuits.anthropic(&api, &patience);
    assert_eq!(count(&*provider, &request()).await, Err(Fault::TimedOut));
    assert_eq!(api.refused(), Vec::<String>::new());
    // No model was asked, so none counts as failing.
    assert_eq!(api.asked().len(), 0);
}

#[tokio::test]
async fn a_count_takes_the_key_that_replaces_a_refused_one() {
    let api = MessagesApi::with(vec![Answer::json(&json!({}))]).await;
    api.count_by(|_| 9);
    let circuits = Circuits::start().await;
    let provider = circuits.anthropic(&api, &[]);
    assert_eq!(count(&*provider, &request()).await, Ok(Some(9)));
    api.change_key(&KEY.replace("stand-in", "replaced"));
    assert_eq!(count(&*provider, &request()).await, Ok(Some(9)));
    assert_eq!(api.counted().len(), 2);
}

#[tokio::test]
async fn the_server_refuses_what_the_api_refuses_of_tasks() {
    let api = MessagesApi::with(vec![Answer::stream(reply(&["Hi."]))]).await;
    let client = reqwest::Client::new();
    let document = json!({
        "type": "document", "title": "Q3",
        "source": {"type": "base64", "media_type": "application/pdf", "data": PDF},
    });
    let text = json!({"type": "text", "text": "Hi"});
    let valid = json!({
        "model": "m", "max_tokens": 1, "stream": true,
        "messages": [{"role": "user", "content": [document, text]}],
        "output_config": {"format": {"type": "json_schema", "schema": strict()}},
    });
    let block = "/messages/0/content/0";
    let schema = "/output_config/format/schema";
    let many: serde_json::Map<_, _> =
        (0..26).map(|number| (format!("p{number}"), json!({"type": "string"}))).collect();
    let message = "/messages/0";
    let no_pdf = json!("UEsDBAo=");
    let cases = [
        ("/max_tokens".to_owned(), json!(2), None),
        (format!("{block}/title"), json!(null), None),
        (format!("{block}/title"), json!(""), Some("document.title")),
        (format!("{block}/title"), json!("x".repeat(501)), Some("document.title")),
        (format!("{block}/pages"), json!(2), Some("document.pages")),
        (format!("{block}/source/type"), json!("text"), Some("document.source")),
        (format!("{block}/source/media_type"), json!("text/plain"), Some("document.source")),
        (format!("{block}/source/data"), json!("%PDF"), Some("Invalid base64")),
        (format!("{block}/source/data"), no_pdf, Some("not valid")),
        (format!("{message}/role"), json!("assistant"), Some("first message")),
        ("/output_config/format/type".to_owned(), json!("json"), Some("format.type")),
        ("/output_config/format/strict".to_owned(), json!(true), Some("format.strict")),
        ("/output_config/schema".to_owned(), json!({}), Some("output_config.schema")),
        ("/output_config/format/schema".to_owned(), json!({}), Some("type is missing")),
        ("/output_config/format/schema".to_owned(), json!([]), Some("must be an object")),
        (format!("{schema}/additionalProperties"), json!(true), Some("set to false")),
        (format!("{schema}/maxProperties"), json!(1), Some("'maxProperties'")),
        (format!("{schema}/properties"), json!(many), Some("too complex")),
        (
            format!("{schema}/properties/summary"),
            json!({"type": "array", "items": {"type": "null"}, "minItems": 2}),
            Some("'minItems'"),
        ),
        (format!("{schema}/properties/summary"), json!({"enum": [[1]]}), Some("Enum values")),
    ];
    for (place, value, why) in cases {
        let mut body = valid.clone();
        let (parent, member) = place.rsplit_once('/').unwrap();
        body.pointer_mut(parent).unwrap()[member] = value;
        for path in ["messages", "messages/count_tokens"] {
            if path != "messages" {
                body.as_object_mut()
                    .unwrap()
                    .retain(|name, _| name != "max_tokens" && name != "stream");
            }
            let request = client.post(format!("{}/v1/{path}", api.url)).bearer_auth(KEY);
            let request = request.header("anthropic-version", "2026-10-21").json(&body);
            let status = request.send().await.unwrap().status().as_u16();
            assert_eq!(status, if why.is_some() { 400 } else { 200 }, "{place}");
            let refused = api.refused();
            let is_why = why.is_none_or(|why| refused.last().unwrap().contains(why));
            assert!(is_why, "{place}: {refused:?}");
        }
    }
    assert_eq!((api.asked().len(), api.counted().len()), (2, 2));
    // A count asks for no answer, and an answer in JSON has no beginning of another's.
    let mut begun = valid.clone();
    let messages = begun["messages"].as_array_mut().unwrap();
    messages.push(json!({"role": "assistant", "content": "{"}));
    for (path, body, why) in
        [("messages/count_tokens", valid, "Extra inputs"), ("messages", begun, "final message")]
    {
        let request = client.post(format!("{}/v1/{path}", api.url)).bearer_auth(KEY);
        let request = request.header("anthropic-version", "2026-10-21").json(&body);
        assert_eq!(request.send().await.unwrap().status().as_u16(), 400, "{path}");
        assert!(api.refused().last().unwrap().contains(why), "{path}");
    }
}

#[tokio::test]
async fn a_client_that_hangs_up_before_a_late_answer_is_noticed() {
    let late = Answer::json(&json!({})).after(Duration::from_mins(10));
    let api = MessagesApi::with(vec![late]).await;
    let circuits = Circuits::start().await;
    let provider = circuits.anthropic(&api, &[("AI_FIRST_TOKEN_MILLISECONDS", "600000")]);
    let mut events = provider.call(request());
    let waiting = tokio::spawn(async move { while events.next().await.is_some() {} });
    api.was_asked(1).await;
    waiting.abort();
    api.hung_up(1).await;
    // One that comes a little later is whole.
    let late = Answer::json(&json!({"a": 1})).after(Duration::from_millis(20));
    let api = MessagesApi::with(vec![late]).await;
    let provider = circuits.anthropic(&api, &[]);
    let (turn, _) = step(&*provider, request()).await;
    assert_eq!(turn.content, [Content::Text(json!({"a": 1}).to_string())]);
}
