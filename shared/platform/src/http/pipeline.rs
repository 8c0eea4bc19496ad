//! The path of a request from the event to the response. A handler cannot forget a step, because it
//! calls none. Requests to plain endpoints take a short path of their own.

use std::time::{Duration, Instant};

use futures_util::future::join;
use http::{Response, StatusCode};
use lambda_http::Body;

use super::endpoint::{Endpoint, PlainEndpoint, Request};
use super::respond;
use crate::clock::{Clock, millis_since};
use crate::config::ConfigError;
use crate::gate::{Admitted, Authenticated, Authenticator, Committer, RateLimiter, RequestInfo};
use crate::identity::{Caller as _, Someone};
use crate::input::{Input as _, Media};
use crate::limits::{Key, Policy};
use crate::plan::Plan;
use crate::platform::Platform;
use crate::problem::Problem;
use crate::request::HttpCall;
use crate::routes::Access;
use crate::runtime::Invocation;

/// Time kept free before the deadline, in which the function answers 503.
const ANSWER_RESERVE: Duration = Duration::from_millis(500);

/// An endpoint, and the steps that its requests pass through.
pub struct Pipeline<E> {
    endpoint: E,
    /// `None` on a public route, and where the endpoint is open.
    authenticator: Option<Authenticator>,
    limiter: RateLimiter,
    committer: Committer,
    clock: Clock,
}

impl<E: Endpoint> Pipeline<E> {
    /// Makes the endpoint, and only the steps that its route needs.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        let endpoint = E::new(platform)?;
        let is_protected = E::ROUTE.access != Access::Public && !endpoint.is_open();
        Ok(Self {
            endpoint,
            authenticator: is_protected
                .then(|| Authenticator::new(platform, &E::ROUTE))
                .transpose()?,
            limiter: RateLimiter::new(platform, E::ROUTE.key())?,
            committer: Committer::for_route(platform, &E::ROUTE)?,
            clock: platform.clock.clone(),
        })
    }

    /// Answers a request, in the contract's order of checks: early rejection, authentication,
    /// authorisation, refusals by headers, parsing, limits, an earlier request with the same
    /// `Idempotency-Key`, the work, the commit, headers.
    pub async fn answer(&self, call: &HttpCall, invocation: &Invocation) -> Response<Body> {
        let since = Instant::now();
        let result = invocation.bound(ANSWER_RESERVE, self.process(call, since)).await;
        let result = result.map_err(|problem| self.endpoint.as_answered(call, problem));
        log_and_respond(&E::ROUTE.key(), call, since, result)
    }

    async fn process(&self, call: &HttpCall, since: Instant) -> Result<Response<Body>, Problem> {
        let route = E::ROUTE;
        let endpoint = &self.endpoint;
        let info =
            RequestInfo { since, ..RequestInfo::new(&call.context, self.clock.now(), route.audit) };

        if let Some(problem) = endpoint.reject_early(call) {
            return Err(self.limiter.deny(problem, None, &info).await);
        }
        let authenticated = match &self.authenticator {
            Some(authenticator) => {
                Some(authenticator.authenticate(&call.headers, &self.limiter, &info).await?)
            }
            None => None,
        };
        let authenticated = authenticated.as_ref();
        let me = authenticated
            .is_some_and(|caller| concerns_caller(call, route.access, &caller.principal.user_id));
        if let (Some(authenticator), Some(caller)) = (&self.authenticator, authenticated) {
            authenticator.authorize(caller, me, &self.limiter, &info).await?;
        }
        let principal = authenticated.map(|caller| &caller.principal);
        if let Some(problem) = endpoint.forbid(call) {
            return Err(self.limiter.deny(problem, principal, &info).await);
        }
        let caller = E::Caller::from_principal(principal).ok_or_else(Problem::unauthenticated)?;

        let (fields, is_form) = call.body_fields(endpoint.media(), E::Body::OPTIONAL)?;
        let query = call.query::<E::Query>();
        let (body, query) = match (fields.read::<E::Body>(), query) {
            (Ok(body), Ok(query)) => (body, query),
            (Err(mut problem), Err(other)) => {
                problem.errors.extend(other.errors);
                return Err(problem);
            }
            (Err(problem), _) | (_, Err(problem)) => return Err(problem),
        };
        let token_exp = authenticated.and_then(|caller| caller.token_exp);
        let request = Request {
            caller,
            token_exp,
            authority: authenticated.and_then(Authenticated::authority),
            body,
            query,
            is_form,
            context: &call.context,
            now: info.now,
            call,
        };

        let row = endpoint.row(&request);
        if let (Some(caller), Some(scope)) = (authenticated, row.scope)
            && let Err(problem) = caller.must_have(scope)
        {
            return Err(self.limiter.deny(problem, principal, &info).await);
        }
        // On a route for a role or for oneself, callers who ask for their own data leave no event.
        let info = RequestInfo { action: row.audit.filter(|_| !me), ..info };
        let (before, limits) = Policy::in_turn(row.limits);
        let key = (!row.limits.is_empty()).then(|| endpoint.limit_key(&request));
        let (key, earlier) = self.find_key(before, key, authenticated, &info).await?;
        let as_oauth_error = |problem: Problem| if is_form { problem.for_form() } else { problem };
        let counting =
            self.limiter.limit_request(limits, authenticated, key.as_ref(), earlier, &info);
        let (admitted, fingerprint, earlier, plan) =
            if authenticated.is_some_and(Authenticated::is_uncounted) {
                // The route trusts the token, so no read has hidden the time of the count yet. The
                // call is counted while the handler works, which has no effect before the commit.
                let (admitted, plan) = join(counting, endpoint.handle(request)).await;
                (admitted?, None, None, plan)
            } else {
                let admitted = counting.await?;
                let (fingerprint, earlier) =
                    self.committer.repetition(call, principal, info.now).await?;
                let plan = match &earlier {
                    Some(earlier) => endpoint.repeat(request, &earlier.resource).await,
                    None => endpoint.handle(request).await,
                };
                (admitted, fingerprint, earlier, plan)
            };
        let mut plan = plan.unwrap_or_else(Plan::refuse);
        plan.details = plan.details.of_path(route.resource_of(call));
        let info = RequestInfo { fingerprint, ..info };
        let mut reply =
            self.committer.commit(Ok(plan), principal, &info).await.map_err(as_oauth_error)?;
        if let Some(earlier) = earlier {
            reply.status = reply.status.or(StatusCode::from_u16(earlier.status).ok());
        }
        reply.headers.extend(admitted.statuses.headers());
        respond::success(&route, call, reply)
    }

    /// The subject that the endpoint names for limits. `before` are those that count before it is
    /// looked for. A request whose subject cannot be named counts nowhere.
    async fn find_key(
        &self,
        before: &'static [Policy],
        key: Option<impl Future<Output = Result<Option<Key>, Problem>>>,
        caller: Option<&Authenticated>,
        info: &RequestInfo<'_>,
    ) -> Result<(Option<Key>, Option<Admitted>), Problem> {
        let Some(key) = key else { return Ok((None, None)) };
        if before.is_empty() {
            return Ok((key.await?, None));
        }
        let admitted = self.limiter.limit_request(before, caller, None, None, info).await?;
        match key.await {
            Ok(key) => Ok((key, Some(admitted))),
            Err(problem) => {
                self.limiter.revert(&admitted, info).await;
                Err(problem)
            }
        }
    }
}

