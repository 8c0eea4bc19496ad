//! Assembles the AsyncAPI document. An action of the table that has no description fails here.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use platform::Problem;
use platform::input::Input;
use platform::routes::{ACTIONS, ActionRoute};
use platform::socket::{Action, ErrorMessage, ServerMessage};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::schema::{enveloped, schema};

/// The document under construction.
#[derive(Default)]
pub struct Document {
    operations: BTreeMap<&'static str, Operation>,
    messages: Map<String, Value>,
    schemas: Map<String, Value>,
    /// Errors of single actions, beside the common ones.
    errors: Vec<Problem>,
}

/// The description of one action, from its types.
struct Operation {
    route: ActionRoute,
    /// Types of the messages that answer it, in the order in which they arrive.
    answers: Vec<&'static str>,
    /// Codes of errors that not every action has.
    codes: Vec<&'static str>,
    note: &'static str,
}

/// One action that is being added to the document.
pub struct Entry<'a, A> {
    document: &'a mut Document,
    action: PhantomData<A>,
}

/// The errors that can answer any message.
fn common_errors() -> [Problem; 6] {
    [
        Problem::malformed_json("The message must be a JSON object."),
        Problem::validation_failed(Vec::new()),
        Problem::invalid_token(),
        Problem::rate_limited(1),
        Problem::internal(),
        Problem::unavailable(),
    ]
}

impl Document {
    /// Describes a message of the server by an example. Describe the actions first, because only a
    /// message that answers an action has an `id`.
    pub fn message<M: ServerMessage + ToSchema>(&mut self, example: &M) {
        let echoes = M::TYPE == ErrorMessage::TYPE
            || self
                .operations
                .values()
                .any(|operation| operation.answers.first() == Some(&M::TYPE));
        let id = json!({"type": "string", "maxLength": 128, "description": "The `id` of the \
            client's message that this one answers."});
        let payload =
            enveloped(schema::<M>(&mut self.schemas), ("type", M::TYPE), echoes.then_some(id));
        let mut example = serde_json::to_value(example).unwrap();
        example["type"] = M::TYPE.into();
        self.add(M::TYPE, echoes, payload, &example);
    }

    /// Adds a message. Its payload is a schema with a name of its own.
    fn add(&mut self, name: &'static str, echoes: bool, payload: Value, example: &Value) {
        let summary = payload["description"].clone();
        let before = self.schemas.insert(schema_name(name), payload);
        assert!(before.is_none(), "two schemas are named {}", schema_name(name));
        let mut message = json!({
            "name": name,
            "title": name,
            "summary": summary,
            "payload": reference(name),
            "examples": [{"payload": example}],
        });
        if echoes {
            message["correlationId"] = json!({
                "location": "$message.payload#/id",
                "description": "The client's own id for its message.",
            });
        }
        self.messages.insert(name.into(), message);
    }

