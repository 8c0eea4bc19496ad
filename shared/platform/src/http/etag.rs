//! Validators (RFC 9110 section 8.8): an answer that the client has already is a 304 without
//! content.

use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

use super::describe::{Answer, Header, RequestHeader};
use super::respond::{Output, Rendered};
use crate::ids;
use crate::plan::Reply;
use crate::problem::Problem;
use crate::request::HttpCall;

/// An output that a client can ask for again by its `ETag`.
pub struct WithETag<T>(T);

impl<T: Serialize + ToSchema + Send + 'static> Output for WithETag<T> {
    fn render(self) -> Result<Rendered, serde_json::Error> {
        Rendered::json(&self.0)
    }

    fn describe() -> Vec<Answer> {
        let unchanged =
            Answer::default().status(StatusCode::NOT_MODIFIED).asked_by(RequestHeader::IfNoneMatch);
        vec![Answer::json::<T>().header(Header::ETag), unchanged.header(Header::ETag)]
    }
}

/// The output with an `ETag` of its content, or a 304 if `If-None-Match` has that tag.
///
/// Only the caller may cache it, and has to revalidate it each time. So each read is authorised and
/// recorded.
pub fn with_etag<O: Serialize>(call: &HttpCall, output: O) -> Result<Reply<WithETag<O>>, Problem> {
    let content = serde_json::to_string(&output).map_err(|error| {
        tracing::error!(%error, route = call.route_key, "failed to serialise an output");
        Problem::internal()
    })?;
    let tag = format!("\"{}\"", ids::sha256(&content));
    let known = call
        .headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| HeaderValue::to_str(value).ok());
    let status = if known.into_iter().any(|list| lists(list, &tag)) {
        StatusCode::NOT_MODIFIED
    } else {
        StatusCode::OK
    };
    Ok(Reply::new(WithETag(output))
        .status(status)
        .header(header::ETAG, &tag)
        .header(header::CACHE_CONTROL, "private, no-cache")
        .header(header::VARY, "Authorization, Accept"))
}

/// Whether an `If-None-Match` is `*` or has the tag in its list, by the weak comparison that the
/// header asks for. Our tags contain no comma, so a comma inside another server's tag does no harm.
fn lists(list: &str, tag: &str) -> bool {
    list.trim() == "*" || list.split(',').any(|entry| entry.trim().trim_start_matches("W/") == tag)
}

#[cfg(test)]
mod tests {
    use super::lists;

    #[test]
    fn a_tag_is_found_in_lists_weak_or_strong() {
        for (list, expected) in [
            ("\"abc\"", true),
            ("W/\"abc\"", true),
            ("*", true),
            (" * ", true),
            ("\"x\", \"abc\"", true),
            ("\"x\",W/\"abc\" , \"y\"", true),
            ("\"a,b\", \"abc\"", true),
            ("\"abcd\"", false),
            ("abc", false),
            ("", false),
            ("\"*\"", false),
        ] {
            assert_eq!(lists(list, "\"abc\""), expected, "{list}");
        }
    }
}
