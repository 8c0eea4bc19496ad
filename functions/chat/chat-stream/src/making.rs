//! How calls of tools are made. Calls that read are made side by side, and calls that write one
//! after the other. Each of those stores its effect, its event and its record in one transaction,
//! so it is made once, however often it is tried.

use std::collections::BTreeMap;
use std::time::Duration;

use assistant::domain::StopReason;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, join, join_all};
use platform::Problem;
use platform::identity::Scope;
use platform::problem::Code;
use tally_access::sources::Sources;
use tally_chat::domain::CallStatus;
use tally_chat::store::CallRecord;
use tally_tools::{Answer, Effect, Refused};
use tokio::time::Instant;

use crate::alongside::{drop_at_stop, finish_first};
use crate::answers::unrecorded;
use crate::calls::{Calls, is_due, show};
use crate::draft::Draft;
use crate::input::Inputs;
use crate::intake::{complete, fail, permitted};
use crate::job::{Job, Moment};
use crate::outcome::Outcome;

/// Time that a write needs. A worker that has less left begins none.
const WRITE_TIME: Duration = Duration::from_secs(5);

impl Calls {
    /// Makes the calls that read, side by side, with the rights of this moment.
    pub async fn read(
        &self,
        job: &Job<'_>,
        inputs: &Inputs,
        draft: &mut Draft<'_>,
        calls: &mut [CallRecord],
        moment: Option<Moment>,
    ) -> Result<(), Outcome> {
        let is_read = |call: &CallRecord| self.tools.has(&call.tool, Effect::Read);
        let due = calls.iter().enumerate().filter(|(_, call)| is_due(call) && is_read(call));
        let due: Vec<_> = due.map(|(index, _)| index).collect();
        if due.is_empty() {
            return Ok(());
        }
        let moment = match moment {
            Some(moment) => moment,
            None => self.moment(job, draft.reply().sources.clone()).await?,
        };
        let work = self.make_reads(job, &moment, calls, &due);
        let made = drop_at_stop(draft, job.until, work).await?;
        for (index, answer) in made {
            note_answer(inputs, draft, &mut calls[index], answer).await?;
        }
        let ended: Vec<_> = due.iter().map(|index| &calls[*index]).collect();
        if !self.ledger.finish(job.reply, &ended).await? {
            return Err(Outcome::Lost);
        }
        for call in ended {
            show(draft, call);
        }
        Ok(())
    }

    /// Makes these calls side by side. Those that read cells follow one another, because the cells
    /// of one range may take much memory.
    async fn make_reads(
        &self,
        job: &Job<'_>,
        moment: &Moment,
        calls: &[CallRecord],
        due: &[usize],
    ) -> BTreeMap<usize, Result<Answer, Refused>> {
        let reads_cells = |index: &usize| {
            let about = self.tools.about(&calls[*index].tool);
            about.is_some_and(|about| about.scope == Scope::RangesRead)
        };
        let (large, small): (Vec<usize>, Vec<usize>) =
            due.iter().partition(|index| reads_cells(index));
        let in_turn = async {
            let mut made = Vec::new();
            for index in large {
                made.push((index, self.make_read(job, moment, &calls[index]).await));
            }
            made
        };
        let at_once = small.iter().map(|index| self.make_read(job, moment, &calls[*index]));
        let at_once: Vec<_> = at_once.collect();
        let (in_turn, at_once) = join(in_turn, join_all(at_once)).await;
        small.into_iter().zip(at_once).chain(in_turn).collect()
    }

