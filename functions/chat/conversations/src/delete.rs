//! `DELETE /conversations/{id}`: the conversation is gone when the answer is sent, and its messages
//! soon after.

use platform::audit::AuditDetails;
use platform::http::PathParameter;
use platform::identity::Identity;
use platform::routes::{self, Route};
use platform::worker::Invoker;
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use tally_chat::PurgeStart;
use tally_chat::store::{Conversations, Deleted, PurgeJobs, States};

use crate::PATH;

/// `DELETE /conversations/{id}`.
pub struct DeleteConversation {
    conversations: Conversations,
    states: States,
    purge_jobs: PurgeJobs,
    worker: Invoker,
}

impl Endpoint for DeleteConversation {
    const ROUTE: Route = routes::CONVERSATION_DELETE;
    const PATH: &'static [PathParameter] = PATH;
    type Caller = Identity;
    type Body = ();
    type Query = ();
    type Output = ();

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        let config = &platform.config;
        Ok(Self {
            conversations: Conversations::new(platform)?,
            states: States::new(platform)?,
            purge_jobs: PurgeJobs::new(platform)?,
            worker: Invoker::new(config, "PURGE_CONVERSATIONS_ARN")?,
        })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<()>, Problem> {
        let id = &request.call.path_id("id")?;
        let user_id = &request.caller.user_id;
        let delete = self.conversations.delete(user_id, id);
        // If the worker cannot be started, the conversation is gone all the same. The next worker
        // does what this one would have done.
        let task = PurgeStart { conversation_id: Some(id.to_string()), user_id: None };
        let start = self.worker.start_after_commit(&task);
        let plan = Plan::reply(())
            .details(AuditDetails::default().resource("conversation", id))
            .write_or(delete, Problem::not_found())
            .write(self.states.delete(user_id, id));
        Ok(plan
            .write(self.purge_jobs.leave(Deleted::Conversations, id, user_id, request.now)?)
            .after_commit(start))
    }
}
