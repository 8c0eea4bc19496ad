//! The steps of a reply, from the first to its end. In a step the model is asked once. If it asks
//! for calls of tools, they are answered, and the next step follows. A reply without an agent has
//! one step.

use std::time::Duration;

use assistant::Provider;
use assistant::domain::StopReason;
use futures_util::future::join3;
use platform::Problem;
use platform::clock::Clock;
use tally_chat::store::{AgentTerms, Message, Step};
use texts::Texts;
use tokio::time::{Instant, timeout_at};

use crate::blocks::calls_in;
use crate::calls::Calls;
use crate::draft::Draft;
use crate::input::{Input, Inputs};
use crate::job::Job;
use crate::outcome::{Outcome, go_on};
use crate::run_step::{Written, run_step};
use crate::taken::Taken;

/// Time that a step needs to be worth its cost. A worker that has less left begins no further one.
const STEP_TIME: Duration = Duration::from_secs(10);

/// What the steps of all replies share.
pub struct Parts<'a> {
    /// The model.
    pub provider: &'a dyn Provider,
    /// The input of the model.
    pub inputs: &'a Inputs,
    /// The texts of events.
    pub texts: &'a Texts,
    /// The calls of tools.
    pub calls: &'a Calls,
    /// The clock.
    pub clock: &'a Clock,
}

/// Writes a reply step by step: to its end, or until it waits for its user. `taken` has the steps
/// from before such a wait. At `until` the reply ends with the text that it has.
pub async fn write(
    parts: &Parts<'_>,
    taken: Vec<Taken>,
    draft: &mut Draft<'_>,
    until: Instant,
) -> Outcome {
    match Box::pin(take_steps(parts, taken, draft, until)).await {
        Ok(reason) => Outcome::Ends(reason),
        Err(outcome) => outcome,
    }
}

async fn take_steps(
    parts: &Parts<'_>,
    taken: Vec<Taken>,
    draft: &mut Draft<'_>,
    until: Instant,
) -> Result<StopReason, Outcome> {
    let reply = &draft.reply().clone();
    let input = prepare(parts, reply, draft, until).await?;
    let Some(terms) = &reply.terms else {
        let written = ask(parts, reply, &input, &[], 1, draft, until).await?;
        return Ok(written.reason);
    };
    let origin = reply.origin.as_ref().ok_or_else(Problem::internal)?;
    let job = Job { reply, origin, terms, until, clock: parts.clock };
    with_tools(parts, &job, input, taken, draft).await
}

/// Reads the input of the model. Meanwhile the worker looks for subscribers, and gets the user's
/// data key.
async fn prepare(
    parts: &Parts<'_>,
    reply: &Message,
    draft: &mut Draft<'_>,
    until: Instant,
) -> Result<Input, Outcome> {
    let (input, command, key) = join3(
        timeout_at(until, parts.inputs.read(reply)),
        timeout_at(until, draft.checkpoint()),
        timeout_at(until, parts.texts.prepare(&reply.user_id)),
    )
    .await;
    go_on(&command)?;
    let (input, key) = (input?, key?);
    // Without a key, the audit log could not say what the model was asked. So it is not asked.
    key.map_err(Problem::from)?;
    let input = input?;
    // From here on, only users who may read the sources see the text.
    if input.sources != reply.sources {
        if !timeout_at(until, parts.inputs.note(reply, &input.sources)).await?? {
            return Err(Outcome::Lost);
        }
        draft.comes_from(input.sources.clone());
    }
    Ok(input)
}

