//! Rate limits: counts a call against every policy that applies.

use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, OptionFuture, join, join_all};
use tokio::time::timeout;

use super::RequestInfo;
use super::authenticated::{Authenticated, UserCount};
use super::counted::Count;
use super::counts::Counts;
use super::login_attempt::LoginAttempt;
use crate::audit::{AuditDetails, Outcome};
use crate::clock::Clock;
use crate::config::ConfigError;
use crate::database::{Database, StoreError};
use crate::identity::Principal;
use crate::limits::{Key, LimitStatuses, Limits, OnStoreFailure, Policy, Quota, Subject, status};
use crate::metrics::Metrics;
use crate::platform::Platform;
use crate::problem::Problem;
use crate::store::{AuditLog, LimitCounters};

/// Longest wait for a counter whose policy lets calls through when the counter cannot be reached.
const PATIENCE: Duration = Duration::from_secs(1);

/// Counts the calls of one route or action, and records those that it or another step refuses.
pub struct RateLimiter {
    /// Key of the route, or name of the action. Events of denials name it.
    pub(super) route: String,
    pub(super) limits: Limits,
    pub(super) counters: LimitCounters,
    pub(super) log: AuditLog,
    pub(super) metrics: Metrics,
    pub(super) database: Database,
    pub(super) clock: Clock,
}

/// A request that its limits have admitted so far.
#[derive(Debug)]
pub struct Admitted {
    /// The statuses of its caller with every policy that has counted it.
    pub statuses: LimitStatuses,
    counts: Vec<Count<'static>>,
}

/// The refusal of a call.
pub struct Refused {
    /// The answer.
    pub problem: Problem,
    /// Seconds until a call is let through again; 0 if that is unknown.
    pub wait_seconds: u64,
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self { problem: error.into(), wait_seconds: 0 }
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        refused.problem
    }
}

impl RateLimiter {
    /// Makes the parts for a route, by its key, or an action, by its name.
    pub fn new(platform: &Platform, route: String) -> Result<Self, ConfigError> {
        let config = &platform.config;
        Ok(Self {
            route,
            limits: Limits::from_config(config)?,
            counters: LimitCounters::new(platform)?,
            log: AuditLog::new(platform)?,
            metrics: Metrics::new(platform)?,
            database: platform.database()?,
            clock: platform.clock.clone(),
        })
    }

    /// The quota in force for a policy.
    pub fn quota(&self, policy: &Policy) -> Quota {
        self.limits.quota(policy)
    }

