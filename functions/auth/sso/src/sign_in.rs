//! `POST /auth/sso`: exchanges a sign-in at the identity provider for a session. Its first sign-in
//! makes a person's account.

use platform::limits::Key;
use platform::problem::Code;
use platform::request::HttpCall;
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use tally_accounts::sessions::RefreshCookie;
use tally_accounts::tokens::TokenPair;

use crate::entry::{Attempt, Entry};
use crate::events::refused;
use crate::forms::SsoSignIn;
use crate::proof::Verifier;

/// The endpoint.
pub struct SignInBySso {
    cookie: RefreshCookie,
    /// Absent where single sign-on is off.
    sso: Option<Sso>,
}

struct Sso {
    verifier: Verifier,
    entry: Entry,
}

impl Endpoint for SignInBySso {
    const ROUTE: Route = routes::SSO_SIGN_IN;
    const PROBLEMS: &'static [Code] = &[
        Code::InvalidSsoToken,
        Code::InvalidSsoCode,
        Code::StepUpRequired,
        Code::SsoNoRole,
        Code::AccountInactive,
        Code::OriginRefused,
        Code::NotFound,
        Code::LinkRequired,
        Code::Conflict,
    ];
    type Caller = ();
    type Body = SsoSignIn;
    type Query = ();
    type Output = TokenPair;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        let cookie = RefreshCookie::new(&platform.config);
        let Some(verifier) = Verifier::new(platform)? else {
            return Ok(Self { cookie, sso: None });
        };
        let entry = Entry::new(platform, verifier.handoffs.clone())?;
        Ok(Self { cookie, sso: Some(Sso { verifier, entry }) })
    }

    fn reject_early(&self, _: &HttpCall) -> Option<Problem> {
        self.sso.is_none().then(Problem::not_found)
    }

    fn forbid(&self, call: &HttpCall) -> Option<Problem> {
        self.cookie.forbids(call)
    }

    /// Verifies the proof, which `handle` uses too.
    async fn limit_key(&self, request: &Request<'_, Self>) -> Result<Option<Key>, Problem> {
        let Some(sso) = &self.sso else { return Err(Problem::not_found()) };
        sso.verifier.limit_key(&request.body.proof, request.now).await
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<TokenPair>, Problem> {
        let Some(sso) = &self.sso else { return Err(Problem::not_found()) };
        let SsoSignIn { proof, new_account, refresh_in } = request.body;
        let plan = match sso.verifier.check(&proof, request.now).await? {
            Ok(signed_in) => {
                let (signed_in, context) = (signed_in.clone(), request.context.clone());
                let attempt = Attempt { signed_in, new_account, context, now: request.now };
                sso.entry.plan(attempt).await?
            }
            Err(problem) => refused(problem.clone(), None, None),
        };
        Ok(RefreshCookie::give(plan, refresh_in))
    }
}
