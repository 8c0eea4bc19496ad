//! The events that the functions receive, in the shape that API Gateway sends.

use std::collections::BTreeMap;
use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use bytes::Bytes;
use hyper::header::{CONNECTION, HeaderMap, UPGRADE};
use jiff::Timestamp;
use rand::Rng;
use serde_json::{Map, Value, json};

/// The data of a connection that each of its events contains.
#[derive(Debug, Clone)]
pub(super) struct Session {
    pub(super) connection_id: String,
    pub(super) connected_at: Timestamp,
    pub(super) source_ip: IpAddr,
    pub(super) user_agent: String,
    pub(super) domain_name: String,
    pub(super) stage: String,
    pub(super) api_id: String,
}

impl Session {
    /// The event for `$connect`.
    pub(super) fn connect(&self, headers: &HeaderMap, query: &str) -> Bytes {
        let mut event = json!({
            "requestContext": self.context("$connect", "CONNECT", &random_id()),
            "isBase64Encoded": false,
        });
        let headers = headers.iter().filter(|(name, _)| **name != CONNECTION && **name != UPGRADE);
        let headers =
            headers.map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value.as_bytes())));
        insert_pairs(&mut event, "headers", "multiValueHeaders", headers);
        if !query.is_empty() {
            let query = form_urlencoded::parse(query.as_bytes()).collect::<Vec<_>>();
            let query = query.iter().map(|(name, value)| (name.as_ref(), value.as_ref()));
            insert_pairs(
                &mut event,
                "queryStringParameters",
                "multiValueQueryStringParameters",
                query,
            );
        }
        event.to_string().into()
    }

    /// The event for a message on the route `route_key`.
    pub(super) fn message(&self, route_key: &str, request_id: &str, body: &str) -> Bytes {
        let mut context = self.context(route_key, "MESSAGE", request_id);
        context["messageId"] = random_id().into();
        json!({ "requestContext": context, "body": body, "isBase64Encoded": false })
            .to_string()
            .into()
    }

    /// The event for `$disconnect`.
    pub(super) fn disconnect(&self, code: u16, reason: &str) -> Bytes {
        let mut context = self.context("$disconnect", "DISCONNECT", &random_id());
        context["disconnectStatusCode"] = code.into();
        context["disconnectReason"] = reason.into();
        let headers = [
            ("Host", self.domain_name.as_str()),
            ("x-api-key", ""),
            ("X-Forwarded-For", ""),
            ("x-restapi", ""),
        ];
        let mut event = json!({ "requestContext": context, "isBase64Encoded": false });
        insert_pairs(&mut event, "headers", "multiValueHeaders", headers.into_iter());
        event.to_string().into()
    }

    /// The frame that API Gateway itself sends to a client whose message could not be handled.
    pub(super) fn error_frame(&self, message: &str, request_id: &str) -> Bytes {
        json!({ "message": message, "connectionId": self.connection_id, "requestId": request_id })
            .to_string()
            .into()
    }

    fn context(&self, route_key: &str, event_type: &str, request_id: &str) -> Value {
        let now = Timestamp::now();
        json!({
            "routeKey": route_key,
            "eventType": event_type,
            "messageDirection": "IN",
            "connectionId": self.connection_id,
            "connectedAt": self.connected_at.as_millisecond(),
            "requestTime": now.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string(),
            "requestTimeEpoch": now.as_millisecond(),
            "requestId": request_id,
            "extendedRequestId": request_id,
            "domainName": self.domain_name,
            "stage": self.stage,
            "apiId": self.api_id,
            "identity": { "sourceIp": self.source_ip, "userAgent": self.user_agent },
        })
    }
}

/// An id in API Gateway's form for connections, messages and requests: base64 that ends with `=`.
pub(super) fn random_id() -> String {
    let mut bytes = [0; 11];
    rand::rng().fill_bytes(&mut bytes);
    URL_SAFE.encode(bytes)
}

/// Inserts pairs twice, as API Gateway does for headers and queries: the last value of each name,
/// and all values in their order.
fn insert_pairs<'a, V: AsRef<str>>(
    event: &mut Value,
    single: &str,
    multiple: &str,
    pairs: impl Iterator<Item = (&'a str, V)>,
) {
    let mut all: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for (name, value) in pairs {
        all.entry(name).or_default().push(value.as_ref().into());
    }
    let last: Map<_, _> = all
        .iter()
        .filter_map(|(name, values)| Some(((*name).to_owned(), values.last()?.clone())))
        .collect();
    event[single] = last.into();
    event[multiple] = json!(all);
}

