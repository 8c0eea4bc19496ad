//! The provider `anthropic` against a server that speaks the Messages API, both well and badly.

use assistant::domain::{MessageRole, StopReason, Usage};
use assistant::{Event, Fault, Provider, ProviderError, Request, Turn};
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use platform::clock::Clock;
use serde_json::json;
use tally_tests::Circuits;
use tally_tests::messages_api::{Answer, KEY, MessagesApi, event, reply, reply_of, tool};

/// The parts of a reply's text, as they are sent.
const PARTS: [&str; 4] = ["Profits", " rose — ", "by €12,", " 👩‍👩‍👧."];

fn whole() -> String {
    PARTS.concat()
}

fn good() -> Answer {
    Answer::stream(reply(&PARTS))
}

/// An error that may be retried at once.
fn brief(status: u16, kind: &str) -> Answer {
    Answer::error(status, kind).header("retry-after-ms", "1")
}

/// The provider with these circuits and settings.
fn provider(api: &MessagesApi, circuits: &Circuits, own: &[(&str, &str)]) -> Box<dyn Provider> {
    circuits.anthropic(api, own)
}

const SYSTEM: &str = "You are brief.";

fn request() -> Request {
    let turns = vec![Turn::text(MessageRole::User, "How did Alpha do?")];
    Request { reply_id: "r".into(), system: SYSTEM.into(), turns, ..Request::default() }
}

/// The outcome of a call.
#[derive(Debug)]
struct Heard {
    text: String,
    usage: Usage,
    models: Vec<String>,
    end: Result<StopReason, ProviderError>,
}

async fn hear(provider: &dyn Provider) -> Heard {
    let mut text = String::new();
    let mut usage = Usage::default();
    let mut models = Vec::new();
    let mut end = None;
    let mut events = provider.call(request());
    while let Some(event) = events.next().await {
        assert!(end.is_none(), "nothing comes after the end: {event:?}");
        match event {
            Ok(Event::Model(model)) => models.push(model),
            Ok(Event::Text(more)) => text.push_str(&more),
            Ok(Event::Usage(now)) => usage = now,
            Ok(Event::Stop(reason)) => end = Some(Ok(reason)),
            Ok(other @ (Event::Shown(_) | Event::ToolUse(_) | Event::Thought(_))) => {
                panic!("{other:?}")
            }
            Err(error) => end = Some(Err(error)),
        }
    }
    Heard { text, usage, models, end: end.expect("a call ends with a stop or an error") }
}

/// The expected outcome of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Expected {
    /// The whole reply, with this stop reason.
    Whole(&'static str),
    /// This failure before any text.
    Nothing(Fault),
    /// This failure after this text.
    Part(Fault, String),
}
use Expected::{Nothing, Part, Whole};

/// Runs each case against a server that gives the case's answers in turn and repeats the last one.
/// Checks the outcome and how often the server was asked.
async fn check(cases: Vec<(&str, Vec<Answer>, Expected, usize)>) {
    // Start the circuits before the first call is timed.
    let circuits = join_all(cases.iter().map(|_| Circuits::start())).await;
    join_all(cases.into_iter().zip(circuits).map(
        async |((name, answers, expected, requests), circuits)| {
            let api = MessagesApi::with(answers).await;
            // The patience is short where no answer is expected, and long elsewhere, so that a slow
            // machine does not fail the test.
            let is_silent = matches!(expected, Nothing(Fault::TimedOut) | Part(Fault::TimedOut, _))
                || name.contains("silence");
            let patience = if is_silent { "1000" } else { "20000" };
            let provider = provider(
                &api,
                &circuits,
                &[("AI_FIRST_TOKEN_MILLISECONDS", patience), ("AI_IDLE_MILLISECONDS", patience)],
            );
            let heard = hear(&*provider).await;
            let found = match &heard.end {
                Ok(reason) => {
                    assert_eq!(heard.text, whole(), "{name}");
                    Whole(reason.as_str())
                }
                Err(error) if error.produced => Part(error.fault, heard.text.clone()),
                Err(error) => {
                    assert_eq!(heard.text, "", "{name}: {error}");
                    Nothing(error.fault)
                }
            };
            assert_eq!((found, api.asked().len()), (expected, requests), "{name}: {:?}", heard.end);
            let said = format!("{:?}", heard.end);
            assert!(!said.contains("sk-ant"), "{said}");
        },
    ))
    .await;
}

