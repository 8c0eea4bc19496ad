//! The code that both endpoints share: an address goes in, and the same answer comes out.

use platform::audit::AuditDetails;
use platform::clock::Timestamp;
use platform::context::Context;
use platform::domain::{Email, Fingerprint};
use platform::fingerprinter::Fingerprinter;
use platform::input::{Fields, Input};
use platform::limits::Key;
use platform::{ConfigError, Plan, Platform, Problem};
use tally_accounts::domain::EmailKind;
use tally_accounts::mail::{Accepted, EmailOutbox};
use utoipa::ToSchema;

/// Asks for mail to an address that may belong to no account.
pub struct Asker {
    outbox: EmailOutbox,
    fingerprinter: Fingerprinter,
}

/// The request body.
#[derive(ToSchema)]
pub struct AccountAddress {
    /// The account's address, in any case.
    #[schema(value_type = String, format = "email", max_length = 254, example = "anna@example.com")]
    pub email: Email,
}

impl Input for AccountAddress {
    fn read(fields: &mut Fields) -> Option<Self> {
        Some(Self { email: fields.required("email")? })
    }
}

impl Asker {
    /// The parts.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            outbox: EmailOutbox::new(platform)?,
            fingerprinter: Fingerprinter::new(platform)?,
        })
    }

    /// The key that the limit counts. A failed login is counted and recorded under the same key, so
    /// the audit log shows that both concern one address.
    pub async fn key(&self, email: &Email) -> Result<Option<Key>, Problem> {
        Ok(Some(Key::Named(self.fingerprint(email).await?)))
    }

    async fn fingerprint(&self, email: &Email) -> Result<Fingerprint, Problem> {
        self.fingerprinter.identifier(&email.folded()).await
    }

    /// The answer, and the mail on its way.
    pub async fn plan(
        &self,
        email: &Email,
        answer: Accepted,
        kind: EmailKind,
        context: &Context,
        now: Timestamp,
    ) -> Result<Plan<Accepted>, Problem> {
        let plan = Plan::reply(answer)
            .details(AuditDetails::default().identifier(&self.fingerprint(email).await?));
        self.outbox.add(plan, kind, context, now)
    }
}