/// Takes steps until the model has nothing more to call, or the agent may take no more.
async fn with_tools(
    parts: &Parts<'_>,
    job: &Job<'_>,
    mut input: Input,
    mut taken: Vec<Taken>,
    draft: &mut Draft<'_>,
) -> Result<StopReason, Outcome> {
    input.tools = parts.calls.offered(job).await?;
    loop {
        if let Some(last) = taken.last_mut() {
            Box::pin(parts.calls.answer(job, parts.inputs, draft, last)).await?;
            if !last.calls.is_empty() {
                draft.begin_paragraph();
            }
        }
        let number = u8::try_from(taken.len() + 1).unwrap_or(u8::MAX);
        let written = ask(parts, job.reply, &input, &taken, number, draft, job.until).await?;
        let Written { blocks, reason } = written;
        let has_calls = calls_in(&blocks).next().is_some();
        if let Some(reason) = end_after(job.terms, number, reason, has_calls) {
            return Ok(reason);
        }
        let step = Step { message_id: job.reply.id.clone(), number, blocks };
        taken.push(Box::pin(parts.calls.take(job, draft, step)).await?);
    }
}

/// Takes one step, if the reply's hold covers it.
async fn ask(
    parts: &Parts<'_>,
    reply: &Message,
    input: &Input,
    taken: &[Taken],
    number: u8,
    draft: &mut Draft<'_>,
    until: Instant,
) -> Result<Written, Outcome> {
    let request = input.request(reply, taken, number);
    if !parts.inputs.is_covered(reply, draft.cost(), &request) {
        return Err(not_covered(reply, number));
    }
    if number > 1 {
        if until.saturating_duration_since(Instant::now()) < STEP_TIME {
            return Err(Outcome::Ends(StopReason::Deadline));
        }
        timeout_at(until, parts.inputs.may_be_shown(draft.reply())).await??;
    }
    if reply.terms.is_some() {
        timeout_at(until, parts.calls.ledger.begin(reply, number)).await??;
        draft.begin_step(number);
    }
    let asked = input.asked();
    Box::pin(run_step(parts.provider, request, &asked, draft, until)).await
}

/// How a reply ends whose next step can cost more than is held for it.
fn not_covered(reply: &Message, number: u8) -> Outcome {
    if number > 1 {
        return Outcome::Ends(StopReason::BudgetExceeded);
    }
    tracing::error!(
        message_id = reply.id,
        "the reply can cost more than its reservation: it was reserved under other prices"
    );
    Outcome::Fails(Problem::unavailable())
}

/// Why the reply ends after a step; `None` if another step follows.
fn end_after(
    terms: &AgentTerms,
    number: u8,
    reason: StopReason,
    has_calls: bool,
) -> Option<StopReason> {
    match reason {
        // The provider leaves out the calls that the model asks for in the last step.
        StopReason::ToolUse | StopReason::PauseTurn if number >= terms.max_steps => {
            Some(StopReason::MaxSteps)
        }
        StopReason::ToolUse if !has_calls => Some(reason),
        StopReason::ToolUse | StopReason::PauseTurn => None,
        _ => Some(reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tally_chat::domain::Confirm;

    #[test]
    fn a_step_follows_where_the_model_has_not_ended_and_the_agent_may_take_one_more() {
        use StopReason::{EndTurn, MaxSteps, MaxTokens, PauseTurn, Refusal, ToolUse};
        let terms = AgentTerms {
            tools: Vec::new(),
            model: None,
            max_steps: 3,
            max_cost_usd: "0.50".parse().unwrap(),
            confirm: Confirm::Writes,
        };
        for (number, reason, has_calls, end) in [
            (1, ToolUse, true, None),
            (2, ToolUse, true, None),
            (3, ToolUse, true, Some(MaxSteps)),
            (1, PauseTurn, false, None),
            (3, PauseTurn, false, Some(MaxSteps)),
            (1, EndTurn, false, Some(EndTurn)),
            // Calls that are cut off are never made.
            (1, MaxTokens, true, Some(MaxTokens)),
            (1, Refusal, true, Some(Refusal)),
            (1, ToolUse, false, Some(ToolUse)),
            (3, ToolUse, false, Some(MaxSteps)),
        ] {
            assert_eq!(end_after(&terms, number, reason, has_calls), end, "{number} {reason:?}");
        }
    }
}
