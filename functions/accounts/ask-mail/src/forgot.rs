//! `POST /auth/password/forgot`: mails a token for a new password, if the address belongs to an account.

use platform::audit::Note;
use platform::config::ConfigError;
use platform::domain::Email;
use platform::http::{Endpoint, Fields, Form, Request};
use platform::mail::{Accepted, Letter, Postbox};
use platform::plan::Plan;
use platform::platform::Platform;
use platform::problem::Problem;
use platform::routes::{self, Route};
use platform::seal::Seal;
use utoipa::ToSchema;

/// The endpoint.
pub struct Forgot {
    postbox: Postbox,
    seal: Seal,
}

/// What is sent.
#[derive(ToSchema)]
pub struct Forgotten {
    /// The account's address, in any case.
    #[schema(value_type = String, format = "email", max_length = 254, example = "anna@example.com")]
    pub email: Email,
}

impl Form for Forgotten {
    fn read(fields: &mut Fields) -> Option<Self> {
        Some(Self { email: fields.required("email")? })
    }
}

impl Endpoint for Forgot {
    const ROUTE: Route = routes::PASSWORD_FORGOT;
    type Caller = ();
    type Body = Forgotten;
    type Query = ();
    type Output = Accepted;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { postbox: Postbox::new(platform)?, seal: Seal::new(platform)? })
    }

    async fn limit_key(&self, request: &Request<'_, Self>) -> Result<Option<String>, Problem> {
        Ok(Some(self.seal.identifier(&request.body.email.folded()).await?))
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<Accepted>, Problem> {
        let email = request.body.email;
        // As a failed login has it, so that the trail shows both to be about the same address.
        let fingerprint = self.seal.identifier(&email.folded()).await?;
        let plan = Plan::reply(Accepted::MAIL).note(Note::default().detail("identifier_hmac", fingerprint));
        let letter = Letter::PasswordReset { email: email.to_string() };
        Ok(self.postbox.add(plan, letter, request.context, request.now)?)
    }
}
