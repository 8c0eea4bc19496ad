//! The code that both endpoints share: an address goes in, and the same answer comes out.

use platform::audit::Note;
use platform::clock::Timestamp;
use platform::config::ConfigError;
use platform::context::Context;
use platform::domain::{Email, Fingerprint};
use platform::input::{Fields, Form};
use platform::limits::Key;
use platform::plan::Plan;
use platform::platform::Platform;
use platform::problem::Problem;
use platform::seal::Seal;
use tally_accounts::domain::Letter;
use tally_accounts::mail::{Accepted, Postbox};
use utoipa::ToSchema;

/// Asks for mail to an address that may belong to no account.
pub struct Asker {
    postbox: Postbox,
    seal: Seal,
}

/// The request body.
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

    /// The key that the limit counts. A failed login is counted and recorded under the same key, so the audit log shows that both concern
    /// one address.
    pub async fn key(&self, email: &Email) -> Result<Option<Key>, Problem> {
        Ok(Some(Key::Named(self.fingerprint(email).await?)))
    }

    async fn fingerprint(&self, email: &Email) -> Result<Fingerprint, Problem> {
        self.seal.identifier(&email.folded()).await
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
        let plan = Plan::reply(answer).note(Note::default().identifier(&self.fingerprint(email).await?));
        self.postbox.add(plan, letter, context, now)
    }
}
