//! `GET /auth/sso/authorize`: sends a browser to the identity provider.

use http::header::SET_COOKIE;
use platform::config::Config;
use platform::http::Redirect;
use platform::plan::Reply;
use platform::problem::Code;
use platform::request::HttpCall;
use platform::routes::{self, Route};
use platform::seal::Seal;
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use tally_sso::flow::{Authorization, Flow, FlowCookies, PURPOSE, ReturnUrls};
use tally_sso::{Provider, StepUp};

use crate::query::{BeginQuery, Prompt};
use crate::{provider, redirect_uri};

/// `GET /auth/sso/authorize`.
pub struct BeginSso {
    config: Config,
    /// `None` if this deployment has no sign-in in a browser.
    parts: Option<Parts>,
}

struct Parts {
    provider: Provider,
    pages: ReturnUrls,
    step_up: StepUp,
    seal: Seal,
}

impl Endpoint for BeginSso {
    const ROUTE: Route = routes::SSO_AUTHORIZE;
    const PROBLEMS: &'static [Code] = &[Code::NotFound];
    type Caller = ();
    type Body = ();
    type Query = BeginQuery;
    type Output = Redirect;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        let parts = match provider(platform)? {
            Some((provider, pages)) => Some(Parts {
                provider,
                pages,
                step_up: StepUp::from_config(&platform.config),
                seal: Seal::new(platform, PURPOSE)?,
            }),
            None => None,
        };
        Ok(Self { config: platform.config.clone(), parts })
    }

    fn reject_early(&self, _call: &HttpCall) -> Option<Problem> {
        self.parts.is_none().then(Problem::not_found)
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<Redirect>, Problem> {
        let Some(Parts { provider, pages, step_up, seal }) = &self.parts else {
            return Err(Problem::not_found());
        };
        let (now, query) = (request.now, request.query);
        if !pages.has(&query.return_to) {
            let detail =
                "must be one of the pages that the parameter SsoReturnUrls lists, to the letter";
            return Err(Problem::invalid_parameter("return_to", detail));
        }
        let metadata = provider.metadata(now).await?;
        let key = seal.key().await?;
        let place = FlowCookies::open(&key, request.call.cookies(), now).next_place();
        let flow = Flow::begin(place, query.return_to, query.code_challenge.into(), now);
        let claims = if query.step_up { step_up.for_id_token() } else { None };
        let authorization = Authorization {
            settings: provider.settings(),
            flow: &flow,
            redirect_uri: &redirect_uri(request.context, &self.config),
            login_hint: query.login_hint.as_deref(),
            prompt: query.prompt.map(Prompt::as_str),
            claims: claims.as_deref(),
        };
        let url = authorization.url(&metadata.authorization_endpoint);
        let reply = Reply::new(Redirect).location(url.as_str());
        Ok(Plan::reply(reply.header(SET_COOKIE, &flow.cookie(&key)?)))
    }
}
