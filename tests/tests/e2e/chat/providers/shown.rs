//! The turns that a model is shown.

use assistant::domain::{MessageRole, StopReason};
use assistant::{Fault, Request, Turn};
use futures_util::future::join_all;
use tally_tests::model_server::{Act, Refusal};

use super::kind::Kind;
use super::stage::{Stage, good, request, whole};

/// Turns that begin with one of the assistant's, and alternate. A text is one letter, so that a
/// body tells which turns it has, even if the API joins neighbours of the same author.
fn turns(texts: &[&str]) -> Vec<Turn> {
    let role = |index: usize| [MessageRole::Assistant, MessageRole::User][index % 2];
    texts.iter().enumerate().map(|(index, text)| Turn::text(role(index), *text)).collect()
}

/// The letters that each request so far has shown.
fn letters(stage: &Stage) -> Vec<String> {
    let asked = stage.server.asked().into_iter();
    asked.map(|asked| asked.texts.concat().split_whitespace().collect()).collect()
}

pub async fn turns_that_the_api_does_not_take_are_left_out_and_told(kind: Kind) {
    let cases = [
        (&["a", "b"][..], vec![vec![1]], "b"),
        (&["a", "b", "c", " \n", "e", "f"], vec![vec![1, 2, 4, 5]], "bcef"),
        (&["", "b", "", "d"], vec![vec![1, 3]], "bd"),
    ];
    let stages = join_all(cases.iter().map(|_| Stage::with(kind, vec![good()]))).await;
    for ((texts, shown, sent), stage) in cases.into_iter().zip(stages) {
        let heard = stage.hear(Request { turns: turns(texts), ..request() }).await;
        assert_eq!((heard.outcome(), heard.shown), (Ok(StopReason::EndTurn), shown), "{texts:?}");
        assert_eq!(letters(&stage), [sent], "{texts:?}");
        assert_eq!(stage.server.refused(), Vec::<String>::new());
    }
    // Without a turn to answer, no model is asked.
    let stage = Stage::with(kind, vec![good()]).await;
    for texts in [&[][..], &["a"], &["", " "]] {
        let heard = stage.hear(Request { turns: turns(texts), ..request() }).await;
        assert_eq!(heard.outcome(), Err(Fault::RequestRefused), "{texts:?}");
    }
    assert_eq!(stage.server.asked().len(), 0);
}

pub async fn a_request_that_is_too_long_loses_turns_until_it_fits(kind: Kind) {
    let texts = ["a", "b", "c", " ", "e", "f", "g", "h"];
    let too_long = || Act::Refuses(Refusal::TooLong);
    let all = || vec![vec![1, 2, 4, 5, 6, 7], vec![5, 6, 7], vec![7]];
    for (acts, shown, outcome) in [
        (vec![too_long(), good()], all()[..2].to_vec(), Ok(StopReason::EndTurn)),
        (vec![too_long(), too_long(), good()], all(), Ok(StopReason::EndTurn)),
        // The last turn alone is too long.
        (vec![too_long()], all(), Err(Fault::ContextTooLong)),
    ] {
        let stage = Stage::with(kind, acts).await;
        let heard = stage.hear(Request { turns: turns(&texts), ..request() }).await;
        assert_eq!((heard.outcome(), heard.shown.as_slice()), (outcome, shown.as_slice()));
        let sent = &["bcefgh", "fgh", "h"][..shown.len()];
        assert_eq!(letters(&stage), sent);
        let text = if outcome.is_ok() { whole() } else { String::new() };
        assert_eq!(heard.text, text);
    }
}
