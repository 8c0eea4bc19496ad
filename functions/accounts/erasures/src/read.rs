//! `GET /users/{id}/erase`: how far the erasure of a user has come.

use platform::http::PathParameter;
use platform::identity::Identity;
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use tally_accounts::store::Erasures;

use crate::PATH;
use crate::view::ErasureView;

/// `GET /users/{id}/erase`.
pub struct ReadErasure {
    erasures: Erasures,
}

impl Endpoint for ReadErasure {
    const ROUTE: Route = routes::ERASURE;
    const PATH: &'static [PathParameter] = PATH;
    type Caller = Identity;
    type Body = ();
    type Query = ();
    type Output = ErasureView;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { erasures: Erasures::new(platform)? })
    }

    /// A request that was not confirmed in time is as if it had not been made.
    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<ErasureView>, Problem> {
        let id = request.call.path_id("id")?;
        let erasure = self.erasures.standing(&id, request.now).await?;
        let erasure = erasure.ok_or_else(Problem::not_found)?;
        Ok(Plan::reply(ErasureView::from(&erasure)))
    }
}
