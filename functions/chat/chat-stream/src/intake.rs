//! The calls that a model asks for, on their way in. Some are made, some wait for a confirmation,
//! and others are refused at once.

use assistant::ToolUse;
use futures_util::FutureExt as _;
use futures_util::future::join_all;
use tally_chat::domain::{CallStatus, Confirm};
use tally_chat::store::{AgentTerms, CallRecord};
use tally_tools::{Effect, Listed, Refused, Toolbox};

use crate::answers::{on_one_line, result_text};
use crate::job::{Job, Moment};

/// Characters of a name that the model gives, at most. No tool has a longer one.
const NAME_CHARACTERS: usize = 64;

/// Characters and bytes of the sentence about the end of a call, at most.
const SUMMARY: (usize, usize) = (200, 600);

/// The records of calls, in order. Their previews are made side by side.
pub async fn records(
    job: &Job<'_>,
    toolbox: &Toolbox,
    moment: &Moment,
    step: u8,
    calls: Vec<ToolUse>,
) -> Vec<CallRecord> {
    let records = (0..).zip(calls).map(|(position, call)| {
        let record = CallRecord {
            message_id: job.reply.id.clone(),
            step,
            position,
            call_id: call.id,
            tool: on_one_line(&call.name, NAME_CHARACTERS, NAME_CHARACTERS),
            title: on_one_line(&call.name, NAME_CHARACTERS, NAME_CHARACTERS),
            arguments: call.input,
            preview: String::new(),
            status: CallStatus::Running,
            result: None,
            summary: None,
        };
        admit(job, toolbox, moment, record).boxed()
    });
    join_all(records).await
}

/// A record with its preview, or with the reason why the call is not made.
async fn admit(
    job: &Job<'_>,
    toolbox: &Toolbox,
    moment: &Moment,
    mut record: CallRecord,
) -> CallRecord {
    let listed = permitted(job.terms, toolbox, moment, &record.tool);
    let previewed = match (listed, job.call(&record, moment, Vec::new())) {
        (Ok(listed), Ok(call)) => toolbox.preview(&call).await.map(|preview| (listed, preview)),
        (Err(refused), _) | (_, Err(refused)) => Err(refused),
    };
    match previewed {
        Ok((listed, preview)) => {
            listed.about.title.clone_into(&mut record.title);
            if waits(job.terms.confirm, listed.about.effect) {
                record.status = CallStatus::AwaitingConfirmation;
            }
            record.preview = preview;
        }
        Err(refused) => fail(&mut record, &refused),
    }
    record
}

/// A tool that this agent has and this caller may use now.
pub fn permitted<'a>(
    terms: &AgentTerms,
    toolbox: &'a Toolbox,
    moment: &Moment,
    tool: &str,
) -> Result<&'a Listed, Refused> {
    if terms.tools.iter().any(|name| name == tool) {
        toolbox.permitted(tool, &moment.authority)
    } else {
        Err(Refused::Unknown)
    }
}

/// Whether a call waits for a confirmation.
fn waits(confirm: Confirm, effect: Effect) -> bool {
    match confirm {
        Confirm::Writes => matches!(effect, Effect::Write | Effect::Destroy),
        Confirm::Destructive => effect == Effect::Destroy,
        Confirm::Always => effect != Effect::Note,
    }
}

/// The call was made, with this text as its result for the model, and this one for people.
pub fn complete(record: &mut CallRecord, text: &str, summary: &str) {
    record.status = CallStatus::Completed;
    let (characters, bytes) = SUMMARY;
    record.summary = Some(on_one_line(summary, characters, bytes));
    record.result = Some(result_text(text));
}

/// The call was not made.
pub fn fail(record: &mut CallRecord, refused: &Refused) {
    let text = refused.text();
    complete(record, &text, &text);
    record.status = CallStatus::Failed;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_says_which_calls_wait_for_a_confirmation() {
        use Confirm::{Always, Destructive, Writes};
        use Effect::{Destroy, Note, Read, Write};
        for (confirm, waiting) in [
            (Writes, &[Write, Destroy][..]),
            (Destructive, &[Destroy]),
            (Always, &[Read, Write, Destroy]),
        ] {
            for effect in [Read, Note, Write, Destroy] {
                assert_eq!(
                    waits(confirm, effect),
                    waiting.contains(&effect),
                    "{confirm:?} {effect:?}"
                );
            }
        }
    }
}
