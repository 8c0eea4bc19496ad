//! `POST /auth/login`: begins a session and answers with its first pair of tokens.

use platform::domain::Identifier;
use platform::input::{Fields, Input, Media};
use platform::limits::Key;
use platform::problem::Code;
use platform::request::HttpCall;
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use tally_accounts::domain::Password;
use tally_accounts::sessions::{Attempt, PasswordLogin, RefreshCookie, RefreshIn};
use tally_accounts::tokens::TokenPair;
use utoipa::ToSchema;

/// The endpoints of this function.
pub type Endpoints = (LoginUser,);

/// The endpoint.
pub struct LoginUser {
    login: PasswordLogin,
    cookie: RefreshCookie,
    password_grant: bool,
}

/// The request body: JSON, or OAuth 2.0's password form if `PASSWORD_GRANT` is on.
#[derive(ToSchema)]
pub struct Credentials {
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
    /// On the form: `password`, if it is sent.
    #[schema(ignore)]
    pub grant_type: Option<String>,
    /// `cookie` leaves the refresh token out of the body, and sets it as a cookie that no script
    /// can read. The parameter `CookieOrigins` has to name the page's origin. A form ignores this.
    #[schema(value_type = Option<RefreshIn>)]
    pub refresh_in: RefreshIn,
}

impl Input for Credentials {
    fn read(fields: &mut Fields) -> Option<Self> {
        let username = fields.required("username");
        let password = fields.required("password");
        let is_form = fields.is_form();
        let grant_type = if is_form { fields.optional("grant_type") } else { Some(None) };
        let refresh_in = fields.optional::<RefreshIn>("refresh_in");
        Some(Self {
            username: username?,
            password: password?,
            grant_type: grant_type?,
            refresh_in: refresh_in?.filter(|_| !is_form).unwrap_or_default(),
        })
    }
}

impl Endpoint for LoginUser {
    const ROUTE: Route = routes::LOGIN;
    const MEDIA: Media = Media::JsonOrForm;
    const PROBLEMS: &'static [Code] = &[
        Code::InvalidCredentials,
        Code::EmailUnverified,
        Code::OriginRefused,
        Code::InvalidGrant,
        Code::UnsupportedGrantType,
    ];
    type Caller = ();
    type Body = Credentials;
    type Query = ();
    type Output = TokenPair;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            login: PasswordLogin::new(platform)?,
            cookie: RefreshCookie::new(&platform.config),
            password_grant: platform.config.switch("PASSWORD_GRANT")?,
        })
    }

    fn forbid(&self, call: &HttpCall) -> Option<Problem> {
        self.cookie.forbids(call)
    }

    fn media(&self) -> Media {
        if self.password_grant { Media::JsonOrForm } else { Media::Json }
    }

    async fn limit_key(&self, request: &Request<'_, Self>) -> Result<Option<Key>, Problem> {
        Ok(Some(Key::Named(self.login.fingerprint(&request.body.username).await?)))
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<TokenPair>, Problem> {
        let Credentials { username, password, grant_type, refresh_in } = request.body;
        if grant_type.is_some_and(|grant| grant != "password") {
            return Err(Problem::oauth(
                Code::UnsupportedGrantType,
                "The parameter grant_type must be `password`.",
            ));
        }
        let context = request.context.clone();
        let attempt = Attempt { identifier: username, password, context, now: request.now };
        Ok(RefreshCookie::give(self.login.plan(attempt).await?, refresh_in))
    }
}
