//! `POST /users/{id}/erase`: an administrator asks for the erasure of a user. Nothing is destroyed
//! before a second administrator has confirmed it.

use futures_util::future::try_join3;
use platform::audit::AuditDetails;
use platform::clock::rfc3339_ms;
use platform::http::PathParameter;
use platform::identity::Identity;
use platform::problem::Code;
use platform::routes::{self, Route};
use platform::store::{AdminsChange, Users};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use tally_accounts::store::{Erasure, Erasures};
use texts::store::WrappedKeys;

use crate::PATH;
use crate::view::ErasureView;

/// `POST /users/{id}/erase`.
pub struct RequestErasure {
    erasures: Erasures,
    users: Users,
    keys: WrappedKeys,
}

impl Endpoint for RequestErasure {
    const ROUTE: Route = routes::ERASE;
    const PATH: &'static [PathParameter] = PATH;
    const PROBLEMS: &'static [Code] = &[Code::Conflict];
    type Caller = Identity;
    type Body = ();
    type Query = ();
    type Output = ErasureView;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            erasures: Erasures::new(platform)?,
            users: Users::new(platform)?,
            keys: WrappedKeys::new(platform)?,
        })
    }

    /// A user can be erased while there is an account or a data key, which outlives the account.
    /// The end of the key counts too: a backup may bring data back after an erasure.
    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<ErasureView>, Problem> {
        let id = request.call.path_id("id")?;
        let (admin_id, now) = (&request.caller.user_id, request.now);
        let (earlier, user, key) =
            try_join3(self.erasures.standing(&id, now), self.users.get(&id), self.keys.get(&id))
                .await?;
        if earlier.as_ref().is_some_and(|earlier| earlier.completed_at.is_none()) {
            return Err(Problem::erasure_exists());
        }
        if user.is_none() && key.is_none() {
            return Err(Problem::not_found());
        }
        let erasure =
            Erasure { earlier: earlier.map(Box::new), ..Erasure::new(&id, admin_id, now) };
        let details = AuditDetails::default().detail("expires_at", rfc3339_ms(erasure.expires_at));
        Ok(Plan::reply(ErasureView::from(&erasure))
            .details(details)
            .write_or(self.erasures.request(&erasure, now)?, Problem::erasure_exists())
            .write_or(
                self.users.on_word_of(admin_id, AdminsChange::Stay),
                Problem::no_longer_admin(),
            ))
    }
}
