//! Turns outputs and problems into the responses that API Gateway expects, with the headers that
//! every answer has.

use std::any::TypeId;

use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use lambda_http::Body;
use serde::Serialize;
use utoipa::ToSchema;

use super::describe::{Answer, Header};
use crate::plan::Reply;
use crate::problem::Problem;
use crate::request::HttpCall;
use crate::routes::Route;

/// Content-Security-Policy of answers that are data.
const DATA_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";

/// An output that an endpoint can answer with.
pub trait Output: Send + 'static {
    /// The body and its media type.
    fn render(self) -> Result<Rendered, serde_json::Error>;

    /// Each status of success, with its answer.
    fn describe() -> Vec<Answer>;
}

/// A body and its media type.
pub struct Rendered {
    /// `Content-Type`; empty where the answer has no content.
    pub content_type: &'static str,
    /// The bytes.
    pub body: Vec<u8>,
}

/// Everything that serialises and has a schema is JSON. `()` is no content.
impl<T: Serialize + ToSchema + Send + 'static> Output for T {
    fn render(self) -> Result<Rendered, serde_json::Error> {
        Rendered::json(&self)
    }

    fn describe() -> Vec<Answer> {
        let nothing = TypeId::of::<T>() == TypeId::of::<()>();
        vec![if nothing { Answer::default() } else { Answer::json::<T>() }]
    }
}

/// A resource that was created, under a path of its own.
pub struct Created<T>(pub T);

impl<T: Output> Output for Created<T> {
    fn render(self) -> Result<Rendered, serde_json::Error> {
        self.0.render()
    }

    fn describe() -> Vec<Answer> {
        T::describe().into_iter().map(|answer| answer.header(Header::Location)).collect()
    }
}

/// The way to another page, in the header `Location` of the reply. It has no content.
pub struct Redirect;

impl Output for Redirect {
    fn render(self) -> Result<Rendered, serde_json::Error> {
        Ok(Rendered::nothing())
    }

    fn describe() -> Vec<Answer> {
        vec![Answer::default().header(Header::Location)]
    }
}

impl Rendered {
    /// A value as JSON.
    pub fn json<T: Serialize>(value: &T) -> Result<Self, serde_json::Error> {
        Ok(Self { content_type: "application/json", body: serde_json::to_vec(value)? })
    }

    /// No content, for a status that may have some.
    pub fn nothing() -> Self {
        Self { content_type: "", body: Vec::new() }
    }
}

/// The response of a request that succeeded.
pub(super) fn success<O: Output>(
    route: &Route,
    call: &HttpCall,
    reply: Reply<O>,
) -> Result<Response<Body>, Problem> {
    let status = reply
        .status
        .unwrap_or_else(|| StatusCode::from_u16(route.success).unwrap_or(StatusCode::OK));
    let mut headers = common_headers(call);
    // RFC 9110: neither has content.
    if status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED {
        return Ok(response(status, with(headers, reply.headers), None));
    }
    let rendered = reply.output.render().map_err(|error| {
        tracing::error!(%error, route = route.key(), "failed to serialise an output");
        Problem::internal()
    })?;
    if rendered.content_type.is_empty() {
        return Ok(response(status, with(headers, reply.headers), None));
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(rendered.content_type));
    Ok(response(status, with(headers, reply.headers), Some(rendered.body)))
}

/// The response of a request that failed.
pub(super) fn failure(call: &HttpCall, problem: Problem) -> Response<Body> {
    let mut headers = common_headers(call);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    let body =
        serde_json::to_vec(&problem.body(&call.path, &call.context.request_id)).unwrap_or_default();
    response(problem.status, with(headers, problem.headers), Some(body))
}

fn common_headers(call: &HttpCall) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(10);
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::STRICT_TRANSPORT_SECURITY, "max-age=63072000; includeSubDomains"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CONTENT_SECURITY_POLICY, DATA_POLICY),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Ok(id) = HeaderValue::from_str(&call.context.request_id) {
        headers.insert(HeaderName::from_static("x-request-id"), id);
    }
    headers
}

fn with(mut headers: HeaderMap, own: Vec<(HeaderName, HeaderValue)>) -> HeaderMap {
    for (name, value) in own {
        // An answer may set several cookies.
        if name == header::SET_COOKIE {
            headers.append(name, value);
        } else {
            headers.insert(name, value);
        }
    }
    headers
}

/// A response. `lambda_http` sends text and JSON as text, any other body (an image) in base64.
fn response(status: StatusCode, headers: HeaderMap, body: Option<Vec<u8>>) -> Response<Body> {
    let mut response = Response::new(body.map_or(Body::Empty, Body::Binary));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}