#[cfg(test)]
mod tests {
    use aws_lambda_events::event::apigw::ApiGatewayWebsocketProxyRequest;

    use super::*;

    fn session() -> Session {
        Session {
            connection_id: "L0SM9cOFvHcCIhw=".into(),
            connected_at: Timestamp::from_millisecond(1_700_000_000_000).unwrap(),
            source_ip: IpAddr::from([127, 0, 0, 1]),
            user_agent: "test".into(),
            domain_name: "127.0.0.1:8787".into(),
            stage: "live".into(),
            api_id: "WebSocketApi".into(),
        }
    }

    fn read(event: &Bytes) -> ApiGatewayWebsocketProxyRequest {
        serde_json::from_slice(event).unwrap()
    }

    #[test]
    fn connect_has_headers_and_query_once_with_the_last_value_and_once_with_all() {
        let mut headers = HeaderMap::new();
        headers.append("sec-websocket-protocol", "tally.v1, bearer.a".parse().unwrap());
        headers.append("sec-websocket-protocol", "bearer.b".parse().unwrap());
        headers.append("upgrade", "websocket".parse().unwrap());
        let event = session().connect(&headers, "ticket=a%2Bb+c&chart=1&chart=2&flag");
        let event: Value = serde_json::from_slice(&event).unwrap();
        assert_eq!(event["headers"], json!({ "sec-websocket-protocol": "bearer.b" }));
        assert_eq!(
            event["multiValueHeaders"],
            json!({ "sec-websocket-protocol": ["tally.v1, bearer.a", "bearer.b"] })
        );
        assert_eq!(
            event["queryStringParameters"],
            json!({ "ticket": "a+b c", "chart": "2", "flag": "" })
        );
        assert_eq!(event["multiValueQueryStringParameters"]["chart"], json!(["1", "2"]));
        assert_eq!(event["isBase64Encoded"], false);

        let without = session().connect(&headers, "");
        assert_eq!(
            serde_json::from_slice::<Value>(&without).unwrap().get("queryStringParameters"),
            None
        );
    }

    #[test]
    fn every_event_is_read_by_the_types_that_functions_use() {
        let connect = read(&session().connect(&HeaderMap::new(), "token=1"));
        assert_eq!(connect.query_string_parameters.first("token"), Some("1"));
        let message = read(&session().message("charts.subscribe", "request", "{\"a\":1}"));
        assert_eq!(message.body.as_deref(), Some("{\"a\":1}"));
        assert!(message.request_context.message_id.is_some());
        let disconnect = read(&session().disconnect(1001, "Going away"));
        assert_eq!(disconnect.request_context.disconnect_status_code, Some(1001));
        assert_eq!(disconnect.request_context.disconnect_reason.as_deref(), Some("Going away"));
        for (event, kind, route) in [
            (connect, "CONNECT", "$connect"),
            (message, "MESSAGE", "charts.subscribe"),
            (disconnect, "DISCONNECT", "$disconnect"),
        ] {
            let context = event.request_context;
            assert_eq!(context.event_type.as_deref(), Some(kind));
            assert_eq!(context.route_key.as_deref(), Some(route));
            assert_eq!(context.connection_id.as_deref(), Some("L0SM9cOFvHcCIhw="));
            assert_eq!(context.connected_at, 1_700_000_000_000);
            assert_eq!(context.domain_name.as_deref(), Some("127.0.0.1:8787"));
            assert_eq!(context.stage.as_deref(), Some("live"));
            assert_eq!(context.apiid.as_deref(), Some("WebSocketApi"));
            assert_eq!(context.message_direction.as_deref(), Some("IN"));
            assert_eq!(context.identity.source_ip.as_deref(), Some("127.0.0.1"));
            assert_eq!(context.identity.user_agent.as_deref(), Some("test"));
            assert!(context.request_time.unwrap().ends_with(" +0000"));
        }
    }

    #[test]
    fn ids_look_like_api_gateways_and_do_not_repeat() {
        let one = random_id();
        let other = random_id();
        assert!(one.len() == 16 && one.ends_with('='), "{one}");
        assert_ne!(one, other);
    }
}
