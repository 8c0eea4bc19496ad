//! The beginning and the end of a connection, which API Gateway treats as requests: `$connect` can
//! be refused.

use std::future::Future;
use std::time::{Duration, Instant};

use aws_lambda_events::apigw::ApiGatewayProxyResponse;
use aws_lambda_events::encodings::Body;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use super::call::SocketCall;
use crate::clock::millis_since;
use crate::config::ConfigError;
use crate::plan::Reply;
use crate::platform::Platform;
use crate::problem::Problem;
use crate::routes::ActionRoute;
use crate::runtime::Invocation;

/// Time reserved for the answer if the work takes too long.
const RESPONSE: Duration = Duration::from_millis(500);

/// `$connect` or `$disconnect`.
pub trait Lifecycle: Sized + Send + Sync + 'static {
    /// Its row of the route table.
    const ROUTE: ActionRoute;

    /// Makes it once per process.
    fn new(platform: &Platform) -> Result<Self, ConfigError>;

    /// Does the work. The reply's headers go into the handshake; a problem refuses it.
    fn handle(&self, call: &SocketCall) -> impl Future<Output = Result<Reply<()>, Problem>> + Send;
}

/// Answers API Gateway.
pub(super) async fn answer<L: Lifecycle>(
    lifecycle: &L,
    call: &SocketCall,
    invocation: &Invocation,
) -> ApiGatewayProxyResponse {
    let since = Instant::now();
    let response = match invocation.bound(RESPONSE, lifecycle.handle(call)).await {
        Ok(reply) => response(StatusCode::OK, reply.headers, None),
        Err(problem) => {
            let body =
                serde_json::to_string(&problem.body(&call.route_key, &call.context.request_id))
                    .unwrap_or_default();
            let mut headers = problem.headers;
            headers
                .push((header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json")));
            response(problem.status, headers, Some(Body::Text(body)))
        }
    };
    tracing::info!(
        request_id = call.context.request_id,
        route = L::ROUTE.action,
        connection_id = call.connection_id,
        status = response.status_code,
        latency_ms = millis_since(since),
        "answered"
    );
    response
}

/// The response to API Gateway for a message. Its real answer has been posted.
pub(super) fn dispatched() -> ApiGatewayProxyResponse {
    response(StatusCode::OK, Vec::new(), None)
}

fn response(
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Option<Body>,
) -> ApiGatewayProxyResponse {
    let mut response = ApiGatewayProxyResponse::default();
    response.status_code = i64::from(status.as_u16());
    response.headers = HeaderMap::from_iter(headers);
    response.body = body;
    response
}
