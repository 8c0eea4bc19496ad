//! `POST /auth/token`: OAuth 2.0's token endpoint (RFC 6749), for clients that know nothing else of this API. It does what
//! `POST /auth/refresh` does, and where `PASSWORD_GRANT` is on what `POST /auth/login` does, for whoever asks by a form and
//! expects the RFC's words. Its clients are public ones: nothing that would authenticate one (`client_id`, HTTP Basic) is
//! looked at.

use platform::config::ConfigError;
use platform::domain::{Identifier, Password};
use platform::http::{Endpoint, Fields, Form, Media, Request};
use platform::limits::Key;
use platform::plan::Plan;
use platform::platform::Platform;
use platform::problem::{Code, Problem};
use platform::routes::{self, Route};
use platform::sessions::{Attempt, PasswordLogin, RefreshToken, Rotation};
use platform::tokens::TokenPair;
use utoipa::ToSchema;

/// The endpoints of this function.
pub type Endpoints = (IssueTokens,);

/// The endpoint.
pub struct IssueTokens {
    rotation: Rotation,
    /// Where `PASSWORD_GRANT` is on.
    login: Option<PasswordLogin>,
}

/// What is sent.
#[derive(ToSchema)]
pub struct Grant {
    /// `refresh_token`, or where the deployment takes it `password`.
    #[schema(example = "refresh_token")]
    pub grant_type: String,
    /// With `refresh_token`: the one that was issued last.
    #[schema(value_type = Option<String>)]
    pub refresh_token: Option<RefreshToken>,
    /// With `password`: username or email, in any case.
    #[schema(value_type = Option<String>, max_length = 254)]
    pub username: Option<Identifier>,
    /// With `password`: the password.
    #[schema(value_type = Option<String>, format = "password")]
    pub password: Option<Password>,
}

impl Form for Grant {
    fn read(fields: &mut Fields) -> Option<Self> {
        let grant_type: String = fields.required("grant_type")?;
        let none = Self { grant_type, refresh_token: None, username: None, password: None };
        Some(match none.grant_type.as_str() {
            "refresh_token" => Self { refresh_token: Some(fields.required("refresh_token")?), ..none },
            "password" => {
                let (username, password) = (fields.required("username"), fields.required("password"));
                Self { username: Some(username?), password: Some(password?), ..none }
            }
            _ => none,
        })
    }
}

impl Endpoint for IssueTokens {
    const ROUTE: Route = routes::TOKEN;
    const MEDIA: Media = Media::Form;
    const PROBLEMS: &'static [Code] = &[Code::InvalidGrant, Code::UnsupportedGrantType];
    type Caller = ();
    type Body = Grant;
    type Query = ();
    type Output = TokenPair;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        let password_grant = platform.config.switch("PASSWORD_GRANT")?;
        Ok(Self { rotation: Rotation::new(platform)?, login: password_grant.then(|| PasswordLogin::new(platform)).transpose()? })
    }

    /// A grant counts and is recorded as what it does is elsewhere: nobody guesses twice as often by guessing here too.
    fn row(&self, request: &Request<'_, Self>) -> Route {
        if self.login.is_some() && request.body.username.is_some() { routes::LOGIN } else { routes::REFRESH }
    }

    /// The identifier that signs in, or what a refresh counts for.
    async fn limit_key(&self, request: &Request<'_, Self>) -> Result<Option<Key>, Problem> {
        match (&request.body.refresh_token, &request.body.username, &self.login) {
            (Some(token), ..) => Ok(self.rotation.counted_for(token, request.now).await?.map(Key::Session)),
            (None, Some(username), Some(login)) => Ok(Some(Key::Named(login.fingerprint(username).await?))),
            _ => Ok(None),
        }
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<TokenPair>, Problem> {
        let Grant { refresh_token, username, password, .. } = request.body;
        match (refresh_token, username.zip(password), &self.login) {
            (Some(token), ..) => self.rotation.spend(&token, request.now).await,
            (None, Some((identifier, password)), Some(login)) => {
                login.plan(Attempt { identifier, password, context: request.context.clone(), now: request.now }).await
            }
            _ => {
                let detail = format!("The grant types that are taken are in {}.", routes::OAUTH_METADATA.path);
                Err(Problem::oauth(Code::UnsupportedGrantType, detail))
            }
        }
    }
}
