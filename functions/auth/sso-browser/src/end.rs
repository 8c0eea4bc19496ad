//! `GET /auth/sso/callback`: takes the provider's answer, and sends the browser back to its page.
//!
//! The page gets the answer in the fragment of its URL, which browsers send to no server. A success
//! is `#code=…`, a failure `#error=…` with the provider's error code or the code of one of our
//! problems.

use http::header::SET_COOKIE;
use platform::audit::AuditDetails;
use platform::config::Config;
use platform::http::Redirect;
use platform::plan::Reply;
use platform::problem::Code;
use platform::request::HttpCall;
use platform::routes::{self, Route};
use platform::seal::Seal;
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use tally_sso::flow::{Answer, CodeGrant, Exchange, Failure, Flow, FlowCookies, PURPOSE};
use tally_sso::store::{Handoff, Handoffs};
use tally_sso::{IdTokens, Provider, Verified};

use crate::query::EndQuery;
use crate::{provider, redirect_uri};

/// `GET /auth/sso/callback`.
pub struct EndSso {
    config: Config,
    /// `None` if this deployment has no sign-in in a browser.
    parts: Option<Parts>,
}

struct Parts {
    provider: Provider,
    exchange: Exchange,
    id_tokens: IdTokens,
    handoffs: Handoffs,
    seal: Seal,
}

impl Endpoint for EndSso {
    const ROUTE: Route = routes::SSO_CALLBACK;
    const PROBLEMS: &'static [Code] = &[Code::MalformedRequest, Code::NotFound];
    type Caller = ();
    type Body = ();
    type Query = EndQuery;
    type Output = Redirect;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        let parts = match provider(platform)? {
            Some((provider, _)) => Some(Parts {
                exchange: Exchange::new(platform, &provider)?,
                id_tokens: IdTokens::new(&provider),
                handoffs: Handoffs::new(platform)?,
                seal: Seal::new(platform, PURPOSE)?,
                provider,
            }),
            None => None,
        };
        Ok(Self { config: platform.config.clone(), parts })
    }

    fn reject_early(&self, _call: &HttpCall) -> Option<Problem> {
        self.parts.is_none().then(Problem::not_found)
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<Redirect>, Problem> {
        let parts = self.parts.as_ref().ok_or_else(Problem::not_found)?;
        let details = AuditDetails::default().detail("method", "sso");
        let now = request.now;
        let key = parts.seal.key().await?;
        let cookies = FlowCookies::open(&key, request.call.cookies(), now);
        let Some(flow) = request.query.state.as_deref().and_then(|state| cookies.find(state))
        else {
            let problem = Problem::malformed_request(
                "No sign-in of this browser has this `state`. It has ended or expired, or another \
                 browser began it. Begin the sign-in again.",
            );
            return Ok(Plan::refuse(problem).details(details.detail("reason", "state")));
        };
        match self.verified(parts, &flow, &request).await {
            Ok(verified) => {
                let (handoff, code) = Handoff::new(verified, flow.challenge.clone(), now);
                let plan = Plan::reply(back(&flow, &format!("code={code}")));
                // `POST /auth/sso` leaves the event of the sign-in.
                Ok(plan.write(parts.handoffs.create(&handoff)?).details(details.silent()))
            }
            Err(failure) => {
                let details = details.failed(true).detail("reason", failure.reason());
                let number = failure.error_code().into_iter();
                let details =
                    number.fold(details, |details, number| details.detail("error_code", number));
                Ok(Plan::reply(back(&flow, &failure.fragment())).details(details))
            }
        }
    }
}

impl EndSso {
    /// The user whom the provider's answer proves.
    async fn verified(
        &self,
        parts: &Parts,
        flow: &Flow,
        request: &Request<'_, Self>,
    ) -> Result<Verified, Failure> {
        let Parts { provider, exchange, id_tokens, .. } = parts;
        let (now, query) = (request.now, &request.query);
        let metadata = provider.metadata(now).await?;
        let answer = Answer {
            code: query.code.as_deref(),
            error: query.error.as_deref(),
            error_description: query.error_description.as_deref(),
            iss: query.iss.as_deref(),
        };
        let grant = CodeGrant {
            code: answer.code(provider.settings(), &metadata)?,
            verifier: &flow.verifier,
            redirect_uri: &redirect_uri(request.context, &self.config),
        };
        let token = exchange.id_token(&grant, now).await?;
        Ok(id_tokens.verify(&token, &flow.nonce, now).await?)
    }
}

/// The way back to the page of a sign-in, whose cookie goes.
fn back(flow: &Flow, fragment: &str) -> Reply<Redirect> {
    let page = format!("{}#{fragment}", flow.return_to);
    Reply::new(Redirect).location(&page).header(SET_COOKIE, &flow.cleared())
}
