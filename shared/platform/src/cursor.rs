//! Lists in pages. An opaque cursor marks where a list continues, and works only for one caller and
//! one list.
//!
//! A cursor is a sealed text that is bound to the caller, the route and the filters. So the cursor
//! of another caller or another list does not open, just like an altered one. When the secret is
//! rotated, lists begin anew.

use std::borrow::Cow;
use std::collections::BTreeMap;

use http::header;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use utoipa::openapi::path::Parameter;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use crate::config::ConfigError;
use crate::domain::ResourceId;
use crate::http::{Parameters, Schemas, in_query};
use crate::input::{Fields, Input};
use crate::plan::Reply;
use crate::platform::Platform;
use crate::problem::Problem;
use crate::request::HttpCall;
use crate::seal::Seal;

/// Purpose of the key that cursors are sealed with.
const PURPOSE: &str = "tally cursor";

/// Items of a page if the caller gives no limit.
const DEFAULT_LIMIT: usize = 20;

/// The most items that the caller may ask for.
const LARGEST_LIMIT: usize = 100;

/// The argument of a tool that has a cursor.
const CURSOR: &str = "cursor";

/// The fault of a cursor that does not open.
const REFUSED: &str = "is not a cursor of this list: send `next_cursor` with the same filters";

/// Characters that are not percent-encoded in a URL: the unreserved characters of RFC 3986, and the
/// path's slashes.
const ENCODED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// Seals and opens the cursors of a list.
#[derive(Debug, Clone)]
pub struct Cursors {
    seal: Seal,
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Value of `cursor` for the next page, or null on the last page.
    pub next_cursor: Option<String>,
}

/// Pages of different items are different schemas.
impl<T: ToSchema> ToSchema for Page<T> {
    fn name() -> Cow<'static, str> {
        format!("{}Page", T::name()).into()
    }

    fn schemas(schemas: &mut Schemas) {
        schemas.push((T::name().into_owned(), T::schema()));
        T::schemas(schemas);
    }
}

impl<T: ToSchema> PartialSchema for Page<T> {
    fn schema() -> RefOr<Schema> {
        let items = ArrayBuilder::new()
            .items(Ref::from_schema_name(T::name()))
            .description(Some("The items."));
        let cursor = SchemaType::from_iter([Type::String, Type::Null]);
        let cursor = ObjectBuilder::new()
            .schema_type(cursor)
            .description(Some("Value of `cursor` for the next page, or null on the last page."));
        let page = ObjectBuilder::new().description(Some("One page of a list."));
        page.property("items", items)
            .property("next_cursor", cursor)
            .required("items")
            .required("next_cursor")
            .into()
    }
}

/// The query parameters that every list takes.
#[derive(Debug, Clone, PartialEq, Eq, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Paging {
    /// Largest number of items on a page.
    #[param(required = false, minimum = 1, maximum = 100, default = 20)]
    pub limit: usize,
    /// `next_cursor` of the previous page. Send the same filters with it.
    pub cursor: Option<String>,
}