    /// Describes an action by an example of its message.
    pub fn action<A: Action>(&mut self, mut example: Value) -> Entry<'_, A> {
        let ActionRoute { action, summary, .. } = A::ROUTE;
        example["action"] = action.into();
        example["id"] = "1".into();
        self.add(
            action,
            true,
            closed(json!({"type": "object", "description": summary}), action),
            &example,
        );
        let operation =
            Operation { route: A::ROUTE, answers: Vec::new(), codes: Vec::new(), note: "" };
        self.operations.insert(action, operation);
        Entry { document: self, action: PhantomData }
    }

    /// Completes the document.
    pub fn finish(mut self) -> Value {
        let codes = self.codes();
        let code = &mut self.schemas[&schema_name(ErrorMessage::TYPE)]["properties"]["code"];
        code["enum"] = codes.keys().copied().collect();
        code["title"] = "ErrorCode".into();
        let codes: Vec<_> =
            codes.iter().map(|(code, detail)| format!("- `{code}`: {detail}")).collect();
        self.messages[ErrorMessage::TYPE]["description"] =
            format!("Its codes:\n\n{}", codes.join("\n")).into();
        let (client, server): (Vec<_>, Vec<_>) = self
            .messages
            .keys()
            .map(String::as_str)
            .partition(|name| self.operations.contains_key(name));
        for (name, description, members) in [
            ("ClientMessage", "Any message of a client.", client),
            ("ServerMessage", "Any message of the server.", server),
        ] {
            let members: Vec<_> = members.into_iter().map(reference).collect();
            self.schemas.insert(name.into(), json!({"description": description, "oneOf": members}));
        }
        // Generators name types by their titles, at every use of a schema.
        for (name, schema) in &mut self.schemas {
            schema["title"] = name.as_str().into();
        }

        let named = |kind: &str, name: &str| json!({"$ref": format!("#/{kind}/{name}")});
        let mut operations = Map::new();
        // API Gateway's own routes are not messages. The channel and the errors describe them.
        for route in ACTIONS.iter().filter(|route| !route.action.starts_with('$')) {
            let operation = self
                .operations
                .get(route.action)
                .unwrap_or_else(|| panic!("{} is not described here", route.action));
            operations.insert(route.action.into(), operation.described());
        }
        operations.insert("charts.stream".into(), connected());
        let messages: Map<_, _> = self
            .messages
            .keys()
            .map(|name| (name.clone(), named("components/messages", name)))
            .collect();
        let schemes = security_schemes();
        let security: Vec<_> = schemes
            .as_object()
            .unwrap()
            .keys()
            .map(|name| named("components/securitySchemes", name))
            .collect();
        json!({
            "asyncapi": "3.0.0",
            "info": {
                "title": "Tally",
                "version": env!("CARGO_PKG_VERSION"),
                "description": DESCRIPTION,
                "license": {"name": "MIT OR Apache-2.0"},
            },
            "defaultContentType": "application/json",
            "servers": {
                "deployment": {
                    "host": "{host}",
                    "protocol": "wss",
                    "description": "`websocket_url` of `GET /` has the whole URL. The URL of a \
                                    local stack begins with `ws://`.",
                    "variables": {"host": {"description": "Host of the WebSocket \
                        API.", "examples": ["ws.example.com"]}},
                    "security": security,
                },
            },
            "channels": {"live": {
                "address": "/live",
                "title": "The one channel",
                "description": CHANNEL,
                "servers": [named("servers", "deployment")],
                "messages": messages,
                "bindings": {"ws": self.handshake()},
            }},
            "operations": operations,
            "components": {
                "messages": self.messages, "schemas": self.schemas, "securitySchemes": schemes,
            },
        })
    }

    /// Every error code, each with a sentence that describes it.
    fn codes(&self) -> BTreeMap<&'static str, String> {
        let own = self.errors.iter().cloned().chain([Problem::unknown_action()]);
        common_errors()
            .into_iter()
            .chain(own)
            .map(|problem| (problem.code.as_str(), problem.detail))
            .collect()
    }

    /// The request that opens a connection.
    fn handshake(&self) -> Value {
        let subscribe = &self.schemas[&schema_name(charts::Subscribe::ROUTE.action)]["properties"];
        json!({
            "method": "GET",
            "query": {"type": "object", "additionalProperties": false, "properties": {
                "ticket": {"type": "string", "description": "Ticket of `POST /auth/ws-ticket`. It \
                    is valid once, for a minute."},
                "token": {"type": "string", "description": "An access token, if the deployment \
                    accepts one in the URL."},
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
}

impl<A: Action> Entry<'_, A> {
    fn operation(&mut self) -> &mut Operation {
        self.document.operations.get_mut(A::ROUTE.action).unwrap()
    }

    /// Members of the message beside `action` and `id`.
    pub fn body<T: ToSchema + Input>(self) -> Self
    where
        A: Action<Body = T>,
    {
        let action = A::ROUTE.action;
        let payload = closed(schema::<T>(&mut self.document.schemas), action);
        self.document.schemas[&schema_name(action)] = payload;
        self
    }

    /// Adds the first message that answers a success.
    pub fn answer<M: ServerMessage>(self) -> Self
    where
        A: Action<Output = M>,
    {
        self.then::<M>()
    }

    /// Adds a message that follows.
    pub fn then<M: ServerMessage>(mut self) -> Self {
        self.operation().answers.push(M::TYPE);
        self
    }

    /// Adds an error that not every action has.
    pub fn fails(mut self, problem: Problem) -> Self {
        self.operation().codes.push(problem.code.as_str());
        self.document.errors.push(problem);
        self
    }

    /// Adds a note about the facts that the types do not express.
    pub fn note(mut self, note: &'static str) {
        self.operation().note = note;
    }
}

impl Operation {
    fn described(&self) -> Value {
        let ActionRoute { action, summary, limits, .. } = &self.route;
        let list = |names: Vec<&str>| {
            names.into_iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
        };
        let limits = list(limits.iter().map(|policy| policy.name).chain(["ws_messages"]).collect());
        let codes = list(
            common_errors()
                .iter()
                .map(|problem| problem.code.as_str())
                .chain(self.codes.iter().copied())
                .collect(),
        );
        let description = format!("{}\n\nLimits: {limits}. Codes of errors: {codes}.", self.note);
        json!({
            "action": "receive",
            "channel": {"$ref": "#/channels/live"},
            "title": action,
            "summary": summary,
            "description": description.trim_start(),
            "messages": of_channel(&[action]),
            "reply": {
                "channel": {"$ref": "#/channels/live"},
                "messages": of_channel(&[&self.answers[..], &[ErrorMessage::TYPE]].concat()),
            },
        })
    }
}

/// The stream that a connection begins with, if its URL asks for one.
fn connected() -> Value {
    let messages =
        [tally_data::charts::Subscribed::TYPE, chart_stream::Data::TYPE, chart_stream::Ended::TYPE];
    json!({
        "action": "send",
        "channel": {"$ref": "#/channels/live"},
        "title": "charts.stream",
        "summary": "Streams frames of the chart that the URL of the connection names",
        "messages": of_channel(&messages),
    })
}

fn of_channel(names: &[&str]) -> Value {
    names.iter().map(|name| json!({"$ref": format!("#/channels/live/messages/{name}")})).collect()
}

/// The name of a message's schema: `ChartsSubscribeMessage` of `charts.subscribe`.
fn schema_name(message: &str) -> String {
    let capitalised = |part: &str| part[..1].to_uppercase() + &part[1..];
    message.split('.').map(capitalised).chain(["Message".to_owned()]).collect()
}

/// A message's schema.
fn reference(message: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{}", schema_name(message))})
}

/// The schema of a client's message. It allows no unknown members, because the server refuses them.
fn closed(body: Value, action: &str) -> Value {
    let id = json!({
        "type": ["string", "null"], "maxLength": 128,
        "description": "Your own id for the message. Its answer echoes it.",
    });
    let mut payload = enveloped(body, ("action", action), Some(id));
    payload["additionalProperties"] = false.into();
    payload
}

fn security_schemes() -> Value {
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
            "description": "Access token in the URL, for experiments, if the deployment accepts \
                            it there",
        },
    })
}

