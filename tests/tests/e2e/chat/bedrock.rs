//! The provider `bedrock` against a server that speaks Bedrock's API, both well and badly: its
//! frames, its exceptions and its refusals. `providers/` has what it does as all providers do.

use assistant::domain::{Effort, StopReason};
use assistant::{Fault, Request};
use serde_json::{Value, json};
use tally_tests::Circuits;
use tally_tests::bedrock_api::{
    Answer, BedrockApi, Error, Frame, error, errors, nothing, reply, stream,
};
use tally_tests::steps::tools;

use super::providers::cases;
use super::providers::cases::Expected::{self, Nothing, Part, Whole};
use super::providers::kind::Kind;
use super::providers::stage::{PARTS, hear, request};

/// The exceptions that a stream may end with, besides that of a wrong request.
const EXCEPTIONS: [(&str, Fault); 5] = [
    ("throttlingException", Fault::RateLimited),
    ("serviceUnavailableException", Fault::Overloaded),
    ("modelTimeoutException", Fault::TimedOut),
    ("modelStreamErrorException", Fault::Failing),
    ("internalServerException", Fault::Failing),
];

/// Frames before the text of a reply.
const HEAD: usize = 3;

fn frames() -> impl Iterator<Item = Frame> {
    reply(&PARTS).into_iter().map(Frame::from)
}

fn good() -> Answer {
    stream(frames())
}

/// The reply up to so many frames, and then this one.
fn broken(frames_before: usize, next: Frame) -> Answer {
    stream(frames().take(frames_before).chain([next]))
}

/// The last frame of a reply.
fn last() -> Frame {
    Frame::Event(json!({"type": "message_stop"}))
}

/// An error that no SDK models.
fn unmodeled() -> Frame {
    Frame::error("InternalFailure", "Oops.")
}

/// An error of the model itself.
fn overloaded() -> Frame {
    let error = json!({"type": "overloaded_error", "message": "Overloaded"});
    Frame::Event(json!({"type": "error", "error": error}))
}

/// Runs each case, see [`cases::check`].
async fn check(cases: Vec<(&str, Vec<Answer>, Expected, usize)>) {
    cases::check(Kind::Bedrock, cases).await;
}

#[tokio::test]
async fn a_reply_is_whole_with_frames_that_say_nothing_and_without_its_last_one() {
    let amid = |frame: fn() -> Frame| stream(frames().flat_map(move |each| [each, frame()]));
    let stopped = HEAD + PARTS.len() + 2;
    check(vec![
        (
            "an initial response",
            vec![stream([Frame::initial_response()].into_iter().chain(frames()))],
            Whole,
            1,
        ),
        ("events of a new type", vec![amid(Frame::unknown)], Whole, 1),
        ("chunks without bytes", vec![amid(Frame::hollow)], Whole, 1),
        ("chunks of no bytes", vec![amid(|| Frame::chunk(b""))], Whole, 1),
        ("no message_stop", vec![good().up_to(stopped)], Whole, 1),
        ("half of message_stop", vec![broken(stopped, last().cut(40))], Whole, 1),
        ("an error after the stop reason", vec![broken(stopped, unmodeled())], Whole, 1),
        ("silence instead of message_stop", vec![good().up_to(stopped).then_silence()], Whole, 1),
    ])
    .await;
}

#[tokio::test]
async fn what_fails_before_it_is_paid_is_tried_again() {
    let mut cases = vec![
        ("no frame", vec![nothing(), good()], Whole, 2),
        ("an unmodeled error", vec![stream([unmodeled()]), good()], Whole, 2),
        ("an error of the model", vec![stream([overloaded()]), good()], Whole, 2),
        ("a wrong checksum", vec![stream([last().damaged()]), good()], Whole, 2),
        ("no length", vec![stream([Frame::without_length()]), good()], Whole, 2),
        ("a cut frame", vec![stream([last().cut(40)]), good()], Whole, 2),
        ("no JSON", vec![stream([Frame::chunk(b"oops")]), good()], Whole, 2),
        ("server-sent events", vec![Answer::stream(reply(&PARTS)), good()], Whole, 2),
        ("the middle", vec![stream(frames().skip(1)), good()], Whole, 2),
    ];
    for (kind, _) in EXCEPTIONS {
        let exception = Frame::exception(kind, "This is an exception.");
        cases.push((kind, vec![stream([exception]), good()], Whole, 2));
    }
    for refusal in [
        errors::THROTTLED,
        errors::TOO_MANY_TOKENS,
        errors::OVERLOADED,
        errors::UNAVAILABLE,
        errors::FAILING,
        errors::MODEL_FAILING,
        errors::NOT_READY,
        errors::MODEL_TIMED_OUT,
    ] {
        cases.push((refusal.2, vec![error(refusal), good()], Whole, 2));
    }
    check(cases).await;
}

