//! One HTTP request from API Gateway (payload format 2.0), in our own types.

use std::collections::HashMap;

use aws_lambda_events::apigw::ApiGatewayV2httpRequestContext;
use aws_lambda_events::query_map::QueryMap;
use http::{HeaderMap, Method, header};
use lambda_http::RequestExt as _;
use lambda_http::request::RequestContext;
use serde::de::IgnoredAny;

use crate::context::{Context, client_address};
use crate::domain::ResourceId;
use crate::input::{Fields, Input, Media, object, percent_decode};
use crate::problem::{Code, Problem};

/// Largest body, in bytes after base64 decoding.
const BODY_LIMIT: usize = 1024 * 1024;

/// Media type of a form.
const FORM: &str = "application/x-www-form-urlencoded";

/// Media type of comma-separated values.
const CSV: &str = "text/csv";

/// One request, not yet trusted in any way.
pub struct HttpCall {
    /// `POST /auth/login`, or `$default`.
    pub route_key: String,
    /// The method.
    pub method: Method,
    /// The path, decoded.
    pub path: String,
    /// The headers.
    pub headers: HeaderMap,
    /// Where it came from and how it is correlated.
    pub context: Context,
    query: String,
    path_parameters: HashMap<String, String>,
    body: Vec<u8>,
}

crate::opaque!(HttpCall);

impl From<lambda_http::Request> for HttpCall {
    fn from(request: lambda_http::Request) -> Self {
        let path = request.raw_http_path().to_owned();
        let named = request.path_parameters_ref().into_iter().flat_map(QueryMap::iter);
        let path_parameters =
            named.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let (mut head, body) = request.into_parts();
        let event = match head.extensions.remove() {
            Some(RequestContext::ApiGatewayV2(event)) => event,
            // Other events do not parse: `lambda_http` has no other feature here.
            _ => ApiGatewayV2httpRequestContext::default(),
        };
        let headers = head.headers;
        let own_id = headers
            .get("x-request-id")
            .and_then(|id| id.to_str().ok())
            .filter(|id| is_request_id(id));
        let context = Context {
            request_id: own_id.map(str::to_owned).or(event.request_id).unwrap_or_default(),
            address: client_address(event.http.source_ip.as_deref().unwrap_or_default()),
            user_agent: headers
                .get(header::USER_AGENT)
                .and_then(|v| v.to_str().ok())
                .unwrap_or_default()
                .chars()
                .take(256)
                .collect(),
            base_url: format!("https://{}", event.domain_name.unwrap_or_default()),
        };
        Self {
            route_key: event.route_key.unwrap_or_default(),
            method: head.method,
            path,
            headers,
            context,
            // Exact unless the decoded path holds `?` or `#`. Such a path names no resource: see
            // `HttpFunction`.
            query: head.uri.query().unwrap_or_default().to_owned(),
            path_parameters,
            body: body.to_vec(),
        }
    }
}

impl HttpCall {
    /// A path parameter; empty if the route has none of this name.
    pub fn path_parameter(&self, name: &str) -> &str {
        self.path_parameters.get(name).map_or("", String::as_str)
    }

    /// A path parameter as an id. Text that is no id names nothing, so it is answered 404.
    pub fn path_id(&self, name: &str) -> Result<ResourceId, Problem> {
        self.path_parameter(name).parse().map_err(|_| Problem::not_found())
    }

    /// The body, decoded from base64.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Whether the body is a file of comma-separated values.
    pub fn is_csv(&self) -> bool {
        self.media_type().as_deref() == Some(CSV)
    }

    /// The media type of the body, without its parameters.
    fn media_type(&self) -> Option<String> {
        self.header(header::CONTENT_TYPE)
            .map(|value| value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
    }

    /// The first value of a header, if it is text.
    pub fn header(&self, name: impl header::AsHeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The cookies of the request: names and values as they were sent (RFC 6265 section 4.2).
    pub fn cookies(&self) -> impl Iterator<Item = (&str, &str)> {
        let headers = self.headers.get_all(header::COOKIE).iter();
        let pairs =
            headers.filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(';'));
        pairs.filter_map(|pair| pair.trim().split_once('='))
    }

    /// The value of a cookie; `None` if the request has no cookie of this name, or several. A
    /// browser keeps one cookie of a name that begins with `__Host-`, so another one is not its
    /// own.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        let mut values = self.cookies().filter(|(own, _)| *own == name).map(|(_, value)| value);
        let value = values.next()?;
        values.next().is_none().then_some(value)
    }

    /// One parameter of the path or the query before validation, because the access check comes
    /// before it.
    pub fn peek(&self, name: &str) -> Option<String> {
        let of_query = || self.parameters().find(|(key, _)| key == name).map(|(_, value)| value);
        self.path_parameters.get(name).cloned().or_else(of_query)
    }

    /// Whether the body is a JSON object with this member, before validation, for the same reason.
    /// As in [`Fields::optional`], null counts as no member. It keeps no value.
    pub fn has_member(&self, name: &str) -> bool {
        let object = || serde_json::from_slice::<HashMap<String, Option<IgnoredAny>>>(&self.body);
        self.body.len() <= BODY_LIMIT
            && object().is_ok_and(|object| object.get(name).is_some_and(Option::is_some))
    }

