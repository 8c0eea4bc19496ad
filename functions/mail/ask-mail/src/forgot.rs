//! `POST /auth/password/forgot`: mails a token for a new password, if the address belongs to an
//! account.

use platform::limits::Key;
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use tally_accounts::domain::EmailKind;
use tally_accounts::mail::Accepted;

use crate::ask::{AccountAddress, Asker};

/// The endpoint.
pub struct RequestPasswordReset {
    asker: Asker,
}

impl Endpoint for RequestPasswordReset {
    const ROUTE: Route = routes::PASSWORD_FORGOT;
    type Caller = ();
    type Body = AccountAddress;
    type Query = ();
    type Output = Accepted;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { asker: Asker::new(platform)? })
    }

    async fn limit_key(&self, request: &Request<'_, Self>) -> Result<Option<Key>, Problem> {
        self.asker.key(&request.body.email).await
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<Accepted>, Problem> {
        let email = &request.body.email;
        let kind = EmailKind::PasswordReset { email: email.to_string() };
        self.asker.plan(email, Accepted::RESET, kind, request.context, request.now).await
    }
}