/// Answers a request to a plain endpoint. `$default` answers 404 with any query and body.
pub(super) async fn answer_plain<E: PlainEndpoint>(
    endpoint: &E,
    call: &HttpCall,
    invocation: &Invocation,
) -> Response<Body> {
    let since = Instant::now();
    let process = async {
        if !E::ROUTE.path.is_empty() {
            call.body_fields(Media::Json, true)?;
            call.query::<()>()?;
        }
        let reply = endpoint.handle(call).await?;
        respond::success(&E::ROUTE, call, reply)
    };
    log_and_respond(&E::ROUTE.key(), call, since, invocation.bound(ANSWER_RESERVE, process).await)
}

/// Makes the response of a request, and logs it.
pub(super) fn log_and_respond(
    route: &str,
    call: &HttpCall,
    since: Instant,
    result: Result<Response<Body>, Problem>,
) -> Response<Body> {
    let response = result.unwrap_or_else(|problem| respond::failure(call, problem));
    tracing::info!(
        request_id = call.context.request_id,
        route,
        status = response.status().as_u16(),
        latency_ms = millis_since(since),
        "answered"
    );
    response
}

/// Whether a request is for the caller's own data. A parameter names the user by an id or `me`;
/// some routes mean the caller without it.
fn concerns_caller(call: &HttpCall, access: Access, user_id: &str) -> bool {
    let Access::RoleOrMe { parameter, unless_given, .. } = access else { return false };
    call.peek(parameter).map_or(unless_given, |whose| {
        whose.parse::<Someone>().is_ok_and(|whose| whose.or(user_id) == user_id)
    })
}
