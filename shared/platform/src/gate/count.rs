//! How often a caller may: counts a call against every policy that applies.

use futures_util::future::try_join_all;

use super::{Gate, Passage};
use crate::audit::{Note, Outcome};
use crate::identity::{Credential, Principal};
use crate::limits::{OnStoreFailure, Policy, Standings, Subject, standing};
use crate::problem::Problem;

impl Gate {
    /// Counts a call against its policies; `key` is what the endpoint itself names.
    pub async fn count(
        &self,
        policies: &[Policy],
        caller: Option<&Principal>,
        connection: Option<&str>,
        key: Option<&str>,
        passage: &Passage<'_>,
    ) -> Result<Standings, Problem> {
        let per_key = caller.is_some_and(|caller| matches!(caller.credential, Credential::KeyId(_))).then_some(&Policy::API_KEY);
        let Some(counters) = &self.counters else { return Ok(Standings::default()) };
        let address = passage.context.address.as_str();
        let subject = |policy: &Policy| match policy.subject {
            Subject::Address => Some(address.to_owned()),
            Subject::AddressAndKey => key.map(|key| format!("{address} {key}")),
            Subject::Key => key.map(str::to_owned),
            Subject::User => caller.map(|caller| caller.user_id.clone()),
            Subject::Session => caller.map(|caller| caller.credential.id().to_owned()),
            Subject::Connection => connection.map(str::to_owned),
        };
        let counted =
            policies.iter().chain(per_key).filter_map(|policy| Some((policy, subject(policy)?))).map(async |(policy, subject)| {
                let quota = self.limits.quota(policy);
                match counters.count(policy, quota, &subject, passage.now).await {
                    Ok(found) => Ok(Some((policy, quota, subject, standing(quota, &found, passage.now)))),
                    Err(error) if policy.on_store_failure == OnStoreFailure::Allow => {
                        tracing::error!(%error, policy = policy.name, "not limited");
                        Ok(None)
                    }
                    Err(error) => Err(Problem::from(error)),
                }
            });
        let counted: Vec<_> = try_join_all(counted).await?.into_iter().flatten().collect();
        let standings = Standings(counted.iter().map(|(policy, quota, _, standing)| (policy.name, *quota, *standing)).collect());
        let refusing = counted.iter().filter(|(.., standing)| !standing.allowed).max_by_key(|(.., standing)| standing.reset_seconds);
        let Some((policy, quota, subject, refused)) = refusing else { return Ok(standings) };
        // A refused call counts nowhere: neither where it was refused nor where it would have been allowed.
        let taken_back = counted.iter().map(|(policy, quota, subject, _)| counters.take_back(policy, *quota, subject, passage.now));
        if let Err(error) = try_join_all(taken_back).await {
            tracing::warn!(%error, "a refused call stays counted");
        }
        let window = i64::try_from(quota.window_seconds).unwrap_or(i64::MAX);
        let note = Note::action("rate.limited").detail("policy", policy.name);
        let note = if policy.subject == Subject::Key { note.resource("session", subject) } else { note };
        self.tell_once(policy.name, subject, window, note, Outcome::Denied, caller, passage).await;
        let mut problem = Problem::rate_limited(refused.reset_seconds);
        problem.headers.extend(standings.headers());
        Err(problem)
    }
}
