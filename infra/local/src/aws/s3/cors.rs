//! CORS: the requests that browsers may send to a bucket for pages of other origins.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/cors.html>

use std::collections::BTreeMap;
use std::sync::Arc;

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Uri};
use percent_encoding::percent_decode_str;
use s3s::{Body, S3Error, S3ErrorCode, S3Result};

use super::bucket::Bucket;
use crate::template::model::CorsRule;

/// Headers of a request on which an answer depends.
const VARIES: &str = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method";

/// The rules of the buckets, by the names of the buckets.
#[derive(Debug)]
pub(super) struct Cors(BTreeMap<String, Vec<CorsRule>>);

impl Cors {
    pub(super) fn new<'b>(buckets: impl IntoIterator<Item = &'b Arc<Bucket>>) -> Self {
        let buckets = buckets.into_iter();
        Self(buckets.map(|bucket| (bucket.name.clone(), bucket.cors.clone())).collect())
    }

    /// Answers a preflight, which has no signature. It tells the bucket's rules and nothing else.
    pub(super) fn preflight(&self, uri: &Uri, headers: &HeaderMap) -> S3Result<Response<Body>> {
        let Some(origin) = headers.get(ORIGIN) else {
            return Err(refusal(
                StatusCode::BAD_REQUEST,
                "BadRequest",
                "Insufficient information. Origin request header needed.",
            ));
        };
        let Some(method) = headers.get(ACCESS_CONTROL_REQUEST_METHOD) else {
            return Err(refusal(
                StatusCode::BAD_REQUEST,
                "BadRequest",
                "Invalid Access-Control-Request-Method: null",
            ));
        };
        let rules = self.rules(uri);
        if rules.is_empty() {
            return Err(refusal(
                StatusCode::FORBIDDEN,
                "AccessForbidden",
                "CORSResponse: CORS is not enabled for this bucket.",
            ));
        }
        let asked = asked_headers(headers);
        let allowed = rules.iter().find_map(|rule| {
            let allowed = allowed_origin(rule, origin, method.as_bytes())?;
            asked.iter().all(|name| takes_header(rule, name)).then(|| described(rule, allowed))
        });
        let Some(mut allowed) = allowed else {
            return Err(refusal(
                StatusCode::FORBIDDEN,
                "AccessForbidden",
                "CORSResponse: This CORS request is not allowed. This is usually because the \
                 evaluation of Origin, request method / Access-Control-Request-Method or \
                 Access-Control-Request-Headers are not whitelisted by the resource's CORS spec.",
            ));
        };
        insert_list(&mut allowed, ACCESS_CONTROL_ALLOW_HEADERS, &asked);
        let mut answer = Response::new(Body::empty());
        *answer.headers_mut() = allowed;
        Ok(answer)
    }

    /// The headers by which a browser shows the answer to the page. There are none for an origin
    /// that no rule allows.
    pub(super) fn headers(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> HeaderMap {
        let Some(origin) = headers.get(ORIGIN) else { return HeaderMap::new() };
        let found = self.rules(uri).iter().find_map(|rule| {
            let allowed = allowed_origin(rule, origin, method.as_str().as_bytes())?;
            Some(described(rule, allowed))
        });
        found.unwrap_or_default()
    }

    /// The rules of the bucket in a path.
    fn rules(&self, uri: &Uri) -> &[CorsRule] {
        let name = uri.path().split('/').nth(1).unwrap_or_default();
        let name = percent_decode_str(name).decode_utf8_lossy();
        self.0.get(name.as_ref()).map(Vec::as_slice).unwrap_or_default()
    }
}

/// The value of `Access-Control-Allow-Origin`, if the rule fits the origin and the method.
fn allowed_origin(rule: &CorsRule, origin: &HeaderValue, method: &[u8]) -> Option<HeaderValue> {
    if !rule.allowed_methods.iter().any(|allowed| allowed.as_bytes() == method) {
        return None;
    }
    let text = origin.to_str().ok()?;
    let pattern = rule.allowed_origins.iter().find(|pattern| matches(pattern, text))?;
    Some(if pattern == "*" { HeaderValue::from_static("*") } else { origin.clone() })
}

fn takes_header(rule: &CorsRule, name: &str) -> bool {
    rule.allowed_headers.iter().any(|pattern| matches(&pattern.to_ascii_lowercase(), name))
}

/// Whether the text is the pattern, in which one `*` stands for any characters.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, end)) => text.strip_prefix(start).is_some_and(|rest| rest.ends_with(end)),
    }
}

/// The names in `Access-Control-Request-Headers`, in lower case.
fn asked_headers(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all(ACCESS_CONTROL_REQUEST_HEADERS).iter();
    let values = values.map(|value| String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase());
    let names = values
        .flat_map(|value| value.split(',').map(|name| name.trim().to_owned()).collect::<Vec<_>>());
    names.filter(|name| !name.is_empty()).collect()
}

/// The headers that tell a browser the rule.
fn described(rule: &CorsRule, allowed: HeaderValue) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if allowed != "*" {
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
    headers.insert(VARY, HeaderValue::from_static(VARIES));
    insert_list(&mut headers, ACCESS_CONTROL_ALLOW_METHODS, &rule.allowed_methods);
    insert_list(&mut headers, ACCESS_CONTROL_EXPOSE_HEADERS, &rule.exposed_headers);
    if let Some(seconds) = rule.max_age_seconds {
        headers.insert(ACCESS_CONTROL_MAX_AGE, seconds.into());
    }
    headers
}