#[tokio::test]
async fn a_reply_is_whole_however_it_is_cut_up() {
    let text = reply(&PARTS).concat();
    let lines = |ending: &str| Answer::stream([text.replace('\n', ending)]);
    let new = event(&json!({"type": "a_new_event", "more": [1]}));
    let new_delta = event(&json!({
        "type": "content_block_delta", "index": 0,
        "delta": {"type": "a_new_delta", "more": "x"},
    }));
    let amid = |frame: &str| {
        Answer::stream(reply(&PARTS).into_iter().flat_map(|each| [each, frame.to_owned()]))
    };
    let mut cases = vec![
        ("as it comes", vec![good()], Whole("end_turn"), 1),
        ("CRLF", vec![lines("\r\n").in_pieces_of(7)], Whole("end_turn"), 1),
        ("CR", vec![lines("\r").in_pieces_of(7)], Whole("end_turn"), 1),
        ("comments", vec![amid(": hello\n\n: bye\n").in_pieces_of(5)], Whole("end_turn"), 1),
        (
            "frames that say nothing",
            vec![amid("event: ping\ndata: {\"type\": \"ping\"}\n\nid: 7\n\nretry: 10\n\ndata\n\n")],
            Whole("end_turn"),
            1,
        ),
        (
            "unknown events",
            vec![Answer::stream(reply(&PARTS).into_iter().flat_map(|each| [each, new.clone()]))],
            Whole("end_turn"),
            1,
        ),
        (
            "no final blank line",
            vec![Answer::stream([text.trim_end().to_owned()])],
            Whole("end_turn"),
            1,
        ),
        ("no message_stop", vec![good().up_to(3 + PARTS.len() + 2)], Whole("end_turn"), 1),
        (
            "silence instead of message_stop",
            vec![good().up_to(3 + PARTS.len() + 2).then_silence()],
            Whole("end_turn"),
            1,
        ),
    ];
    for bytes in [1, 2, 3, 5, 17, 64, 1_000_000] {
        cases.push(("pieces of any size", vec![good().in_pieces_of(bytes)], Whole("end_turn"), 1));
    }
    let mut frames = reply(&PARTS);
    frames.insert(5, new_delta);
    cases.push(("unknown deltas", vec![Answer::stream(frames)], Whole("end_turn"), 1));
    for reason in [
        "max_tokens",
        "stop_sequence",
        "tool_use",
        "pause_turn",
        "refusal",
        "model_context_window_exceeded",
    ] {
        cases.push((
            "stop reasons",
            vec![Answer::stream(reply_of(&PARTS, reason))],
            Whole(reason),
            1,
        ));
    }
    check(cases).await;
}

