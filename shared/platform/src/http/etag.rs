//! Validators (RFC 9110 section 8.8). An answer that the client has already is a 304 without
//! content. A change may be for one version alone.

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

/// An output with a version, which is its `ETag`.
pub struct Versioned<T>(T);

impl<T: Serialize + ToSchema + Send + 'static> Output for Versioned<T> {
    fn render(self) -> Result<Rendered, serde_json::Error> {
        Rendered::json(&self.0)
    }

    fn describe() -> Vec<Answer> {
        vec![Answer::json::<T>().header(Header::ETag)]
    }
}

/// The header `If-Match` of a request (RFC 9110 section 13.1.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IfMatch {
    /// The request has none.
    Absent,
    /// `*`: any version.
    Any,
    /// One of these versions. A tag that is no version of ours matches nothing, and neither does a
    /// weak tag.
    Versions(Vec<u64>),
}

/// The answer with the version of its output as `ETag`.
pub fn with_version<O>(reply: Reply<O>, version: impl FnOnce(&O) -> u64) -> Reply<Versioned<O>> {
    let tag = tag_of(version(&reply.output));
    reply.map(Versioned).header(header::ETAG, &tag)
}

/// The output with its version as `ETag`, or a 304 if `If-None-Match` has that version.
pub fn unless_known<O>(call: &HttpCall, output: O, version: u64) -> Reply<WithETag<O>> {
    tagged(call, output, &tag_of(version))
}

impl IfMatch {
    /// The header of a request.
    pub fn of(call: &HttpCall) -> Self {
        let lists = call.headers.get_all(header::IF_MATCH).iter();
        let lists: Vec<_> = lists.map(|value| value.to_str().unwrap_or_default()).collect();
        if lists.is_empty() { Self::Absent } else { Self::parse(&lists.join(",")) }
    }

    fn parse(list: &str) -> Self {
        if list.trim() == "*" {
            return Self::Any;
        }
        // The form of our tags has no sign and no leading zero.
        let version = |tag: &str| {
            let version = tag.trim_matches('"').parse::<u64>().ok()?;
            (tag == tag_of(version)).then_some(version)
        };
        Self::Versions(list.split(',').filter_map(|tag| version(tag.trim())).collect())
    }

    /// Whether the request may change the resource, which has this version now. `None` stands for
    /// a resource that does not exist.
    pub fn allows(&self, version: Option<u64>) -> bool {
        match self {
            Self::Absent => true,
            Self::Any => version.is_some(),
            Self::Versions(named) => version.is_some_and(|version| named.contains(&version)),
        }
    }
}

fn tag_of(version: u64) -> String {
    format!("\"{version}\"")
}

/// The output with an `ETag` of its content, or a 304 if `If-None-Match` has that tag.
pub fn with_etag<O: Serialize>(call: &HttpCall, output: O) -> Result<Reply<WithETag<O>>, Problem> {
    let content = serde_json::to_string(&output).map_err(|error| {
        tracing::error!(%error, route = call.route_key, "failed to serialise an output");
        Problem::internal()
    })?;
    Ok(tagged(call, output, &format!("\"{}\"", ids::sha256(&content))))
}

/// The output with an `ETag`, or a 304 if `If-None-Match` has that tag.
///
/// Only the caller may cache it, and has to revalidate it each time. So each read is authorised and
/// recorded.
fn tagged<O>(call: &HttpCall, output: O, tag: &str) -> Reply<WithETag<O>> {
    let known = call
        .headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| HeaderValue::to_str(value).ok());
    let status = if known.into_iter().any(|list| lists(list, tag)) {
        StatusCode::NOT_MODIFIED
    } else {
        StatusCode::OK
    };
    Reply::new(WithETag(output))
        .status(status)
        .header(header::ETAG, tag)
        .header(header::CACHE_CONTROL, "private, no-cache")
        .header(header::VARY, "Authorization, Accept")
}

/// Whether an `If-None-Match` is `*` or has the tag in its list, by the weak comparison that the
/// header asks for. Our tags contain no comma, so a comma inside another server's tag does no harm.
fn lists(list: &str, tag: &str) -> bool {
    list.trim() == "*" || list.split(',').any(|entry| entry.trim().trim_start_matches("W/") == tag)
}

#[cfg(test)]
mod tests {
    use super::{IfMatch, lists};

    #[test]
    fn versions_are_those_of_our_tags_alone() {
        for (list, expected) in [
            ("*", None),
            (" * ", None),
            ("\"3\"", Some(&[3][..])),
            (" \"3\" , \"4\"", Some(&[3, 4])),
            ("\"x\", \"4\",", Some(&[4])),
            ("W/\"3\"", Some(&[])),
            ("3", Some(&[])),
            ("\"03\"", Some(&[])),
            ("\"+3\"", Some(&[])),
            ("\"\"3\"\"", Some(&[])),
            ("\"*\"", Some(&[])),
            ("\"18446744073709551616\"", Some(&[])),
            ("", Some(&[])),
        ] {
            let expected = expected.map_or(IfMatch::Any, |named| IfMatch::Versions(named.to_vec()));
            assert_eq!(IfMatch::parse(list), expected, "{list}");
        }
    }

    #[test]
    fn a_change_is_for_the_versions_that_it_names() {
        let some = |versions: &[u64]| IfMatch::Versions(versions.to_vec());
        for (header, of_version_3, of_none) in [
            (IfMatch::Absent, true, true),
            (IfMatch::Any, true, false),
            (some(&[2, 3]), true, false),
            (some(&[2]), false, false),
            (some(&[]), false, false),
        ] {
            assert_eq!(
                (header.allows(Some(3)), header.allows(None)),
                (of_version_3, of_none),
                "{header:?}"
            );
        }
    }

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
