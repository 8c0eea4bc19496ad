//! `POST /auth/sso/link`: changes the caller's account from its password to the identity provider.

use platform::identity::Identity;
use platform::limits::Key;
use platform::problem::Code;
use platform::request::HttpCall;
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use tally_accounts::sessions::Confirmed;

use crate::events::refused;
use crate::forms::SsoLinkRequest;
use crate::linking::{Linked, Linker, Linking};
use crate::proof::Verifier;

/// The endpoint.
pub struct LinkSso {
    /// Absent where single sign-on is off.
    sso: Option<Sso>,
}

struct Sso {
    verifier: Verifier,
    linker: Linker,
}

impl Endpoint for LinkSso {
    const ROUTE: Route = routes::SSO_LINK;
    const PROBLEMS: &'static [Code] = &[
        Code::InvalidCredentials,
        Code::InvalidSsoToken,
        Code::InvalidSsoCode,
        Code::StepUpRequired,
        Code::SsoNoRole,
        Code::NotFound,
        Code::ManagedBySso,
        Code::LastAdmin,
        Code::Conflict,
    ];
    type Caller = Identity;
    type Body = SsoLinkRequest;
    type Query = ();
    type Output = Linked;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        let Some(verifier) = Verifier::new(platform)? else { return Ok(Self { sso: None }) };
        let linker = Linker::new(platform, verifier.handoffs.clone())?;
        Ok(Self { sso: Some(Sso { verifier, linker }) })
    }

    fn reject_early(&self, _: &HttpCall) -> Option<Problem> {
        self.sso.is_none().then(Problem::not_found)
    }

    /// Verifies the proof, which `handle` uses too.
    async fn limit_key(&self, request: &Request<'_, Self>) -> Result<Option<Key>, Problem> {
        let Some(sso) = &self.sso else { return Err(Problem::not_found()) };
        sso.verifier.limit_key(&request.body.proof, request.now).await
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<Linked>, Problem> {
        let Some(sso) = &self.sso else { return Err(Problem::not_found()) };
        let SsoLinkRequest { proof, current_password } = request.body;
        let signed_in = match sso.verifier.check(&proof, request.now).await? {
            Ok(signed_in) => signed_in.clone(),
            Err(problem) => return Ok(refused(problem.clone(), None, None)),
        };
        let (user, confirmed) =
            Confirmed::ask(&sso.linker.users, sso.linker.hasher, request.caller, current_password)
                .await?;
        let linking = Linking { signed_in, now: request.now };
        sso.linker.clone().plan(user, confirmed, linking).await
    }
}
