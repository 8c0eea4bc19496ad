//! The event a function receives for a request, in payload format 2.0.
//!
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>

#![expect(
    clippy::disallowed_methods,
    reason = "the rule that one module reads the wall clock is the functions'"
)]

use std::collections::BTreeMap;
use std::net::SocketAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::request::Parts;
use http::{HeaderMap, header};
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use crate::template::ACCOUNT;

/// The parts of the event that are not in the request itself.
pub(super) struct EventSource<'r> {
    pub api_id: &'r str,
    pub route_key: &'r str,
    pub path_parameters: BTreeMap<String, String>,
    pub request_id: &'r str,
    pub peer: SocketAddr,
}

impl EventSource<'_> {
    pub(super) fn event(&self, head: &Parts, body: &[u8]) -> Value {
        let path = percent_decode_str(head.uri.path()).decode_utf8_lossy();
        let query = head.uri.query().unwrap_or_default();
        let headers = self.headers(&head.headers);
        let host = headers.get("host").cloned().unwrap_or_default();
        let now = Timestamp::now();
        let mut event = json!({
            "version": "2.0",
            "routeKey": self.route_key,
            "rawPath": path,
            "rawQueryString": query,
            "requestContext": {
                "accountId": ACCOUNT,
                "apiId": self.api_id,
                "domainName": host,
                "domainPrefix": host.split('.').next(),
                "http": {
                    "method": head.method.as_str(),
                    "path": path,
                    "protocol": format!("{:?}", head.version),
                    "sourceIp": self.peer.ip().to_string(),
                    "userAgent": headers.get("user-agent").map_or("", String::as_str),
                },
                "requestId": self.request_id,
                "routeKey": self.route_key,
                "stage": "$default",
                "time": now.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string(),
                "timeEpoch": now.as_millisecond(),
            },
            "isBase64Encoded": false,
        });
        let cookies = cookies(&head.headers);
        if !cookies.is_empty() {
            event["cookies"] = cookies.into();
        }
        if !query.is_empty() {
            event["queryStringParameters"] = json!(query_parameters(query));
        }
        if !self.path_parameters.is_empty() {
            event["pathParameters"] = json!(self.path_parameters);
        }
        if !body.is_empty() {
            let text = if is_text(headers.get("content-type")) {
                std::str::from_utf8(body).ok()
            } else {
                None
            };
            event["isBase64Encoded"] = text.is_none().into();
            event["body"] = text.map_or_else(|| STANDARD.encode(body), str::to_owned).into();
        }
        event["headers"] = json!(headers);
        event
    }

    /// Names in lower case, values of one name joined by commas, without cookies. API Gateway adds
    /// `x-forwarded-…` headers.
    fn headers(&self, sent: &HeaderMap) -> BTreeMap<String, String> {
        let mut headers: BTreeMap<String, String> = BTreeMap::new();
        for (name, value) in sent.iter().filter(|(name, _)| **name != header::COOKIE) {
            let value = String::from_utf8_lossy(value.as_bytes());
            headers
                .entry(name.as_str().to_owned())
                .and_modify(|joined| *joined = format!("{joined},{value}"))
                .or_insert_with(|| value.into_owned());
        }
        let address = self.peer.ip().to_string();
        let forwarded = headers
            .get("x-forwarded-for")
            .map_or_else(|| address.clone(), |earlier| format!("{earlier}, {address}"));
        headers.insert("x-forwarded-for".to_owned(), forwarded);
        headers.insert("x-forwarded-proto".to_owned(), "http".to_owned());
        let port = headers
            .get("host")
            .and_then(|host| host.rsplit_once(':'))
            .map_or("80", |(_, port)| port)
            .to_owned();
        headers.insert("x-forwarded-port".to_owned(), port);
        headers
    }
}

/// The pairs `a=1` and `b=2` of every Cookie header.
fn cookies(headers: &HeaderMap) -> Vec<String> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    all.flat_map(|value| value.split(';'))
        .map(|cookie| cookie.trim().to_owned())
        .filter(|cookie| !cookie.is_empty())
        .collect()
}

/// The decoded parameters. Values of one name are joined by commas.
fn query_parameters(query: &str) -> BTreeMap<String, String> {
    let mut parameters: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        parameters
            .entry(name.into_owned())
            .and_modify(|joined| *joined = format!("{joined},{value}"))
            .or_insert_with(|| value.into_owned());
    }
    parameters
}

