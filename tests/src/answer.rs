//! An HTTP answer, read to its end.

use http::HeaderMap;
use serde_json::Value;

/// Status, headers and body of an answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// The body as text.
    pub text: String,
    /// Path of the request.
    pub path: String,
}

impl Answer {
    /// Reads a response to the end.
    pub async fn read(path: &str, response: reqwest::Response) -> Self {
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        Self { status, headers, text: response.text().await.unwrap(), path: path.to_owned() }
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// The value of a header, or an empty string.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Fails unless the answer has this status. Returns its JSON (`null` if its content type is not
    /// `application/json`).
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        self.common_headers();
        if self.header("content-type") == "application/json" { self.json() } else { Value::Null }
    }

    /// Fails unless the answer is a problem (RFC 9457) of the server with this status and code.
    #[track_caller]
    pub fn problem(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        self.common_headers();
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        let body = self.json();
        assert_eq!(body["code"], code, "{self:?}");
        assert_eq!(body["type"], "about:blank");
        assert_eq!(body["status"], status);
        assert_eq!(body["instance"], self.path, "{self:?}");
        assert_eq!(body["request_id"], self.header("x-request-id"));
        for member in ["title", "detail"] {
            assert!(body[member].as_str().is_some_and(|text| !text.is_empty()), "{self:?}");
        }
        if status == 401 {
            assert!(self.header("www-authenticate").starts_with("Bearer"), "{self:?}");
        }
        body
    }

    /// Fails unless the answer is a 422 that names exactly these fields (`/username`) or parameters
    /// (`page`).
    #[track_caller]
    pub fn invalid(&self, fields: &[&str]) {
        let body = self.problem(422, "validation_failed");
        let errors = body["errors"].as_array().unwrap();
        let found: Vec<_> = errors
            .iter()
            .map(|error| error["pointer"].as_str().or(error["parameter"].as_str()).unwrap())
            .collect();
        assert_eq!(found, fields, "{self:?}");
    }

    #[track_caller]
    fn common_headers(&self) {
        for (name, expected) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("strict-transport-security", "max-age="),
        ] {
            assert!(self.header(name).starts_with(expected), "{name} of {self:?}");
        }
        for name in ["x-request-id", "cache-control", "content-security-policy"] {
            assert!(!self.header(name).is_empty(), "{name} of {self:?}");
        }
    }
}
