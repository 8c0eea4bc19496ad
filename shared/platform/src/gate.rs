//! The steps that requests and messages share: who calls, whether they may, how often, and the commit with its event.

use std::time::Instant;

use futures_util::future::try_join_all;
use http::StatusCode;
use jiff::Timestamp;

use crate::audit::{Note, Outcome};
use crate::backoff;
use crate::config::ConfigError;
use crate::context::Context;
use crate::identity::Identity;
use crate::limits::{Limits, OnStoreFailure, Policy, Standings, Subject, standing};
use crate::plan::{Otherwise, Plan, Reply, Then};
use crate::platform::Platform;
use crate::problem::Problem;
use crate::routes::{Access, Route, Session};
use crate::store::{AuditLog, CommitError, Database, LimitCounters, Sessions, StoreError, Users};
use crate::tokens::AccessTokens;

/// Plans that may replace one another because someone was faster.
const REPLANS: u32 = 8;

/// Seconds for which a repeated denial of the same subject leaves one event.
const DENIAL_WINDOW_SECONDS: i64 = 300;

/// The steps for one route or action, with just the parts that it needs.
pub struct Gate {
    /// Key of the HTTP route: what a denial was a denial of.
    route: String,
    tokens: Option<AccessTokens>,
    sessions: Option<Sessions>,
    users: Option<Users>,
    limits: Limits,
    counters: Option<LimitCounters>,
    log: Option<AuditLog>,
    database: Option<Database>,
    clock: crate::clock::Clock,
}

/// One request or message on its way: what its event will need.
pub struct Passage<'a> {
    /// Where it came from.
    pub context: &'a Context,
    /// When it arrived.
    pub now: Timestamp,
    /// Since when its latency counts.
    pub since: Instant,
    /// Audit action of its route.
    pub action: Option<&'static str>,
}

/// What is left of a plan whose writes have been committed.
pub struct Committed<O> {
    /// What follows.
    pub then: Vec<Then<O>>,
    /// The answer.
    pub reply: Result<Reply<O>, Problem>,
}

impl Gate {
    /// Makes the parts that a route needs, so that a public one asks for no table.
    pub fn for_route(platform: &Platform, route: &Route) -> Result<Self, ConfigError> {
        let config = &platform.config;
        let protected = route.access != Access::Public;
        let limited = !route.limits.is_empty();
        let stores = protected || route.audit.is_some() || limited;
        let database = stores.then(|| platform.database()).transpose()?;
        let with_database = |wanted: bool| database.clone().filter(|_| wanted);
        let rereads = protected && route.session == Session::Reread;
        let reads_roles = matches!(route.access, Access::RoleOrMe { .. });
        Ok(Self {
            route: route.key(),
            tokens: protected.then(|| AccessTokens::new(platform)).transpose()?,
            sessions: with_database(rereads).map(|db| Sessions::new(db, config)).transpose()?,
            users: with_database(reads_roles).map(|db| Users::new(db, config)).transpose()?,
            limits: Limits::from_config(config)?,
            counters: with_database(protected || limited).map(|db| LimitCounters::new(db, config)).transpose()?,
            log: with_database(stores).map(|db| AuditLog::new(db, config)).transpose()?,
            database,
            clock: platform.clock.clone(),
        })
    }

    /// Makes the parts that messages and workers need, whose caller is known from an item of ours.
    pub fn for_messages(platform: &Platform, limits: &[Policy]) -> Result<Self, ConfigError> {
        let (config, database) = (&platform.config, platform.database()?);
        Ok(Self {
            route: String::new(),
            tokens: None,
            sessions: None,
            users: None,
            limits: Limits::from_config(config)?,
            counters: (!limits.is_empty()).then(|| LimitCounters::new(database.clone(), config)).transpose()?,
            log: Some(AuditLog::new(database.clone(), config)?),
            database: Some(database),
            clock: platform.clock.clone(),
        })
    }

