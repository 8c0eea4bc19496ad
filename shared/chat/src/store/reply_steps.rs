//! Replies in the table of [`Messages`] that use tools: their steps, and the waits for their user.

use platform::database::{Expression, Item, StoreError, Write, item, n, s, value};
use serde::de::IgnoredAny;

use super::messages::{key, status};
use super::{Message, Messages};
use crate::domain::MessageStatus;

impl Messages {
    /// Notes that the worker which has acquired this reply begins this step, before it asks the
    /// model. Returns false if another worker writes the reply, or none does.
    pub async fn begin_step(&self, reply: &Message, number: u8) -> Result<bool, StoreError> {
        let (condition, expression) = claimed(reply);
        let expression = expression.value("number", n(number));
        let (id, update) = (key(&reply.conversation_id, &reply.id), "SET steps = :number");
        let begun: Option<IgnoredAny> =
            self.database.update_if(&self.table, id, update, condition, &expression).await?;
        Ok(begun.is_some())
    }

    /// Writes nothing, but requires that the worker which has acquired this reply still writes it.
    pub fn is_claimed(&self, reply: &Message) -> Write {
        let (condition, expression) = claimed(reply);
        let id = key(&reply.conversation_id, &reply.id);
        Write::check(&self.table, id, condition, &expression)
    }

    /// A reply that waits for its user from now on. The condition fails where its worker does not
    /// write it any more. The text stays in the draft.
    pub fn wait(&self, reply: &Message) -> Result<Write, StoreError> {
        let waiting = Message {
            status: MessageStatus::AwaitingConfirmation,
            text: String::new(),
            ..reply.clone()
        };
        self.end(&waiting, MessageStatus::Streaming)
    }

    /// The calls of a reply that waits, after another decision. With the last decision the reply
    /// is `pending`. The condition fails where the reply does not wait, and where another decision
    /// came first. `reply` has the number of decisions up to now, and the calls as they are then.
    pub fn decide(&self, reply: &Message, is_last: bool) -> Result<Write, StoreError> {
        let to = if is_last { MessageStatus::Pending } else { MessageStatus::AwaitingConfirmation };
        let calls = item(reply)?.remove("tool_calls");
        let expression = Expression::default()
            .name("status", "status")
            .value("waits", status(MessageStatus::AwaitingConfirmation))
            .value("to", status(to))
            .value("calls", calls.map_or_else(|| value(Vec::<String>::new()), Ok)?)
            .value("next", value(reply.decisions.saturating_add(1))?);
        let (condition, expression) = match reply.decisions {
            0 => ("#status = :waits AND attribute_not_exists(decisions)", expression),
            before => {
                ("#status = :waits AND decisions = :before", expression.value("before", n(before)))
            }
        };
        let update = "SET #status = :to, tool_calls = :calls, decisions = :next";
        let id: Item = key(&reply.conversation_id, &reply.id);
        Ok(Write::update(&self.table, id, update, condition, &expression))
    }
}

/// The condition that the worker which has acquired this reply still writes it.
fn claimed(reply: &Message) -> (&'static str, Expression) {
    let expression = Expression::default()
        .name("status", "status")
        .value("streaming", status(MessageStatus::Streaming))
        .value("claim", s(reply.claim.as_deref().unwrap_or_default()));
    ("#status = :streaming AND claim = :claim", expression)
}
