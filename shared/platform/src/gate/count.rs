//! How often a caller may: counts a call against every policy that applies.

use futures_util::FutureExt as _;
use futures_util::future::{OptionFuture, try_join, try_join_all};

use super::guess::{Guess, Guessed};
use super::{Gate, Passage};
use crate::audit::{Note, Outcome};
use crate::identity::{Credential, Principal};
use crate::limits::{OnStoreFailure, Policy, Quota, Standing, Standings, Subject, standing};
use crate::problem::Problem;
use crate::store::{LimitCounters, StoreError};

/// A call that has been counted for a subject.
pub(super) struct Count<'a> {
    pub(super) policy: &'a Policy,
    pub(super) quota: Quota,
    pub(super) subject: String,
    pub(super) standing: Standing,
}

/// Why a call is not let through.
pub struct Refused {
    /// The answer.
    pub problem: Problem,
    /// Seconds until a call is let through again; 0 where that could not be found out.
    pub wait_seconds: u64,
    /// What there were too many for; nothing, where that could not be found out.
    by: Vec<Subject>,
}

impl Refused {
    /// Whether it was too much for the session whose refresh token is spent, and for nothing else.
    pub fn by_spent_session_alone(&self) -> bool {
        self.by == [Subject::SpentSession]
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self { problem: error.into(), wait_seconds: 0, by: Vec::new() }
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        refused.problem
    }
}

impl Gate {
    /// Counts a call against its policies; `key` is what the endpoint itself names.
    pub async fn count(
        &self,
        policies: &[Policy],
        caller: Option<&Principal>,
        connection: Option<&str>,
        key: Option<&str>,
        passage: &Passage<'_>,
    ) -> Result<Standings, Refused> {
        let Some(counters) = &self.counters else { return Ok(Standings::default()) };
        let per_key = caller.is_some_and(|caller| matches!(caller.credential, Credential::KeyId(_))).then_some(&Policy::API_KEY);
        let address = passage.context.address.as_str();
        let subject = |policy: &Policy| match policy.subject {
            Subject::Address => Some(address.to_owned()),
            Subject::Recipient | Subject::SpentSession => key.map(str::to_owned),
            Subject::User => caller.map(|caller| caller.user_id.clone()),
            Subject::Session => caller.map(|caller| caller.credential.id().to_owned()),
            Subject::Connection => connection.map(str::to_owned),
            // Counted as one with the lock.
            Subject::Guess => None,
        };
        let windows = policies.iter().chain(per_key).filter_map(|policy| Some((policy, subject(policy)?)));
        let windows = try_join_all(windows.map(|(policy, subject)| self.window(counters, policy, subject, passage)));
        let guess = key.filter(|_| policies.contains(&Policy::LOGIN_LOCK));
        let guess = guess.map(|identifier| Guess::new(counters, &self.limits, address, identifier, passage.now).count().boxed());
        let (windows, guessed) = try_join(windows, async { OptionFuture::from(guess).await.transpose() }).await?;
        let windows: Vec<_> = windows.into_iter().flatten().collect();

        let mut counts: Vec<&Count> = windows.iter().collect();
        let near = guessed.as_ref().map(Guessed::counts);
        counts.splice(0..0, near.iter().flatten());
        let mut standings = Standings(counts.iter().map(|count| (count.policy.name, count.quota, count.standing)).collect());
        counts.retain(|count| !count.standing.allowed);
        let by = counts.iter().map(|count| count.policy.subject).collect();
        let refusing = counts.into_iter().max_by_key(|count| count.standing.reset_seconds);
        let slowed = match (refusing, &guessed) {
            (None, Some(guessed)) => guessed.slow().await?,
            _ => None,
        };
        if let Some(slowed) = &slowed {
            standings.replace(slowed.policy, slowed.standing);
        }
        let Some(refusing) = refusing.or(slowed.as_ref()) else { return Ok(standings) };

        // A refused call counts nowhere: neither where it was refused nor where it would have been allowed.
        let windows = try_join_all(windows.iter().map(|count| counters.take_back(count.policy, count.quota, &count.subject, passage.now)));
        let guessed = OptionFuture::from(guessed.as_ref().map(|guessed| guessed.take_back().boxed()));
        if let Err(error) = try_join(windows, async { guessed.await.transpose() }).await {
            tracing::warn!(%error, "a refused call stays counted");
        }
        self.tell_refusal(refusing, key, caller, passage).await;
        let mut problem = Problem::rate_limited(refusing.standing.reset_seconds);
        problem.headers.extend(standings.headers());
        Err(Refused { problem, wait_seconds: refusing.standing.reset_seconds, by })
    }

    /// Counts a call in its window; nothing where the counter cannot be reached and that is to stop nobody.
    async fn window<'p>(
        &self,
        counters: &LimitCounters,
        policy: &'p Policy,
        subject: String,
        passage: &Passage<'_>,
    ) -> Result<Option<Count<'p>>, StoreError> {
        let quota = self.limits.quota(policy);
        match counters.count(policy, quota, &subject, passage.now).await {
            Ok(found) => Ok(Some(Count { policy, quota, subject, standing: standing(quota, &found, passage.now) })),
            Err(error) if policy.on_store_failure == OnStoreFailure::Allow => {
                tracing::error!(%error, policy = policy.name, "not limited");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Leaves an event for the first refusal of a subject in a window.
    async fn tell_refusal(&self, refusing: &Count<'_>, key: Option<&str>, caller: Option<&Principal>, passage: &Passage<'_>) {
        let Count { policy, quota, subject, .. } = refusing;
        let note = Note::action(if **policy == Policy::LOGIN_LOCK { "auth.locked" } else { "rate.limited" }).detail("policy", policy.name);
        let note = match (policy.subject, key) {
            (Subject::Guess | Subject::Recipient, Some(fingerprint)) => note.detail("identifier_hmac", fingerprint),
            (Subject::SpentSession, Some(session_id)) => note.resource("session", session_id),
            _ => note,
        };
        let window = i64::try_from(quota.window_seconds).unwrap_or(i64::MAX);
        self.tell_once(policy.name, subject, window, note, Outcome::Denied, caller, passage).await;
    }
}
