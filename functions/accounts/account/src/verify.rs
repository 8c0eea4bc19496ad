//! `POST /auth/email/verify`: a mailed token proves that an address is the owner's. It is the
//! address of a new account, which can sign in then, or the one that an account is to move to.

use platform::input::{Fields, Input};
use platform::problem::Code;
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use tally_accounts::domain::Purpose;
use utoipa::ToSchema;

use crate::Changed;
use crate::address::{Authority, EmailChange, EmailChanger};

/// The endpoint.
pub struct VerifyEmail {
    changer: EmailChanger,
}

/// The request body.
#[derive(ToSchema)]
pub struct EmailVerification {
    /// The token that was mailed.
    #[schema(
        example = "019a0000-0000-7000-8000-000000000000.Zk1uV0ZQd2Y3c3VtbWVyLW9mLTIwMjYtaXMtd2FybQ"
    )]
    pub token: String,
}

impl Input for EmailVerification {
    fn read(fields: &mut Fields) -> Option<Self> {
        Some(Self { token: fields.required("token")? })
    }
}

impl Endpoint for VerifyEmail {
    const ROUTE: Route = routes::EMAIL_VERIFY;
    const PROBLEMS: &'static [Code] = &[Code::InvalidToken, Code::AccountExists];
    type Caller = ();
    type Body = EmailVerification;
    type Query = ();
    type Output = Changed;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { changer: EmailChanger::new(platform)? })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<Changed>, Problem> {
        let found = self
            .changer
            .tokens
            .find(Purpose::EmailVerification, &request.body.token, request.now)
            .await?;
        let token = found.ok_or_else(Problem::invalid_mail_token)?;
        let user = self
            .changer
            .users
            .get(&token.user_id)
            .await?
            .ok_or_else(Problem::invalid_mail_token)?;
        let email = token.email.parse().map_err(|_| Problem::invalid_mail_token())?;
        let to = EmailChange {
            authority: Authority::Mail(token),
            email,
            context: request.context.clone(),
            now: request.now,
        };
        self.changer.clone().plan(user, to).await
    }
}
