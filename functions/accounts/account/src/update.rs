//! `PATCH /auth/me`: changes the name, or changes the address if the caller sends the password. The
//! address of an account with single sign-on is the identity provider's.

use platform::audit::AuditDetails;
use platform::domain::{Email, FullName};
use platform::fingerprinter::Fingerprinter;
use platform::http::{Schemas, either};
use platform::identity::Identity;
use platform::input::{Fields, Input};
use platform::limits::{Key, Policy};
use platform::problem::Code;
use platform::routes::{self, Route};
use platform::store::User;
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use tally_accounts::domain::Password;
use tally_accounts::sessions::Confirmed;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::Changed;
use crate::address::{Authority, EmailChange, EmailChanger};

/// The endpoint.
pub struct UpdateMe {
    changer: EmailChanger,
    fingerprinter: Fingerprinter,
}

/// The change: one of the two, so that each has its own event and its own limit.
pub enum AccountChange {
    /// The name for people.
    Name(NameChange),
    /// The address.
    Address(AddressChange),
}

/// A change of the name.
#[derive(ToSchema)]
pub struct NameChange {
    /// Name for people. Null or blank text removes it. With single sign-on the account takes the
    /// name that the identity provider says at the next sign-in.
    #[schema(
        value_type = Option<String>, required, max_length = 100,
        pattern = r"^[^\u0000-\u001f\u007f-\u009f]*$", example = "Anna Berg"
    )]
    pub full_name: Option<FullName>,
}

/// A change of the address.
#[derive(ToSchema)]
pub struct AddressChange {
    /// The new address. It needs the current password. If the deployment verifies addresses, the
    /// answer is 202, and the server mails a token to the new address. The account keeps its
    /// current address until a client sends that token. The current address itself changes nothing,
    /// and cancels an earlier change that still waits for its token.
    #[schema(value_type = String, format = "email", max_length = 254, example = "anna@example.com")]
    pub email: Email,
    /// The current password.
    #[schema(
        value_type = String, format = "password", max_length = 1024, example = "Correct-Horse-9"
    )]
    pub current_password: Password,
}

impl PartialSchema for AccountChange {
    fn schema() -> RefOr<Schema> {
        either::<NameChange, AddressChange>()
    }
}

impl ToSchema for AccountChange {
    fn schemas(schemas: &mut Schemas) {
        schemas.push((NameChange::name().into_owned(), NameChange::schema()));
        schemas.push((AddressChange::name().into_owned(), AddressChange::schema()));
    }
}

impl Input for NameChange {
    fn read(fields: &mut Fields) -> Option<Self> {
        Some(Self { full_name: fields.optional_text("full_name")? })
    }
}

impl Input for AddressChange {
    fn read(fields: &mut Fields) -> Option<Self> {
        let email = fields.required("email");
        let current_password = fields.required("current_password");
        Some(Self { email: email?, current_password: current_password? })
    }
}

impl Input for AccountChange {
    fn read(fields: &mut Fields) -> Option<Self> {
        let names = fields.has("full_name");
        let moves = fields.has("email") || fields.has("current_password");
        let name = NameChange::read(fields);
        let address = moves.then(|| AddressChange::read(fields));
        match (names, moves) {
            (false, false) => fields
                .refuse("full_name", "is required, unless email and current_password are sent"),
            (true, true) => fields.refuse(
                "full_name",
                "must not be sent together with email and current_password: change one at a time",
            ),
            _ => {}
        }
        match address {
            Some(address) => address.map(Self::Address),
            None => name.map(Self::Name),
        }
    }
}

impl Endpoint for UpdateMe {
    const ROUTE: Route = routes::ME_UPDATE;
    const STATUSES: &'static [u16] = &[202];
    const PROBLEMS: &'static [Code] =
        &[Code::InvalidCredentials, Code::AccountExists, Code::ManagedBySso];
    type Caller = Identity;
    type Body = AccountChange;
    type Query = ();
    type Output = Changed;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            changer: EmailChanger::new(platform)?,
            fingerprinter: Fingerprinter::new(platform)?,
        })
    }

    /// A name takes no password, so it uses up nothing of the limit on attempts at one. An address
    /// that has to be verified is sent a mail, which counts for its recipient.
    fn row(&self, request: &Request<'_, Self>) -> Route {
        let limits: &[Policy] = match request.body {
            AccountChange::Address(_) if self.changer.verifies() => {
                &[Policy::ACCOUNT, Policy::MAIL]
            }
            AccountChange::Address(_) => Self::ROUTE.limits,
            AccountChange::Name(_) => &[],
        };
        Route { limits, ..Self::ROUTE }
    }

    async fn limit_key(&self, request: &Request<'_, Self>) -> Result<Option<Key>, Problem> {
        match &request.body {
            AccountChange::Address(change) if self.changer.verifies() => {
                Ok(Some(Key::Named(self.fingerprinter.identifier(&change.email.folded()).await?)))
            }
            _ => Ok(None),
        }
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<Changed>, Problem> {
        let caller = request.caller;
        let users = &self.changer.users;
        let AddressChange { email, current_password: password } = match request.body {
            AccountChange::Name(NameChange { full_name }) => {
                let user = users.get(&caller.user_id).await?.ok_or_else(Problem::invalid_token)?;
                let after = User { full_name: full_name.as_ref().map(ToString::to_string), ..user };
                let details = AuditDetails::default()
                    .resource("user", &after.id)
                    .detail("changed", vec!["full_name"]);
                let plan = Plan::reply(Changed { user: after.account() }).details(details);
                return Ok(plan.write_or(
                    users.set_full_name(&after.id, full_name.as_ref()),
                    Problem::invalid_token(),
                ));
            }
            AccountChange::Address(change) => change,
        };
        let failed = AuditDetails::action("auth.email_changed").resource("user", &caller.user_id);
        let (user, confirmed) =
            match Confirmed::ask(users, self.changer.hasher, caller, password).await {
                Ok(confirmed) => confirmed,
                Err(problem) => return Ok(Plan::refuse(problem).details(failed)),
            };
        let to = EmailChange {
            authority: Authority::Session(confirmed),
            email,
            context: request.context.clone(),
            now: request.now,
        };
        self.changer.clone().plan(user, to).await
    }
}
