//! Calls that fail, are tried again, break off, or are dropped.

use std::time::Duration;

use assistant::{Event, Fault};
use futures_util::StreamExt as _;
use futures_util::future::{join_all, select};
use tally_tests::model_server::{Act, Break, Refusal};

use super::cases;
use super::cases::Expected::{self, Nothing, Part, Whole};
use super::kind::Kind;
use super::stage::{PARTS, QUESTION, SYSTEM, Stage, good, request};

/// Runs each case with a model that does these acts in turn and repeats the last one.
async fn check<const N: usize>(kind: Kind, cases: [(Vec<Act>, Expected, usize); N]) {
    let cases = cases.map(|(acts, expected, requests)| {
        let answers: Vec<_> = acts.iter().map(|act| kind.answer(act)).collect();
        (acts, answers, expected, requests)
    });
    cases::check(kind, cases).await;
}

fn refuses(refusal: Refusal) -> Act {
    Act::Refuses(refusal)
}

/// A rate limit that is over at once.
fn limited() -> Act {
    refuses(Refusal::RateLimited(Duration::from_millis(1)))
}

pub async fn what_fails_before_anything_is_written_is_tried_again(kind: Kind) {
    let overloaded = || refuses(Refusal::Overloaded);
    let failing = || refuses(Refusal::Failing);
    let silence = if kind.thinks_in_silence() {
        (vec![Act::Silence, good()], Nothing(Fault::TimedOut), 1)
    } else {
        (vec![Act::Silence, good()], Whole, 2)
    };
    check(
        kind,
        [
            (vec![overloaded(), good()], Whole, 2),
            (vec![failing(), good()], Whole, 2),
            (vec![limited(), good()], Whole, 2),
            (vec![Act::Reset, good()], Whole, 2),
            silence,
            (vec![overloaded(), failing(), good()], Whole, 3),
            (vec![Act::Reset, limited(), good()], Whole, 3),
        ],
    )
    .await;
}

pub async fn what_cannot_be_mended_is_one_clear_error(kind: Kind) {
    let waits = if kind.thinks_in_silence() { 1 } else { 3 };
    check(
        kind,
        [
            (vec![refuses(Refusal::Wrong), good()], Nothing(Fault::RequestRefused), 1),
            (vec![refuses(Refusal::Key), good()], Nothing(Fault::KeyRefused), 1),
            (vec![refuses(Refusal::UnknownModel), good()], Nothing(Fault::UnknownModel), 1),
            (vec![refuses(Refusal::Filtered), good()], Nothing(Fault::ContentRefused), 1),
            // It has one turn, so there is nothing to leave out.
            (vec![refuses(Refusal::TooLong), good()], Nothing(Fault::ContextTooLong), 1),
            (vec![refuses(Refusal::Overloaded)], Nothing(Fault::Overloaded), 3),
            (vec![refuses(Refusal::Failing)], Nothing(Fault::Failing), 3),
            (vec![limited()], Nothing(Fault::RateLimited), 3),
            (vec![Act::Reset], Nothing(Fault::Unreachable), 3),
            (vec![Act::Silence], Nothing(Fault::TimedOut), waits),
        ],
    )
    .await;
}

pub async fn what_breaks_after_the_first_word_is_not_tried_again(kind: Kind) {
    let breaks = |parts, how| vec![Act::breaks(&PARTS, parts, how), good()];
    check(
        kind,
        [
            (breaks(1, Break::Error), Part(Fault::Overloaded, 1), 1),
            (breaks(3, Break::Error), Part(Fault::Overloaded, 3), 1),
            (breaks(1, Break::End), Part(Fault::Broken, 1), 1),
            // All of the text is there, but not why it ends.
            (breaks(4, Break::End), Part(Fault::Broken, 4), 1),
            (breaks(2, Break::Silence), Part(Fault::TimedOut, 2), 1),
            (breaks(2, Break::Reset), Part(Fault::Unreachable, 2), 1),
        ],
    )
    .await;
}

pub async fn a_long_pause_that_the_api_asks_for_is_told_and_not_waited_for(kind: Kind) {
    let minute = Duration::from_mins(1);
    let stage = Stage::with(kind, vec![refuses(Refusal::RateLimited(minute))]).await;
    let error = stage.hear(request()).await.end.unwrap_err();
    assert_eq!((error.fault, error.produced), (Fault::RateLimited, false));
    let (told, requests) =
        if kind.says_when_to_ask_again() { (Some(minute), 1) } else { (None, 3) };
    assert_eq!((error.retry_after, stage.server.asked().len()), (told, requests));
}

pub async fn an_error_has_neither_a_secret_nor_the_conversation(kind: Kind) {
    let refusals = [
        Refusal::Overloaded,
        Refusal::RateLimited(Duration::from_mins(1)),
        Refusal::Failing,
        Refusal::Key,
        Refusal::UnknownModel,
        Refusal::TooLong,
        Refusal::Filtered,
        Refusal::Wrong,
    ];
    let broken = [Break::Error, Break::End, Break::Reset].map(|how| Act::breaks(&PARTS, 3, how));
    let acts = refusals.into_iter().map(refuses).chain(broken).chain([Act::Reset]);
    let errors = acts.map(|act| async move {
        let stage = Stage::with(kind, vec![act]).await;
        let secret =
            stage.circuits.platform(&[]).config.get("AWS_SECRET_ACCESS_KEY").map(str::to_owned);
        let key = stage.server.key().map(|(_, key)| key.to_owned());
        let error = stage.hear(request()).await.end.unwrap_err();
        (format!("{error} {error:?}"), secret.into_iter().chain(key).collect::<Vec<_>>())
    });
    for (said, secrets) in join_all(errors).await {
        let texts = [SYSTEM, QUESTION, PARTS[0]].map(str::to_owned);
        for text in secrets.into_iter().chain(texts) {
            assert!(!said.contains(&text), "{said}");
        }
    }
}

pub async fn a_dropped_stream_ends_the_call_to_the_model(kind: Kind) {
    let acts = vec![Act::Silence, Act::breaks(&PARTS, 1, Break::Silence)];
    let stage = Stage::with(kind, acts).await;
    let provider = stage.provider(&[]);
    // Before anything has come.
    let mut events = provider.call(request());
    let hears = async { while events.next().await.is_some() {} };
    select(Box::pin(hears), Box::pin(stage.server.was_asked(1))).await;
    drop(events);
    stage.server.hung_up(1).await;
    // In the middle.
    let mut events = provider.call(request());
    while !matches!(events.next().await.expect("a text comes").unwrap(), Event::Text(_)) {}
    drop(events);
    stage.server.hung_up(2).await;
    assert_eq!(stage.server.asked().len(), 2);
}
