//! Calls to a model with answers in turn, and what a caller hears of them.

use std::fmt::Debug;

use assistant::Fault;
use assistant::domain::StopReason;
use futures_util::future::join_all;
use tally_tests::model_server::Answer;

use super::kind::Kind;
use super::stage::{PARTS, Stage, hear, request, whole};

/// The expected outcome of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// The whole reply of [`PARTS`].
    Whole,
    /// This failure before any text.
    Nothing(Fault),
    /// This failure after so many of [`PARTS`].
    Part(Fault, usize),
}
use Expected::{Nothing, Part, Whole};

/// Runs each case with a model that gives the case's answers in turn and repeats the last one.
/// Checks the outcome and how often the model was asked.
pub async fn check<N: Debug>(
    kind: Kind,
    cases: impl IntoIterator<Item = (N, Vec<Answer>, Expected, usize)>,
) {
    // Start the stand-ins before the first call is timed.
    let stages = cases.into_iter().map(move |(name, answers, expected, requests)| async move {
        let patience = patience(&answers);
        (name, Stage::in_turn(kind, answers).await, patience, expected, requests)
    });
    let stages = join_all(stages).await;
    let calls = stages.into_iter().map(|(name, stage, patience, expected, requests)| async move {
        let heard = hear(&*stage.provider(&patience), request()).await;
        match (&heard.end, expected) {
            (Ok(reason), Whole) => {
                assert_eq!((*reason, heard.text), (StopReason::EndTurn, whole()), "{name:?}");
            }
            (Err(error), Nothing(fault)) => {
                assert_eq!((error.fault, error.produced), (fault, false), "{name:?}: {error}");
                assert_eq!(heard.text, "", "{name:?}");
            }
            (Err(error), Part(fault, parts)) => {
                assert_eq!((error.fault, error.produced), (fault, true), "{name:?}: {error}");
                assert_eq!(heard.text, PARTS[..parts].concat(), "{name:?}");
                let usage = heard.usage();
                assert!(usage.input_tokens > 0 && usage.output_tokens > 0, "{name:?}: {usage:?}");
            }
            (end, expected) => panic!("{name:?}: {end:?} is not {expected:?}"),
        }
        assert_eq!(heard.models, ["first"], "{name:?}");
        assert_eq!(stage.server.asked().len(), requests, "{name:?}");
        assert_eq!(stage.server.refused(), Vec::<String>::new(), "{name:?}");
    });
    join_all(calls).await;
}

/// The time limits of a case. They are short where the model is silent, and long elsewhere, so that
/// a slow machine does not fail the test.
fn patience(answers: &[Answer]) -> [(&'static str, &'static str); 2] {
    let limit = if answers.iter().any(Answer::is_silent) { "1000" } else { "20000" };
    [("AI_FIRST_TOKEN_MILLISECONDS", limit), ("AI_IDLE_MILLISECONDS", limit)]
}
