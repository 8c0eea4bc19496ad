//! A message of a client, as JSON-RPC 2.0 has it: a request, or a notification.

use platform::input::{Fields, Input, json_value};
use serde_json::{Map, Value};
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::fault::Fault;

/// The body of a request.
#[derive(Debug, PartialEq)]
pub enum Message {
    /// A request, which is answered.
    Request(RpcRequest),
    /// A notification. It has no effect here, because no request outlives its answer.
    Notification,
    /// A body that is no message, with its `id` if that can be read.
    Faulty(Option<Value>, Fault),
}

/// A request.
#[derive(Debug, PartialEq)]
pub struct RpcRequest {
    /// A text or a whole number, which the answer repeats.
    pub id: Value,
    /// Name of the method.
    pub method: String,
    /// Its parameters.
    pub params: Map<String, Value>,
}

impl Message {
    /// Reads a body. Members that the protocol does not name are ignored.
    fn parse(body: &[u8]) -> Self {
        let members = match json_value(body) {
            Ok(Value::Object(members)) => members,
            Ok(_) => {
                let fault = Fault::no_message("Send one message as a JSON object. No batches.");
                return Self::Faulty(None, fault);
            }
            // A name that comes twice.
            Err(error) if error.is_data() => {
                return Self::Faulty(None, Fault::not_json(format!("In the body {error}.")));
            }
            Err(error) => {
                let (line, column) = (error.line(), error.column());
                let detail = format!("The body is not JSON (line {line}, column {column}).");
                return Self::Faulty(None, Fault::not_json(detail));
            }
        };
        let id = members.get("id").filter(|id| is_id(id)).cloned();
        read(members).unwrap_or_else(|detail| Self::Faulty(id, Fault::no_message(detail)))
    }
}

/// Reads the members of a message, or says what is wrong with them.
fn read(mut members: Map<String, Value>) -> Result<Message, &'static str> {
    if members.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
        return Err("`jsonrpc` must be 2.0.");
    }
    let method = match members.remove("method") {
        Some(Value::String(method)) if !method.contains('\0') => method,
        _ => return Err("`method` must be a string without null characters."),
    };
    let params = match members.remove("params") {
        None => Map::new(),
        Some(Value::Object(params)) => params,
        Some(_) => return Err("`params` must be an object."),
    };
    match members.remove("id") {
        None => Ok(Message::Notification),
        Some(id) if is_id(&id) => Ok(Message::Request(RpcRequest { id, method, params })),
        Some(_) => Err("`id` must be a string without null characters, or a whole number."),
    }
}

/// Whether a value may be the `id` of a request. `1.0` is a whole number.
fn is_id(value: &Value) -> bool {
    let is_whole = |number: f64| number.fract() == 0.0;
    let is_text = value.as_str().is_some_and(|text| !text.contains('\0'));
    is_text || value.as_f64().is_some_and(is_whole)
}

impl Input for Message {
    fn read(fields: &mut Fields) -> Option<Self> {
        Some(Self::parse(&fields.take_bytes()))
    }
}

impl ToSchema for Message {
    fn name() -> std::borrow::Cow<'static, str> {
        "McpMessage".into()
    }
}

impl PartialSchema for Message {
    fn schema() -> RefOr<Schema> {
        let text = || ObjectBuilder::new().schema_type(Type::String);
        let number = ObjectBuilder::new().schema_type(Type::Integer);
        let id = OneOfBuilder::new().item(text()).item(number);
        let id = id.description(Some("The answer repeats it. A notification has none."));
        let method =
            text().description(Some("Name of the method.")).examples([Value::from("tools/list")]);
        let params = ObjectBuilder::new().schema_type(Type::Object).description(Some(
            "Parameters of the method. Since 2026-07-28 `_meta` names the version and the \
             capabilities of the client.",
        ));
        let jsonrpc = text().enum_values(Some(["2.0"])).description(Some("Version of JSON-RPC."));
        ObjectBuilder::new()
            .description(Some(
                "A message of the Model Context Protocol, which is JSON-RPC 2.0: \
                 https://modelcontextprotocol.io/specification/2026-07-28",
            ))
            .property("jsonrpc", jsonrpc)
            .property("id", id)
            .property("method", method)
            .property("params", params)
            .required("jsonrpc")
            .required("method")
            .into()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_body_is_a_request_or_a_notification() {
        let request = |id: Value, params: Value| {
            let Value::Object(params) = params else { panic!("{params}") };
            Message::Request(RpcRequest { id, method: "ping".into(), params })
        };
        for (body, expected) in [
            (r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#, request(json!(1), json!({}))),
            (
                r#"{"jsonrpc":"2.0","id":"a","method":"ping","params":{"x":1},"more":[]}"#,
                request(json!("a"), json!({"x": 1})),
            ),
            (r#"{"jsonrpc":"2.0","id":1.0,"method":"ping"}"#, request(json!(1.0), json!({}))),
            (r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#, Message::Notification),
        ] {
            assert_eq!(Message::parse(body.as_bytes()), expected, "{body}");
        }
    }

    #[test]
    fn every_other_body_is_faulty_and_says_why() {
        let id = json!(7);
        for (body, code, id) in [
            ("", -32700, None),
            ("{", -32700, None),
            (r#"{"jsonrpc":"2.0","id":7,"id":8,"method":"ping"}"#, -32700, None),
            ("[]", -32600, None),
            (r#"[{"jsonrpc":"2.0","id":7,"method":"ping"}]"#, -32600, None),
            ("null", -32600, None),
            (r#"{"id":7,"method":"ping"}"#, -32600, Some(&id)),
            (r#"{"jsonrpc":"1.0","id":7,"method":"ping"}"#, -32600, Some(&id)),
            (r#"{"jsonrpc":"2.0","id":7}"#, -32600, Some(&id)),
            (r#"{"jsonrpc":"2.0","id":7,"result":{}}"#, -32600, Some(&id)),
            (r#"{"jsonrpc":"2.0","id":7,"method":"ping","params":[]}"#, -32600, Some(&id)),
            (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, -32600, None),
            (r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#, -32600, None),
            (r#"{"jsonrpc":"2.0","id":true,"method":"ping"}"#, -32600, None),
            (r#"{"jsonrpc":"2.0","id":"\u0000","method":"ping"}"#, -32600, None),
            (r#"{"jsonrpc":"2.0","id":7,"method":"pi\u0000ng"}"#, -32600, Some(&id)),
        ] {
            let Message::Faulty(found, fault) = Message::parse(body.as_bytes()) else {
                panic!("{body} is a message");
            };
            assert_eq!((fault.error.code, found.as_ref()), (code, id), "{body}");
            assert_eq!(fault.status, 400, "{body}");
        }
        assert!(matches!(Message::parse(b"{\"a\":\"\xff\"}"), Message::Faulty(None, _)));
    }
}