    /// Who calls, from the `Authorization` header; `None` on a public route.
    pub async fn identify(&self, authorization: Option<&str>, passage: &Passage<'_>) -> Result<Option<Identity>, Problem> {
        let Some(tokens) = &self.tokens else { return Ok(None) };
        let Some(token) = authorization.and_then(bearer) else { return Err(Problem::unauthenticated()) };
        let (identity, _) = match tokens.verify(token).await {
            Ok(verified) => verified,
            Err(problem) => return Err(self.deny(problem, None, passage).await),
        };
        match &self.sessions {
            Some(sessions) if !sessions.holds(&identity, passage.now).await? => {
                Err(self.deny(Problem::invalid_token(), Some(&identity), passage).await)
            }
            _ => Ok(Some(identity)),
        }
    }

    /// Whether the caller may, by the roles they have now.
    pub async fn admit(&self, identity: Option<&Identity>, access: Access, me: bool, passage: &Passage<'_>) -> Result<(), Problem> {
        let (Access::RoleOrMe { roles, .. }, Some(identity)) = (access, identity) else { return Ok(()) };
        let Some(users) = self.users.as_ref().filter(|_| !me) else { return Ok(()) };
        let user = users.get(&identity.user_id).await?.filter(|user| user.is_active);
        if user.is_some_and(|user| roles.iter().any(|role| user.roles.contains(role))) {
            return Ok(());
        }
        Err(self.deny(Problem::forbidden("This needs a role that you do not have."), Some(identity), passage).await)
    }