/// Whether API Gateway passes on a body of this type as it is. All others arrive in base64, even
/// forms, `application/…+json` and bodies without a type.
fn is_text(content_type: Option<&String>) -> bool {
    let Some(content_type) = content_type else { return false };
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence.starts_with("text/")
        || matches!(
            essence.as_str(),
            "application/json" | "application/javascript" | "application/xml"
        )
}

#[cfg(test)]
mod tests {
    use http::Request;
    use serde_json::{Value, json};

    use super::EventSource;

    fn event(request: http::request::Builder, body: &[u8]) -> Value {
        let (head, ()) = request.body(()).unwrap().into_parts();
        let source = EventSource {
            api_id: "HttpApi",
            route_key: "GET /users/{id}",
            path_parameters: [("id".to_owned(), "a b".to_owned())].into(),
            request_id: "r-1",
            peer: "192.0.2.7:4000".parse().unwrap(),
        };
        source.event(&head, body)
    }

    #[test]
    fn an_event_is_what_api_gateway_makes_of_a_request() {
        let request = Request::get("/users/a%20b?x=1&x=2&y=a%26b+c&z")
            .header("Host", "127.0.0.1:8787")
            .header("X-Twice", "1")
            .header("X-Twice", "2")
            .header("Cookie", "a=1; b=2")
            .header("Cookie", "c=3")
            .header("User-Agent", "curl")
            .header("X-Forwarded-For", "198.51.100.1");
        let mut actual = event(request, b"");
        let context = actual["requestContext"].as_object_mut().unwrap();
        let time = context.remove("time").unwrap().as_str().unwrap().to_owned();
        assert!(
            jiff::civil::DateTime::strptime("%d/%b/%Y:%H:%M:%S +0000", &time).is_ok(),
            "{time}"
        );
        assert!(context.remove("timeEpoch").unwrap().is_i64());
        assert_eq!(
            actual,
            json!({
                "version": "2.0",
                "routeKey": "GET /users/{id}",
                "rawPath": "/users/a b",
                "rawQueryString": "x=1&x=2&y=a%26b+c&z",
                "cookies": ["a=1", "b=2", "c=3"],
                "headers": {
                    "host": "127.0.0.1:8787",
                    "x-twice": "1,2",
                    "user-agent": "curl",
                    "x-forwarded-for": "198.51.100.1, 192.0.2.7",
                    "x-forwarded-port": "8787",
                    "x-forwarded-proto": "http",
                },
                "queryStringParameters": {"x": "1,2", "y": "a&b c", "z": ""},
                "pathParameters": {"id": "a b"},
                "requestContext": {
                    "accountId": "000000000000",
                    "apiId": "HttpApi",
                    "domainName": "127.0.0.1:8787",
                    "domainPrefix": "127",
                    "http": {
                        "method": "GET", "path": "/users/a b", "protocol": "HTTP/1.1",
                        "sourceIp": "192.0.2.7", "userAgent": "curl",
                    },
                    "requestId": "r-1",
                    "routeKey": "GET /users/{id}",
                    "stage": "$default",
                },
                "isBase64Encoded": false,
            })
        );
    }

    #[test]
    fn bodies_are_text_for_a_few_types_only() {
        for (content_type, body, expected) in [
            (Some("application/json"), b"{}".as_slice(), Some("{}")),
            (Some("Application/JSON; charset=utf-8"), b"{}", Some("{}")),
            (Some("text/csv"), b"a,b", Some("a,b")),
            (Some("application/xml"), b"<a/>", Some("<a/>")),
            (Some("application/x-www-form-urlencoded"), b"a=1", None),
            (Some("application/problem+json"), b"{}", None),
            (Some("application/octet-stream"), b"abc", None),
            (Some("application/json"), b"\xff", None),
            (None, b"abc", None),
        ] {
            let mut request = Request::post("/");
            if let Some(content_type) = content_type {
                request = request.header("Content-Type", content_type);
            }
            let event = event(request, body);
            assert_eq!(event["isBase64Encoded"], expected.is_none(), "{content_type:?}");
            if let Some(expected) = expected {
                assert_eq!(event["body"], expected);
            }
        }
        assert_eq!(
            event(Request::post("/").header("content-type", "image/png"), b"abc")["body"],
            "YWJj"
        );
        assert!(event(Request::post("/"), b"").get("body").is_none());
    }
}
