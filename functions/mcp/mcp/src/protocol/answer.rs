//! Answers: a result or an error in JSON-RPC's form, or nothing for a notification.

use std::sync::Arc;

use http::StatusCode;
use platform::http::{Answer, Output, Rendered};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa::openapi::Schema;
use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};

use super::era::Era;
use super::fault::RpcError;

/// Milliseconds for which a client may keep a list or a resource.
const TTL_MS: u64 = 60_000;

/// The member of `_meta` with the name and version of the server.
const SERVER: &str = "io.modelcontextprotocol/serverInfo";

/// The output of the endpoint.
#[derive(Debug)]
pub enum Sent {
    /// The answer to a request, or to a body that is none.
    Answer(RpcAnswer),
    /// The answer to a request, whose result also has this list.
    List(RpcAnswer, List),
    /// A notification has no answer.
    Nothing,
}

/// The answer to a request has either `result` or `error`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = McpAnswer)]
pub struct RpcAnswer {
    /// `2.0`.
    #[schema(example = "2.0")]
    jsonrpc: &'static str,
    /// That of the request; null if it could not be read.
    #[schema(schema_with = id, required)]
    id: Option<Value>,
    /// What the method answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<Object>)]
    result: Option<Map<String, Value>>,
    /// Why there is no result.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    error: Option<RpcError>,
}

fn id() -> Schema {
    let types = SchemaType::from_iter([Type::String, Type::Number, Type::Null]);
    let description = "That of the request; null if it could not be read.";
    ObjectBuilder::new().schema_type(types).description(Some(description)).into()
}

impl RpcAnswer {
    /// An error, with the `id` of the request if that could be read.
    pub fn error(id: Option<Value>, error: RpcError) -> Self {
        Self { jsonrpc: "2.0", id, result: None, error: Some(error) }
    }
}

impl Output for Sent {
    fn render(self) -> Result<Rendered, serde_json::Error> {
        match self {
            Self::Answer(answer) => Rendered::json(&answer),
            Self::List(answer, list) => {
                let mut rendered = Rendered::json(&answer)?;
                list.add_to(&mut rendered.body);
                Ok(rendered)
            }
            Self::Nothing => Ok(Rendered::nothing()),
        }
    }

    fn describe() -> Vec<Answer> {
        vec![
            Answer::json::<RpcAnswer>(),
            Answer::default().status(StatusCode::ACCEPTED),
            Answer::json::<RpcAnswer>().status(StatusCode::BAD_REQUEST),
            Answer::json::<RpcAnswer>().status(StatusCode::NOT_FOUND),
        ]
    }
}

/// A list of a result, whose items are JSON already.
#[derive(Debug)]
pub struct List {
    name: &'static str,
    items: Vec<Arc<str>>,
}

impl List {
    /// Adds the list to the JSON of an answer, whose last member is the result.
    fn add_to(&self, body: &mut Vec<u8>) {
        // The two braces at the end close the result and the answer.
        body.truncate(body.len().saturating_sub(2));
        if body.last() != Some(&b'{') {
            body.push(b',');
        }
        let list = format!("\"{}\":[{}]}}}}", self.name, self.items.join(","));
        body.extend_from_slice(list.as_bytes());
    }
}

/// The result of a method, which each era writes in its own way.
#[derive(Debug, Default)]
pub struct RpcResult {
    members: Map<String, Value>,
    list: Option<List>,
    cacheable: bool,
}

impl RpcResult {
    /// Adds a member.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.members.insert(name.to_owned(), value.into());
        self
    }

    /// Adds a list whose items are JSON already. A result has at most one.
    #[must_use]
    pub fn with_list(self, name: &'static str, items: Vec<Arc<str>>) -> Self {
        Self { list: Some(List { name, items }), ..self }
    }

    /// Marks a list or a resource, which a client may keep for a while, and for this caller alone.
    #[must_use]
    pub fn cacheable(self) -> Self {
        Self { cacheable: true, ..self }
    }

    /// The answer to a request of an era.
    pub fn answer(self, era: Era, id: Value) -> Sent {
        let Self { members, list, .. } = self.finish(era);
        let answer = RpcAnswer { jsonrpc: "2.0", id: Some(id), result: Some(members), error: None };
        match list {
            Some(list) => Sent::List(answer, list),
            None => Sent::Answer(answer),
        }
    }

    /// The result as an era has it.
    fn finish(self, era: Era) -> Self {
        if era == Era::Legacy {
            return self;
        }
        let result =
            self.with("resultType", "complete").with("_meta", json!({SERVER: server_info()}));
        if result.cacheable {
            result.with("ttlMs", TTL_MS).with("cacheScope", "private")
        } else {
            result
        }
    }
}

/// Name and version of this server.
pub fn server_info() -> Value {
    json!({"name": "tally", "title": "Tally", "version": env!("CARGO_PKG_VERSION")})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(result: RpcResult, era: Era) -> Value {
        let rendered = result.answer(era, json!("a")).render().unwrap();
        serde_json::from_slice(&rendered.body).unwrap()
    }

    #[test]
    fn a_list_that_is_json_already_is_a_member_like_any_other() {
        let results: [fn() -> RpcResult; 2] =
            [RpcResult::default, || RpcResult::default().with("x", "{}").cacheable()];
        for (items, value) in [
            (&[][..], json!([])),
            (&["1"], json!([1])),
            (&[r#"{"b":"}}","a":1}"#, "null"], json!([{"a": 1, "b": "}}"}, null])),
        ] {
            let items: Vec<_> = items.iter().map(|item| Arc::from(*item)).collect();
            for (result, era) in
                results.iter().flat_map(|of| [(of, Era::Legacy), (of, Era::Modern)])
            {
                let found = rendered(result().with_list("tools", items.clone()), era);
                assert_eq!(found, rendered(result().with("tools", value.clone()), era));
            }
        }
    }
}
