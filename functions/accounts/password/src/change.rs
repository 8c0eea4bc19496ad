//! `POST /auth/password`: replaces the current password. This session goes on, and every other one
//! ends. An account with single sign-on has no password.

use platform::identity::Identity;
use platform::input::{Fields, Input};
use platform::problem::Code;
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use tally_accounts::domain::Password;
use tally_accounts::sessions::Confirmed;
use utoipa::ToSchema;

use crate::set::{Authority, Change, Setter, judge, new_password};

/// The endpoint.
pub struct ChangePassword {
    setter: Setter,
}

/// The request body.
#[derive(ToSchema)]
pub struct PasswordChange {
    /// The current password.
    #[schema(
        value_type = String, format = "password", max_length = 1024, example = "Correct-Horse-9"
    )]
    pub current_password: Password,
    /// 8 to 128 characters with a lower-case and an upper-case letter, a digit and a special
    /// character.
    #[schema(
        value_type = String, format = "password", min_length = 8, max_length = 128,
        example = "Another-Horse-9"
    )]
    pub new_password: Password,
}

impl Input for PasswordChange {
    fn read(fields: &mut Fields) -> Option<Self> {
        let current_password = fields.required("current_password");
        let new_password = new_password(fields);
        Some(Self { current_password: current_password?, new_password: new_password? })
    }
}

impl Endpoint for ChangePassword {
    const ROUTE: Route = routes::PASSWORD_CHANGE;
    const PROBLEMS: &'static [Code] = &[Code::InvalidCredentials, Code::ManagedBySso];
    type Caller = Identity;
    type Body = PasswordChange;
    type Query = ();
    type Output = ();

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { setter: Setter::new(platform)? })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<()>, Problem> {
        let PasswordChange { current_password, new_password } = request.body;
        // This comes before the check of the current password. A later refusal would tell that the
        // current password is right, and leave no event.
        judge(&new_password, &request.caller.username)?;
        let (user, confirmed) = Confirmed::ask(
            &self.setter.users,
            self.setter.hasher,
            request.caller,
            current_password,
        )
        .await?;
        let change = Change {
            authority: Authority::Session(confirmed),
            new_password,
            context: request.context.clone(),
            now: request.now,
        };
        self.setter.set(user, change).await
    }
}
