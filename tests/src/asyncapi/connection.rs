//! How a client opens a connection.

use platform::socket::Action as _;
use serde_json::{Map, Value, json};

use super::schema::schema_name;

/// The request that opens a connection.
pub fn handshake(schemas: &Map<String, Value>) -> Value {
    let subscribe = &schemas[&schema_name(charts::Subscribe::ROUTE.action)]["properties"];
    json!({
        "method": "GET",
        "query": {"type": "object", "additionalProperties": false, "properties": {
            "ticket": {"type": "string", "description": "Ticket of `POST /auth/ws-ticket`. It is \
                valid once, for a minute."},
            "token": {"type": "string", "description": "An access token, if the deployment accepts \
                one in the URL."},
            "chart_type": subscribe["chart_type"],
            "interval_ms": subscribe["interval_ms"],
        }},
        "headers": {"type": "object", "properties": {
            "Authorization": {"type": "string", "description": "`Bearer` and an access token."},
            "Origin": {"type": "string", "description": "Origin of a page. It must be on the \
                deployment's allow-list."},
            "Sec-WebSocket-Protocol": {
                "type": "string",
                "description": "`tally.v1` and `bearer.<access token>`. It is for browsers, \
                                because they can set no other header.",
            },
        }},
        "bindingVersion": "0.1.0",
    })
}

/// The credentials, each with the place that it is sent in.
pub fn security_schemes() -> Value {
    json!({
        "ticket": {
            "type": "httpApiKey", "in": "query", "name": "ticket",
            "description": "Ticket of `POST /auth/ws-ticket`, valid once",
        },
        "bearer": {
            "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
            "description": "Access token of `POST /auth/login`",
        },
        "subprotocol": {
            "type": "httpApiKey", "in": "header", "name": "Sec-WebSocket-Protocol",
            "description": "`tally.v1, bearer.<access token>`; the answer selects `tally.v1`",
        },
        "token": {
            "type": "httpApiKey", "in": "query", "name": "token",
            "description": "Access token in the URL, for experiments, if the deployment accepts it \
                            there",
        },
    })
}
