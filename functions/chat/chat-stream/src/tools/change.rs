//! A change of the notes of a conversation.

use futures_util::FutureExt as _;
use platform::audit::AuditDetails;
use platform::clock::Timestamp;
use platform::plan::Retry;
use platform::{Plan, Problem};
use serde::Serialize;
use tally_access::sources::Sources;
use tally_chat::domain::{STATE_KEYS, StateFull, StateKey, StateText};
use tally_chat::store::State;
use tally_chat::{Notebook, Opened};
use tally_tools::{Found, Given};
use utoipa::ToSchema;

/// The result of a change. It has no value, so it comes from no cells.
#[derive(Serialize, ToSchema)]
pub struct Noted {
    /// The key.
    pub key: String,
    /// Number of the changes of the notes.
    pub version: u64,
}

/// A change while it is decided.
pub struct Change {
    notebook: Notebook,
    conversation_id: String,
    /// The columns that the model has seen. A value that it keeps may come from any of them.
    seen: Sources,
    now: Timestamp,
    key: StateKey,
    /// The value to keep; `None` to forget it.
    value: Option<StateText>,
}

impl Change {
    /// Reads the notes, and plans the change of the one with this key.
    pub async fn of(
        notebook: &Notebook,
        given: Given<'_>,
        key: StateKey,
        value: Option<StateText>,
    ) -> Result<Plan<Found<Noted>>, Problem> {
        // An MCP client has neither.
        let (Some(conversation_id), Some(seen)) = (given.conversation_id, given.seen) else {
            return Err(Problem::internal());
        };
        let opened = notebook.open(&given.caller.user_id, conversation_id).await?;
        let change = Self {
            notebook: notebook.clone(),
            conversation_id: conversation_id.to_owned(),
            seen: seen.clone(),
            now: given.now,
            key,
            value,
        };
        change.plan(opened.ok_or_else(Problem::not_found)?)
    }

    fn plan(self, opened: Opened) -> Result<Plan<Found<Noted>>, Problem> {
        let before = opened.state(self.now);
        let (values, sources) = match &self.value {
            Some(text) => {
                let values = before.values.clone().with(&self.key, text.clone()).map_err(full)?;
                (values, self.joined(&before)?)
            }
            None => (before.values.clone().without(&self.key), before.sources.clone()),
        };
        let sources = if values.is_empty() { Sources::default() } else { sources };
        let details = AuditDetails::default().resource("conversation", &self.conversation_id);
        let noted =
            |key: &StateKey, version| Found::from(Noted { key: key.as_str().to_owned(), version });
        if values == before.values && sources == before.sources {
            return Ok(Plan::reply(noted(&self.key, before.version)).details(details));
        }
        let (after, [exists, put]) = self.notebook.set(&opened, values, sources, self.now)?;
        let plan = Plan::reply(noted(&self.key, after.version)).details(details);
        // Another reply of the conversation, or its owner, was faster.
        let again: Retry<Found<Noted>> = Box::new(move |found| {
            async move {
                let opened = self.notebook.again(opened, found)?;
                self.plan(opened)
            }
            .boxed()
        });
        Ok(plan.write_or(exists, Problem::not_found()).write_or_retry(put, again))
    }

    /// The sources of the notes, with the columns that the model has seen.
    fn joined(&self, before: &State) -> Result<Sources, Problem> {
        let mut sources = before.sources.clone();
        if sources.add(&self.seen) {
            return Ok(sources);
        }
        let detail = "comes from too many columns, with the other notes: forget all notes first";
        Err(Problem::invalid_field("value", detail))
    }
}

/// The refusal of one more value, as a model reads it.
fn full(full: StateFull) -> Problem {
    match full {
        StateFull::Keys => {
            let detail = format!("is one key too many: there are {STATE_KEYS}. Forget one first");
            Problem::invalid_field("key", detail)
        }
        StateFull::Bytes => {
            let detail = "is too long: all notes have 8 KB together. Forget one first, or write \
                          less";
            Problem::invalid_field("value", detail)
        }
    }
}
