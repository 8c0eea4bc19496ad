//! Rate limits: counts a call against every policy that applies.

use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, OptionFuture, try_join, try_join_all};
use tokio::time::timeout;

use super::counted::Count;
use super::guess::{Guess, Guessed};
use super::identify::{Called, Known};
use super::{Gate, Passage};
use crate::audit::{Note, Outcome};
use crate::identity::Principal;
use crate::limits::{Key, OnStoreFailure, Policy, Standings, Subject, standing};
use crate::problem::Problem;
use crate::store::{LimitCounters, StoreError};

/// Longest wait for a counter whose policy lets calls through when the counter cannot be reached.
const PATIENCE: Duration = Duration::from_secs(1);

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

impl Gate {
    /// Counts a request against the policies of its row, and against [`Policy::USER`], which counts every call of a user.
    /// `key` is the subject that only the endpoint can name.
    pub fn count_request<'a>(
        &'a self,
        policies: &'a [Policy],
        known: Option<&'a Known>,
        key: Option<&'a Key>,
        passage: &'a Passage<'a>,
    ) -> BoxFuture<'a, Result<Standings, Refused>> {
        async move {
            let call = match known.map(|known| (&known.call, &known.principal)) {
                Some((Called::Counted(call), _)) => call.clone(),
                Some((Called::NotYet, caller)) => self.count_call(&caller.user_id, passage).await,
                None => None,
            };
            self.judge(call, policies, known.map(|known| &known.principal), None, key, passage).await
        }
        .boxed()
    }

    /// Counts a call of a user against [`Policy::USER`], which counts every call; `None` if that fails.
    pub(super) async fn count_call(&self, user_id: &str, passage: &Passage<'_>) -> Option<Count<'static>> {
        let counters = self.counters.as_ref()?;
        self.window(counters, &Policy::USER, user_id.to_owned(), passage).await.ok().flatten()
    }

    /// Reverts the count of a call that turned out not to be the user's.
    pub(super) async fn take_call_back(&self, call: Option<Count<'static>>, passage: &Passage<'_>) {
        if let (Some(call), Some(counters)) = (call, &self.counters)
            && let Err(error) = counters.take_back(call.policy, call.quota, &call.subject, passage.now).await
        {
            tracing::warn!(%error, "a refused call stays counted");
        }
    }

    /// Counts a message against its policies.
    pub fn count<'a>(
        &'a self,
        policies: &'a [Policy],
        caller: Option<&'a Principal>,
        connection: Option<&'a str>,
        passage: &'a Passage<'a>,
    ) -> BoxFuture<'a, Result<Standings, Refused>> {
        async move { self.judge(None, policies, caller, connection, None, passage).await }.boxed()
    }

    /// Counts a call against its policies. `call` is its count against [`Policy::USER`], if there is one already.
    async fn judge(
        &self,
        call: Option<Count<'static>>,
        policies: &[Policy],
        caller: Option<&Principal>,
        connection: Option<&str>,
        key: Option<&Key>,
        passage: &Passage<'_>,
    ) -> Result<Standings, Refused> {
        let Some(counters) = &self.counters else { return Ok(Standings::default()) };
        let address = passage.context.address.as_str();
        let subject = |policy: &Policy| match policy.subject {
            Subject::Address => Some(address.to_owned()),
            Subject::Recipient | Subject::SpentSession => key.map(|key| key.as_str().to_owned()),
            Subject::User => caller.map(|caller| caller.user_id.clone()),
            Subject::Session => caller.map(|caller| caller.credential.id().to_owned()),
            Subject::Connection => connection.map(str::to_owned),
            // `Guess` counts these below, together with the lock.
            Subject::Guess => None,
        };
        let windows = policies.iter().filter_map(|policy| Some((policy, subject(policy)?)));
        let windows = try_join_all(windows.map(|(policy, subject)| self.window(counters, policy, subject, passage)));
        let guess = match key {
            Some(Key::Named(identifier)) if policies.contains(&Policy::LOGIN_LOCK) => Some(identifier),
            _ => None,
        };
        let guess = guess.map(|identifier| Guess::new(counters, &self.limits, address, identifier, passage.now).count().boxed());
        let (windows, guessed) = try_join(windows, async { OptionFuture::from(guess).await.transpose() }).await?;
        let windows: Vec<_> = call.into_iter().chain(windows.into_iter().flatten()).collect();

        let mut counts: Vec<&Count> = windows.iter().collect();
        let near = guessed.as_ref().map(Guessed::counts);
        counts.splice(0..0, near.iter().flatten());
        let mut standings = Standings(counts.iter().map(|count| (count.policy.name, count.quota, count.standing)).collect());
        counts.retain(|count| !count.standing.allowed);
        let refusing = counts.into_iter().max_by_key(|count| count.standing.reset_seconds);
        let slowed = match (refusing, &guessed) {
            (None, Some(guessed)) => guessed.slow().await?,
            _ => None,
        };
        if let Some(slowed) = &slowed {
            standings.replace(slowed.policy, slowed.standing);
        }
        let Some(refusing) = refusing.or(slowed.as_ref()) else { return Ok(standings) };

        // A refused call counts nowhere: neither for the policy that refused it nor for those that allowed it.
        let windows = try_join_all(windows.iter().map(|count| counters.take_back(count.policy, count.quota, &count.subject, passage.now)));
        let guessed = OptionFuture::from(guessed.as_ref().map(|guessed| guessed.take_back().boxed()));
        if let Err(error) = try_join(windows, async { guessed.await.transpose() }).await {
            tracing::warn!(%error, "a refused call stays counted");
        }
        self.tell_refusal(refusing, key, caller, passage).await;
        let mut problem = Problem::rate_limited(refusing.standing.reset_seconds);
        problem.headers.extend(standings.headers());
        Err(Refused { problem, wait_seconds: refusing.standing.reset_seconds })
    }

    /// Counts a call in its window. `None` if the counter cannot be reached and the policy then lets calls through.
    async fn window<'p>(
        &self,
        counters: &LimitCounters,
        policy: &'p Policy,
        subject: String,
        passage: &Passage<'_>,
    ) -> Result<Option<Count<'p>>, StoreError> {
        let quota = self.limits.quota(policy);
        let counted = counters.count(policy, quota, &subject, passage.now);
        let counted = match policy.on_store_failure {
            OnStoreFailure::Allow => timeout(PATIENCE, counted).await.unwrap_or_else(|_| Err(StoreError::Unavailable("no answer".into()))),
            OnStoreFailure::Refuse => counted.await,
        };
        match counted {
            Ok(found) => Ok(Some(Count { policy, quota, subject, standing: standing(quota, &found, passage.now) })),
            Err(error) if policy.on_store_failure == OnStoreFailure::Allow => {
                tracing::error!(%error, policy = policy.name, "not limited");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Records an event for the first refusal of a subject in a window.
    async fn tell_refusal(&self, refusing: &Count<'_>, key: Option<&Key>, caller: Option<&Principal>, passage: &Passage<'_>) {
        let Count { policy, quota, subject, .. } = refusing;
        let note = Note::action(if **policy == Policy::LOGIN_LOCK { "auth.locked" } else { "rate.limited" }).detail("policy", policy.name);
        let note = match (policy.subject, key) {
            (Subject::Guess | Subject::Recipient, Some(Key::Named(fingerprint))) => note.identifier(fingerprint),
            (Subject::SpentSession, Some(Key::Session(id))) => note.resource("session", id),
            _ => note,
        };
        let window = i64::try_from(quota.window_seconds).unwrap_or(i64::MAX);
        self.tell_once(policy.name, subject, window, note, Outcome::Denied, caller, passage).await;
    }
}
