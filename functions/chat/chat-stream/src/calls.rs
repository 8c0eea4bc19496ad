//! The calls of tools that the steps of a reply ask for. A call is recorded before it is made, and
//! shown to the subscribers of the reply.

use assistant::Tool;
use assistant::domain::StopReason;
use platform::clock::Clock;
use platform::{ConfigError, Platform, Problem};
use tally_access::sources::Sources;
use tally_chat::Credentials;
use tally_chat::domain::CallStatus;
use tally_chat::store::{CallRecord, Step, StepsTaken};

use crate::alongside::drop_at_stop;
use crate::answers::{MOST_CALLS, unrecorded};
use crate::blocks::calls_in;
use crate::draft::Draft;
use crate::input::Inputs;
use crate::intake::records;
use crate::job::{Job, Moment};
use crate::ledger::Ledger;
use crate::outcome::Outcome;
use crate::taken::Taken;
use crate::toolset::Toolset;

/// Default of `CONFIRM_SECONDS`, the seconds that a user has for deciding about calls.
const CONFIRM_SECONDS: u64 = 900;

/// Bytes of a step as JSON, at most. A DynamoDB item holds 400 KB.
const STEP_BYTES: usize = 350_000;

/// Makes the calls of replies.
pub struct Calls {
    /// The tools.
    pub tools: Toolset,
    /// The records of steps and calls.
    pub ledger: Ledger,
    credentials: Credentials,
    confirm_seconds: i64,
    clock: Clock,
}

impl Calls {
    /// Uses the tables of the steps and of all tools, and checks their settings.
    pub fn new(platform: &Platform, credentials: Credentials) -> Result<Self, ConfigError> {
        let confirm = platform.config.seconds("CONFIRM_SECONDS", CONFIRM_SECONDS)?;
        Ok(Self {
            ledger: Ledger::new(platform)?,
            tools: Toolset::new(platform)?,
            credentials,
            confirm_seconds: i64::try_from(confirm.as_secs()).unwrap_or(i64::MAX),
            clock: platform.clock.clone(),
        })
    }

    /// The steps that a reply had taken before it waited for its user.
    pub fn resumed(&self, taken: StepsTaken) -> Vec<Taken> {
        let decide_by = self.clock.now().as_second();
        let resumed = |(step, calls)| Taken { step, calls, moment: None, decide_by };
        taken.into_iter().map(resumed).collect()
    }

    /// The tools of the agent that its user may use now.
    pub async fn offered(&self, job: &Job<'_>) -> Result<Vec<Tool>, Outcome> {
        let Moment { authority, .. } = self.moment(job, Sources::default()).await?;
        Ok(self.tools.described(&job.terms.tools, &authority)?)
    }

    /// Records a step with the calls that it asks for, and shows them. A call that is not allowed,
    /// or whose arguments are wrong, has failed then. If the step is too long to be stored, none of
    /// its calls is made, and the reply ends.
    pub async fn take(
        &self,
        job: &Job<'_>,
        draft: &mut Draft<'_>,
        step: Step,
    ) -> Result<Taken, Outcome> {
        let bytes = serde_json::to_vec(&step.blocks).map_err(|_| Problem::internal())?.len();
        if bytes > STEP_BYTES {
            return Err(Outcome::Ends(StopReason::MaxTokens));
        }
        let asked: Vec<_> = calls_in(&step.blocks).take(MOST_CALLS).cloned().collect();
        let (mut calls, mut moment) = (Vec::new(), None);
        if !asked.is_empty() {
            let now = self.moment(job, draft.reply().sources.clone()).await?;
            let work = records(job, self.tools.toolbox()?, &now, step.number, asked);
            calls = drop_at_stop(draft, job.until, work).await?;
            moment = Some(now);
        }
        let decide_by = self.clock.now().as_second().saturating_add(self.confirm_seconds);
        self.ledger.add(job.reply, &step, &calls).await?;
        // A refused call is shown as one that was tried. How it ended is shown next.
        let shown = calls.iter().map(|call| {
            let mut shown = call.shown(Some(decide_by));
            if call.status == CallStatus::Failed {
                (shown.status, shown.summary) = (CallStatus::Running, None);
            }
            shown
        });
        draft.show_calls(shown.collect());
        Ok(Taken { step, calls, moment, decide_by })
    }

    /// Answers the calls of a step that have no answer yet: makes those that may be made. If others
    /// wait for their user, the reply waits.
    pub async fn answer(
        &self,
        job: &Job<'_>,
        inputs: &Inputs,
        draft: &mut Draft<'_>,
        taken: &mut Taken,
    ) -> Result<(), Outcome> {
        // These were refused, by the server or by the user.
        for call in taken.calls.iter().filter(|call| call.status.has_ended()) {
            show(draft, call);
        }
        let moment = taken.moment.take();
        self.read(job, inputs, draft, &mut taken.calls, moment).await?;
        self.write(job, inputs, draft, &mut taken.calls).await?;
        if taken.calls.iter().all(|call| call.status.has_ended()) {
            return Ok(());
        }
        Err(Outcome::Waits(taken.decide_by))
    }

    /// The rights of the user at this moment, when the model has seen these sources. If the session
    /// or key has ended, the reply stops.
    pub async fn moment(&self, job: &Job<'_>, seen: Sources) -> Result<Moment, Outcome> {
        let found = self.credentials.authority(&job.origin.caller, self.clock.now()).await?;
        let authority = found.ok_or(Outcome::Ends(StopReason::Cancelled))?;
        Ok(Moment { authority, seen })
    }
}

/// Shows how a call ended.
pub fn show(draft: &mut Draft<'_>, call: &CallRecord) {
    let summary = call.summary.as_deref().unwrap_or_else(|| unrecorded(call.status));
    draft.show_result(&call.call_id, call.status, summary);
}

/// Whether a call is to be made now.
pub fn is_due(call: &CallRecord) -> bool {
    matches!(call.status, CallStatus::Running | CallStatus::Approved)
}