fn insert_list(headers: &mut HeaderMap, name: HeaderName, items: &[String]) {
    // A name that can't be in a header can't be asked for either.
    if let Ok(value) = HeaderValue::try_from(items.join(", "))
        && !items.is_empty()
    {
        headers.insert(name, value);
    }
}

fn refusal(status: StatusCode, code: &'static str, message: &'static str) -> S3Error {
    let Ok(code) = code.parse::<S3ErrorCode>();
    let mut refusal = S3Error::with_message(code, message);
    refusal.set_status_code(status);
    refusal
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUCKET: &str = "files";

    fn cors() -> Cors {
        let list = |items: &[&str]| items.iter().map(|&item| item.to_owned()).collect();
        let rule = CorsRule {
            allowed_origins: list(&["https://a.example", "https://*.b.example"]),
            allowed_methods: list(&["GET", "PUT"]),
            allowed_headers: list(&["Content-Type", "x-amz-checksum-*"]),
            exposed_headers: list(&["ETag"]),
            max_age_seconds: Some(600),
        };
        let open = CorsRule {
            allowed_origins: list(&["*"]),
            allowed_methods: list(&["HEAD"]),
            allowed_headers: Vec::new(),
            exposed_headers: Vec::new(),
            max_age_seconds: None,
        };
        Cors(BTreeMap::from([(BUCKET.into(), vec![rule, open]), ("closed".into(), Vec::new())]))
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = pairs.iter().filter(|(_, value)| !value.is_empty());
        pairs
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    fn listed(headers: &HeaderMap) -> String {
        let lines = headers.iter().filter(|(name, _)| *name != VARY);
        let mut lines: Vec<String> =
            lines.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        lines.sort();
        lines.join("\n").replace("access-control-", "")
    }

    #[test]
    fn a_preflight_is_answered_by_the_first_rule_that_fits_origin_method_and_headers() {
        let first = "allow-credentials: true\nallow-headers: content-type, \
                     x-amz-checksum-sha256\nallow-methods: GET, PUT\nallow-origin: \
                     https://a.example\nexpose-headers: ETag\nmax-age: 600";
        let names = "Content-Type,x-amz-checksum-sha256";
        let on = "/files/incoming/1?x-id=PutObject";
        for (uri, origin, method, asked, expected) in [
            (on, "https://a.example", "PUT", names, Ok(first)),
            ("/%66iles/1", "https://a.example", "PUT", names, Ok(first)),
            (
                on,
                "https://x.b.example",
                "GET",
                "",
                Ok("allow-credentials: true\nallow-methods: GET, PUT\nallow-origin: \
                    https://x.b.example\nexpose-headers: ETag\nmax-age: 600"),
            ),
            (on, "null", "HEAD", "", Ok("allow-methods: HEAD\nallow-origin: *")),
            (on, "https://a.example", "DELETE", "", Err("AccessForbidden")),
            (on, "https://a.example", "PUT", "content-type, x-other", Err("AccessForbidden")),
            (on, "https://c.example", "PUT", names, Err("AccessForbidden")),
            (on, "https://A.example", "PUT", names, Err("AccessForbidden")),
            (on, "http://a.example", "PUT", names, Err("AccessForbidden")),
            (on, "https://a.example.evil", "PUT", names, Err("AccessForbidden")),
            (on, "https://b.example", "PUT", names, Err("AccessForbidden")),
            ("/closed/1", "https://a.example", "PUT", "", Err("AccessForbidden")),
            ("/nowhere/1", "https://a.example", "PUT", "", Err("AccessForbidden")),
            ("/", "https://a.example", "PUT", "", Err("AccessForbidden")),
            (on, "", "PUT", "", Err("BadRequest")),
            (on, "https://a.example", "", "", Err("BadRequest")),
        ] {
            let headers = headers(&[
                ("origin", origin),
                ("access-control-request-method", method),
                ("access-control-request-headers", asked),
            ]);
            let answer = cors().preflight(&Uri::from_static(uri), &headers);
            let answer = match &answer {
                Ok(answer) => Ok(listed(answer.headers())),
                Err(error) => Err(error.code().as_str()),
            };
            assert_eq!(answer, expected.map(str::to_owned), "{uri} {origin} {method} {asked}");
        }
    }

    #[test]
    fn an_answer_shows_itself_to_the_pages_that_a_rule_allows() {
        let get = |method, origin| {
            let headers = headers(&[("origin", origin)]);
            cors().headers(&method, &Uri::from_static("/files/1"), &headers)
        };
        let allowed = get(Method::PUT, "https://a.example");
        assert_eq!(
            listed(&allowed),
            "allow-credentials: true\nallow-methods: GET, PUT\nallow-origin: \
             https://a.example\nexpose-headers: ETag\nmax-age: 600"
        );
        assert_eq!(allowed[VARY], VARIES);
        assert_eq!(listed(&get(Method::HEAD, "null")), "allow-methods: HEAD\nallow-origin: *");
        for (method, origin) in [
            (Method::PUT, "https://c.example"),
            (Method::DELETE, "https://a.example"),
            (Method::PUT, ""),
        ] {
            assert!(get(method, origin).is_empty(), "{origin}");
        }
    }
}