impl Cursors {
    /// Uses the secret that `SEAL_SECRET_ARN` names.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { seal: Seal::new(platform, PURPOSE)? })
    }

    /// The position where the list continues; `None` on its first page.
    pub async fn open<P: DeserializeOwned>(
        &self,
        paging: &Paging,
        user_id: &str,
        call: &HttpCall,
    ) -> Result<Option<P>, Problem> {
        let Some(cursor) = &paging.cursor else { return Ok(None) };
        let position = self.seal.key().await?.open(&binding(user_id, call), cursor);
        position.map(Some).ok_or_else(|| Problem::invalid_parameter("cursor", REFUSED))
    }

    /// The same for a list that a tool gives. `arguments` are those of the tool.
    pub async fn open_for_tool<P: DeserializeOwned>(
        &self,
        user_id: &str,
        tool: &str,
        arguments: &Map<String, Value>,
    ) -> Result<Option<P>, Problem> {
        let Some(cursor) = arguments.get(CURSOR).and_then(Value::as_str) else { return Ok(None) };
        let binding = tool_binding(user_id, tool, arguments);
        let position = self.seal.key().await?.open(&binding, cursor);
        position.map(Some).ok_or_else(|| Problem::invalid_field(CURSOR, REFUSED))
    }

    /// The cursor by which a tool's list continues at `next`; `None` at the end of the list.
    pub async fn seal_for_tool<P: Serialize>(
        &self,
        next: Option<&P>,
        user_id: &str,
        tool: &str,
        arguments: &Map<String, Value>,
    ) -> Result<Option<String>, Problem> {
        let Some(next) = next else { return Ok(None) };
        let binding = tool_binding(user_id, tool, arguments);
        self.seal.key().await?.seal(&binding, next).map(Some)
    }

    /// The answer with one page, and its `Link` to the next page (RFC 8288) if the list continues
    /// at `next`.
    pub async fn page<T, P: Serialize>(
        &self,
        items: Vec<T>,
        next: Option<P>,
        user_id: &str,
        call: &HttpCall,
    ) -> Result<Reply<Page<T>>, Problem> {
        let Some(next) = next else { return Ok(Reply::new(Page { items, next_cursor: None })) };
        let cursor = self.seal.key().await?.seal(&binding(user_id, call), &next)?;
        let link = format!("<{}>; rel=\"next\"", next_page(call, &cursor));
        Ok(Reply::new(Page { items, next_cursor: Some(cursor) }).header(header::LINK, &link))
    }
}

