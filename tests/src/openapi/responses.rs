//! Answers: the output describes those of success. Problems follow from the row, path and body, or
//! the endpoint names them.

use std::collections::{BTreeMap, BTreeSet};

use http::StatusCode;
use platform::http::{Answer, Header};
use platform::input::Media;
use platform::problem::Code;
use platform::routes::{Access, Session};
use serde_json::{Map, Value, json};

use super::operation::Description;
use super::schema::reference;

/// Statuses that API Gateway can answer by itself, on every route.
const OF_GATEWAY: [u16; 4] = [413, 429, 500, 503];

/// Every answer of an operation. Answers with problems are shared and are added to `shared`.
pub fn responses(described: &Description, shared: &mut Map<String, Value>) -> Value {
    let mut responses = Map::new();
    let mut problems = problems(described);
    for answer in &described.answers {
        let status = answer.status.map_or(described.route.success, |status| status.as_u16());
        let more = if answer.status.is_none() { described.statuses } else { &[] };
        for status in std::iter::once(status).chain(more.iter().copied()) {
            let codes = problems.remove(&status).unwrap_or_default();
            let mut response = success(described, answer, status);
            // A failure of two kinds: another specification's, and a problem.
            if status >= 400 && !codes.is_empty() {
                let media = "application/problem+json";
                response["content"][media] = problem(status, &codes)["content"][media].take();
            }
            responses.insert(status.to_string(), response);
        }
    }
    for (status, codes) in problems {
        let name = codes.iter().map(|code| code.as_str()).collect::<Vec<_>>().join(".");
        let name = if codes.is_empty() { format!("gateway.{status}") } else { name };
        shared.entry(name.clone()).or_insert_with(|| problem(status, &codes));
        responses
            .insert(status.to_string(), json!({"$ref": format!("#/components/responses/{name}")}));
    }
    Value::Object(responses)
}

fn success(described: &Description, answer: &Answer, status: u16) -> Value {
    let mut headers = vec!["X-Request-Id"];
    headers.extend(answer.headers.iter().map(|header| name(*header)));
    if answer.is_page {
        headers.push("Link");
    }
    if has_limits(described) {
        headers.extend(["RateLimit", "RateLimit-Policy"]);
    }
    let mut response = json!({"description": reason(status), "headers": named(&headers)});
    let content: Map<_, _> = answer
        .contents
        .iter()
        .map(|(media, schema)| ((*media).to_owned(), json!({"schema": schema})))
        .collect();
    if !content.is_empty() {
        response["content"] = content.into();
    }
    // API Gateway's own answers have the same media type.
    if OF_GATEWAY.contains(&status) {
        let schema = &mut response["content"]["application/json"]["schema"];
        *schema = json!({"anyOf": [schema.take(), reference("GatewayError")]});
    }
    response
}

/// The problem codes of an endpoint, by their status.
fn problems(described: &Description) -> BTreeMap<u16, BTreeSet<Code>> {
    let route = &described.route;
    let media = described.body.as_ref().map_or(Media::Json, |body| body.media);
    let has_body = route.method != "GET";
    let is_protected = route.access != Access::Public;
    let stands_on_store = is_protected || !route.limits.is_empty();
    let follow = [
        (Code::MalformedJson, has_body && !matches!(media, Media::Form | Media::JsonBytes)),
        (Code::MalformedRequest, has_body || is_protected),
        (Code::InvalidRequest, has_body && matches!(media, Media::Form | Media::JsonOrForm)),
        (Code::Unauthenticated, is_protected),
        (Code::InvalidToken, is_protected),
        (Code::ReauthenticationRequired, route.session == Session::Recent),
        (Code::Forbidden, is_protected),
        (Code::NotFound, !described.path.is_empty()),
        (Code::RequestInFlight, route.idempotent),
        (Code::BodyTooLarge, true),
        (Code::UnsupportedMediaType, has_body),
        (Code::ValidationFailed, true),
        (Code::IdempotencyKeyReused, route.idempotent),
        (Code::RateLimited, has_limits(described)),
        (Code::InternalError, true),
        (Code::Unavailable, stands_on_store),
    ];
    let codes = follow
        .into_iter()
        .filter(|(_, follows)| *follows)
        .map(|(code, _)| code)
        .chain(described.problems.iter().copied());
    let mut problems: BTreeMap<_, BTreeSet<_>> =
        OF_GATEWAY.into_iter().map(|status| (status, BTreeSet::new())).collect();
    for code in codes {
        problems.entry(code.status().as_u16()).or_default().insert(code);
    }
    problems
}

/// Whether the endpoint has limits. Sessions and keys always have one.
fn has_limits(described: &Description) -> bool {
    described.route.access != Access::Public || !described.route.limits.is_empty()
}

