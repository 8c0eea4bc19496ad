//! Fills a new deployment with its first agents, the sample profits, their workbook and its first
//! rule. If `SEED_DEMO_USERS` is on, it adds two users to try the deployment with. It runs at every
//! local start, and ops run it on demand. Running it again changes nothing.

mod agents;
mod book;
mod profits;
mod users;

use std::collections::HashMap;

use platform::clock::Clock;
use platform::context::Context;
use platform::gate::{Committer, RequestInfo};
use platform::problem::Code;
use platform::runtime::Invocation;
use platform::store::Users;
use platform::worker::Worker;
use platform::{ConfigError, Platform, Problem};
use tally_access::store::{Rules, Workbooks};
use tally_accounts::domain::Hasher;
use tally_chat::store::Agents;
use tally_data::store::Profits;

/// The worker.
pub struct Seed {
    users: Users,
    profits: Profits,
    rules: Rules,
    workbooks: Workbooks,
    agents: Agents,
    committer: Committer,
    clock: Clock,
    hasher: Hasher,
    demo_users: bool,
}

impl Worker for Seed {
    /// The worker does not read it.
    type Payload = HashMap<String, serde::de::IgnoredAny>;
    type Output = ();

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            users: Users::new(platform)?,
            profits: Profits::new(platform)?,
            rules: Rules::new(platform)?,
            workbooks: Workbooks::new(platform)?,
            agents: Agents::new(platform)?,
            committer: Committer::new(platform)?,
            clock: platform.clock.clone(),
            hasher: Hasher::from_config(&platform.config)?,
            demo_users: platform.config.switch("SEED_DEMO_USERS")?,
        })
    }

    async fn run(&self, _: Self::Payload, invocation: Invocation) -> Result<(), Problem> {
        let added = self.profits.add_missing(profits::rows()).await?;
        tracing::info!(added, "added profits");
        let context = Context {
            request_id: invocation.request_id,
            address: "internal".into(),
            user_agent: "seed".into(),
            ..Context::default()
        };
        self.add_book(&context).await?;
        self.add_agents(&context).await?;
        for demo in users::DEMO.iter().filter(|_| self.demo_users) {
            let info = RequestInfo::new(&context, self.clock.now(), Some(demo.action));
            // An account that has the name or the address keeps it.
            if self.users.find(demo.username).await?.is_some()
                || self.users.find(demo.email).await?.is_some()
            {
                continue;
            }
            let plan = demo.plan(&self.users, self.hasher, info.now).await;
            match self.committer.commit(plan, None, &info).await {
                // Another call took it meanwhile, with the same result.
                Err(problem) if problem.code != Code::AccountExists => return Err(problem),
                _ => {}
            }
        }
        Ok(())
    }
}

impl Seed {
    /// Adds the workbook of the profits with its rule, unless the workbook exists. So a rule that a
    /// user has removed does not come back.
    async fn add_book(&self, context: &Context) -> Result<(), Problem> {
        if self.workbooks.has(&tally_access::profits::book_id()).await? {
            return Ok(());
        }
        let info = RequestInfo::new(context, self.clock.now(), Some("workbook.created"));
        let plan = book::plan(&self.workbooks, &self.rules, info.now);
        match self.committer.commit(plan, None, &info).await {
            // Another call added it meanwhile.
            Err(problem) if problem.code != Code::Conflict => Err(problem),
            _ => Ok(()),
        }
    }

    /// Adds the first agents, unless an administrator has changed or deleted them.
    async fn add_agents(&self, context: &Context) -> Result<(), Problem> {
        for sample in agents::SAMPLES {
            if self.agents.find(sample.name).await?.version > 0 {
                continue;
            }
            let info = RequestInfo::new(context, self.clock.now(), Some("agent.updated"));
            match self.committer.commit(sample.plan(&self.agents), None, &info).await {
                // Another call added it meanwhile.
                Err(problem) if problem.code != Code::Conflict => return Err(problem),
                _ => {}
            }
        }
        Ok(())
    }
}
