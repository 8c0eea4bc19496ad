//! `DELETE /auth/me`: deletes the caller's own account. After that, others can take its name and
//! address. The audit log keeps the events under its id. A worker deletes its conversations soon
//! after, and no user can reach them meanwhile. The owner of an account with single sign-on cannot
//! delete it, because the next sign-in would begin another one.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use platform::audit::AuditDetails;
use platform::clock::Timestamp;
use platform::context::Context;
use platform::identity::Identity;
use platform::input::{Fields, Input};
use platform::plan::Retry;
use platform::problem::Code;
use platform::routes::{self, Route};
use platform::store::{User, Users};
use platform::worker::Invoker;
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use tally_accounts::Removal;
use tally_accounts::domain::{EmailKind, Hasher, Notice, Password};
use tally_accounts::mail::EmailOutbox;
use tally_accounts::sessions::Confirmed;
use tally_chat::PurgeStart;
use tally_chat::store::{Deleted, PurgeJobs};
use utoipa::ToSchema;

/// The endpoint.
#[derive(Clone)]
pub struct DeleteMe {
    users: Users,
    hasher: Hasher,
    removal: Removal,
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
    const PROBLEMS: &'static [Code] =
        &[Code::InvalidCredentials, Code::LastAdmin, Code::ManagedBySso];
    type Caller = Identity;
    type Body = Confirmation;
    type Query = ();
    type Output = ();

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            users: Users::new(platform)?,
            hasher: Hasher::from_config(&platform.config)?,
            removal: Removal::new(platform)?,
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
            let details =
                AuditDetails::default().resource("user", &user.id).detail("ended_sessions", ended);
            let (delete, of_request) = (self.clone(), context.clone());
            let again: Retry<()> = Box::new(move |found| {
                async move {
                    let user = found
                        .map(|item| delete.users.read(item))
                        .transpose()?
                        .ok_or_else(Problem::invalid_token)?;
                    delete.plan(user, confirmed, of_request, now).await
                }
                .boxed()
            });
            let plan = Plan::reply(()).details(details);
            let plan = self.removal.add(plan, &user, again).await?;
            let notice = EmailKind::notice(Notice::AccountDeleted, &user);
            let plan = self.outbox.add(plan, notice, &context, now)?;
            let job = self.purge_jobs.leave(Deleted::Users, &user.id, &user.id, now)?;
            // If the worker cannot be started, the account is gone all the same. The next worker
            // does what this one would have done.
            let task = PurgeStart { conversation_id: None, user_id: Some(user.id) };
            Ok(plan.write(job).after_commit(self.purger.start_after_commit(&task)))
        }
        .boxed()
    }
}
