//! Carries plans out: the writes and the audit event in one transaction.

use super::{Gate, Passage};
use crate::backoff;
use crate::identity::Principal;
use crate::plan::{Otherwise, Plan, Reply, Then};
use crate::problem::Problem;
use crate::store::CommitError;

/// Largest number of new attempts at a plan after another request changed an item first.
const REPLANS: u32 = 8;

/// The rest of a plan after its writes have been committed.
pub struct Committed<O> {
    /// The steps that follow the commit.
    pub then: Vec<Then<O>>,
    /// The answer.
    pub reply: Result<Reply<O>, Problem>,
}

impl Gate {
    /// Carries a plan out: the writes and the event in one transaction, then the steps that follow the commit.
    pub async fn commit<O>(
        &self,
        plan: Result<Plan<O>, Problem>,
        caller: Option<&Principal>,
        passage: &Passage<'_>,
    ) -> Result<Reply<O>, Problem> {
        let Committed { then, mut reply } = self.write(plan, caller, passage).await?;
        for follow in then {
            if let Some(better) = follow().await? {
                reply = Ok(better);
            }
        }
        reply
    }

    /// Carries a plan out up to its commit. The caller runs the steps that follow.
    pub async fn write<O>(
        &self,
        plan: Result<Plan<O>, Problem>,
        caller: Option<&Principal>,
        passage: &Passage<'_>,
    ) -> Result<Committed<O>, Problem> {
        let mut plan = plan.unwrap_or_else(Plan::refuse);
        for overtaken in 0..=REPLANS {
            // The first retry starts from the current item and mostly succeeds. Later retries pause, to give the other requests room.
            if overtaken > 1 {
                backoff::pause(overtaken).await;
            }
            let Plan { mut writes, note, created, mut then, reply } = plan;
            let (kept, outcome) = (note.clone(), note.outcome(reply.as_ref().err()));
            let event = outcome.and_then(|outcome| {
                let latency = u64::try_from(passage.since.elapsed().as_millis()).unwrap_or(u64::MAX);
                note.event(passage.action, outcome, caller, passage.context, self.clock.now(), latency)
            });
            let mut own = 0;
            if let (Some(repeats), Some(claim), Some(resource), Ok(reply)) = (&self.repeats, &passage.claim, created.clone(), &reply) {
                let status = reply.status.map_or(self.success, |status| status.as_u16());
                // Of two concurrent requests with the same key, the second to commit writes nothing. This write stands first, so that
                // its refusal wins over any other condition that the first request has made fail.
                let remember = repeats.remember(claim, status, resource, passage.now)?;
                writes.insert(0, (remember, Otherwise::Refuse(Problem::request_in_flight())));
                own = 1;
            }
            let (mut writes, mut otherwise): (Vec<_>, Vec<_>) = writes.into_iter().unzip();
            let committed = match (&self.database, &self.log, event, writes.is_empty()) {
                (_, _, None, true) => Ok(()),
                (_, Some(log), Some(event), true) => match (log.record(event).await, &reply) {
                    // A refusal that writes nothing keeps its status even if its event cannot be written.
                    (Err(error), Err(problem)) => {
                        tracing::error!(%error, code = %problem.code, "a refusal left no event");
                        Ok(())
                    }
                    (recorded, _) => recorded.map_err(CommitError::from),
                },
                (Some(database), Some(log), Some(event), false) => {
                    // The event is last, so that the position of a failed condition is the position of its write.
                    let append = log.append(event)?;
                    database.commit(writes.iter().cloned().chain([append]).collect()).await
                }
                (Some(database), _, None, false) => database.commit(writes.clone()).await,
                _ => {
                    tracing::error!("a plan writes on a route that has no table");
                    return Err(Problem::internal());
                }
            };
            match committed {
                Ok(()) => return Ok(Committed { then, reply }),
                Err(CommitError::Store(error)) => return Err(error.into()),
                Err(CommitError::Condition { position, .. }) if position >= otherwise.len() => return Err(Problem::conflict()),
                Err(CommitError::Condition { position, old }) => match otherwise.remove(position) {
                    Otherwise::Refuse(problem) => plan = Plan::refuse(problem).note(kept),
                    Otherwise::Replan(replan) => {
                        plan = replan(old).await.unwrap_or_else(Plan::refuse);
                        plan.note = plan.note.of_path_as(&kept);
                    }
                    Otherwise::Rewrite(rewrite) => {
                        let (write, next, follow) = rewrite(old)?;
                        writes[position] = write;
                        otherwise.insert(position, next);
                        then.push(follow);
                        // The next round adds the record of the `Idempotency-Key` again, so it is skipped here.
                        let writes = writes.into_iter().zip(otherwise).skip(own).collect();
                        plan = Plan { writes, note: kept, created, then, reply };
                    }
                },
            }
        }
        tracing::warn!("a plan was overtaken too often");
        Err(Problem::unavailable())
    }
}