#[tokio::test]
async fn what_fails_before_it_is_paid_is_tried_again() {
    let overloaded = || {
        event(&json!({
            "type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"},
        }))
    };
    let began = |frames: usize, next: &str| {
        Answer::stream(reply(&PARTS).into_iter().take(frames).chain([next.to_owned()]))
    };
    let garbage = "event: content_block_delta\ndata: {\"type\": oops\n\n";
    let mut cases = vec![
        ("a reset", vec![Answer::reset(), good()], Whole("end_turn"), 2),
        ("silence", vec![Answer::silence(), good()], Whole("end_turn"), 2),
        ("an error event", vec![began(0, &overloaded()), good()], Whole("end_turn"), 2),
        ("garbage", vec![began(0, garbage), good()], Whole("end_turn"), 2),
        // The provider has counted the input by now, so a second try would be paid twice.
        (
            "silence after the head",
            vec![good().up_to(3).then_silence(), good()],
            Nothing(Fault::TimedOut),
            1,
        ),
        (
            "a reset after the head",
            vec![good().up_to(2).then_reset(), good()],
            Nothing(Fault::Unreachable),
            1,
        ),
        (
            "an error event after the head",
            vec![began(2, &overloaded()), good()],
            Nothing(Fault::Overloaded),
            1,
        ),
        ("garbage after the head", vec![began(2, garbage), good()], Nothing(Fault::Broken), 1),
        (
            "two failures",
            vec![brief(529, "overloaded_error"), brief(500, "api_error"), good()],
            Whole("end_turn"),
            3,
        ),
        (
            "retry-after in seconds",
            vec![Answer::error(429, "rate_limit_error").header("retry-after", "0.01"), good()],
            Whole("end_turn"),
            2,
        ),
        (
            "told to",
            vec![brief(400, "invalid_request_error").header("x-should-retry", "true"), good()],
            Whole("end_turn"),
            2,
        ),
        (
            "a proxy",
            vec![Answer::body(502, "text/html", "<html>Bad gateway</html>"), good()],
            Whole("end_turn"),
            2,
        ),
    ];
    for (status, kind) in [
        (408, "timeout_error"),
        (409, "conflict_error"),
        (429, "rate_limit_error"),
        (500, "api_error"),
        (503, "api_error"),
        (504, "timeout_error"),
        (529, "overloaded_error"),
    ] {
        cases.push(("a status", vec![brief(status, kind), good()], Whole("end_turn"), 2));
    }
    check(cases).await;
}

#[tokio::test]
async fn what_cannot_be_mended_is_one_clear_error() {
    let refused = |status, kind| vec![Answer::error(status, kind)];
    let filtered = vec![Answer::error_saying(
        400,
        "invalid_request_error",
        "Output blocked by content filtering policy",
    )];
    let headless = |kind: &str, body: &str| vec![Answer::body(200, kind, body)];
    let huge = format!("event: content_block_delta\ndata: {}\n\n", "x".repeat(3 << 20));
    check(vec![
        ("wrong", refused(400, "invalid_request_error"), Nothing(Fault::RequestRefused), 1),
        ("not paid", refused(402, "billing_error"), Nothing(Fault::KeyRefused), 1),
        ("not allowed", refused(403, "permission_error"), Nothing(Fault::KeyRefused), 1),
        ("no such model", refused(404, "not_found_error"), Nothing(Fault::UnknownModel), 1),
        ("too large", refused(413, "request_too_large"), Nothing(Fault::ContextTooLong), 1),
        ("filtered", filtered, Nothing(Fault::ContentRefused), 1),
        (
            "told not to",
            vec![brief(529, "overloaded_error").header("x-should-retry", "false")],
            Nothing(Fault::Overloaded),
            1,
        ),
        (
            "too long a wait",
            vec![Answer::error(429, "rate_limit_error").header("retry-after", "60")],
            Nothing(Fault::RateLimited),
            1,
        ),
        ("always overloaded", vec![brief(529, "overloaded_error")], Nothing(Fault::Overloaded), 3),
        ("always failing", vec![brief(500, "api_error")], Nothing(Fault::Failing), 3),
        ("always silent", vec![Answer::silence()], Nothing(Fault::TimedOut), 3),
        ("always reset", vec![Answer::reset()], Nothing(Fault::Unreachable), 3),
        // The redirect leads to the same server, which would accept the request.
        (
            "a redirect",
            vec![Answer::body(307, "text/plain", "").header("location", "/v1/messages"), good()],
            Nothing(Fault::Broken),
            1,
        ),
        ("no stream", headless("text/html", "<html>Hello</html>"), Nothing(Fault::Broken), 1),
        (
            "JSON",
            headless("application/json", "{\"type\": \"message\"}"),
            Nothing(Fault::Broken),
            1,
        ),
        (
            "a stream of something else",
            headless("text/event-stream", "<html>\n\nHello\n\n</html>"),
            Nothing(Fault::Broken),
            3,
        ),
        ("an empty stream", vec![good().up_to(0)], Nothing(Fault::Broken), 3),
        (
            "the middle",
            vec![Answer::stream(reply(&PARTS).into_iter().skip(1))],
            Nothing(Fault::Broken),
            3,
        ),
        (
            "a line without end",
            vec![Answer::stream([huge.clone()]).in_pieces_of(64 << 10)],
            Nothing(Fault::Broken),
            1,
        ),
        (
            "no UTF-8",
            vec![Answer::stream([&b"event: message_start\ndata: \xff\n\n"[..]])],
            Nothing(Fault::Broken),
            3,
        ),
    ])
    .await;
}

