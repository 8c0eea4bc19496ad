//! `PATCH /auth/me`: another name, or another address for a caller who says the password.

use platform::audit::Note;
use platform::config::ConfigError;
use platform::domain::{Email, FullName, Password};
use platform::http::{Endpoint, Fields, Form, Request};
use platform::identity::Identity;
use platform::plan::Plan;
use platform::platform::Platform;
use platform::problem::{Code, Problem};
use platform::routes::{self, Route};
use platform::sessions::Confirmed;
use platform::store::{Account, User};
use serde::Serialize;
use utoipa::ToSchema;

use crate::address::{Move, Mover, Warrant};

/// The endpoint.
pub struct UpdateMe {
    mover: Mover,
}

/// What is to be changed: either the name, or the address.
#[derive(ToSchema)]
pub struct AccountChange {
    /// Name for people; null or blank text takes it away.
    #[schema(value_type = Option<String>, max_length = 100, example = "Anna Berg")]
    pub full_name: Option<Option<FullName>>,
    /// Another address, which goes with the current password. Where addresses are verified, the answer is 202, and the
    /// account keeps the one it has until a token that is mailed to this one is sent back. The address that the account has
    /// changes nothing, and gives up another that it waits for.
    #[schema(value_type = Option<String>, format = "email", max_length = 254)]
    pub email: Option<Email>,
    /// The current password, where the address is to be changed.
    #[schema(value_type = Option<String>, format = "password")]
    pub current_password: Option<Password>,
}

/// The answer.
#[derive(Debug, Serialize, ToSchema)]
pub struct Changed {
    /// The account as it is now.
    pub user: Account,
}

impl Form for AccountChange {
    fn read(fields: &mut Fields) -> Option<Self> {
        let (names, moves) = (fields.has("full_name"), fields.has("email") || fields.has("current_password"));
        let full_name = fields.optional_text("full_name");
        let (email, current_password) = if moves {
            (fields.required("email").map(Some), fields.required("current_password").map(Some))
        } else {
            (Some(None), Some(None))
        };
        match (names, moves) {
            (false, false) => fields.refuse("full_name", "or email with current_password has to be sent"),
            (true, true) => fields.refuse("full_name", "and email are changed one at a time"),
            _ => {}
        }
        Some(Self { full_name: names.then_some(full_name?), email: email?, current_password: current_password? })
    }
}

impl Endpoint for UpdateMe {
    const ROUTE: Route = routes::ME_UPDATE;
    const STATUSES: &'static [u16] = &[202];
    const PROBLEMS: &'static [Code] = &[Code::InvalidCredentials, Code::AccountExists];
    type Caller = Identity;
    type Body = AccountChange;
    type Query = ();
    type Output = Changed;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { mover: Mover::new(platform)? })
    }

    /// A name takes no password, so that it uses up nothing of what limits attempts at one.
    fn row(&self, request: &Request<'_, Self>) -> Route {
        if request.body.email.is_some() { Self::ROUTE } else { Route { limits: &[], ..Self::ROUTE } }
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<Changed>, Problem> {
        let (caller, users) = (request.caller, &self.mover.users);
        let AccountChange { full_name, email, current_password } = request.body;
        let (Some(email), Some(password)) = (email, current_password) else {
            let full_name = full_name.flatten();
            let user = users.get(&caller.user_id).await?.ok_or_else(Problem::invalid_token)?;
            let after = User { full_name: full_name.as_ref().map(ToString::to_string), ..user };
            let note = Note::default().resource("user", &after.id).detail("changed", vec!["full_name"]);
            let plan = Plan::reply(Changed { user: after.account() }).note(note);
            return Ok(plan.write_or(users.set_full_name(&after.id, full_name.as_ref()), Problem::invalid_token()));
        };
        let failed = Note::action("auth.email_changed").resource("user", &caller.user_id);
        let (user, confirmed) = match Confirmed::ask(users, self.mover.hasher, caller, password).await {
            Ok(confirmed) => confirmed,
            Err(problem) => return Ok(Plan::refuse(problem).note(failed)),
        };
        let to = Move { warrant: Warrant::Session(confirmed), email, context: request.context.clone(), now: request.now };
        self.mover.clone().plan(user, to).await
    }
}
