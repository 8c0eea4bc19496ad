//! One event of the WebSocket API from API Gateway, in our own types.

use aws_lambda_events::apigw::ApiGatewayWebsocketProxyRequest;
use http::{HeaderMap, header};

use crate::context::{Context, client_address};
use crate::domain::Peer;
use crate::input::{Fields, FromField, RawValue, object};
use crate::problem::Problem;

/// One event: a message, or the beginning or end of a connection. Not yet trusted in any way.
pub struct SocketCall {
    /// `$connect`, `ping`, `$default`.
    pub route_key: String,
    /// Whether it is a message. The route key does not tell, because a message may name `$connect`
    /// as its action.
    pub is_message: bool,
    /// API Gateway's id of the connection.
    pub connection_id: String,
    /// When the connection opened, milliseconds since 1970.
    pub connected_at: i64,
    /// The headers, which only `$connect` has.
    pub headers: HeaderMap,
    /// Where it came from and how it is correlated.
    pub context: Context,
    query: Vec<(String, String)>,
    body: String,
}

crate::opaque!(SocketCall);

impl From<ApiGatewayWebsocketProxyRequest> for SocketCall {
    fn from(event: ApiGatewayWebsocketProxyRequest) -> Self {
        let about = event.request_context;
        let headers = if event.multi_value_headers.is_empty() {
            event.headers
        } else {
            event.multi_value_headers
        };
        let query = &event.multi_value_query_string_parameters;
        let query = if query.is_empty() { &event.query_string_parameters } else { query };
        let user_agent = headers
            .get(header::USER_AGENT)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let context = Context {
            request_id: about.request_id.unwrap_or_default(),
            address: client_address(about.identity.source_ip.as_deref().unwrap_or_default()),
            user_agent: user_agent.chars().take(256).collect(),
            base_url: String::new(),
        };
        Self {
            route_key: about.route_key.unwrap_or_default(),
            is_message: about.event_type.as_deref() == Some("MESSAGE"),
            connection_id: about.connection_id.unwrap_or_default(),
            connected_at: about.connected_at,
            headers,
            context,
            query: query.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            body: event.body.unwrap_or_default(),
        }
    }
}

/// A client's own id for a message: any text of up to 128 characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageId(pub(super) String);

impl FromField for MessageId {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let text = raw.text()?;
        if text.chars().count() > 128 {
            Err("must be at most 128 characters".into())
        } else {
            Ok(Self(text.to_owned()))
        }
    }
}

impl SocketCall {
    /// The connection that a message came over.
    pub fn peer(&self) -> Peer<'_> {
        Peer::open(&self.connection_id)
    }

    /// The value of a header, if it is there and is text.
    pub fn header(&self, name: impl header::AsHeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The query parameters of `$connect`.
    pub fn query(&self) -> Fields {
        Fields::parameters(self.query.iter().map(|(name, value)| (name.as_str(), value.as_str())))
    }

    /// One query parameter before validation, because authentication comes before it.
    pub fn peek_query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Reads the parts that every message has. Gives the client's id, and the members that belong
    /// to the action.
    pub(super) fn message(&self) -> Result<(Option<MessageId>, Fields), Problem> {
        let mut fields = Fields::json(object("message", &self.body)?);
        // API Gateway has already chosen the route by `action`, so this only reports a missing or
        // mistyped one.
        fields.required::<String>("action");
        let id = fields.optional("id").flatten();
        Ok((id, fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn call(body: &str) -> SocketCall {
        let event = json!({
            "headers": null,
            "requestContext": {
                "routeKey": "ping", "eventType": "MESSAGE", "connectionId": "c-1=",
                "connectedAt": 1_800_000_000_000_i64,
                "requestTimeEpoch": 1_800_000_000_001_i64, "requestId": "r-1", "identity": {"sourceIp": "2001:db8::1"}
            },
            "body": body, "isBase64Encoded": false
        });
        serde_json::from_value::<ApiGatewayWebsocketProxyRequest>(event).unwrap().into()
    }

    #[test]
    fn a_message_is_an_object_with_an_action_and_perhaps_an_id() {
        let long = "é".repeat(129);
        for (body, expected) in [
            (r#"{"action":"ping"}"#.to_owned(), Ok(None)),
            (r#"{"action":"ping","id":"7"}"#.to_owned(), Ok(Some("7"))),
            (r#"{"action":"ping","id":null}"#.to_owned(), Ok(None)),
            (r#"{"action":"ping","id":7}"#.to_owned(), Err("validation_failed /id")),
            (format!(r#"{{"action":"ping","id":"{long}"}}"#), Err("validation_failed /id")),
            (r#"{"id":"7"}"#.to_owned(), Err("validation_failed /action")),
            (r#"{"action":7}"#.to_owned(), Err("validation_failed /action")),
            (r#"{"action":"ping","more":1}"#.to_owned(), Err("validation_failed /more")),
            (r#"{"action":"ping","action":"ping"}"#.to_owned(), Err("malformed_json")),
            (
                r#"{"action":"ping","id":"7","more":[{"a":1,"a":2}]}"#.to_owned(),
                Err("malformed_json"),
            ),
            ("[]".to_owned(), Err("malformed_json")),
            ("ping".to_owned(), Err("malformed_json")),
            (String::new(), Err("malformed_json")),
        ] {
            let found = call(&body)
                .message()
                .and_then(|(id, fields)| fields.read::<()>().map(|()| id.map(|id| id.0)));
            let found = found.map_err(|problem| {
                let pointer = problem.errors.first().and_then(|error| error.pointer.clone());
                [Some(problem.code.to_string()), pointer]
                    .into_iter()
                    .flatten()
                    .collect::<Vec<_>>()
                    .join(" ")
            });
            assert_eq!(
                found.as_ref().map(Option::as_deref).map_err(String::as_str),
                expected,
                "{body}"
            );
        }
    }

    #[test]
    fn an_event_is_put_in_our_own_words() {
        let call = call("{}");
        assert_eq!(
            (call.route_key.as_str(), call.is_message, call.connected_at),
            ("ping", true, 1_800_000_000_000)
        );
        assert_eq!(
            (call.context.request_id.as_str(), call.context.address.as_str()),
            ("r-1", "2001:db8::/64")
        );
    }
}