#[tokio::test]
async fn what_breaks_after_the_first_word_is_not_tried_again() {
    let said = |parts: usize| PARTS[..parts].concat();
    let frame = |event: &str| event.to_owned();
    let overloaded = event(
        &json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
    );
    let garbage = frame("event: content_block_delta\ndata: {\"type\": oops\n\n");
    let began = |parts: usize, next: String| {
        vec![Answer::stream(reply(&PARTS).into_iter().take(3 + parts).chain([next])), good()]
    };
    check(vec![
        ("an error event", began(1, overloaded), Part(Fault::Overloaded, said(1)), 1),
        ("garbage", began(2, garbage), Part(Fault::Broken, said(2)), 1),
        ("the beginning again", began(2, reply(&PARTS).concat()), Part(Fault::Broken, said(2)), 1),
        ("a cut", vec![good().up_to(3 + 3), good()], Part(Fault::Broken, said(3)), 1),
        (
            "a cut in a character",
            vec![Answer::stream([
                reply(&PARTS)[..4].concat().as_bytes(),
                b"event: content_block_delta\ndata: \xf0\x9f",
            ])],
            Part(Fault::Broken, said(1)),
            1,
        ),
        (
            "silence",
            vec![good().up_to(3 + 2).then_silence(), good()],
            Part(Fault::TimedOut, said(2)),
            1,
        ),
        (
            "a reset",
            vec![good().up_to(3 + 2).then_reset(), good()],
            Part(Fault::Unreachable, said(2)),
            1,
        ),
    ])
    .await;
}

#[tokio::test]
async fn what_was_used_is_known_while_it_is_used() {
    let api = MessagesApi::with(vec![good(), good().up_to(3 + 2), good().up_to(1)]).await;
    let circuits = Circuits::start().await;
    let provider = provider(&api, &circuits, &[]);
    let usage = |output_tokens| Usage {
        input_tokens: 25,
        output_tokens,
        cache_read_tokens: 7,
        cache_write_tokens: 5,
    };
    let heard = hear(&*provider).await;
    assert_eq!((heard.usage, heard.models), (usage(5), vec!["first".to_owned()]));
    // 25 x 5 + 5 x 25 + 7 x 0.5 + 5 x 6.25 dollars for a million.
    assert_eq!(provider.cost("first", &usage(5)).to_string(), "0.00028475");
    // Broken off: 17 bytes are estimated as 12 tokens.
    assert_eq!(hear(&*provider).await.usage, usage(12));
    let mut events = provider.call(request());
    assert_eq!(events.next().await, Some(Ok(Event::Model("first".into()))));
    let reckoned = (2 * (SYSTEM.len() + "How did Alpha do?".len())).div_ceil(3) as u64;
    let sent = Usage { input_tokens: reckoned, ..Usage::default() };
    assert_eq!(
        events.next().await,
        Some(Ok(Event::Usage(sent))),
        "what is sent is reckoned before it is"
    );
    assert_eq!(api.asked().len(), 2);
    assert_eq!(
        events.next().await,
        Some(Ok(Event::Usage(usage(1)))),
        "what was read is known before anything is said"
    );
    // A request that was not accepted costs nothing.
    let failing = MessagesApi::with(vec![brief(500, "api_error")]).await;
    assert_eq!(hear(&*self::provider(&failing, &circuits, &[])).await.usage, Usage::default());
}

