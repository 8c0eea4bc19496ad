//! Denials: one event for a subject, what it was denied and a window, with a count.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::StatusCode;

use super::{Gate, Passage};
use crate::audit::{Note, Outcome};
use crate::identity::Principal;
use crate::limits::Policy;
use crate::problem::{Code, Problem};
use crate::store::{Denial, StoreError};

/// Seconds for which a repeated denial of the same subject, route and code leaves one event.
const DENIAL_WINDOW_SECONDS: i64 = 300;

impl Gate {
    /// Leaves `access.denied` for a 401 or 403, once for its subject, route and code in a window, and hands the problem back. A
    /// call without any credential was no attempt: it leaves nothing.
    pub fn deny<'a>(&'a self, problem: Problem, caller: Option<&'a Principal>, passage: &'a Passage<'a>) -> BoxFuture<'a, Problem> {
        async move {
            let denied = matches!(problem.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
            if denied && problem.code != Code::Unauthenticated {
                let subject = caller.map_or(passage.context.address.as_str(), |caller| caller.user_id.as_str());
                let subject = format!("{subject} {} {}", self.route, problem.code);
                let note = Note::action("access.denied").detail("route", self.route.as_str()).detail("code", problem.code.as_str());
                self.tell_once("denied", &subject, DENIAL_WINDOW_SECONDS, note, Outcome::Denied, caller, passage).await;
            }
            problem
        }
        .boxed()
    }

    /// Leaves an event of what a caller has asked for in vain, once per caller, code and window, with a count: one event each
    /// would let a caller fill the trail.
    pub fn tell_failure<'a>(
        &'a self,
        problem: &'a Problem,
        note: Note,
        caller: &'a Principal,
        passage: &'a Passage<'a>,
    ) -> BoxFuture<'a, ()> {
        async move {
            let subject = format!("{} {} {}", caller.user_id, self.route, problem.code);
            let note = note.detail("code", problem.code.as_str());
            self.tell_once("failed", &subject, DENIAL_WINDOW_SECONDS, note, Outcome::Failure, Some(caller), passage).await;
        }
        .boxed()
    }

    /// Adds refusals of a policy that a process has answered by itself to those that no event has counted yet. Gives how many
    /// those are, from all processes; nothing where the counter cannot be reached.
    pub fn add_refusals<'a>(&'a self, policy: &'a Policy, subject: &'a str, count: u64) -> BoxFuture<'a, Option<u64>> {
        async move {
            let counters = self.counters.as_ref()?;
            let window_seconds = i64::try_from(self.limits.quota(policy).window_seconds).unwrap_or(i64::MAX);
            let denial = Denial { name: policy.name, subject, route: &self.route, window_seconds };
            match counters.add_untold(denial, count, self.clock.now()).await {
                Ok(untold) => Some(untold),
                Err(error) => {
                    tracing::error!(%error, policy = policy.name, count, "refusals were not counted");
                    None
                }
            }
        }
        .boxed()
    }

    /// Leaves an event the first time in a window, with how often it has happened since the last one told of it, and where. What
    /// follows in the window is counted, and told by the first of the next or by the worker `tell-denials`. A denial stands even
    /// if its event cannot be written: then the log has it.
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
        let told: Result<(), StoreError> = async {
            let latency = u64::try_from(passage.since.elapsed().as_millis()).unwrap_or(u64::MAX);
            let event = note.event(passage.action, outcome, caller, passage.context, self.clock.now(), latency);
            let Some(event) = event else { return Ok(()) };
            let denial = Denial { name, subject, route: &self.route, window_seconds };
            match counters.first_in_window(denial, &event, passage.now).await? {
                Some(untold) => log.record(event.counting(untold.count + 1, untold.routes)).await,
                None => Ok(()),
            }
        }
        .await;
        if let Err(error) = told {
            tracing::error!(%error, name, "a denial left no event");
        }
    }
}
