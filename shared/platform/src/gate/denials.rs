//! Audit events of denials: one per subject, route, code and window, with a count.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::StatusCode;
use jiff::Timestamp;

use super::{RateLimiter, RequestInfo};
use crate::audit::{AuditDetails, Event, Outcome};
use crate::database::{CommitError, StoreError};
use crate::identity::Principal;
use crate::limits::Policy;
use crate::metrics::Signal;
use crate::problem::{Code, Problem};
use crate::store::Denial;

/// Window in seconds in which repeated denials of the same subject, route and code share one event.
const DENIAL_WINDOW_SECONDS: i64 = 300;

/// Attempts at the event of a denial while others change the count that it reports.
const ATTEMPTS: u32 = 3;

impl RateLimiter {
    /// Records `access.denied` for a 401 or 403, once per subject, route and code in a window.
    /// Gives the problem back.
    ///
    /// A call without any credential was no attempt, so it leaves no event.
    pub fn deny<'a>(
        &'a self,
        problem: Problem,
        caller: Option<&'a Principal>,
        info: &'a RequestInfo<'a>,
    ) -> BoxFuture<'a, Problem> {
        async move {
            let denied = matches!(problem.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
            if denied && problem.code != Code::Unauthenticated {
                let subject =
                    caller.map_or(info.context.address.as_str(), |caller| caller.user_id.as_str());
                let subject = format!("{subject} {} {}", self.route, problem.code);
                let details = AuditDetails::action("access.denied")
                    .detail("route", self.route.as_str())
                    .detail("code", problem.code.as_str());
                self.record_once(
                    "denied",
                    &subject,
                    DENIAL_WINDOW_SECONDS,
                    details,
                    Outcome::Denied,
                    caller,
                    info,
                )
                .await;
            }
            problem
        }
        .boxed()
    }

    /// Records a caller's failed request, once per caller, route, code and window, with a count.
    ///
    /// One event per failure would let a caller fill the audit log.
    pub fn record_failure<'a>(
        &'a self,
        problem: &'a Problem,
        details: AuditDetails,
        caller: &'a Principal,
        info: &'a RequestInfo<'a>,
    ) -> BoxFuture<'a, ()> {
        async move {
            let subject = format!("{} {} {}", caller.user_id, self.route, problem.code);
            let details = details.detail("code", problem.code.as_str());
            self.record_once(
                "failed",
                &subject,
                DENIAL_WINDOW_SECONDS,
                details,
                Outcome::Failure,
                Some(caller),
                info,
            )
            .await;
        }
        .boxed()
    }

    /// Adds messages that this process refused from memory to the shared count of refusals that no
    /// event reports yet.
    ///
    /// Gives the sum over all processes; `None` if the counter cannot be reached.
    pub fn add_refusals<'a>(
        &'a self,
        policy: &'a Policy,
        subject: &'a str,
        count: u64,
    ) -> BoxFuture<'a, Option<u64>> {
        async move {
            self.metrics.emit(Signal::LimitsHit, count);
            let window_seconds =
                i64::try_from(self.limits.quota(policy).window_seconds).unwrap_or(i64::MAX);
            let denial = Denial { name: policy.name, subject, route: &self.route, window_seconds };
            match self.counters.add_untold(denial, count, self.clock.now()).await {
                Ok(untold) => Some(untold),
                Err(error) => {
                    tracing::error!(
                        %error,
                        policy = policy.name,
                        count,
                        "failed to count refusals"
                    );
                    None
                }
            }
        }
        .boxed()
    }

    /// Records an event for the first denial in a window.
    ///
    /// The event says how many denials there were since the last event, and at which routes. Later
    /// denials in the window are only counted. The first event of the next window reports them, or
    /// the worker `tell-denials` does. A denial stands even if its event cannot be written. Then
    /// the log has it, and the next denial leaves the event. Each denial is a signal of its own.
    #[allow(clippy::too_many_arguments, reason = "all of them are the event")]
    pub(super) async fn record_once(
        &self,
        name: &str,
        subject: &str,
        window_seconds: i64,
        details: AuditDetails,
        outcome: Outcome,
        caller: Option<&Principal>,
        info: &RequestInfo<'_>,
    ) {
        let event = details.event(
            info.action,
            outcome,
            caller,
            info.context,
            self.clock.now(),
            info.latency_ms(),
        );
        let Some(event) = event else { return };
        if let Some((signal, value)) = Signal::of(&event) {
            self.metrics.emit(signal, value);
        }
        let denial = Denial { name, subject, route: &self.route, window_seconds };
        if let Err(error) = self.tell(denial, &event, info.now).await {
            tracing::error!(
                %error,
                name,
                route = self.route,
                "failed to record the event of a denial"
            );
        }
    }

    /// Counts a denial if its window has left an event, and tells it by `event` otherwise. The
    /// event and the mark of the window are one transaction. So of several first denials at once,
    /// one leaves the event and the others are counted.
    async fn tell(
        &self,
        denial: Denial<'_>,
        event: &Event,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut failed = StoreError::Unavailable("others changed its count meanwhile".into());
        for _ in 0..ATTEMPTS {
            let Some(untold) = self.counters.count_denial(denial, now).await? else {
                return Ok(());
            };
            let mark = self.counters.first_in_window(denial, &untold, event, now);
            let told = self.log.append(event.clone().counting(untold.count + 1, untold.routes))?;
            match self.database.commit(vec![mark, told]).await {
                Ok(()) => return Ok(()),
                Err(CommitError::Condition { .. }) => {}
                Err(CommitError::Store(error)) => {
                    failed = error;
                    break;
                }
            }
        }
        self.counters.add_unrecorded(denial, event, now).await?;
        Err(failed)
    }
}
