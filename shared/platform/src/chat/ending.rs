//! The end of a reply: stored once, together with the event `chat.message`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::audit::Note;
use crate::clock::Clock;
use crate::config::ConfigError;
use crate::domain::MessageStatus;
use crate::gate::{Gate, Passage};
use crate::plan::Plan;
use crate::platform::Platform;
use crate::problem::Problem;
use crate::store::{Message, Messages};

/// Ends replies.
#[derive(Clone)]
pub struct Endings {
    messages: Messages,
    gate: Arc<Gate>,
    clock: Clock,
}

impl Endings {
    /// Uses the tables that `MESSAGES_TABLE` and `AUDIT_TABLE` name.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            messages: Messages::new(platform.database()?, &platform.config)?,
            // Who asked was checked when they did.
            gate: Arc::new(Gate::for_workers(platform)?),
            clock: platform.clock.clone(),
        })
    }

    /// Stores a reply in its final state with its event; `false` where it is no longer as far as `from`: then somebody
    /// else has ended it, and nothing is written. The event has no text, of neither the prompt nor the reply.
    pub async fn end(&self, reply: &Message, from: MessageStatus, model: Option<&str>) -> Result<bool, Problem> {
        let origin = reply.origin.as_ref().ok_or_else(|| {
            tracing::error!(message_id = reply.id, "a message that nobody asked for is no reply");
            Problem::internal()
        })?;
        let plan = match reply.status {
            MessageStatus::Failed => Plan::<()>::refuse(Problem::unavailable()),
            _ => Plan::reply(()),
        };
        let plan = plan.note(note(reply, model)).write_or(self.messages.end(reply, from)?, Problem::conflict());
        let now = self.clock.now();
        let waited = u64::try_from(now.as_millisecond() - reply.created_at).unwrap_or(0);
        let asked = Instant::now().checked_sub(Duration::from_millis(waited));
        let passage = Passage { context: &origin.context, now, since: asked.unwrap_or_else(Instant::now), action: None, claim: None };
        let committed = self.gate.write(Ok(plan), Some(&origin.caller), &passage).await?;
        Ok(!committed.reply.is_err_and(|problem| problem.code == Problem::conflict().code))
    }
}

fn note(reply: &Message, model: Option<&str>) -> Note {
    let note = Note::action("chat.message")
        .resource("message", &reply.id)
        .detail("conversation_id", reply.conversation_id.as_str())
        .detail("status", reply.status.as_str());
    let note = model.into_iter().fold(note, |note, model| note.detail("model", model));
    let note = reply.stop_reason.into_iter().fold(note, |note, reason| note.detail("stop_reason", reason.as_str()));
    let note = reply.cost_usd.into_iter().fold(note, |note, cost| note.detail("cost_usd", cost.to_string()));
    reply.usage.into_iter().fold(note, |note, usage| {
        note.detail("input_tokens", usage.input_tokens)
            .detail("output_tokens", usage.output_tokens)
            .detail("cache_read_tokens", usage.cache_read_tokens)
            .detail("cache_write_tokens", usage.cache_write_tokens)
    })
}