#[tokio::test]
async fn turns_that_are_left_out_are_told() {
    let too_long = Answer::error(413, "request_too_large");
    let api = MessagesApi::with(vec![too_long.clone(), too_long, good()]).await;
    let circuits = Circuits::start().await;
    let provider = provider(&api, &circuits, &[]);
    // The API takes neither a first turn of the assistant nor a blank one.
    let turns = ["a", "b", "c", " ", "e", "f", "g"].into_iter().enumerate();
    let role = |index: usize| [MessageRole::Assistant, MessageRole::User][index % 2];
    let turns = turns.map(|(index, text)| Turn::text(role(index), text));
    let turns = turns.chain([Turn::text(MessageRole::User, "h")]).collect();
    let events = provider.call(Request { turns, ..request() }).map(Result::unwrap);
    let shown = events.filter_map(async |event| match event {
        Event::Shown(turns) => Some(turns),
        _ => None,
    });
    let shown: Vec<_> = shown.collect().await;
    assert_eq!(shown, [vec![1, 2, 4, 5, 6, 7], vec![5, 6, 7], vec![7]]);
}

#[tokio::test]
async fn a_tool_is_asked_for_with_its_whole_input() {
    let api = MessagesApi::with(vec![
        Answer::stream(tool("profits", &json!({"company": "Älpha"}))).in_pieces_of(3),
    ])
    .await;
    let circuits = Circuits::start().await;
    let events: Vec<_> =
        provider(&api, &circuits, &[]).call(request()).map(Result::unwrap).collect().await;
    let tools: Vec<_> = events
        .iter()
        .filter_map(|event| if let Event::ToolUse(tool) = event { Some(tool) } else { None })
        .collect();
    assert_eq!(
        (tools.len(), tools[0].name.as_str(), &tools[0].input),
        (1, "profits", &json!({"company": "Älpha"}))
    );
    assert_eq!(events.last(), Some(&Event::Stop(StopReason::ToolUse)));
}

#[tokio::test]
async fn a_dropped_stream_ends_the_call_to_the_model() {
    let hanging =
        [good().up_to(3 + 1).then_silence(), good().up_to(1).then_silence(), Answer::silence()];
    let api = MessagesApi::with(hanging.to_vec()).await;
    let provider = provider(&api, &Circuits::start().await, &[]);
    for (number, until) in ["text", "usage", "nothing"].into_iter().enumerate() {
        let mut events = provider.call(request());
        let reached = async {
            while let Some(event) = events.next().await {
                match event.unwrap() {
                    Event::Text(_) if until == "text" => return,
                    Event::Usage(usage) if until == "usage" && usage.output_tokens > 0 => return,
                    _ => {}
                }
            }
        };
        if until == "nothing" {
            futures_util::future::select(Box::pin(reached), Box::pin(api.was_asked(number + 1)))
                .await;
        } else {
            reached.await;
        }
        drop(events);
        api.hung_up(number + 1).await;
    }
    assert_eq!(api.asked().len(), 3);
}

#[tokio::test]
async fn another_model_answers_where_the_first_one_cannot() {
    for (first, requests) in
        [(brief(529, "overloaded_error"), 3), (Answer::error(404, "not_found_error"), 1)]
    {
        let api =
            MessagesApi::start(
                move |asked| if asked.body["model"] == "first" { first.clone() } else { good() },
            )
            .await;
        let circuits = Circuits::start().await;
        let provider = provider(&api, &circuits, &[("AI_FALLBACK_MODEL", "second")]);
        let heard = hear(&*provider).await;
        assert_eq!(
            (heard.end, heard.text, heard.models),
            (Ok(StopReason::EndTurn), whole(), vec!["first".to_owned(), "second".to_owned()])
        );
        assert_eq!(api.asked().len(), requests + 1);
        assert_eq!(provider.cost("second", &heard.usage).to_string(), "0.00005695");
    }
    // Other failures do not lead to the second model, and neither does a failure in the middle.
    for (answer, fault) in [
        (brief(500, "api_error"), Fault::Failing),
        (Answer::error(400, "invalid_request_error"), Fault::RequestRefused),
    ] {
        let api = MessagesApi::with(vec![answer]).await;
        let circuits = Circuits::start().await;
        let heard = hear(&*provider(&api, &circuits, &[("AI_FALLBACK_MODEL", "second")])).await;
        assert_eq!(heard.end.unwrap_err().fault, fault);
        assert!(api.asked().iter().all(|asked| asked.body["model"] == "first"));
    }
}

