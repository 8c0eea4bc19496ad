//! `POST /auth/email/resend`: mails another token that verifies an address, if an account waits for
//! that.

use platform::limits::Key;
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use tally_accounts::domain::EmailKind;
use tally_accounts::mail::Accepted;

use crate::ask::{AccountAddress, Asker};

/// The endpoint.
pub struct ResendVerification {
    asker: Asker,
}

impl Endpoint for ResendVerification {
    const ROUTE: Route = routes::EMAIL_RESEND;
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
        let kind = EmailKind::EmailVerification { email: email.to_string(), moving_to: None };
        self.asker.plan(email, Accepted::VERIFICATION, kind, request.context, request.now).await
    }
}
