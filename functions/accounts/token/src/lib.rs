//! `POST /auth/token`: OAuth 2.0's token endpoint (RFC 6749), for clients that know nothing else of this API. It does what
//! `POST /auth/refresh` does, for whoever asks by a form and expects the RFC's words. Its clients are public ones: nothing
//! that would authenticate one (`client_id`, HTTP Basic) is looked at.

use platform::config::ConfigError;
use platform::http::{Endpoint, Fields, Form, Media, Request};
use platform::plan::Plan;
use platform::platform::Platform;
use platform::problem::Problem;
use platform::routes::{self, Route};
use platform::sessions::Rotation;
use platform::tokens::TokenPair;
use utoipa::ToSchema;

/// The endpoint.
pub struct Token {
    rotation: Rotation,
}

/// What is sent.
#[derive(ToSchema)]
pub struct Grant {
    /// `refresh_token`.
    #[schema(example = "refresh_token")]
    pub grant_type: String,
    /// The refresh token that was issued last.
    pub refresh_token: Option<String>,
}

impl Form for Grant {
    fn read(fields: &mut Fields) -> Option<Self> {
        let grant_type: String = fields.required("grant_type")?;
        let refresh_token = if grant_type == "refresh_token" { Some(fields.required("refresh_token")?) } else { None };
        Some(Self { grant_type, refresh_token })
    }
}

impl Endpoint for Token {
    const ROUTE: Route = routes::TOKEN;
    type Caller = ();
    type Body = Grant;
    type Query = ();
    type Output = TokenPair;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { rotation: Rotation::new(platform)? })
    }

    fn media(&self) -> Media {
        Media::Form
    }

    /// The session, where the token is genuine; one that is not has no session to count for.
    async fn limit_key(&self, request: &Request<'_, Self>) -> Result<Option<String>, Problem> {
        match &request.body.refresh_token {
            Some(token) => self.rotation.session_of(token, request.now).await,
            None => Ok(None),
        }
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<TokenPair>, Problem> {
        match &request.body.refresh_token {
            Some(token) => self.rotation.spend(token, request.now).await,
            None => Err(Problem::oauth("unsupported_grant_type", "This deployment takes the grant type `refresh_token`.")),
        }
    }
}
