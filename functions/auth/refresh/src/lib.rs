//! `POST /auth/refresh`: exchanges a refresh token for a new pair. The exchange spends the token.
//! It comes in the body or, from pages of some origins, in a cookie. The next one goes the same
//! way.

use std::sync::OnceLock;

use platform::audit::AuditDetails;
use platform::input::{Fields, Input};
use platform::limits::Key;
use platform::problem::Code;
use platform::request::HttpCall;
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use tally_accounts::sessions::{RefreshCookie, RefreshIn, RefreshToken, Rotation};
use tally_accounts::tokens::TokenPair;
use utoipa::ToSchema;

/// The endpoints of this function.
pub type Endpoints = (RefreshTokens,);

/// The endpoint.
pub struct RefreshTokens {
    rotation: Rotation,
    cookie: RefreshCookie,
}

/// The request body. It may be missing where the token comes in a cookie.
#[derive(ToSchema)]
pub struct Spend {
    /// The refresh token that the server issued last. Without it, the server spends the cookie that
    /// a sign-in with `refresh_in` has set, and sets the next one. That takes the header
    /// `X-Requested-With`, and an `Origin` that the parameter `CookieOrigins` names.
    #[schema(value_type = Option<String>)]
    pub refresh_token: Option<RefreshToken>,
    /// The token of the cookie, once it has been looked for.
    #[schema(ignore)]
    pub in_cookie: OnceLock<Option<RefreshToken>>,
}

impl Input for Spend {
    const OPTIONAL: bool = true;

    fn read(fields: &mut Fields) -> Option<Self> {
        Some(Self { refresh_token: fields.optional("refresh_token")?, in_cookie: OnceLock::new() })
    }
}

impl Endpoint for RefreshTokens {
    const ROUTE: Route = routes::REFRESH;
    const PROBLEMS: &'static [Code] = &[Code::InvalidRefreshToken, Code::OriginRefused];
    type Caller = ();
    type Body = Spend;
    type Query = ();
    type Output = TokenPair;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            rotation: Rotation::new(platform)?,
            cookie: RefreshCookie::new(&platform.config),
        })
    }

    fn forbid(&self, call: &HttpCall) -> Option<Problem> {
        self.cookie.forbids_use(call)
    }

    /// A refused token of the cookie is of no use to the browser any more.
    fn as_answered(&self, call: &HttpCall, problem: Problem) -> Problem {
        if problem.code == Code::InvalidRefreshToken && !call.has_member("refresh_token") {
            self.cookie.refused(call, problem)
        } else {
            problem
        }
    }

    async fn limit_key(&self, request: &Request<'_, Self>) -> Result<Option<Key>, Problem> {
        match self.token(request) {
            Some(token) => {
                Ok(self.rotation.counted_for(token, request.now).await?.map(Key::Session))
            }
            None if self.cookie.is_on() => Ok(None),
            // Only the deployment knows that the body must have the token. Like any fault of the
            // body, it costs no limit.
            None => Err(Problem::invalid_field("refresh_token", "is required")),
        }
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<TokenPair>, Problem> {
        let Some(token) = self.token(&request) else {
            // A page asks for its session without knowing whether there is one. A request without
            // any credential is no attempt, so it leaves no event.
            return Ok(Plan::refuse(Problem::invalid_refresh_token())
                .details(AuditDetails::default().silent()));
        };
        let refresh_in = match request.body.refresh_token {
            Some(_) => RefreshIn::Body,
            None => RefreshIn::Cookie,
        };
        let plan = self.rotation.spend(token, request.now).await?;
        Ok(RefreshCookie::give(plan, refresh_in))
    }
}

impl RefreshTokens {
    /// The token of a request. One in the body comes first.
    fn token<'r>(&self, request: &'r Request<'_, Self>) -> Option<&'r RefreshToken> {
        let Spend { refresh_token, in_cookie } = &request.body;
        refresh_token
            .as_ref()
            .or_else(|| in_cookie.get_or_init(|| self.cookie.token(request.call)).as_ref())
    }
}