    /// Counts a request against the policies of its row, and against [`Policy::USER`], which counts
    /// every call of a user. `key` is a subject that the endpoint computes: a login identifier, a
    /// recipient of mail, or the session of a refresh token. `earlier` has what other policies of
    /// the row have counted before. It is reverted too if these do not admit the request.
    pub fn limit_request<'a>(
        &'a self,
        policies: &'static [Policy],
        caller: Option<&'a Authenticated>,
        key: Option<&'a Key>,
        earlier: Option<Admitted>,
        info: &'a RequestInfo<'a>,
    ) -> BoxFuture<'a, Result<Admitted, Refused>> {
        async move {
            let principal = caller.map(|caller| &caller.principal);
            let counts = match (earlier, caller.map(|caller| &caller.call), principal) {
                (Some(earlier), ..) => earlier.counts,
                (None, Some(UserCount::Counted(call)), _) => call.iter().cloned().collect(),
                (None, Some(UserCount::NotYet), Some(caller)) => {
                    self.count_user(&caller.user_id, info).await.into_iter().collect()
                }
                (None, ..) => Vec::new(),
            };
            let (statuses, counts) =
                self.judge(counts, policies, principal, None, key, info).await?;
            Ok(Admitted { statuses, counts })
        }
        .boxed()
    }

    /// Reverts the counts of a request that is not admitted after all.
    pub async fn revert(&self, admitted: &Admitted, info: &RequestInfo<'_>) {
        join_all(admitted.counts.iter().map(|count| count.revert(&self.counters, info.now))).await;
    }

    /// Counts a call of a user against [`Policy::USER`], which counts every call; `None` if that
    /// fails.
    pub(super) async fn count_user(
        &self,
        user_id: &str,
        info: &RequestInfo<'_>,
    ) -> Option<Count<'static>> {
        self.window(&Policy::USER, user_id.to_owned(), info).await.ok().flatten()
    }

    /// Reverts the count of a call whose caller could not be authenticated, or whose roles could
    /// not be read.
    pub(super) async fn revert_user(&self, call: Option<&Count<'_>>, info: &RequestInfo<'_>) {
        if let Some(call) = call {
            call.revert(&self.counters, info.now).await;
        }
    }

    /// Counts a message, or `$connect`, against its policies.
    pub fn limit_message<'a>(
        &'a self,
        policies: &'a [Policy],
        caller: Option<&'a Principal>,
        connection: Option<&'a str>,
        info: &'a RequestInfo<'a>,
    ) -> BoxFuture<'a, Result<LimitStatuses, Refused>> {
        async move {
            let (statuses, _) =
                self.judge(Vec::new(), policies, caller, connection, None, info).await?;
            Ok(statuses)
        }
        .boxed()
    }

    /// Counts a call against its policies, beside the counts that have been made of it already. A
    /// call that is not admitted counts nowhere: neither for the policy that refused it or could not
    /// count it, nor for those that allowed it.
    async fn judge<'p>(
        &self,
        mut counted: Vec<Count<'p>>,
        policies: &'p [Policy],
        caller: Option<&Principal>,
        connection: Option<&str>,
        key: Option<&Key>,
        info: &RequestInfo<'_>,
    ) -> Result<(LimitStatuses, Vec<Count<'p>>), Refused> {
        let counters = &self.counters;
        let address = info.context.address.as_str();
        let subject = |policy: &Policy| match policy.subject {
            Subject::Address => Some(address.to_owned()),
            Subject::Recipient | Subject::SpentSession | Subject::SsoIdentity => {
                key.map(|key| key.as_str().to_owned())
            }
            Subject::User => caller.map(|caller| caller.user_id.clone()),
            Subject::Session => caller.map(|caller| caller.credential.id().to_owned()),
            Subject::Connection => connection.map(str::to_owned),
            // `LoginAttempt` counts these below, together with the lock.
            Subject::LoginAttempt => None,
        };
        let windows = policies.iter().filter_map(|policy| Some((policy, subject(policy)?)));
        let windows = join_all(windows.map(|(policy, subject)| self.window(policy, subject, info)));
        let attempt = match key {
            Some(Key::Named(identifier)) if policies.contains(&Policy::LOGIN_LOCK) => {
                Some(identifier)
            }
            _ => None,
        };
        let attempt = attempt.map(|identifier| {
            LoginAttempt::new(counters, &self.limits, address, identifier, info.now).count().boxed()
        });
        // Every count is awaited, so that each one that was made can be reverted.
        let (windows, attempt) = join(windows, OptionFuture::from(attempt)).await;
        let mut all_counted = Ok(());
        for window in windows {
            match window {
                Ok(count) => counted.extend(count),
                Err(error) => all_counted = all_counted.and(Err(error)),
            }
        }
        let mut counts = Counts { windows: counted.clone(), attempt: None };
        match attempt.transpose() {
            Ok(attempt) => counts.attempt = attempt,
            Err(error) => all_counted = all_counted.and(Err(error)),
        }
        let verdict = match all_counted {
            Ok(()) => counts.verdict().await,
            Err(error) => Err(error),
        };
        let refusal = match verdict {
            Ok((statuses, None)) => return Ok((statuses, counted)),
            Ok((statuses, Some(refusing))) => Ok((statuses, refusing)),
            Err(error) => Err(error),
        };
        counts.revert(counters, info.now).await;
        let (statuses, refusing) = refusal?;
        self.record_refusal(&refusing, key, caller, info).await;
        let mut problem = Problem::rate_limited(refusing.status.reset_seconds);
        problem.headers.extend(statuses.headers());
        Err(Refused { problem, wait_seconds: refusing.status.reset_seconds })
    }

    /// Counts a call in its window. `None` if the counter cannot be reached and the policy then
    /// lets calls through.
    async fn window<'p>(
        &self,
        policy: &'p Policy,
        subject: String,
        info: &RequestInfo<'_>,
    ) -> Result<Option<Count<'p>>, StoreError> {
        let quota = self.limits.quota(policy);
        let counted = self.counters.count(policy, quota, &subject, info.now);
        let counted = match policy.on_store_failure {
            OnStoreFailure::Allow => timeout(PATIENCE, counted)
                .await
                .unwrap_or_else(|_| Err(StoreError::Unavailable("no answer".into()))),
            OnStoreFailure::Refuse => counted.await,
        };
        match counted {
            Ok(found) => {
                Ok(Some(Count { policy, quota, subject, status: status(quota, &found, info.now) }))
            }
            Err(error) if policy.on_store_failure == OnStoreFailure::Allow => {
                tracing::error!(
                    %error,
                    policy = policy.name,
                    "failed to count a call; it is let through"
                );
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Records an event for the first refusal of a subject in a window.
    async fn record_refusal(
        &self,
        refusing: &Count<'_>,
        key: Option<&Key>,
        caller: Option<&Principal>,
        info: &RequestInfo<'_>,
    ) {
        let Count { policy, quota, subject, .. } = refusing;
        let details = AuditDetails::action(if **policy == Policy::LOGIN_LOCK {
            "auth.locked"
        } else {
            "rate.limited"
        })
        .detail("policy", policy.name);
        let details = match (policy.subject, key) {
            (Subject::LoginAttempt | Subject::Recipient, Some(Key::Named(fingerprint))) => {
                details.identifier(fingerprint)
            }
            (Subject::SpentSession, Some(Key::Session(id))) => details.resource("session", id),
            _ => details,
        };
        let window = i64::try_from(quota.window_seconds).unwrap_or(i64::MAX);
        self.record_once(policy.name, subject, window, details, Outcome::Denied, caller, info)
            .await;
    }
}