    /// Counts a call against its policies; `key` is what the endpoint itself names.
    pub async fn count(
        &self,
        policies: &[Policy],
        identity: Option<&Identity>,
        connection: Option<&str>,
        key: Option<&str>,
        passage: &Passage<'_>,
    ) -> Result<Standings, Problem> {
        let Some(counters) = self.counters.as_ref().filter(|_| !policies.is_empty()) else { return Ok(Standings::default()) };
        let address = passage.context.address.as_str();
        let subject = |policy: &Policy| match policy.subject {
            Subject::Address => Some(address.to_owned()),
            Subject::AddressAndKey => key.map(|key| format!("{address} {key}")),
            Subject::Key => key.map(str::to_owned),
            Subject::User => identity.map(|identity| identity.user_id.clone()),
            Subject::Session => identity.map(|identity| identity.session_id.clone()),
            Subject::Connection => connection.map(str::to_owned),
        };
        let counted = policies.iter().filter_map(|policy| Some((policy, subject(policy)?))).map(async |(policy, subject)| {
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
        self.tell_once(policy.name, subject, window, note, Outcome::Denied, identity, passage).await;
        let mut problem = Problem::rate_limited(refused.reset_seconds);
        problem.headers.extend(standings.headers());
        Err(problem)
    }

    /// Carries a plan out: the writes and the event in one transaction, then what follows.
    pub async fn commit<O>(
        &self,
        plan: Result<Plan<O>, Problem>,
        caller: Option<&Identity>,
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

    /// Carries a plan out up to its commit, and leaves it to the caller what follows.
    pub async fn write<O>(
        &self,
        plan: Result<Plan<O>, Problem>,
        caller: Option<&Identity>,
        passage: &Passage<'_>,
    ) -> Result<Committed<O>, Problem> {
        let mut plan = plan.unwrap_or_else(Plan::refuse);
        for overtaken in 0..=REPLANS {
            // The first time the item as it stands most often settles it; after that the others are given room.
            if overtaken > 1 {
                backoff::pause(overtaken).await;
            }
            let Plan { writes, note, then, reply } = plan;
            let outcome = outcome(&reply);
            let event = outcome.and_then(|outcome| {
                let latency = u64::try_from(passage.since.elapsed().as_millis()).unwrap_or(u64::MAX);
                note.event(passage.action, outcome, caller, passage.context, self.clock.now(), latency)
            });
            let (writes, otherwise): (Vec<_>, Vec<_>) = writes.into_iter().unzip();
            let committed = match (&self.database, &self.log, event, writes.is_empty()) {
                (_, _, None, true) => Ok(()),
                (_, Some(log), Some(event), true) => match (log.record(event).await, &reply) {
                    // A refusal that has no effect keeps its status although its event could not be written.
                    (Err(error), Err(problem)) => {
                        tracing::error!(%error, code = problem.code, "a refusal left no event");
                        Ok(())
                    }
                    (recorded, _) => recorded.map_err(CommitError::from),
                },
                (Some(database), Some(log), Some(event), false) => {
                    // Last, so that a failed condition's position is that of its write.
                    let append = log.append(event)?;
                    database.commit(writes.into_iter().chain([append]).collect()).await
                }
                (Some(database), _, None, false) => database.commit(writes).await,
                _ => {
                    tracing::error!("a plan writes on a route that has no table");
                    return Err(Problem::internal());
                }
            };
            match committed {
                Ok(()) => return Ok(Committed { then, reply }),
                Err(CommitError::Store(error)) => return Err(error.into()),
                Err(CommitError::Condition { position, old }) => match otherwise.into_iter().nth(position) {
                    Some(Otherwise::Refuse(problem)) => plan = Plan::refuse(problem),
                    Some(Otherwise::Replan(replan)) => plan = replan(old).await.unwrap_or_else(Plan::refuse),
                    None => return Err(Problem::conflict()),
                },
            }
        }
        tracing::warn!("a plan was overtaken too often");
        Err(Problem::unavailable())
    }

    /// Leaves `access.denied` for a 401 or 403, once per subject and window, and hands the problem back.
    pub async fn deny(&self, problem: Problem, identity: Option<&Identity>, passage: &Passage<'_>) -> Problem {
        if problem.status == StatusCode::UNAUTHORIZED || problem.status == StatusCode::FORBIDDEN {
            let subject = identity.map_or(passage.context.address.as_str(), |identity| identity.user_id.as_str());
            let note = Note::action("access.denied").detail("route", self.route.as_str()).detail("code", problem.code);
            self.tell_once("denied", subject, DENIAL_WINDOW_SECONDS, note, Outcome::Denied, identity, passage).await;
        }
        problem
    }

    /// Leaves an event the first time in a window, with how often it happened since the last one. A denial stands
    /// even if its event cannot be written: then the log has it.
    #[allow(clippy::too_many_arguments, reason = "all of them are the event")]
    async fn tell_once(
        &self,
        name: &str,
        subject: &str,
        window_seconds: i64,
        note: Note,
        outcome: Outcome,
        identity: Option<&Identity>,
        passage: &Passage<'_>,
    ) {
        let (Some(counters), Some(log)) = (&self.counters, &self.log) else { return };
        let now = passage.now.as_second();
        let told = async {
            let window = now.div_euclid(window_seconds);
            let expires = now + 2 * window_seconds + 86_400;
            let Some(count) = counters.first_in_window(name, subject, window, expires).await? else { return Ok(()) };
            let latency = u64::try_from(passage.since.elapsed().as_millis()).unwrap_or(u64::MAX);
            let event = note.detail("count", count).event(passage.action, outcome, identity, passage.context, self.clock.now(), latency);
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

/// How the event of an answer ends; input that is not valid (422) is not an attempt at anything.
fn outcome<O>(reply: &Result<Reply<O>, Problem>) -> Option<Outcome> {
    match reply {
        Ok(_) => Some(Outcome::Success),
        Err(problem) => match problem.status.as_u16() {
            403 => Some(Outcome::Denied),
            422 => None,
            _ => Some(Outcome::Failure),
        },
    }
}

/// The token of an `Authorization: Bearer` header (RFC 6750); the scheme's case does not matter.
pub fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}
