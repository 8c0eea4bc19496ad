//! The provider `anthropic` against a server that speaks the Messages API, both well and badly:
//! its events, its statuses and its headers. `providers/` has what it does as all providers do.

use assistant::domain::Usage;
use assistant::{Event, Fault};
use futures_util::StreamExt as _;
use serde_json::json;
use tally_tests::Circuits;
use tally_tests::messages_api::{Answer, MessagesApi, event, reply};

use super::providers::cases;
use super::providers::cases::Expected::{self, Nothing, Part, Whole};
use super::providers::kind::Kind;
use super::providers::stage::{PARTS, request};

fn good() -> Answer {
    Answer::stream(reply(&PARTS))
}

/// An error that may be retried at once.
fn brief(status: u16, kind: &str) -> Answer {
    Answer::error(status, kind).header("retry-after-ms", "1")
}

/// Runs each case, see [`cases::check`].
async fn check(cases: Vec<(&str, Vec<Answer>, Expected, usize)>) {
    cases::check(Kind::Anthropic, cases).await;
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
        ("as it comes", vec![good()], Whole, 1),
        ("CRLF", vec![lines("\r\n").in_pieces_of(7)], Whole, 1),
        ("CR", vec![lines("\r").in_pieces_of(7)], Whole, 1),
        ("comments", vec![amid(": hello\n\n: bye\n").in_pieces_of(5)], Whole, 1),
        (
            "frames that say nothing",
            vec![amid("event: ping\ndata: {\"type\": \"ping\"}\n\nid: 7\n\nretry: 10\n\ndata\n\n")],
            Whole,
            1,
        ),
        (
            "unknown events",
            vec![Answer::stream(reply(&PARTS).into_iter().flat_map(|each| [each, new.clone()]))],
            Whole,
            1,
        ),
        ("no final blank line", vec![Answer::stream([text.trim_end().to_owned()])], Whole, 1),
        ("no message_stop", vec![good().up_to(3 + PARTS.len() + 2)], Whole, 1),
        (
            "silence instead of message_stop",
            vec![good().up_to(3 + PARTS.len() + 2).then_silence()],
            Whole,
            1,
        ),
    ];
    let mut frames = reply(&PARTS);
    frames.insert(5, new_delta);
    cases.push(("unknown deltas", vec![Answer::stream(frames)], Whole, 1));
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
        ("an error event", vec![began(0, &overloaded()), good()], Whole, 2),
        ("garbage", vec![began(0, garbage), good()], Whole, 2),
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
            "retry-after in seconds",
            vec![Answer::error(429, "rate_limit_error").header("retry-after", "0.01"), good()],
            Whole,
            2,
        ),
        (
            "told to",
            vec![brief(400, "invalid_request_error").header("x-should-retry", "true"), good()],
            Whole,
            2,
        ),
        (
            "a proxy",
            vec![Answer::body(502, "text/html", "<html>Bad gateway</html>"), good()],
            Whole,
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
        cases.push(("a status", vec![brief(status, kind), good()], Whole, 2));
    }
    check(cases).await;
}

#[tokio::test]
async fn what_cannot_be_mended_is_one_clear_error() {
    let refused = |status, kind| vec![Answer::error(status, kind)];
    let headless = |kind: &str, body: &str| vec![Answer::body(200, kind, body)];
    let huge = format!("event: content_block_delta\ndata: {}\n\n", "x".repeat(3 << 20));
    check(vec![
        ("not paid", refused(402, "billing_error"), Nothing(Fault::KeyRefused), 1),
        ("not allowed", refused(403, "permission_error"), Nothing(Fault::KeyRefused), 1),
        (
            "told not to",
            vec![brief(529, "overloaded_error").header("x-should-retry", "false")],
            Nothing(Fault::Overloaded),
            1,
        ),
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
    let garbage = "event: content_block_delta\ndata: {\"type\": oops\n\n".to_owned();
    let began = |parts: usize, next: String| {
        vec![Answer::stream(reply(&PARTS).into_iter().take(3 + parts).chain([next])), good()]
    };
    check(vec![
        ("garbage", began(2, garbage), Part(Fault::Broken, 2), 1),
        ("the beginning again", began(2, reply(&PARTS).concat()), Part(Fault::Broken, 2), 1),
        (
            "a cut in a character",
            vec![Answer::stream([
                reply(&PARTS)[..4].concat().as_bytes(),
                b"event: content_block_delta\ndata: \xf0\x9f",
            ])],
            Part(Fault::Broken, 1),
            1,
        ),
    ])
    .await;
}

#[tokio::test]
async fn what_was_read_is_known_before_anything_is_said() {
    let api = MessagesApi::with(vec![good()]).await;
    let circuits = Circuits::start().await;
    let mut events = circuits.anthropic(&api, &[]).call(request());
    assert_eq!(events.next().await, Some(Ok(Event::Model("first".into()))));
    assert!(matches!(events.next().await, Some(Ok(Event::Usage(_)))));
    assert_eq!(api.asked().len(), 0, "what is sent is estimated before it is");
    let usage =
        Usage { input_tokens: 25, output_tokens: 1, cache_read_tokens: 7, cache_write_tokens: 5 };
    assert_eq!(events.next().await, Some(Ok(Event::Usage(usage))));
}
