//! What all of it has in common: an address goes in, and the same answer comes out.

use platform::audit::Note;
use platform::clock::Timestamp;
use platform::config::ConfigError;
use platform::context::Context;
use platform::domain::Email;
use platform::http::{Fields, Form};
use platform::mail::{Accepted, Letter, Postbox};
use platform::plan::Plan;
use platform::platform::Platform;
use platform::problem::Problem;
use platform::seal::Seal;
use utoipa::ToSchema;

/// Asks for mail to an address that may be no account's.
pub struct Asker {
    postbox: Postbox,
    seal: Seal,
}

/// What is sent.
#[derive(ToSchema)]
pub struct AccountAddress {
    /// The account's address, in any case.
    #[schema(value_type = String, format = "email", max_length = 254, example = "anna@example.com")]
    pub email: Email,
}

impl Form for AccountAddress {
    fn read(fields: &mut Fields) -> Option<Self> {
        Some(Self { email: fields.required("email")? })
    }
}

impl Asker {
    /// The parts.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { postbox: Postbox::new(platform)?, seal: Seal::new(platform)? })
    }

    /// The answer, and the letter on its way.
    pub async fn plan(
        &self,
        email: &Email,
        answer: Accepted,
        letter: Letter,
        context: &Context,
        now: Timestamp,
    ) -> Result<Plan<Accepted>, Problem> {
        // As a failed login has it, so that the trail shows both to be about the same address.
        let fingerprint = self.seal.identifier(&email.folded()).await?;
        let plan = Plan::reply(answer).note(Note::default().detail("identifier_hmac", fingerprint));
        Ok(self.postbox.add(plan, letter, context, now)?)
    }
}
