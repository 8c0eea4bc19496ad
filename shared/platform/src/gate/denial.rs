//! Denials: one event for a subject and window, with a count.

use http::StatusCode;

use super::{Gate, Passage};
use crate::audit::{Note, Outcome};
use crate::identity::Principal;
use crate::limits::Policy;
use crate::problem::Problem;
use crate::store::StoreError;

/// Seconds for which a repeated denial of the same subject leaves one event.
const DENIAL_WINDOW_SECONDS: i64 = 300;

impl Gate {
    /// Leaves `access.denied` for a 401 or 403, once per subject and window, and hands the problem back.
    pub async fn deny(&self, problem: Problem, caller: Option<&Principal>, passage: &Passage<'_>) -> Problem {
        if problem.status == StatusCode::UNAUTHORIZED || problem.status == StatusCode::FORBIDDEN {
            let subject = caller.map_or(passage.context.address.as_str(), |caller| caller.user_id.as_str());
            let note = Note::action("access.denied").detail("route", self.route.as_str()).detail("code", problem.code.as_str());
            self.tell_once("denied", subject, DENIAL_WINDOW_SECONDS, note, Outcome::Denied, caller, passage).await;
        }
        problem
    }

    /// Leaves an event of what a caller has asked for in vain, once per caller, code and window, with a count: one event each
    /// would let a caller fill the trail.
    pub async fn tell_failure(&self, problem: &Problem, note: Note, caller: &Principal, passage: &Passage<'_>) {
        let subject = format!("{} {} {}", caller.user_id, self.route, problem.code);
        let note = note.detail("code", problem.code.as_str());
        self.tell_once("failed", &subject, DENIAL_WINDOW_SECONDS, note, Outcome::Failure, Some(caller), passage).await;
    }

    /// Adds refusals of a policy that a process has answered by itself to those that no event has counted yet. Gives how many
    /// those are, from all processes; nothing where the counter cannot be reached.
    pub async fn add_refusals(&self, policy: &Policy, subject: &str, count: u64) -> Option<u64> {
        let counters = self.counters.as_ref()?;
        match counters.add_untold(policy.name, subject, count).await {
            Ok(untold) => Some(untold),
            Err(error) => {
                tracing::error!(%error, policy = policy.name, count, "refusals were not counted");
                None
            }
        }
    }

    /// Leaves an event the first time in a window, with how often it happened since the last one. A denial stands
    /// even if its event cannot be written: then the log has it.
    #[allow(clippy::too_many_arguments, reason = "all of them are the event")]
    pub(super) async fn tell_once(
        &self,
        name: &str,
        subject: &str,
        window_seconds: i64,
        note: Note,
        outcome: Outcome,
        caller: Option<&Principal>,
        passage: &Passage<'_>,
    ) {
        let (Some(counters), Some(log)) = (&self.counters, &self.log) else { return };
        let now = passage.now.as_second();
        let told = async {
            let window = now.div_euclid(window_seconds);
            let expires = now + 2 * window_seconds + 86_400;
            let Some(count) = counters.first_in_window(name, subject, window, expires).await? else { return Ok(()) };
            let latency = u64::try_from(passage.since.elapsed().as_millis()).unwrap_or(u64::MAX);
            let event = note.detail("count", count).event(passage.action, outcome, caller, passage.context, self.clock.now(), latency);
            match event {
                Some(event) => log.record(event).await,
                None => Ok(()),
            }
        };
        let told: Result<(), StoreError> = told.await;
        if let Err(error) = told {
            tracing::error!(%error, name, "a denial left no event");
        }
    }
}
