//! A request as it arrived, and the answer to it.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, LOCATION};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use http_body_util::Full;
use serde_json::Value;

/// A request.
pub(super) struct Call {
    pub method: Method,
    /// The origin that the client named, like `http://127.0.0.1:8788`.
    pub origin: String,
    pub path: String,
    pub query: Form,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Call {
    /// The text of a header, or an empty one.
    pub fn header(&self, name: HeaderName) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// The fields of a query or a form.
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    /// Reads `application/x-www-form-urlencoded`.
    pub fn read(text: &[u8]) -> Self {
        Self(form_urlencoded::parse(text).into_owned().collect())
    }

    /// The first value of a field, unless it is empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(field, _)| field == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// The fields with another one at the end.
    pub fn and(&self, name: &str, value: &str) -> String {
        let mut text = form_urlencoded::Serializer::new(String::new());
        text.extend_pairs(&self.0).append_pair(name, value).finish()
    }
}

/// An answer.
pub(super) struct Answer {
    status: u16,
    headers: Vec<(HeaderName, String)>,
    body: String,
}

impl Answer {
    /// Any body.
    pub fn new(status: u16, kind: &str, body: String) -> Self {
        Self { status, headers: vec![(CONTENT_TYPE, kind.to_owned())], body }
    }

    /// JSON.
    pub fn json(status: u16, body: &Value) -> Self {
        Self::new(status, "application/json; charset=utf-8", body.to_string())
    }

    /// A page.
    pub fn html(status: u16, body: String) -> Self {
        Self::new(status, "text/html; charset=utf-8", body)
    }

    /// A redirect.
    pub fn redirect(location: String) -> Self {
        Self { status: 302, headers: vec![(LOCATION, location)], body: String::new() }
    }

    /// Adds a header.
    pub fn header(mut self, name: HeaderName, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// The same answer after `padding`.
    pub fn after(mut self, padding: &str) -> Self {
        self.body.insert_str(0, padding);
        self
    }

    /// The answer for hyper.
    pub fn response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(self.body.into()));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap();
        for (name, value) in self.headers {
            response.headers_mut().append(name, HeaderValue::try_from(value).unwrap());
        }
        response
    }
}
