//! `DELETE /auth/me`: deletes the caller's own account. After that, others can take its name and
//! address. The audit log keeps the events under its id. A worker deletes its conversations soon
//! after, and no user can reach them meanwhile.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use platform::audit::AuditDetails;
use platform::clock::Timestamp;
use platform::context::Context;
use platform::identity::Identity;
use platform::input::{Fields, Input};
use platform::problem::Code;
use platform::routes::{self, Route};
use platform::store::{User, Users};
use platform::worker::Invoker;
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use tally_accounts::domain::{EmailKind, Hasher, Notice, Password, Purpose};
use tally_accounts::mail::EmailOutbox;
use tally_accounts::sessions::{Confirmed, Ending};
use tally_accounts::store::MailTokens;
use tally_chat::PurgeStart;
use tally_chat::store::{Deleted, PurgeJobs};
use utoipa::ToSchema;

/// The endpoint.
#[derive(Clone)]
pub struct DeleteMe {
    users: Users,
    hasher: Hasher,
    tokens: MailTokens,
    ending: Ending,
    outbox: EmailOutbox,
    purge_jobs: PurgeJobs,
    purger: Invoker,
}

/// The request body.
#[derive(ToSchema)]
pub struct Confirmation {
    /// The password.
    #[schema(
        value_type = String, format = "password", max_length = 1024, example = "Correct-Horse-9"
    )]
    pub current_password: Password,
}

impl Input for Confirmation {
    fn read(fields: &mut Fields) -> Option<Self> {
        Some(Self { current_password: fields.required("current_password")? })
    }
}

impl Endpoint for DeleteMe {
    const ROUTE: Route = routes::ME_DELETE;
    const PROBLEMS: &'static [Code] = &[Code::InvalidCredentials, Code::LastAdmin];
    type Caller = Identity;
    type Body = Confirmation;
    type Query = ();
    type Output = ();

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            users: Users::new(platform)?,
            hasher: Hasher::from_config(&platform.config)?,
            tokens: MailTokens::new(platform)?,
            ending: Ending::new(platform)?,
            outbox: EmailOutbox::new(platform)?,
            purge_jobs: PurgeJobs::new(platform)?,
            purger: Invoker::new(&platform.config, "PURGE_CONVERSATIONS_ARN")?,
        })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<()>, Problem> {
        let (user, confirmed) =
            Confirmed::ask(&self.users, self.hasher, request.caller, request.body.current_password)
                .await?;
        self.clone().plan(user, confirmed, request.context.clone(), request.now).await
    }
}

impl DeleteMe {
    /// Boxed, because it calls this function again if the account changes meanwhile.
    fn plan(
        self,
        user: User,
        confirmed: Confirmed,
        context: Context,
        now: Timestamp,
    ) -> BoxFuture<'static, Result<Plan<()>, Problem>> {
        async move {
            let confirmed = confirmed.still(&user).await?;
            let ended: Vec<_> = user.sessions.keys().cloned().collect();
            let details = AuditDetails::default()
                .resource("user", &user.id)
                .detail("ended_sessions", ended.clone());
            let [account, name, email] = self.users.remove(&user);
            let users = self.users.clone();
            let plan = Plan::reply(()).details(details).write(name).write(email);
            let plan = Purpose::ALL
                .iter()
                .fold(plan, |plan, purpose| plan.write(self.tokens.forget(*purpose, &user.id)));
            let plan = self.ending.add(plan, &ended).await?;
            let plan = self.outbox.add(
                plan,
                EmailKind::notice(Notice::AccountDeleted, &user),
                &context,
                now,
            )?;
            let plan = self.purge(
                plan.write(self.purge_jobs.leave(Deleted::Users, &user.id, &user.id, now)?),
                &user.id,
            );
            let is_admin = user.is_admin();
            let dismiss = users.dismiss_admin(&user.id);
            let plan = plan.write_or_retry(
                account,
                Box::new(move |found| {
                    async move {
                        let user = found
                            .map(|item| self.users.read(item))
                            .transpose()?
                            .ok_or_else(Problem::invalid_token)?;
                        self.plan(user, confirmed, context, now).await
                    }
                    .boxed()
                }),
            );
            // This comes after the account's own write. If that were stale, this would judge an old
            // state.
            Ok(if is_admin { plan.write_or(dismiss, Problem::last_admin()) } else { plan })
        }
        .boxed()
    }

    /// Adds a worker that deletes the account's conversations.
    fn purge(&self, plan: Plan<()>, user_id: &str) -> Plan<()> {
        // If the worker cannot be started, the account is gone all the same. The next worker does
        // what this one would have done.
        let task = PurgeStart { conversation_id: None, user_id: Some(user_id.to_owned()) };
        plan.after_commit(self.purger.start_after_commit(&task))
    }
}
