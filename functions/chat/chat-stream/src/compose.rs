//! Asks the model, and takes its text until the reply ends.

use std::ops::ControlFlow;

use assistant::domain::{PromptName, StopReason};
use assistant::{Event, Fault, Provider, ProviderError, Request, Turn};
use futures_util::StreamExt as _;
use futures_util::future::join;
use platform::Problem;
use tokio::time::error::Elapsed;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::checkpoint::Command;
use crate::draft::Draft;
use crate::input::Inputs;

/// Asks the model and takes its text until the reply is complete, broken off or stopped, or its
/// time is up. Returns `None` if another function has ended the reply.
pub async fn compose(
    provider: &dyn Provider,
    inputs: &Inputs,
    draft: &mut Draft<'_>,
    until: Instant,
) -> Result<Option<StopReason>, Problem> {
    let reply = draft.reply().clone();
    // The worker looks for subscribers while it reads the conversation.
    let (turns, command) =
        join(timeout_at(until, inputs.turns(&reply)), timeout_at(until, draft.checkpoint())).await;
    if let ControlFlow::Break(end) = flow_of(&command) {
        return Ok(end);
    }
    let Ok(turns) = turns else { return Ok(Some(StopReason::Deadline)) };
    let prompt = PromptName::Default;
    let turns = turns?;
    if !inputs.is_covered(&reply, prompt, &turns) {
        tracing::error!(
            message_id = reply.id,
            "the reply can cost more than its reservation: it was reserved under other prices"
        );
        return Err(Problem::unavailable());
    }
    let turns = turns.into_iter().map(|message| Turn::text(message.role, message.text)).collect();
    let request = Request { reply_id: reply.id, prompt, turns, tools: Vec::new() };
    let mut events = provider.call(request);
    loop {
        let event = tokio::select! {
            biased;
            () = sleep_until(until) => return Ok(Some(StopReason::Deadline)),
            () = sleep_until(draft.due()) => match flow_of(
                &timeout_at(until, draft.advance()).await,
            ) {
                ControlFlow::Continue(()) => continue,
                ControlFlow::Break(end) => return Ok(end),
            },
            event = events.next() => event,
        };
        match event {
            Some(Ok(Event::Text(text))) => {
                if !draft.push(&text) {
                    return Ok(Some(StopReason::MaxTokens));
                }
            }
            Some(Ok(Event::Model(model))) => draft.model = model,
            Some(Ok(Event::Usage(usage))) => {
                draft.usage = usage;
                // The usage is announced before the call is sent. The worker stores it before
                // it asks for the next event.
                if draft.is_unbilled()
                    && let ControlFlow::Break(end) =
                        flow_of(&timeout_at(until, draft.checkpoint()).await)
                {
                    return Ok(end);
                }
            }
            Some(Ok(Event::Stop(reason))) => return Ok(Some(reason)),
            // The request offers no tools, so the model should ask for none.
            Some(Ok(Event::Shown(_) | Event::ToolUse(_))) => {}
            Some(Err(error)) => return Err(error.into()),
            None => {
                return Err(ProviderError::new(
                    Fault::Broken,
                    "the events ended before the reply was complete",
                )
                .into());
            }
        }
    }
}

/// How a reply ends because of a command, or because its time is up. `None` if another function has
/// ended it.
fn flow_of(command: &Result<Command, Elapsed>) -> ControlFlow<Option<StopReason>> {
    match command {
        Ok(Command::Continue) => ControlFlow::Continue(()),
        Ok(Command::Stop) => ControlFlow::Break(Some(StopReason::Cancelled)),
        Ok(Command::Abandon) => ControlFlow::Break(None),
        Err(_) => ControlFlow::Break(Some(StopReason::Deadline)),
    }
}
