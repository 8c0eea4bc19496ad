//! One step: asks the model once, and takes what it writes.

use assistant::domain::StopReason;
use assistant::{Content, Event, Fault, Provider, ProviderError, Request};
use futures_util::StreamExt as _;
use tally_chat::Asked;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::blocks::Blocks;
use crate::draft::Draft;
use crate::outcome::{Outcome, go_on};

/// What the model wrote in a step, and why it stopped.
#[derive(Debug)]
pub struct Written {
    /// The parts of its message.
    pub blocks: Vec<Content>,
    /// Why it stopped.
    pub reason: StopReason,
}

/// Asks the model and takes its text until it stops. The text goes to the subscribers as it comes.
/// `asked` describes the request for the audit log.
pub async fn run_step(
    provider: &dyn Provider,
    request: Request,
    asked: &Asked,
    draft: &mut Draft<'_>,
    until: Instant,
) -> Result<Written, Outcome> {
    let mut blocks = Blocks::default();
    let mut events = provider.call(request);
    let mut is_asked = false;
    loop {
        let event = tokio::select! {
            biased;
            () = sleep_until(until) => return Err(Outcome::Ends(StopReason::Deadline)),
            () = sleep_until(draft.due()) => {
                go_on(&timeout_at(until, draft.advance()).await)?;
                continue;
            }
            event = events.next() => event,
        };
        // A provider says what it is about to send before it sends it. Where it has only an error,
        // no model was asked.
        if matches!(event, Some(Ok(_))) && !is_asked {
            is_asked = true;
            draft.asked = Some(asked.clone());
        }
        match event {
            Some(Ok(Event::Shown(turns))) => draft.asked = Some(asked.showing(&turns)),
            Some(Ok(Event::Text(text))) => {
                if !draft.push(&text) {
                    return Err(Outcome::Ends(StopReason::MaxTokens));
                }
                blocks.push_text(&text);
            }
            Some(Ok(Event::Thought(thought))) => blocks.push(Content::Thought(thought)),
            Some(Ok(Event::ToolUse(call))) => blocks.push(Content::ToolUse(call)),
            Some(Ok(Event::Model(model))) => draft.model = model,
            Some(Ok(Event::Usage(usage))) => {
                draft.usage = usage;
                // The usage is announced before the call is sent. The worker stores it before
                // it asks for the next event.
                if draft.is_unbilled() {
                    go_on(&timeout_at(until, draft.checkpoint()).await)?;
                }
            }
            Some(Ok(Event::Stop(reason))) => {
                return Ok(Written { blocks: blocks.into_vec(), reason });
            }
            Some(Err(error)) => return Err(error.into()),
            None => {
                let detail = "the events ended before the reply was complete";
                return Err(ProviderError::new(Fault::Broken, detail).into());
            }
        }
    }
}