impl Paging {
    /// Reads the parameters of a list whose pages have at most `largest` items, and `default` items
    /// if the caller gives no limit.
    pub fn within(fields: &mut Fields, default: usize, largest: usize) -> Option<Self> {
        let limit = fields.optional::<u64>("limit");
        let cursor = fields.optional("cursor");
        let limit = limit?.map_or(default, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        if !(1..=largest).contains(&limit) {
            fields.refuse("limit", &format!("must be 1 to {largest}"));
            return None;
        }
        Some(Self { limit, cursor: cursor? })
    }
}

impl Input for Paging {
    fn read(fields: &mut Fields) -> Option<Self> {
        Self::within(fields, DEFAULT_LIMIT, LARGEST_LIMIT)
    }
}

impl Parameters for Paging {
    fn parameters() -> Vec<Parameter> {
        in_query::<Self>()
    }
}

/// The data that a cursor is bound to: the caller, the route and the filters. The encoding and the
/// order of the filters and the case of ids do not matter.
fn binding(user_id: &str, call: &HttpCall) -> String {
    let id = |text: &str| text.parse::<ResourceId>().map_or_else(|_| text.to_owned(), String::from);
    let filters = call.parameters().filter(|(name, _)| name != "cursor" && name != "limit");
    let mut filters: Vec<_> = filters.map(|(name, value)| (name, id(&value))).collect();
    filters.sort_unstable();
    let path: Vec<_> = call.path.split('/').map(id).collect();
    serde_json::json!([user_id, call.route_key, path, filters]).to_string()
}

/// The data that a tool's cursor is bound to: the caller, the tool and the other arguments. A
/// filter that is null filters nothing.
fn tool_binding(user_id: &str, tool: &str, arguments: &Map<String, Value>) -> String {
    let filters = arguments.iter().filter(|(name, _)| *name != CURSOR && *name != "limit");
    let filters = filters.filter(|(_, value)| !value.is_null());
    let filters: BTreeMap<_, _> = filters.collect();
    serde_json::json!([user_id, "tool", tool, filters]).to_string()
}

/// The URL of the next page: the URL of this page with another cursor.
fn next_page(call: &HttpCall, cursor: &str) -> String {
    let encode = |text: &str| utf8_percent_encode(text, ENCODED).to_string();
    let kept = call.parameters().filter(|(name, _)| name != "cursor");
    let pairs: Vec<_> = kept
        .chain([("cursor".to_owned(), cursor.to_owned())])
        .map(|(name, value)| format!("{}={}", encode(&name), encode(&value)))
        .collect();
    format!("{}?{}", encode(&call.path), pairs.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::SealKey;
    use lambda_http::request::from_str;
    use serde_json::json;

    fn call(path: &str, query: &str) -> HttpCall {
        let route_key = format!("GET {path}");
        let http = json!({"method": "GET", "path": path});
        let event = json!({
            "rawPath": path, "rawQueryString": query, "headers": {}, "isBase64Encoded": false,
            "requestContext": {"routeKey": route_key, "http": http},
        });
        HttpCall::from(from_str(&event.to_string()).unwrap())
    }

    #[test]
    fn a_cursor_opens_for_its_caller_route_and_filters_alone() {
        let key = SealKey::derive("text of the secret", PURPOSE).unwrap();
        let bound = binding("a", &call("/audit", "actor=me&action=chat.&limit=5"));
        let cursor = key.seal(&bound, &"position").unwrap();
        for (user, path, query, opens) in [
            ("a", "/audit", "actor=me&action=chat.&limit=5", true),
            ("a", "/audit", "cursor=x&limit=50&action=%63hat.&actor=me", true),
            ("b", "/audit", "actor=me&action=chat.", false),
            ("a", "/usage", "actor=me&action=chat.", false),
            ("a", "/audit", "actor=me", false),
            ("a", "/audit", "actor=me&action=chat.&outcome=denied", false),
            ("a", "/audit", "actor=me&action=auth.", false),
        ] {
            let opened: Option<String> = key.open(&binding(user, &call(path, query)), &cursor);
            assert_eq!(opened.as_deref(), opens.then_some("position"), "{user} {path}?{query}");
        }
    }

    #[test]
    fn a_cursor_of_a_tool_is_bound_to_the_user_the_tool_and_the_filters() {
        let bound = |user: &str, tool: &str, arguments: &str| {
            tool_binding(user, tool, &serde_json::from_str(arguments).unwrap())
        };
        let filters = r#"{"status": "open", "query": "a"}"#;
        let first = bound("a", "list_tasks", filters);
        for (user, tool, arguments, is_same) in [
            ("a", "list_tasks", r#"{"query": "a", "status": "open"}"#, true),
            (
                "a",
                "list_tasks",
                r#"{"status": "open", "query": "a", "cursor": "c", "limit": 5, "sort": null}"#,
                true,
            ),
            ("b", "list_tasks", filters, false),
            ("a", "query_audit", filters, false),
            ("a", "list_tasks", r#"{"status": "open"}"#, false),
            ("a", "list_tasks", r#"{"status": "all", "query": "a"}"#, false),
        ] {
            assert_eq!(bound(user, tool, arguments) == first, is_same, "{user} {tool} {arguments}");
        }
    }

    #[test]
    fn the_next_page_has_the_same_filters() {
        for (query, expected) in [
            ("", "/audit?cursor=new"),
            ("limit=5&cursor=old&action=chat.", "/audit?limit=5&action=chat.&cursor=new"),
            (
                "from=2026-01-01T00:00:00%2B01:00",
                "/audit?from=2026-01-01T00%3A00%3A00%2B01%3A00&cursor=new",
            ),
            ("resource=a%3E%22b+c", "/audit?resource=a%3E%22b%20c&cursor=new"),
        ] {
            assert_eq!(next_page(&call("/audit", query), "new"), expected);
        }
    }

    #[test]
    fn a_limit_is_1_to_100_and_20_unless_said() {
        for (query, limit) in [
            ("", Some(20)),
            ("limit=1", Some(1)),
            ("limit=100", Some(100)),
            ("limit=0", None),
            ("limit=101", None),
            ("limit=18446744073709551615", None),
            ("limit=1.5", None),
        ] {
            assert_eq!(
                call("/", query).query::<Paging>().ok().map(|paging| paging.limit),
                limit,
                "{query}"
            );
        }
    }
}