    fn make_read<'a>(
        &'a self,
        job: &'a Job<'_>,
        moment: &'a Moment,
        call: &'a CallRecord,
    ) -> BoxFuture<'a, Result<Answer, Refused>> {
        async move {
            let toolbox = self.tools.toolbox()?;
            permitted(job.terms, toolbox, moment, &call.tool)?;
            toolbox.call(job.call(call, moment, Vec::new())?).await
        }
        .boxed()
    }

    /// Makes the calls that write, in order: first notes, which wait for nothing, then the others
    /// up to the first one that waits.
    pub async fn write(
        &self,
        job: &Job<'_>,
        inputs: &Inputs,
        draft: &mut Draft<'_>,
        calls: &mut [CallRecord],
    ) -> Result<(), Outcome> {
        let is_note = |index: &usize| self.tools.has(&calls[*index].tool, Effect::Note);
        let (notes, others): (Vec<_>, Vec<_>) = (0..calls.len()).partition(is_note);
        let waits = |index: &usize| calls[*index].status == CallStatus::AwaitingConfirmation;
        let others = others.into_iter().take_while(|index| !waits(index));
        let order: Vec<_> = notes.into_iter().chain(others).collect();
        for index in order {
            if is_due(&calls[index]) {
                self.make_write(job, inputs, draft, &mut calls[index]).await?;
            }
        }
        Ok(())
    }

    /// Makes a call that writes. The rights are read again for each.
    async fn make_write(
        &self,
        job: &Job<'_>,
        inputs: &Inputs,
        draft: &mut Draft<'_>,
        call: &mut CallRecord,
    ) -> Result<(), Outcome> {
        if job.until.saturating_duration_since(Instant::now()) < WRITE_TIME {
            return Err(Outcome::Ends(StopReason::Deadline));
        }
        let moment = self.moment(job, draft.reply().sources.clone()).await?;
        let completing = self.ledger.completing(job.reply, call);
        let record: &CallRecord = call;
        let work = async {
            let toolbox = self.tools.toolbox()?;
            permitted(job.terms, toolbox, &moment, &record.tool)?;
            toolbox.call(job.call(record, &moment, completing)?).await
        };
        let (answer, goes_on) = finish_first(draft, job.until, work).await;
        match answer {
            Ok(answer) => {
                note_answer(inputs, draft, call, Ok(answer)).await?;
                self.ledger.keep_result(call).await;
            }
            Err(refused) => self.settle(job, call, &refused).await?,
        }
        show(draft, call);
        goes_on
    }

    /// Ends a call whose transaction failed, or may have been made although no answer came. The
    /// record says which.
    async fn settle(
        &self,
        job: &Job<'_>,
        call: &mut CallRecord,
        refused: &Refused,
    ) -> Result<(), Outcome> {
        if self.adopt(call).await? {
            return Ok(());
        }
        fail(call, refused);
        if self.ledger.finish(job.reply, &[&*call]).await? || self.adopt(call).await? {
            return Ok(());
        }
        Err(Outcome::Lost)
    }

    /// Takes over the end of a call, if one is stored. Returns whether that is so.
    async fn adopt(&self, call: &mut CallRecord) -> Result<bool, Outcome> {
        let found = self.ledger.call(call).await?.filter(|found| found.status.has_ended());
        let Some(found) = found else { return Ok(false) };
        *call = found;
        if call.result.as_deref().unwrap_or_default().is_empty() {
            let text = unrecorded(call.status).to_owned();
            (call.result, call.summary) = (Some(text.clone()), Some(text));
        }
        Ok(true)
    }
}

/// Notes the result of a call in its record. Before that, the sources of the reply are stored with
/// those of the result, so no text from them is without its sources.
async fn note_answer(
    inputs: &Inputs,
    draft: &mut Draft<'_>,
    call: &mut CallRecord,
    answer: Result<Answer, Refused>,
) -> Result<(), Outcome> {
    let answer = match answer {
        Ok(answer) => answer,
        Err(refused) => {
            fail(call, &refused);
            return Ok(());
        }
    };
    if add_sources(inputs, draft, &answer.sources).await? {
        complete(call, &answer.text, &answer.summary);
    } else {
        let detail = "The reply comes from too many columns. Ask for fewer at once.";
        fail(call, &Refused::Failed(Problem::new(Code::LimitReached, detail)));
    }
    Ok(())
}

/// Adds sources to the reply. Returns false, and adds none, if it has no room for them.
async fn add_sources(
    inputs: &Inputs,
    draft: &mut Draft<'_>,
    more: &Sources,
) -> Result<bool, Outcome> {
    let mut all = draft.reply().sources.clone();
    if !all.add(more) {
        return Ok(false);
    }
    if all != draft.reply().sources {
        if !inputs.note(draft.reply(), &all).await? {
            return Err(Outcome::Lost);
        }
        draft.comes_from(all);
    }
    Ok(true)
}
