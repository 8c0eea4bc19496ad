//! `POST /users/{id}/erase/confirm`: a second administrator confirms the erasure of a user. It
//! begins at once and cannot be stopped.

use platform::audit::AuditDetails;
use platform::http::PathParameter;
use platform::identity::Identity;
use platform::problem::Code;
use platform::routes::{self, Route};
use platform::store::{AdminsChange, Users};
use platform::worker::Invoker;
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use tally_accounts::EraseStart;
use tally_accounts::store::{Confirmation, Erasure, Erasures};

use crate::PATH;
use crate::view::ErasureView;

/// `POST /users/{id}/erase/confirm`.
pub struct ConfirmErasure {
    erasures: Erasures,
    users: Users,
    worker: Invoker,
}

impl Endpoint for ConfirmErasure {
    const ROUTE: Route = routes::ERASE_CONFIRM;
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
            worker: Invoker::new(&platform.config, "ERASE_ARN")?,
        })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<ErasureView>, Problem> {
        let id = request.call.path_id("id")?;
        let (admin, now) = (request.caller, request.now);
        let erasure = self.erasures.standing(&id, now).await?.ok_or_else(Problem::not_found)?;
        if erasure.confirmed_at.is_some() {
            return Err(Problem::erasure_exists());
        }
        if *admin.user_id == *id || admin.user_id == erasure.requested_by {
            return Err(Problem::forbidden(
                "Another administrator has to confirm: neither the one who has asked for the \
                 erasure nor the user.",
            ));
        }
        let admins = self.users.on_word_of(&admin.user_id, AdminsChange::Stay);
        let confirmation = Confirmation { by: admin.into(), context: request.context.clone() };
        let confirm = self.erasures.confirm(&id, &confirmation, now)?;
        let details = AuditDetails::default().detail("requested_by", erasure.requested_by.as_str());
        let erasure = Erasure { confirmed_at: Some(now.as_millisecond()), ..erasure };
        // If the worker cannot be started, its schedule begins the erasure.
        let start = EraseStart { user_id: Some(erasure.user_id.clone()) };
        Ok(Plan::reply(ErasureView::from(&erasure))
            .details(details)
            .write_or(confirm, Problem::erasure_exists())
            .write_or(admins, Problem::no_longer_admin())
            .after_commit(self.worker.start_after_commit(&start)))
    }
}
