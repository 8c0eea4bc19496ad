//! `POST /auth/password/reset`: a new password for a mailed token. Every session of the account ends.

use platform::config::ConfigError;
use platform::domain::Password;
use platform::http::{Endpoint, Fields, Form, Request};
use platform::mail::Purpose;
use platform::plan::Plan;
use platform::platform::Platform;
use platform::problem::Problem;
use platform::routes::{self, Route};
use utoipa::ToSchema;

use crate::set::{Change, Setter, Warrant};

/// The endpoint.
pub struct Reset {
    setter: Setter,
}

/// What is sent.
#[derive(ToSchema)]
pub struct NewPassword {
    /// The token that was mailed.
    #[schema(example = "019a0000-0000-7000-8000-000000000000.Zk1uV0ZQd2Y3c3VtbWVyLW9mLTIwMjYtaXMtd2FybQ")]
    pub token: String,
    /// 8 to 128 characters with a lower-case and an upper-case letter, a digit and a special character.
    #[schema(value_type = String, format = "password", min_length = 8, max_length = 128, example = "Correct-Horse-9")]
    pub new_password: Password,
}

impl Form for NewPassword {
    fn read(fields: &mut Fields) -> Option<Self> {
        let token = fields.required("token");
        let new_password: Option<Password> = fields.required("new_password");
        if let Some(objection) = new_password.as_ref().and_then(|password| password.objection(None)) {
            fields.refuse("new_password", objection);
        }
        Some(Self { token: token?, new_password: new_password? })
    }
}

impl Endpoint for Reset {
    const ROUTE: Route = routes::PASSWORD_RESET;
    type Caller = ();
    type Body = NewPassword;
    type Query = ();
    type Output = ();

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { setter: Setter::new(platform)? })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<()>, Problem> {
        let NewPassword { token, new_password } = request.body;
        let (setter, now) = (&self.setter, request.now);
        let token = setter.tokens.find(Purpose::PasswordReset, &token, now).await?.ok_or_else(Problem::invalid_mail_token)?;
        let user = setter.users.get(&token.user_id).await?.ok_or_else(Problem::invalid_mail_token)?;
        if let Some(objection) = new_password.objection(user.username.parse().ok().as_ref()) {
            return Err(Problem::invalid_field("new_password", objection));
        }
        // The work of hashing is done for holders of a good token alone.
        let password_hash = setter.hasher.hash(&new_password).await?;
        let change = Change { warrant: Warrant::Mail(token), password_hash, context: request.context.clone(), now };
        setter.clone().plan(user, change).await
    }
}
