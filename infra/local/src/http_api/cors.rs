//! CORS as API Gateway handles it for an API with a `CorsConfiguration`.

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;

use crate::template::model::Cors;

/// Whether this is a preflight, which API Gateway answers without any function.
pub(super) fn is_preflight<B>(request: &Request<B>) -> bool {
    let headers = request.headers();
    request.method() == Method::OPTIONS
        && headers.contains_key(ORIGIN)
        && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// The answer to a preflight. It lists the allowed values, or nothing if the origin is not allowed.
pub(super) fn preflight(cors: &Cors, origin: Option<&HeaderValue>) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = StatusCode::NO_CONTENT;
    if let Some(allowed) = allowed_origin(cors, origin) {
        let headers = answer.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        insert_list(headers, ACCESS_CONTROL_ALLOW_METHODS, &cors.allow_methods);
        insert_list(headers, ACCESS_CONTROL_ALLOW_HEADERS, &cors.allow_headers);
        if let Some(seconds) = cors.max_age_seconds {
            headers.insert(ACCESS_CONTROL_MAX_AGE, seconds.into());
        }
        insert_credentials(headers, cors);
    }
    answer
}

/// Sets the headers of an actual response. Those of the function are replaced, or removed if the
/// origin is not allowed.
pub(super) fn apply(cors: &Cors, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
    for name in [
        ACCESS_CONTROL_ALLOW_CREDENTIALS,
        ACCESS_CONTROL_ALLOW_HEADERS,
        ACCESS_CONTROL_ALLOW_METHODS,
        ACCESS_CONTROL_ALLOW_ORIGIN,
        ACCESS_CONTROL_EXPOSE_HEADERS,
        ACCESS_CONTROL_MAX_AGE,
    ] {
        headers.remove(name);
    }
    if let Some(allowed) = allowed_origin(cors, origin) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        insert_list(headers, ACCESS_CONTROL_EXPOSE_HEADERS, &cors.expose_headers);
        insert_credentials(headers, cors);
    }
}

fn allowed_origin(cors: &Cors, origin: Option<&HeaderValue>) -> Option<HeaderValue> {
    let origin = origin?;
    if cors.allow_origins.iter().any(|allowed| allowed == "*") {
        return Some(HeaderValue::from_static("*"));
    }
    cors.allow_origins
        .iter()
        .any(|allowed| allowed.as_bytes() == origin.as_bytes())
        .then(|| origin.clone())
}

fn insert_list(headers: &mut HeaderMap, name: HeaderName, items: &[String]) {
    // A name that can't be in a header can't be asked for either.
    if let Ok(value) = HeaderValue::try_from(items.join(","))
        && !items.is_empty()
    {
        headers.insert(name, value);
    }
}

fn insert_credentials(headers: &mut HeaderMap, cors: &Cors) {
    if cors.allow_credentials {
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, Request};

    use super::{Cors, apply, is_preflight, preflight};

    fn cors() -> Cors {
        let list = |items: &[&str]| items.iter().map(|&item| item.to_owned()).collect();
        Cors {
            allow_origins: list(&["https://a.example", "http://localhost:3000"]),
            allow_methods: list(&["GET", "POST"]),
            allow_headers: list(&["Authorization"]),
            expose_headers: list(&["ETag", "Link"]),
            max_age_seconds: Some(600),
            allow_credentials: false,
        }
    }

    fn listed(headers: &HeaderMap) -> String {
        let mut lines: Vec<String> = headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        lines.sort();
        lines.join("\n")
    }

    #[test]
    fn preflights_tell_an_allowed_origin_what_is_allowed_and_others_nothing() {
        let answer = preflight(&cors(), Some(&HeaderValue::from_static("https://a.example")));
        assert_eq!(answer.status(), 204);
        assert_eq!(
            listed(answer.headers()),
            "access-control-allow-headers: Authorization\naccess-control-allow-methods: GET,POST\n\
             access-control-allow-origin: https://a.example\naccess-control-max-age: 600"
        );
        for origin in ["https://b.example", "https://a.example.evil", "https://A.example", "null"] {
            let answer = preflight(&cors(), Some(&HeaderValue::from_static(origin)));
            assert_eq!(
                (answer.status().as_u16(), listed(answer.headers())),
                (204, String::new()),
                "{origin}"
            );
        }
    }

    #[test]
    fn credentials_are_allowed_to_the_origins_of_the_list_where_they_are_on() {
        let on = Cors { allow_credentials: true, ..cors() };
        for (cors, origin, expected) in [
            (&on, "https://a.example", Some("true")),
            (&on, "https://b.example", None),
            (&on, "null", None),
            (&cors(), "https://a.example", None),
        ] {
            let origin = HeaderValue::from_static(origin);
            let mut actual = HeaderMap::new();
            apply(cors, Some(&origin), &mut actual);
            for headers in [preflight(cors, Some(&origin)).headers(), &actual] {
                let allowed = headers.get("access-control-allow-credentials");
                assert_eq!(allowed.map(|value| value.to_str().unwrap()), expected, "{origin:?}");
            }
        }
    }

    #[test]
    fn only_options_that_ask_for_a_method_are_preflights() {
        let request = |method: &str, headers: &[&str]| {
            let builder =
                headers.iter().fold(Request::builder().method(method), |builder, name| {
                    builder.header(*name, "x")
                });
            is_preflight(&builder.body(()).unwrap())
        };
        assert!(request("OPTIONS", &["origin", "access-control-request-method"]));
        assert!(!request("OPTIONS", &["origin"]));
        assert!(!request("OPTIONS", &["access-control-request-method"]));
        assert!(!request("GET", &["origin", "access-control-request-method"]));
    }

    #[test]
    fn cors_headers_of_a_function_are_replaced_or_removed() {
        let function = || {
            HeaderMap::from_iter(
                [("access-control-allow-origin", "*"), ("etag", "1")]
                    .map(|(n, v)| (n.parse().unwrap(), v.parse().unwrap())),
            )
        };
        for (origin, expected) in [
            (
                Some("http://localhost:3000"),
                "access-control-allow-origin: \
                 http://localhost:3000\naccess-control-expose-headers: ETag,Link\netag: 1",
            ),
            (Some("http://localhost:3001"), "etag: 1"),
            (None, "etag: 1"),
        ] {
            let mut headers = function();
            apply(&cors(), origin.map(HeaderValue::from_static).as_ref(), &mut headers);
            assert_eq!(listed(&headers), expected);
        }
    }
}
