//! The single path that every request takes. A handler cannot forget a step, because it calls none.

use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use aws_lambda_events::apigw::ApiGatewayV2httpResponse;
use futures_util::FutureExt as _;
use futures_util::future::join;
use http::StatusCode;

use super::endpoint::{Endpoint, Request};
use super::respond;
use crate::clock::Clock;
use crate::gate::{Gate, Known, Passage};
use crate::identity::{Caller as _, Someone};
use crate::plan::Plan;
use crate::problem::Problem;
use crate::request::Call;
use crate::routes::{Access, Route};
use crate::worker::Invocation;

/// Time reserved for the answer if the work takes too long.
const RESPONSE: Duration = Duration::from_millis(500);

/// Answers a request: correlation, authentication, authorisation, parsing, limits, the work, the commit, headers,
/// in the contract's order of checks.
pub async fn answer<E: Endpoint>(
    endpoint: &E,
    gate: &Gate,
    clock: &Clock,
    call: &Call,
    invocation: &Invocation,
) -> ApiGatewayV2httpResponse {
    let since = Instant::now();
    let travel = invocation.in_time(RESPONSE, travel(endpoint, gate, clock, call, since));
    let result = AssertUnwindSafe(travel).catch_unwind().await.unwrap_or_else(|_| {
        // The panic hook has logged where.
        Err(Problem::internal())
    });
    let response = result.unwrap_or_else(|problem| respond::failure(call, problem));
    tracing::info!(
        request_id = call.context.request_id,
        route = E::ROUTE.key(),
        status = response.status_code,
        latency_ms = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX),
        "answered"
    );
    response
}

async fn travel<E: Endpoint>(
    endpoint: &E,
    gate: &Gate,
    clock: &Clock,
    call: &Call,
    since: Instant,
) -> Result<ApiGatewayV2httpResponse, Problem> {
    let route = E::ROUTE;
    let passage = Passage { context: &call.context, now: clock.now(), since, action: route.audit, claim: None };

    if let Some(problem) = endpoint.turn_away(call) {
        return Err(gate.deny(problem, None, &passage).await);
    }
    let known = gate.identify(route.access, &call.headers, &passage).await?;
    let me = known.as_ref().is_some_and(|known| is_of(call, route.access, &known.principal.user_id));
    // A request for the caller's own data leaves no event, because it concerns only the caller.
    let action = |row: &Route| row.audit.filter(|_| !me);
    gate.admit(known.as_ref(), route.access, me, &passage).await?;
    let token_exp = known.as_ref().and_then(|known| known.token_exp);
    let principal = known.as_ref().map(|known| &known.principal);
    let caller = E::Caller::from_principal(principal).ok_or_else(Problem::unauthenticated)?;

    let (fields, is_form) = call.body_fields(endpoint.media(), <E::Body as crate::input::Form>::OPTIONAL)?;
    let query = call.query::<E::Query>();
    let (body, query) = match (fields.read::<E::Body>(), query) {
        (Ok(body), Ok(query)) => (body, query),
        (Err(mut problem), Err(other)) => {
            problem.errors.extend(other.errors);
            return Err(problem);
        }
        (Err(problem), _) | (_, Err(problem)) => return Err(problem),
    };
    let request = Request { caller, token_exp, body, query, is_form, context: &call.context, now: passage.now, call };

    let row = endpoint.row(&request);
    let passage = Passage { action: action(&row), ..passage };
    let key = if row.limits.is_empty() { None } else { endpoint.limit_key(&request).await? };
    let in_its_words = |problem: Problem| if is_form { problem.for_form() } else { problem };
    let counting = gate.count_request(row.limits, known.as_ref(), key.as_ref(), &passage);
    let (standings, claim, earlier, plan) = if known.as_ref().is_some_and(Known::is_uncounted) {
        // Nothing has been read yet, so the call is counted beside the work. The work has no effect before the commit.
        let (standings, plan) = join(counting, endpoint.handle(request)).await;
        (standings?, None, None, plan)
    } else {
        let standings = counting.await?;
        let (claim, earlier) = gate.repetition(call, principal, passage.now).await?;
        let plan = match &earlier {
            Some(earlier) => endpoint.repeat(request, &earlier.resource).await,
            None => endpoint.handle(request).await,
        };
        (standings, claim, earlier, plan)
    };
    let mut plan = plan.unwrap_or_else(Plan::refuse);
    plan.note = plan.note.of_path(route.resource_of(call));
    let mut reply = gate.commit(Ok(plan), principal, &Passage { claim, ..passage }).await.map_err(in_its_words)?;
    if let Some(earlier) = earlier {
        reply.status = reply.status.or(StatusCode::from_u16(earlier.status).ok());
    }
    reply.headers.extend(standings.headers());
    respond::success(&route, call, reply)
}

/// Whether a request is for the caller's own data.
fn is_of(call: &Call, access: Access, user_id: &str) -> bool {
    let Access::RoleOrMe { parameter, unless_given, .. } = access else { return false };
    call.peek(parameter).map_or(unless_given, |whose| whose.parse::<Someone>().is_ok_and(|whose| whose.or(user_id) == user_id))
}
