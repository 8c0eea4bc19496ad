//! `POST /auth/password/reset`: sets a new password for a mailed token. Every session and API key
//! of the account ends.

use platform::input::{Fields, Input};
use platform::problem::Code;
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use tally_accounts::domain::{Password, Purpose};
use tally_accounts::store::MailTokens;
use utoipa::ToSchema;

use crate::set::{Authority, Change, Setter, judge, new_password};

/// The endpoint.
pub struct ResetPassword {
    setter: Setter,
    tokens: MailTokens,
}

/// The request body.
#[derive(ToSchema)]
pub struct PasswordReset {
    /// The token that was mailed.
    #[schema(
        example = "019a0000-0000-7000-8000-000000000000.Zk1uV0ZQd2Y3c3VtbWVyLW9mLTIwMjYtaXMtd2FybQ"
    )]
    pub token: String,
    /// 8 to 128 characters with a lower-case and an upper-case letter, a digit and a special
    /// character.
    #[schema(
        value_type = String, format = "password", min_length = 8, max_length = 128,
        example = "Another-Horse-9"
    )]
    pub new_password: Password,
}

impl Input for PasswordReset {
    fn read(fields: &mut Fields) -> Option<Self> {
        let token = fields.required("token");
        let new_password = new_password(fields);
        Some(Self { token: token?, new_password: new_password? })
    }
}

impl Endpoint for ResetPassword {
    const ROUTE: Route = routes::PASSWORD_RESET;
    const PROBLEMS: &'static [Code] = &[Code::InvalidToken];
    type Caller = ();
    type Body = PasswordReset;
    type Query = ();
    type Output = ();

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { setter: Setter::new(platform)?, tokens: MailTokens::new(platform)? })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<()>, Problem> {
        let PasswordReset { token, new_password } = request.body;
        let token = self
            .tokens
            .find(Purpose::PasswordReset, &token, request.now)
            .await?
            .ok_or_else(Problem::invalid_mail_token)?;
        let user =
            self.setter.users.get(&token.user_id).await?.ok_or_else(Problem::invalid_mail_token)?;
        judge(&new_password, &user.username)?;
        let change = Change {
            authority: Authority::Mail(token),
            new_password,
            context: request.context.clone(),
            now: request.now,
        };
        // Only a holder of a valid token causes the work of hashing.
        self.setter.set(user, change).await
    }
}
