//! The HTTP API (API Gateway v2, payload format 2.0): one request in, one invocation, one answer
//! out.
//!
//! Some answers are API Gateway's own (preflights, its limits, failed functions). They are given
//! here in the same way and shape.

mod cors;
mod event;
mod response;
mod routes;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use serde_json::json;
use tokio::time::timeout;

use crate::lambda::{Functions, InvokeError};
use crate::template::model::{Cors, HttpApi};
use event::EventSource;
use routes::{Match, Routes};

type Answer = Response<Full<Bytes>>;

/// API Gateway's bound on request bodies.
const BODY_LIMIT_BYTES: usize = 10 * 1024 * 1024;

/// The running HTTP API.
#[derive(Clone)]
pub(crate) struct HttpApiServer(Arc<Inner>);

struct Inner {
    id: String,
    routes: Routes,
    cors: Option<Cors>,
    functions: Functions,
}

impl HttpApiServer {
    pub(crate) fn new(api: HttpApi, functions: Functions) -> HttpApiServer {
        HttpApiServer(Arc::new(Inner {
            id: api.id,
            routes: Routes::new(api.routes),
            cors: api.cors,
            functions,
        }))
    }

    /// Answers one request.
    pub(crate) async fn serve(&self, request: Request<Incoming>, peer: SocketAddr) -> Answer {
        let api = &self.0;
        let began = Instant::now();
        let line = format!("{} {}", request.method(), request.uri().path());
        let request_id = uuid::Uuid::new_v4().simple().to_string();
        let origin = request.headers().get(header::ORIGIN).cloned();
        let mut answer = match &api.cors {
            Some(cors) if cors::is_preflight(&request) => cors::preflight(cors, origin.as_ref()),
            cors => {
                let mut answer =
                    api.answer(request, peer, &request_id).await.unwrap_or_else(gateway_error);
                if let Some(cors) = cors {
                    cors::apply(cors, origin.as_ref(), answer.headers_mut());
                }
                answer
            }
        };
        if let Ok(id) = HeaderValue::try_from(request_id) {
            answer.headers_mut().insert("apigw-requestid", id);
        }
        tracing::info!(
            "{line} -> {} in {} ms",
            answer.status().as_u16(),
            began.elapsed().as_millis()
        );
        answer
    }
}

impl Inner {
    /// The function's answer, or the status that API Gateway sends instead.
    async fn answer(
        &self,
        request: Request<Incoming>,
        peer: SocketAddr,
        request_id: &str,
    ) -> Result<Answer, StatusCode> {
        let (head, body) = request.into_parts();
        let Some(Match { route, path_parameters }) =
            self.routes.find(&head.method, head.uri.path())
        else {
            return Err(StatusCode::NOT_FOUND);
        };
        let body = match Limited::new(body, BODY_LIMIT_BYTES).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => {
                return Err(StatusCode::PAYLOAD_TOO_LARGE);
            }
            Err(_) => return Err(StatusCode::BAD_REQUEST),
        };
        let source = EventSource {
            api_id: &self.id,
            route_key: &route.route_key,
            path_parameters,
            request_id,
            peer,
        };
        let payload = Bytes::from(source.event(&head, &body).to_string());
        match timeout(route.timeout, self.functions.invoke(&route.function, payload)).await {
            Ok(Ok(payload)) => response::from_payload(&payload).map_err(|problem| {
                tracing::warn!(
                    "{} | API Gateway would refuse the answer: {problem}",
                    route.function
                );
                StatusCode::INTERNAL_SERVER_ERROR
            }),
            Ok(Err(InvokeError::TooLarge)) => Err(StatusCode::PAYLOAD_TOO_LARGE),
            Ok(Err(InvokeError::TimedOut(_) | InvokeError::ShuttingDown)) | Err(_) => {
                Err(StatusCode::SERVICE_UNAVAILABLE)
            }
            Ok(Err(_)) => Err(StatusCode::INTERNAL_SERVER_ERROR),
        }
    }
}

/// An answer in API Gateway's own shape.
fn gateway_error(status: StatusCode) -> Answer {
    let message = match status {
        StatusCode::PAYLOAD_TOO_LARGE => "Request Entity Too Large",
        other => other.canonical_reason().unwrap_or_default(),
    };
    let mut answer = Response::new(Full::new(Bytes::from(json!({"message": message}).to_string())));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}
