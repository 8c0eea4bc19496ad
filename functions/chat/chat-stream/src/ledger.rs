//! The records of a reply's steps and calls. Every write requires that this worker still writes the
//! reply. So a worker that was declared dead changes nothing.

use platform::clock::Clock;
use platform::database::{CommitError, Database, StoreError, Write};
use platform::{ConfigError, Platform, Problem};
use tally_chat::domain::CallStatus;
use tally_chat::store::{CallRecord, Message, Messages, Step, Steps, StepsTaken};

use crate::outcome::Outcome;

/// Stands for the result of a call that was made, until the result is stored.
const NO_RESULT: &str = "";

/// Stores steps and calls.
pub struct Ledger {
    messages: Messages,
    steps: Steps,
    database: Database,
    clock: Clock,
}

impl Ledger {
    /// Uses the tables that `MESSAGES_TABLE` and `STEPS_TABLE` name.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            messages: Messages::new(platform)?,
            steps: Steps::new(platform)?,
            database: platform.database()?,
            clock: platform.clock.clone(),
        })
    }

    /// The steps that a reply has taken, with their calls.
    pub async fn taken(&self, reply: &Message) -> Result<StepsTaken, StoreError> {
        self.steps.of(&reply.id).await
    }

    /// Notes that a step begins, before the model is asked.
    pub async fn begin(&self, reply: &Message, number: u8) -> Result<(), Outcome> {
        let has_begun = self.messages.begin_step(reply, number).await?;
        if has_begun { Ok(()) } else { Err(Outcome::Lost) }
    }

    /// Stores a step and its calls, before any of them is made.
    pub async fn add(
        &self,
        reply: &Message,
        step: &Step,
        calls: &[CallRecord],
    ) -> Result<(), Outcome> {
        let added = self.steps.add(step, calls, self.clock.now())?;
        let is_claimed = [self.messages.is_claimed(reply)];
        match self.database.commit(is_claimed.into_iter().chain(added).collect()).await {
            Ok(()) => Ok(()),
            Err(CommitError::Condition { .. }) => Err(Outcome::Lost),
            Err(CommitError::Store(error)) => Err(error.into()),
        }
    }

    /// The writes that are in the transaction of a call. Their conditions fail where another worker
    /// writes the reply, and where the call was made already.
    pub fn completing(&self, reply: &Message, call: &CallRecord) -> Vec<(Write, Problem)> {
        let completed = self.steps.finish(call, CallStatus::Completed, NO_RESULT, NO_RESULT);
        [self.messages.is_claimed(reply), completed]
            .map(|write| (write, Problem::conflict()))
            .into()
    }

    /// Stores how calls ended that left no effect. Returns false, and stores nothing, if one of
    /// them has ended otherwise.
    pub async fn finish(&self, reply: &Message, calls: &[&CallRecord]) -> Result<bool, Outcome> {
        if calls.is_empty() {
            return Ok(true);
        }
        let ends = calls.iter().map(|call| {
            let result = call.result.as_deref().unwrap_or_default();
            let summary = call.summary.as_deref().unwrap_or_default();
            self.steps.finish(call, call.status, result, summary)
        });
        let is_claimed = [self.messages.is_claimed(reply)];
        match self.database.commit(is_claimed.into_iter().chain(ends).collect()).await {
            Ok(()) => Ok(true),
            Err(CommitError::Condition { position: 0, .. }) => Err(Outcome::Lost),
            Err(CommitError::Condition { .. }) => Ok(false),
            Err(CommitError::Store(error)) => Err(error.into()),
        }
    }

    /// Stores the result of a call whose effect is stored. A failure is logged: the call was made,
    /// and this worker knows its result.
    pub async fn keep_result(&self, call: &CallRecord) {
        if let Err(error) = self.steps.keep_result(call).await {
            tracing::warn!(
                %error,
                message_id = call.message_id,
                call_id = call.call_id,
                "failed to store the result of a call; a worker that goes on after a confirmation \
                 lacks it"
            );
        }
    }

    /// A call as it is stored now.
    pub async fn call(&self, call: &CallRecord) -> Result<Option<CallRecord>, Outcome> {
        let taken = self.steps.of(&call.message_id).await?;
        let mut all = taken.into_iter().flat_map(|(_, calls)| calls);
        Ok(all.find(|found| found.step == call.step && found.call_id == call.call_id))
    }
}
