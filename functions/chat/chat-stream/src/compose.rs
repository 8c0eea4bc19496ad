//! Asks the model, and takes its text until the reply ends.

use std::ops::ControlFlow;

use assistant::domain::{PromptName, StopReason};
use assistant::{Event, Fault, Provider, ProviderError, Request};
use futures_util::StreamExt as _;
use futures_util::future::join3;
use platform::Problem;
use texts::Texts;
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
    texts: &Texts,
    draft: &mut Draft<'_>,
    until: Instant,
) -> Result<Option<StopReason>, Problem> {
    let reply = draft.reply().clone();
    // The worker looks for subscribers, and gets the user's data key, while it reads the
    // conversation and the cells.
    let (input, command, key) = join3(
        timeout_at(until, inputs.read(&reply)),
        timeout_at(until, draft.checkpoint()),
        timeout_at(until, texts.prepare(&reply.user_id)),
    )
    .await;
    if let ControlFlow::Break(end) = flow_of(&command) {
        return Ok(end);
    }
    let (Ok(input), Ok(key)) = (input, key) else { return Ok(Some(StopReason::Deadline)) };
    // Without a key, the audit log could not say what the model was asked. So it is not asked.
    key?;
    let prompt = PromptName::Default;
    let input = input?;
    if !inputs.is_covered(&reply, prompt, &input) {
        tracing::error!(
            message_id = reply.id,
            "the reply can cost more than its reservation: it was reserved under other prices"
        );
        return Err(Problem::unavailable());
    }
    // From here on, only users who may read the sources see the text.
    if input.sources != reply.sources {
        let noted = timeout_at(until, inputs.note(&reply, &input.sources)).await;
        let Ok(noted) = noted else { return Ok(Some(StopReason::Deadline)) };
        if !noted? {
            return Ok(None);
        }
        draft.comes_from(input.sources.clone());
    }
    let asked = input.asked(prompt);
    let turns = input.into_turns();
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
        // A provider says what it is about to send before it sends it. Where it has only an error,
        // no model was asked.
        if matches!(event, Some(Ok(_))) {
            draft.asked.get_or_insert_with(|| asked.clone());
        }
        match event {
            Some(Ok(Event::Shown(turns))) => draft.asked = Some(asked.showing(&turns)),
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
            Some(Ok(Event::ToolUse(_))) => {}
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