#[tokio::test]
async fn what_cannot_be_mended_is_one_clear_error() {
    let wrong = Frame::exception("validationException", errors::PROMPT_TOO_LONG.2);
    // Its head names a length of two gigabytes.
    let huge = stream([Frame::Bytes(vec![0x7f; 3 << 20])]).in_pieces_of(64 << 10);
    let mut cases = vec![
        ("a wrong request", vec![stream([wrong]), good()], Nothing(Fault::ContextTooLong), 1),
        ("a frame without end", vec![huge, good()], Nothing(Fault::Broken), 1),
        ("no frame", vec![nothing()], Nothing(Fault::Broken), 3),
    ];
    for (refusal, fault) in [
        (errors::OVER_QUOTA, Fault::RateLimited),
        (errors::NOT_AUTHORIZED, Fault::KeyRefused),
        (errors::NO_ACCESS, Fault::KeyRefused),
        (errors::EXPIRED, Fault::KeyRefused),
        (errors::UNKNOWN_MODEL, Fault::UnknownModel),
        (errors::END_OF_LIFE, Fault::UnknownModel),
        (errors::LEGACY, Fault::UnknownModel),
        (errors::INVALID_MODEL, Fault::UnknownModel),
        (errors::NEEDS_PROFILE, Fault::UnknownModel),
        (errors::TOO_LONG, Fault::ContextTooLong),
        (errors::PROMPT_TOO_LONG, Fault::ContextTooLong),
        (errors::FILTERED, Fault::ContentRefused),
        (errors::WRONG, Fault::RequestRefused),
    ] {
        cases.push((refusal.2, vec![error(refusal), good()], Nothing(fault), 1));
    }
    check(cases).await;
}

#[tokio::test]
async fn what_breaks_after_the_first_word_is_not_tried_again() {
    let breaks = |next: Frame| vec![broken(HEAD + 2, next), good()];
    let mut cases = vec![
        ("an unmodeled error", breaks(unmodeled()), Part(Fault::Failing, 2), 1),
        ("an error of the model", breaks(overloaded()), Part(Fault::Overloaded, 2), 1),
        ("a wrong checksum", breaks(last().damaged()), Part(Fault::Broken, 2), 1),
        ("a cut frame", breaks(last().cut(40)), Part(Fault::Broken, 2), 1),
        ("no JSON", breaks(Frame::chunk(b"oops")), Part(Fault::Broken, 2), 1),
        ("the beginning again", breaks(frames().next().unwrap()), Part(Fault::Broken, 2), 1),
    ];
    for (kind, fault) in EXCEPTIONS {
        let exception = Frame::exception(kind, "This is an exception.");
        cases.push((kind, breaks(exception), Part(fault, 2), 1));
    }
    check(cases).await;
}

#[tokio::test]
async fn a_part_that_a_model_refuses_is_left_out() {
    type Case = (Request, Error<'static>, fn(&Value) -> bool);
    let schema = json!({
        "type": "object", "properties": {"summary": {"type": "string"}}, "required": ["summary"],
        "additionalProperties": false,
    });
    let cases: [Case; 3] = [
        (Request { tools: tools(), ..request() }, errors::NO_STRICT_TOOLS, |body| {
            body["tools"].as_array().unwrap().iter().any(|tool| tool["strict"] == true)
        }),
        (Request { effort: Some(Effort::Low), ..request() }, errors::NO_EFFORT, |body| {
            !body["output_config"]["effort"].is_null()
        }),
        (Request { output_schema: Some(schema), ..request() }, errors::NO_FORMAT, |body| {
            !body["output_config"]["format"].is_null()
        }),
    ];
    let circuits = Circuits::start().await;
    for (request, refusal, has_part) in cases {
        let api = BedrockApi::start(
            move |asked| {
                if has_part(&asked.body) { error(refusal) } else { good() }
            },
        );
        let api = api.await;
        let heard = hear(&*circuits.bedrock(&api, &[]), request).await;
        assert_eq!(heard.outcome(), Ok(StopReason::EndTurn), "{refusal:?}");
        let found: Vec<_> = api.asked().iter().map(|asked| has_part(&asked.body)).collect();
        assert_eq!(found, [true, false], "{refusal:?}");
    }
}

#[tokio::test]
async fn a_profile_is_asked_by_its_arn() {
    let arn = "arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/a1b2c3d4e5f6";
    let prices = format!("{arn}=5/25/6.25/0.50");
    let api = BedrockApi::with(vec![good()]).await;
    let circuits = Circuits::start().await;
    let provider = circuits.bedrock(&api, &[("AI_MODEL", arn), ("AI_PRICES", &prices)]);
    let heard = hear(&*provider, request()).await;
    assert_eq!((heard.outcome(), heard.models), (Ok(StopReason::EndTurn), vec![arn.to_owned()]));
    assert_eq!(api.asked()[0].model(), arn);
}

#[tokio::test]
async fn credentials_that_bedrock_does_not_know_are_a_refused_key() {
    let api = BedrockApi::with(vec![good()]).await;
    let circuits = Circuits::start().await;
    let settings = [("AI_PROVIDER", "bedrock"), ("BEDROCK_URL", api.url.as_str())];
    let heard = hear(&*circuits.provider(&settings, &[]), request()).await;
    assert_eq!((heard.outcome(), api.asked().len()), (Err(Fault::KeyRefused), 0));
    assert_eq!(api.refused().len(), 1);
}
