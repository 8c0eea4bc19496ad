//! What a model does, as an answer of this API.

use assistant::domain::StopReason;

use super::Answer;
use super::dialect::Dialect;
use super::errors::{broken, refusal};
use super::step::Step;
use crate::model_server::{Act, Break, Use};

/// What a model does, as OpenAI answers it.
pub fn act(act: &Act) -> Answer {
    act_in(Dialect::Openai, act)
}

/// The same, as a server with this dialect answers it.
pub fn act_in(dialect: Dialect, act: &Act) -> Answer {
    match act {
        Act::Says(parts, reason) => says(parts).stops(word(*reason)).answer_in(dialect),
        Act::Uses(text, uses) => calls(text, uses).answer_in(dialect),
        Act::Refuses(reason) => refusal(dialect, *reason),
        Act::Breaks(parts, after, how) => breaks(dialect, parts, *after, *how),
        Act::Silence => Answer::silence(),
        Act::Reset => Answer::reset(),
    }
}

fn says(parts: &[String]) -> Step {
    let parts: Vec<_> = parts.iter().map(String::as_str).collect();
    Step::new().writes(&parts)
}

fn calls(text: &str, uses: &[Use]) -> Step {
    let step = if text.is_empty() { Step::new() } else { Step::new().says(text) };
    let step = uses.iter().fold(step, |step, used| step.calls(&used.id, &used.name, &used.input));
    step.counts(uses.len() + 1)
}

fn breaks(dialect: Dialect, parts: &[String], after: usize, how: Break) -> Answer {
    let step = says(parts);
    let kept = step.lead(dialect) + after;
    let frames = step.frames_in(dialect).into_iter().take(kept);
    let error = (how == Break::Error).then(|| broken(dialect));
    Answer::stream(frames.chain(error.into_iter().flatten())).then(how)
}

/// The API's word for a reason to stop.
fn word(reason: StopReason) -> &'static str {
    match reason {
        StopReason::EndTurn | StopReason::StopSequence => "stop",
        StopReason::MaxTokens | StopReason::ModelContextWindowExceeded => "length",
        StopReason::ToolUse => "tool_calls",
        StopReason::Refusal => "content_filter",
        other => panic!("the API has no word for {other:?}"),
    }
}