const DESCRIPTION: &str = "The WebSocket API of a finance team's AI assistant. A message is a JSON \
    object: a client's has an `action` and perhaps an `id`, a server's has a `type`, and an answer \
    echoes that `id`. Frames of a stream and the end of a reply have no `id`: they name their \
    `subscription_id` or `message_id`. The server answers a wrong, unknown or excessive message \
    with `error`, and \
    the connection stays open.\n\n\
    **Order.** API Gateway delivers each message by itself, so a message can overtake the one \
    before it. Wait for the answer before you send the next message about the same chart or reply. \
    Or number the messages about a chart by `seq`: the one with the highest number counts. If a \
    message arrives after a higher number, the server answers with an `error` with the code \
    `conflict`, and the message changes nothing. Keep one counter for a connection, and raise it \
    for each message. Send it with all messages about a chart, or with \
    none.\n\n\
    **Limits.** If `ws_messages` refuses a message, wait for as long as the error says. The server \
    closes a connection once it has \
    refused ten times as many of its messages as the limit allows.\n\n\
    The API only grows: new versions add messages and members, and never change or remove them. \
    Ignore messages and members that you do \
    not know.";

const CHANNEL: &str = "Open a connection with one of the credentials: a ticket, the header, the \
    subprotocol, or the token in the URL. If you send several, the first in this order counts. The \
    server refuses a connection without a valid credential with 401. It refuses a page of an \
    origin that is not on the allow-list with 403, and a wrong query with 422. It refuses the \
    sixth connection of a session \
    with 429. `chart_type` and `interval_ms` subscribe to a chart at once.\n\n\
    The connection ends with its session. It also ends an hour after the token of the connection \
    (or of its ticket) has expired, unless you send `auth.renew`. API Gateway ends an idle \
    connection after ten minutes, so send `ping` every five. It ends every connection \
    after two hours: open another, and send `chat.resume`.\n\n\
    Frames are text. A client's frame of more than 32 KB ends the connection with 1009: send long \
    messages by `POST /chat`. A binary frame ends it with 1003. The server's frames stay under 32 \
    KB. API Gateway's own frames have no `type`: \
    `{\"message\", \"connectionId\", \"requestId\"}`.";
