//! `POST /auth/refresh`: exchanges a refresh token for a new pair. The exchange spends the token.

use platform::input::{Fields, Input};
use platform::limits::Key;
use platform::problem::Code;
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use tally_accounts::sessions::{RefreshToken, Rotation};
use tally_accounts::tokens::TokenPair;
use utoipa::ToSchema;

/// The endpoints of this function.
pub type Endpoints = (RefreshTokens,);

/// The endpoint.
pub struct RefreshTokens {
    rotation: Rotation,
}

/// The request body.
#[derive(ToSchema)]
pub struct Spend {
    /// The refresh token that the server issued last.
    #[schema(value_type = String)]
    pub refresh_token: RefreshToken,
}

impl Input for Spend {
    fn read(fields: &mut Fields) -> Option<Self> {
        Some(Self { refresh_token: fields.required("refresh_token")? })
    }
}

impl Endpoint for RefreshTokens {
    const ROUTE: Route = routes::REFRESH;
    const PROBLEMS: &'static [Code] = &[Code::InvalidRefreshToken];
    type Caller = ();
    type Body = Spend;
    type Query = ();
    type Output = TokenPair;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { rotation: Rotation::new(platform)? })
    }

    async fn limit_key(&self, request: &Request<'_, Self>) -> Result<Option<Key>, Problem> {
        Ok(self
            .rotation
            .counted_for(&request.body.refresh_token, request.now)
            .await?
            .map(Key::Session))
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<TokenPair>, Problem> {
        self.rotation.spend(&request.body.refresh_token, request.now).await
    }
}