    /// The query parameters, decoded. One that does not decode is left out, because validation
    /// refuses it.
    pub fn parameters(&self) -> impl Iterator<Item = (String, String)> {
        let pairs = self
            .query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        pairs.filter_map(|(name, value)| Some((percent_decode(name)?, percent_decode(value)?)))
    }

    /// Reads the query string, together with the header `Accept`.
    pub fn query<T: Input>(&self) -> Result<T, Problem> {
        let accept = self.headers.get_all(header::ACCEPT).iter();
        let accept: Vec<_> = accept.filter_map(|value| value.to_str().ok()).collect();
        Fields::query(&self.query).accepting(accept.join(",")).read()
    }

    /// Checks size, media type and syntax of the body, in the contract's order (413, 415, 400), and
    /// gives its fields. The flag beside them says whether it is a form.
    pub fn body_fields(&self, media: Media, optional: bool) -> Result<(Fields, bool), Problem> {
        if self.body.len() > BODY_LIMIT {
            return Err(Problem::body_too_large());
        }
        if self.method == Method::GET {
            return Ok((Fields::json(serde_json::Map::new()), false));
        }
        // An empty body has no type, so neither header is checked.
        if self.body.is_empty() {
            let nothing = (Fields::json(serde_json::Map::new()), false);
            return match media {
                Media::Form => Ok((Fields::form(""), true)),
                Media::JsonBytes => Ok((Fields::bytes(Vec::new()), false)),
                _ if optional => Ok(nothing),
                _ => Err(Problem::malformed_json("The body is empty.")),
            };
        }
        if self
            .header(header::CONTENT_ENCODING)
            .is_some_and(|encoding| !encoding.eq_ignore_ascii_case("identity"))
        {
            return Err(Problem::unsupported_media_type(
                "Send the body without a Content-Encoding.",
            ));
        }
        let media_type = self.media_type();
        let form = match (media_type.as_deref(), media) {
            (Some("application/json" | CSV), Media::JsonOrCsv) => {
                return Ok((Fields::json(serde_json::Map::new()), false));
            }
            (Some("application/json"), Media::JsonBytes) => {
                return Ok((Fields::bytes(self.body.clone()), false));
            }
            (Some("application/json"), Media::Json | Media::JsonOrForm) => false,
            (Some(FORM), Media::Form | Media::JsonOrForm) => true,
            (_, Media::Form) => {
                return Err(Problem::unsupported_media_type(format!(
                    "Send the body as Content-Type: {FORM}."
                )));
            }
            (_, Media::JsonOrCsv) => {
                return Err(Problem::unsupported_media_type(
                    "Send the body as Content-Type: application/json or text/csv.",
                ));
            }
            _ => {
                return Err(Problem::unsupported_media_type(
                    "Send the body as Content-Type: application/json.",
                ));
            }
        };
        let text = match std::str::from_utf8(&self.body) {
            Ok(text) if form => return Ok((Fields::form(text), true)),
            Ok(text) => text,
            Err(_) if form => {
                return Err(Problem::oauth(Code::InvalidRequest, "The body must be UTF-8."));
            }
            Err(_) => return Err(Problem::malformed_json("The body must be UTF-8.")),
        };
        Ok((Fields::json(object("body", text)?), false))
    }
}

/// Whether a client's own request id is kept: 1 to 128 of `[A-Za-z0-9._-]`.
fn is_request_id(id: &str) -> bool {
    (1..=128).contains(&id.len())
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

#[cfg(test)]
mod tests {
    use lambda_http::Body;

    use super::*;

    fn call(cookies: &[&str], body: &str) -> HttpCall {
        let mut request = lambda_http::Request::new(Body::Text(body.to_owned()));
        for cookie in cookies {
            request.headers_mut().append(header::COOKIE, cookie.parse().unwrap());
        }
        request.into()
    }

    #[test]
    fn a_cookie_is_read_unless_there_are_several_of_its_name() {
        for (cookies, expected) in [
            (&[][..], None),
            (&["a=1"], Some("1")),
            (&["b=2; a=1"], Some("1")),
            (&["b=2", "a=1"], Some("1")),
            (&["a=x=y"], Some("x=y")),
            (&["a="], Some("")),
            (&["a"], None),
            (&["A=1; ba=1; a b=1"], None),
            (&["a=1; b=2; a=1"], None),
            (&["a=1", "a=2"], None),
        ] {
            assert_eq!(call(cookies, "").cookie("a"), expected, "{cookies:?}");
        }
    }

    #[test]
    fn a_member_of_the_body_is_seen_unless_it_is_null() {
        for (body, expected) in [
            (r#"{"a": 1}"#, true),
            (r#"{"b": {"a": 1}, "a": []}"#, true),
            (r#"{"\u0061": false}"#, true),
            (r#"{"a": null}"#, false),
            (r#"{"b": {"a": 1}}"#, false),
            (r#"["a"]"#, false),
            ("a=1", false),
            ("", false),
        ] {
            assert_eq!(call(&[], body).has_member("a"), expected, "{body}");
        }
    }
}
