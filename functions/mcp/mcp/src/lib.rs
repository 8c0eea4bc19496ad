//! `POST /mcp`: the Model Context Protocol, so that a client of it can use the tools of the
//! assistant. It is stateless: each request is a message, and its answer is JSON. The caller is an
//! API key.
//!
//! - `protocol`: messages, versions, headers and answers, as the specification has them
//! - `methods`: what each method answers, from the tools and resources that the caller may use
//!
//! Pages of the specification: <https://modelcontextprotocol.io/specification/2026-07-28> and
//! <https://modelcontextprotocol.io/specification/2025-11-25>.

mod methods;
mod origins;
mod protocol;

use std::collections::BTreeSet;

use http::StatusCode;
use platform::gate::{RateLimiter, RequestInfo};
use platform::identity::{Principal, Scope};
use platform::input::Media;
use platform::plan::Reply;
use platform::problem::Code;
use platform::request::HttpCall;
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use tally_tools::Toolbox;

use crate::methods::{Asked, Methods, Refusal};
use crate::origins::Origins;
use crate::protocol::{Message, RpcAnswer, RpcRequest, Sent, client_of, era_of};

/// The endpoints of this function.
pub type Endpoints = (SendMcpMessage,);

/// The endpoint.
pub struct SendMcpMessage {
    methods: Methods,
    origins: Origins,
    /// Records refused calls of tools.
    limiter: RateLimiter,
    /// The scopes of all tools, separated by spaces.
    scopes: String,
}

impl Endpoint for SendMcpMessage {
    const ROUTE: Route = routes::MCP;
    const MEDIA: Media = Media::JsonBytes;
    const PROBLEMS: &'static [Code] = &[Code::InsufficientScope, Code::OriginRefused];
    type Caller = Principal;
    type Body = Message;
    type Query = ();
    type Output = Sent;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        let toolbox = Toolbox::new(platform)?;
        Ok(Self {
            scopes: scopes(&toolbox),
            methods: Methods::new(platform, toolbox)?,
            origins: Origins::new(&platform.config)?,
            limiter: RateLimiter::new(platform, Self::ROUTE.key())?,
        })
    }

    fn forbid(&self, call: &HttpCall) -> Option<Problem> {
        (!self.origins.admit(call)).then(Problem::origin_refused)
    }

    /// A refused caller learns which scopes a key can have here.
    fn as_answered(&self, _: &HttpCall, problem: Problem) -> Problem {
        match problem.status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => problem.with_scopes(&self.scopes),
            _ => problem,
        }
    }

    /// A body that is no message counts against no limit. Neither does a call that needs another
    /// scope.
    fn row(&self, request: &Request<'_, Self>) -> Route {
        let is_refused = match &request.body {
            Message::Faulty(..) => true,
            Message::Notification => false,
            Message::Request(message) => self.missing_scope(message, request).is_some(),
        };
        if is_refused { Route { limits: &[], ..Self::ROUTE } } else { Self::ROUTE }
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<Sent>, Problem> {
        let message = match &request.body {
            Message::Request(message) => message,
            Message::Notification => {
                return Ok(Plan::reply(Reply::new(Sent::Nothing).status(StatusCode::ACCEPTED)));
            }
            Message::Faulty(id, fault) => {
                let answer = RpcAnswer::error(id.clone(), fault.error.clone());
                return Ok(reply(fault.status, Sent::Answer(answer)));
            }
        };
        if let Some(scope) = self.missing_scope(message, &request) {
            let info = RequestInfo::new(request.context, request.now, None);
            let problem = Problem::insufficient_scope(scope.as_str());
            return Err(self.limiter.deny(problem, Some(&request.caller), &info).await);
        }
        let Some(authority) = &request.authority else { return Err(Problem::key_required()) };
        let answered = match era_of(&request.call.headers, message) {
            Ok(era) => {
                let asked = Asked {
                    message,
                    era,
                    client: client_of(message, &request.context.user_agent),
                    caller: &request.caller,
                    authority,
                    context: request.context,
                    now: request.now,
                };
                let answered = self.methods.answer(&asked).await;
                answered.map(|result| result.answer(era, message.id.clone()))
            }
            Err(fault) => Err(Refusal::Fault(fault)),
        };
        match answered {
            Ok(answer) => Ok(reply(StatusCode::OK, answer)),
            Err(Refusal::Fault(fault)) => {
                let answer = RpcAnswer::error(Some(message.id.clone()), fault.error);
                Ok(reply(fault.status, Sent::Answer(answer)))
            }
            Err(Refusal::Problem(problem)) => Err(problem),
        }
    }
}

impl SendMcpMessage {
    /// The scope that a message needs and the key lacks.
    fn missing_scope(&self, message: &RpcRequest, request: &Request<'_, Self>) -> Option<Scope> {
        self.methods.missing_scope(message, request.authority.as_ref()?)
    }
}

/// A plan that writes nothing and gives this answer.
fn reply(status: StatusCode, answer: Sent) -> Plan<Sent> {
    Plan::reply(Reply::new(answer).status(status))
}

/// The scopes of all tools, separated by spaces.
fn scopes(toolbox: &Toolbox) -> String {
    let scopes: BTreeSet<_> = toolbox.all().map(|listed| listed.about.scope.as_str()).collect();
    scopes.into_iter().collect::<Vec<_>>().join(" ")
}
