//! The endpoint, the same for each mail: an address goes in, and the same answer comes out.

use std::marker::PhantomData;

use platform::audit::AuditDetails;
use platform::domain::{Email, Fingerprint};
use platform::fingerprinter::Fingerprinter;
use platform::input::{Fields, Input};
use platform::limits::Key;
use platform::routes::Route;
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use tally_accounts::domain::EmailKind;
use tally_accounts::mail::{Accepted, EmailOutbox};
use utoipa::ToSchema;

/// A mail that a caller may ask for. The name of its type is the `operationId` in OpenAPI.
pub trait Mail: Send + Sync + 'static {
    /// The row of the route table that asks for it.
    const ROUTE: Route;
    /// The answer to any address.
    const ANSWER: Accepted;

    /// The mail to an address.
    fn kind(email: String) -> EmailKind;
}

/// Asks for mail to an address that may belong to no account.
pub struct Ask<M> {
    outbox: EmailOutbox,
    fingerprinter: Fingerprinter,
    mail: PhantomData<M>,
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

impl<M> Ask<M> {
    async fn fingerprint(&self, email: &Email) -> Result<Fingerprint, Problem> {
        self.fingerprinter.identifier(&email.folded()).await
    }
}

impl<M: Mail> Endpoint for Ask<M> {
    const ROUTE: Route = M::ROUTE;
    type Caller = ();
    type Body = AccountAddress;
    type Query = ();
    type Output = Accepted;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            outbox: EmailOutbox::new(platform)?,
            fingerprinter: Fingerprinter::new(platform)?,
            mail: PhantomData,
        })
    }

    // A failed login is counted and recorded under the same key, so the audit log shows that both
    // concern one address.
    async fn limit_key(&self, request: &Request<'_, Self>) -> Result<Option<Key>, Problem> {
        Ok(Some(Key::Named(self.fingerprint(&request.body.email).await?)))
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<Accepted>, Problem> {
        let email = &request.body.email;
        let plan = Plan::reply(M::ANSWER)
            .details(AuditDetails::default().identifier(&self.fingerprint(email).await?));
        self.outbox.add(plan, M::kind(email.to_string()), request.context, request.now)
    }
}
