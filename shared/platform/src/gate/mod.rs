//! The steps that requests and messages share: authentication, authorisation, rate limits, and the commit with its event.

mod commit;
mod count;
mod counted;
mod denial;
mod guess;
mod identify;

pub use commit::Committed;
pub use count::Refused;
pub use identify::{Known, bearer};

use std::time::Instant;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use jiff::Timestamp;

use crate::config::ConfigError;
use crate::context::Context;
use crate::idempotency::{Claim, IdempotencyKey, Repeats};
use crate::identity::{Principal, Scope};
use crate::limits::{Limits, Policy, Quota};
use crate::platform::Platform;
use crate::problem::Problem;
use crate::request::Call;
use crate::routes::{Access, ActionRoute, Route, Session};
use crate::store::{ApiKeys, AuditLog, Database, LimitCounters, Record, Sessions, Users};
use crate::tokens::AccessTokens;

/// The steps for one route or action, with just the parts that it needs.
pub struct Gate {
    /// Key of the route, or name of the action. Events of denials name it.
    route: String,
    success: u16,
    scope: Option<Scope>,
    tokens: Option<AccessTokens>,
    sessions: Option<Sessions>,
    api_keys: Option<ApiKeys>,
    users: Option<Users>,
    repeats: Option<Repeats>,
    limits: Limits,
    counters: Option<LimitCounters>,
    log: Option<AuditLog>,
    database: Option<Database>,
    clock: crate::clock::Clock,
}

/// One request or message on its way, with the data that its event needs.
pub struct Passage<'a> {
    /// Where it came from.
    pub context: &'a Context,
    /// When it arrived.
    pub now: Timestamp,
    /// Start of its latency.
    pub since: Instant,
    /// Audit action of its route.
    pub action: Option<&'static str>,
    /// The `Idempotency-Key` under which its resource is remembered.
    pub claim: Option<Claim>,
}

/// The claim of an idempotency key, and the result of an earlier request with it.
pub type Repetition = (Option<Claim>, Option<Record>);

impl Gate {
    /// Makes only the parts that a route needs. A public route without limits and audit events opens no database.
    pub fn for_route(platform: &Platform, route: &Route) -> Result<Self, ConfigError> {
        let config = &platform.config;
        let protected = route.access != Access::Public;
        let limited = !route.limits.is_empty();
        let stores = protected || route.audit.is_some() || limited;
        let database = stores.then(|| platform.database()).transpose()?;
        let with_database = |wanted: bool| database.clone().filter(|_| wanted);
        let rereads = protected && route.session == Session::Reread && route.access != Access::Key;
        let reads_users = route.scope.is_some() || matches!(route.access, Access::Role(_) | Access::RoleOrMe { .. });
        Ok(Self {
            route: route.key(),
            success: route.success,
            scope: route.scope,
            tokens: (protected && route.access != Access::Key).then(|| AccessTokens::new(platform)).transpose()?,
            sessions: with_database(rereads).map(|db| Sessions::new(db, config)).transpose()?,
            api_keys: with_database(route.scope.is_some()).map(|db| ApiKeys::new(db, config)).transpose()?,
            users: with_database(reads_users).map(|db| Users::new(db, config)).transpose()?,
            repeats: route.idempotent.then(|| Repeats::new(platform)).transpose()?,
            limits: if protected || limited { Limits::from_config(config)? } else { Limits::default() },
            counters: with_database(protected || limited).map(|db| LimitCounters::new(db, config)).transpose()?,
            log: with_database(stores).map(|db| AuditLog::new(db, config)).transpose()?,
            database,
            clock: platform.clock.clone(),
        })
    }

    /// Makes the parts for the messages of an action, and for `$connect`.
    ///
    /// None of them authenticates callers. An item in the store identifies the caller, or the call is denied.
    pub fn for_action(platform: &Platform, route: &ActionRoute) -> Result<Self, ConfigError> {
        let counters = LimitCounters::new(platform.database()?, &platform.config)?;
        let repeats = route.idempotent.then(|| Repeats::new(platform)).transpose()?;
        let limits = Limits::from_config(&platform.config)?;
        Ok(Self { route: route.action.to_owned(), repeats, limits, counters: Some(counters), ..Self::for_workers(platform)? })
    }

    /// Makes the parts for workers, and for other functions that no client calls.
    pub fn for_workers(platform: &Platform) -> Result<Self, ConfigError> {
        let (config, database) = (&platform.config, platform.database()?);
        Ok(Self {
            route: String::new(),
            success: 200,
            scope: None,
            tokens: None,
            sessions: None,
            api_keys: None,
            users: None,
            repeats: None,
            limits: Limits::default(),
            counters: None,
            log: Some(AuditLog::new(database.clone(), config)?),
            database: Some(database),
            clock: platform.clock.clone(),
        })
    }

    /// The quota in force for a policy.
    pub fn quota(&self, policy: &Policy) -> Quota {
        self.limits.quota(policy)
    }

    /// The claim of a request's `Idempotency-Key`, and the result of an earlier request with it, if there was one.
    pub fn repetition<'a>(
        &'a self,
        call: &'a Call,
        caller: Option<&'a Principal>,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Repetition, Problem>> {
        async move {
            let Some(repeats) = &self.repeats else { return Ok((None, None)) };
            let Some(claim) = repeats.claim(call, caller).await? else { return Ok((None, None)) };
            repeats.recognise(claim, now).await
        }
        .boxed()
    }

    /// The same for a message: its `idempotency_key`, and the rest of its content as text.
    pub fn repetition_of<'a>(
        &'a self,
        caller: &'a Principal,
        (key, says): (&'a IdempotencyKey, String),
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Repetition, Problem>> {
        async move {
            let Some(repeats) = &self.repeats else { return Ok((None, None)) };
            let claim = repeats.claim_of(&caller.user_id, &self.route, key, &says).await?;
            repeats.recognise(claim, now).await
        }
        .boxed()
    }
}
