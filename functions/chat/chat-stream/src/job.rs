//! A reply whose calls of tools are made.

use platform::Problem;
use platform::clock::Clock;
use platform::database::Write;
use platform::identity::Authority;
use serde_json::Value;
use tally_access::sources::Sources;
use tally_chat::store::{AgentTerms, CallRecord, Message, Origin};
use tally_tools::{Call, Refused};
use tokio::time::Instant;

/// A reply whose calls of tools are made.
pub struct Job<'a> {
    /// The reply, as the worker has acquired it.
    pub reply: &'a Message,
    /// Who asked for it, and from where.
    pub origin: &'a Origin,
    /// What its agent may do.
    pub terms: &'a AgentTerms,
    /// When the reply ends at the latest.
    pub until: Instant,
    /// The clock.
    pub clock: &'a Clock,
}

/// What calls depend on when they are made.
#[derive(Debug)]
pub struct Moment {
    /// The rights of the user.
    pub authority: Authority,
    /// The sources of the reply: the columns that the model has seen.
    pub seen: Sources,
}

impl<'a> Job<'a> {
    /// The call of a tool that a record stands for. The writes are in its transaction.
    pub fn call(
        &'a self,
        record: &'a CallRecord,
        moment: &'a Moment,
        writes: Vec<(Write, Problem)>,
    ) -> Result<Call<'a>, Refused> {
        let Value::Object(arguments) = &record.arguments else {
            let problem = Problem::malformed_request("The arguments must be a JSON object.");
            return Err(Refused::Failed(problem));
        };
        Ok(Call {
            tool: &record.tool,
            arguments,
            caller: &self.origin.caller,
            authority: &moment.authority,
            context: &self.origin.context,
            now: self.clock.now(),
            conversation_id: Some(&self.reply.conversation_id),
            seen: Some(&moment.seen),
            details: vec![
                ("via", "chat".into()),
                ("tool", record.tool.as_str().into()),
                ("call_id", record.call_id.as_str().into()),
                ("message_id", self.reply.id.as_str().into()),
            ],
            writes,
        })
    }
}
