//! `DELETE /auth/sessions/{id}`.

use platform::http::PathParameter;
use platform::identity::Identity;
use platform::routes::{self, Route};
use platform::store::Users;
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use tally_accounts::sessions::Ending;

/// The endpoint. Callers may end their current session too, which is a logout.
pub struct EndSession {
    users: Users,
    ending: Ending,
}

impl Endpoint for EndSession {
    const ROUTE: Route = routes::END_SESSION;
    const PATH: &'static [PathParameter] = &[PathParameter::id("id", "Id of the session.")];
    type Caller = Identity;
    type Body = ();
    type Query = ();
    type Output = ();

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { users: Users::new(platform)?, ending: Ending::new(platform)? })
    }

    /// The caller's account lists the caller's sessions. So another user's session and one that
    /// never existed fail the same condition.
    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<()>, Problem> {
        let id = &request.call.path_id("id")?;
        let forget = self.users.revoke_session(&request.caller.user_id, id, request.now);
        Ok(self
            .ending
            .add(Plan::reply(()), &[id.to_string()])
            .await?
            .write_or(forget, Problem::not_found()))
    }
}
