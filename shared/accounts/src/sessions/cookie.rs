//! The refresh token in a cookie, for front ends on the API's own site. No script can read it, and
//! the browser sends it with requests of that site alone. `POST /auth/refresh` reads it. No other
//! route and no WebSocket takes it for a credential.

use http::header;
use platform::config::Config;
use platform::input::{FromField, RawValue};
use platform::plan::Reply;
use platform::request::HttpCall;
use platform::{Plan, Problem};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::RefreshToken;
use crate::tokens::TokenPair;

/// Name of the cookie. Browsers take a name with this prefix from the host itself alone, over TLS,
/// and for all of its paths (RFC 6265bis section 4.1.3.2). So no other host of the site can set it.
const NAME: &str = "__Host-tally_refresh";

/// A `Set-Cookie` that ends the cookie.
const CLEARED: &str = "__Host-tally_refresh=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0";

/// A header that only a script can add, and a script of another origin only after a preflight.
const OF_A_SCRIPT: &str = "x-requested-with";

/// Gives refresh tokens in a cookie, and reads them from it.
#[derive(Debug, Clone)]
pub struct RefreshCookie {
    /// Origins of the pages that may have the cookie. Where there are none, no page gets it.
    origins: Vec<String>,
}

/// The place of the refresh token in an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RefreshIn {
    /// The body, as `refresh_token`.
    #[default]
    Body,
    /// The cookie.
    Cookie,
}

/// A client asks for the cookie. The body is the default, and has no word.
impl FromField for RefreshIn {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        match raw.text()? {
            "cookie" => Ok(Self::Cookie),
            _ => Err("must be `cookie`".into()),
        }
    }
}

impl PartialSchema for RefreshIn {
    fn schema() -> RefOr<Schema> {
        let word = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(["cookie"]));
        word.description(Some("The place of the refresh token in the answer.")).into()
    }
}

impl ToSchema for RefreshIn {}

impl RefreshCookie {
    /// Reads `COOKIE_ORIGINS`: exact origins, with commas between them.
    pub fn new(config: &Config) -> Self {
        let origins = config.get("COOKIE_ORIGINS").unwrap_or_default().split(',');
        let origins = origins.map(str::trim).filter(|origin| !origin.is_empty());
        Self { origins: origins.map(str::to_owned).collect() }
    }

    /// Whether this deployment gives the cookie at all.
    pub fn is_on(&self) -> bool {
        !self.origins.is_empty()
    }

    /// The 403 for a body that asks for the cookie (`refresh_in`), unless the page may have it.
    /// `Endpoint::forbid` calls it on each route that takes `refresh_in`.
    pub fn forbids(&self, call: &HttpCall) -> Option<Problem> {
        (!self.admits(call) && call.has_member("refresh_in")).then(Problem::cookie_refused)
    }

    /// The 403 for a request that brings no token in its body, unless the page may use the cookie.
    /// A script of another origin sends `X-Requested-With` only after a preflight. So the check
    /// does not rest on `Origin` alone.
    pub fn forbids_use(&self, call: &HttpCall) -> Option<Problem> {
        let may_use = self.admits(call) && call.headers.contains_key(OF_A_SCRIPT);
        (self.is_on() && !may_use && !call.has_member("refresh_token"))
            .then(Problem::cookie_refused)
    }

    /// The token in the cookie of a request that [`Self::forbids_use`] lets pass.
    pub fn token(&self, call: &HttpCall) -> Option<RefreshToken> {
        call.cookie(NAME).filter(|_| self.is_on()).map(RefreshToken::from)
    }

    /// Moves the refresh token of an answer to where the client wants it. The plan may be made anew
    /// or answer again within the grace: every answer of it has the cookie.
    pub fn give(plan: Plan<TokenPair>, refresh_in: RefreshIn) -> Plan<TokenPair> {
        match refresh_in {
            RefreshIn::Body => plan,
            RefreshIn::Cookie => plan.map(in_cookie),
        }
    }

    /// The plan, whose answer ends the cookie if the request has it.
    pub fn clear<O: 'static>(&self, call: &HttpCall, plan: Plan<O>) -> Plan<O> {
        if !self.is_sent(call) {
            return plan;
        }
        plan.map(|reply| reply.header(header::SET_COOKIE, CLEARED))
    }

    /// A refusal of the cookie's token, which ends the cookie if the request has it. A refusal for
    /// the time being, such as a 429, must not come here: the token is still good after it.
    pub fn refused(&self, call: &HttpCall, problem: Problem) -> Problem {
        if self.is_sent(call) { problem.with_header(header::SET_COOKIE, CLEARED) } else { problem }
    }

    /// Whether the request comes from a page that may have the cookie. A browser names the page's
    /// origin in every `POST`.
    fn admits(&self, call: &HttpCall) -> bool {
        let mut sent = call.headers.get_all(header::ORIGIN).iter();
        let is_listed = |origin: &header::HeaderValue| {
            self.origins.iter().any(|listed| listed.as_bytes() == origin.as_bytes())
        };
        sent.next().is_some_and(is_listed) && sent.next().is_none()
    }

    /// Whether the request has the cookie, even twice.
    fn is_sent(&self, call: &HttpCall) -> bool {
        self.is_on() && call.cookies().any(|(name, _)| name == NAME)
    }
}

/// Moves the refresh token of an answer into the cookie.
///
/// `Max-Age` is the token's own lifetime, to the end of its session. So the cookie survives the end
/// of the browser, as the session does, and does not outlive the token. It does not follow the end
/// by idleness, which each refresh moves and an operator may change. The server knows that end, and
/// clears the cookie when it refuses it. `Expires` would depend on the clock of the client.
fn in_cookie(reply: Reply<TokenPair>) -> Reply<TokenPair> {
    let TokenPair { refresh_token, refresh_expires_in, .. } = reply.output();
    let Some(token) = refresh_token else { return reply };
    let cookie = format!(
        "{NAME}={token}; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age={refresh_expires_in}"
    );
    reply.map(|pair| TokenPair { refresh_token: None, ..pair }).header(header::SET_COOKIE, &cookie)
}