#[tokio::test]
async fn who_fails_all_the_time_is_not_asked_for_a_while() {
    let api = MessagesApi::start(|asked| {
        if asked.body["model"] == "first" { brief(529, "overloaded_error") } else { good() }
    })
    .await;
    let circuits = Circuits::start().await;
    let alone = provider(&api, &circuits, &[]);
    assert_eq!(circuits.outage(Clock::System.now()).await, None);
    assert_eq!(hear(&*alone).await.end.unwrap_err().fault, Fault::Overloaded);
    // The first call made three attempts. Two more open the circuit.
    assert_eq!(hear(&*alone).await.end.unwrap_err().fault, Fault::CircuitOpen);
    assert_eq!(circuits.outage(Clock::System.now()).await, Some(true));
    // A worker that has not seen a failure itself does not ask either.
    for worker in [&alone, &provider(&api, &circuits, &[])] {
        assert_eq!(hear(&**worker).await.end.unwrap_err().fault, Fault::CircuitOpen);
    }
    assert_eq!(api.asked().len(), 5);

    let circuits = Circuits::start().await;
    let provider = provider(&api, &circuits, &[("AI_FALLBACK_MODEL", "second")]);
    for expected in [3 + 1, 2 + 1, 1] {
        let before = api.asked().len();
        assert_eq!(hear(&*provider).await.end, Ok(StopReason::EndTurn));
        assert_eq!(
            api.asked().len() - before,
            expected,
            "the other model is asked at once in the end"
        );
    }
    assert_eq!(circuits.outage(Clock::System.now()).await, Some(false));
}

#[tokio::test]
async fn a_replaced_key_is_read_again_and_a_refused_one_is_reported() {
    let api = MessagesApi::with(vec![good()]).await;
    let circuits = Circuits::start().await;
    let provider = provider(&api, &circuits, &[]);
    assert_eq!(hear(&*provider).await.end, Ok(StopReason::EndTurn));
    let replacement = KEY.replace("0123", "9876");
    api.change_key(&replacement);
    assert_eq!(hear(&*provider).await.end, Ok(StopReason::EndTurn), "the key is read again");
    assert_eq!(hear(&*provider).await.end, Ok(StopReason::EndTurn), "and kept");

    // The key is read again at most once a minute.
    api.change_key(KEY);
    let error = hear(&*provider).await.end.unwrap_err();
    assert_eq!(error.fault, Fault::KeyRefused);
    assert!(!format!("{error:?} {error}").contains("sk-ant"), "{error:?}");
    // Gateways issue short keys. A key that no header can carry counts as none.
    api.change_key("sk-1");
    assert_eq!(hear(&*self::provider(&api, &circuits, &[])).await.end, Ok(StopReason::EndTurn));
    for (key, why) in [
        ("", "no member `api_key`"),
        ("sk-ant 1", "a space"),
        ("sk-ant-1\n", "a line break"),
        ("sk-ant-é", "another character"),
    ] {
        api.change_key(key);
        let error = hear(&*self::provider(&api, &circuits, &[])).await.end.unwrap_err();
        assert_eq!(error.fault, Fault::NoKey);
        assert!(
            error.detail.contains(why)
                && error.detail.contains("arn:key")
                && !error.detail.contains("sk-ant"),
            "{error}"
        );
    }
}
