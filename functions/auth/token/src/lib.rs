//! `POST /auth/token`: OAuth 2.0's token endpoint (RFC 6749), for clients that know nothing else of
//! this API. It does what `POST /auth/refresh` does and, if `PASSWORD_GRANT` is on, what `POST
//! /auth/login` does. Its clients send a form and expect the RFC's words. They are public clients,
//! so the endpoint ignores all client authentication (`client_id`, HTTP Basic).

use platform::domain::Identifier;
use platform::http::{Schemas, either};
use platform::input::{Fields, Input, Media};
use platform::limits::Key;
use platform::problem::Code;
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use tally_accounts::domain::Password;
use tally_accounts::sessions::{Attempt, PasswordLogin, RefreshToken, Rotation};
use tally_accounts::tokens::TokenPair;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// The endpoints of this function.
pub type Endpoints = (IssueTokens,);

/// The endpoint.
pub struct IssueTokens {
    rotation: Rotation,
    /// Present if `PASSWORD_GRANT` is on.
    login: Option<PasswordLogin>,
}

/// The request body.
pub enum Grant {
    /// With the grant type `refresh_token`.
    Refresh(Box<RefreshGrant>),
    /// With the grant type `password`.
    Password(PasswordGrant),
    /// With another grant type.
    Unknown,
}

/// A refresh token in exchange for a new pair of tokens.
#[derive(ToSchema)]
pub struct RefreshGrant {
    /// `refresh_token`.
    #[schema(pattern = "^refresh_token$", example = "refresh_token")]
    pub grant_type: String,
    /// The refresh token that the server issued last.
    #[schema(value_type = String)]
    pub refresh_token: RefreshToken,
}

/// A password in exchange for a pair of tokens, if the deployment accepts this grant.
#[derive(ToSchema)]
pub struct PasswordGrant {
    /// `password`.
    #[schema(pattern = "^password$", example = "password")]
    pub grant_type: String,
    /// Username or email, in any case.
    #[schema(
        value_type = String, min_length = 1, max_length = 254,
        pattern = r"^[^\u0000]*[^\s\u0000][^\u0000]*$", example = "demo"
    )]
    pub username: Identifier,
    /// The password.
    #[schema(
        value_type = String, format = "password", max_length = 1024, example = "SecureDemo123!"
    )]
    pub password: Password,
}

impl PartialSchema for Grant {
    fn schema() -> RefOr<Schema> {
        either::<RefreshGrant, PasswordGrant>()
    }
}

impl ToSchema for Grant {
    fn schemas(schemas: &mut Schemas) {
        schemas.push((RefreshGrant::name().into_owned(), RefreshGrant::schema()));
        schemas.push((PasswordGrant::name().into_owned(), PasswordGrant::schema()));
    }
}

impl Input for Grant {
    fn read(fields: &mut Fields) -> Option<Self> {
        let grant_type: String = fields.required("grant_type")?;
        match grant_type.as_str() {
            "refresh_token" => Some(Self::Refresh(Box::new(RefreshGrant {
                grant_type,
                refresh_token: fields.required("refresh_token")?,
            }))),
            "password" => {
                let username = fields.required("username");
                let password = fields.required("password");
                Some(Self::Password(PasswordGrant {
                    grant_type,
                    username: username?,
                    password: password?,
                }))
            }
            _ => Some(Self::Unknown),
        }
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
        Ok(Self {
            rotation: Rotation::new(platform)?,
            login: password_grant.then(|| PasswordLogin::new(platform)).transpose()?,
        })
    }

    /// A grant is counted and recorded like the same operation elsewhere. So a caller cannot guess
    /// twice as often by guessing here too.
    fn row(&self, request: &Request<'_, Self>) -> Route {
        if self.login.is_some() && matches!(request.body, Grant::Password(_)) {
            routes::LOGIN
        } else {
            routes::REFRESH
        }
    }

    /// The identifier that signs in, or the session that a refresh counts for.
    async fn limit_key(&self, request: &Request<'_, Self>) -> Result<Option<Key>, Problem> {
        match (&request.body, &self.login) {
            (Grant::Refresh(grant), _) => Ok(self
                .rotation
                .counted_for(&grant.refresh_token, request.now)
                .await?
                .map(Key::Session)),
            (Grant::Password(grant), Some(login)) => {
                Ok(Some(Key::Named(login.fingerprint(&grant.username).await?)))
            }
            _ => Ok(None),
        }
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<TokenPair>, Problem> {
        match (request.body, &self.login) {
            (Grant::Refresh(grant), _) => {
                self.rotation.spend(&grant.refresh_token, request.now).await
            }
            (
                Grant::Password(PasswordGrant { username: identifier, password, .. }),
                Some(login),
            ) => {
                login
                    .plan(Attempt {
                        identifier,
                        password,
                        context: request.context.clone(),
                        now: request.now,
                    })
                    .await
            }
            _ => {
                let detail = format!(
                    "The endpoint does not take this grant type. {} lists those that it takes.",
                    routes::OAUTH_METADATA.path
                );
                Err(Problem::oauth(Code::UnsupportedGrantType, detail))
            }
        }
    }
}