/// An answer with one of these codes.
fn problem(status: u16, codes: &BTreeSet<Code>) -> Value {
    let mut content = Map::new();
    if !codes.is_empty() {
        let texts: Vec<_> = codes.iter().map(|code| code.as_str()).collect();
        let narrowed = json!({
            "type": "object", "required": ["code"],
            "properties": {"code": {"type": "string", "enum": texts}},
        });
        let examples: Map<_, _> = texts
            .iter()
            .map(|text| {
                ((*text).to_owned(), json!({"$ref": format!("#/components/examples/{text}")}))
            })
            .collect();
        let problem =
            json!({"schema": {"allOf": [reference("Problem"), narrowed]}, "examples": examples});
        content.insert("application/problem+json".into(), problem);
    }
    if OF_GATEWAY.contains(&status) {
        content.insert("application/json".into(), json!({"schema": reference("GatewayError")}));
    }
    let mut headers = vec!["X-Request-Id"];
    match status {
        401 => headers.push("WWW-Authenticate"),
        403 if codes.contains(&Code::InsufficientScope) => headers.push("WWW-Authenticate"),
        409 | 503 => headers.push("Retry-After"),
        429 => headers.extend(["Retry-After", "RateLimit", "RateLimit-Policy"]),
        _ => {}
    }
    let meanings: Vec<_> =
        codes.iter().map(|code| format!("`{code}`: {}", code.meaning())).collect();
    let description =
        if meanings.is_empty() { reason(status).to_owned() } else { meanings.join("\n\n") };
    json!({"description": description, "headers": named(&headers), "content": content})
}

fn named(headers: &[&str]) -> Value {
    headers
        .iter()
        .map(|name| ((*name).to_owned(), json!({"$ref": format!("#/components/headers/{name}")})))
        .collect()
}

fn name(header: Header) -> &'static str {
    match header {
        Header::ContentDisposition => "Content-Disposition",
        Header::ETag => "ETag",
        Header::Location => "Location",
        Header::PreferenceApplied => "Preference-Applied",
        Header::RetryAfter => "Retry-After",
    }
}

fn reason(status: u16) -> &'static str {
    StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("")
}

/// The schema of API Gateway's own answers.
pub fn gateway_error() -> Value {
    json!({
        "type": "object",
        "description": "An answer of API Gateway itself: for a throttled or too large request, and \
                        for a function that crashed or timed out.",
        "properties": {"message": {"type": "string", "examples": ["Internal Server Error"]}},
        "required": ["message"],
        "additionalProperties": false,
    })
}

/// An example of each code that shared answers refer to, by the code's text.
pub fn examples(shared: &Map<String, Value>) -> Value {
    let shared = Value::Object(shared.clone()).to_string();
    let used = |code: &&Code| shared.contains(&format!("#/components/examples/{code}\""));
    let fault = json!([{"pointer": "/username", "detail": "must be 3 to 30 characters"}]);
    let example = |code: &Code| {
        let status = code.status();
        let mut value = json!({
            "type": "about:blank", "title": status.canonical_reason(), "status": status.as_u16(),
            "detail": code.meaning(),
            "instance": "/path", "code": code.as_str(), "request_id": "c2VydmVyLWlk=",
        });
        match code {
            Code::ValidationFailed => value["errors"] = fault.clone(),
            Code::InvalidRequest | Code::InvalidGrant | Code::UnsupportedGrantType => {
                value["error"] = code.as_str().into();
                value["error_description"] = code.meaning().into();
            }
            _ => {}
        }
        (code.as_str().to_owned(), json!({"summary": code.advice(), "value": value}))
    };
    Code::ALL.iter().filter(used).map(example).collect()
}

/// Headers of answers, by their name.
pub fn headers() -> Value {
    let header = |(name, description): &(&str, &str)| {
        ((*name).to_owned(), json!({"description": description, "schema": {"type": "string"}}))
    };
    HEADERS.iter().map(header).collect()
}

/// Every header that an answer can have, apart from those of HTTP itself.
pub const HEADERS: &[(&str, &str)] = &[
    ("Content-Disposition", "Name of the file (RFC 6266)."),
    (
        "ETag",
        "Send it as `If-None-Match` to learn whether the answer has changed, and as `If-Match` to \
         change this version alone, where the operation takes them.",
    ),
    ("Link", "Leads to the next page, with `rel=\"next\"` (RFC 8288)."),
    ("Location", "Path of the resource. Of a redirect, the URL where the browser goes on."),
    ("Preference-Applied", "The preference that the answer follows (RFC 7240)."),
    (
        "RateLimit",
        "Calls that are left of each limit, and the seconds until the limit is full again.",
    ),
    ("RateLimit-Policy", "Each limit that applies, with its window in seconds."),
    ("Retry-After", "Seconds to wait before a repeat."),
    ("WWW-Authenticate", "How to authenticate (RFC 6750)."),
    ("X-Request-Id", "Correlation id in the logs and the audit log."),
];
