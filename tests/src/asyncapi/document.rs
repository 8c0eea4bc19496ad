//! Assembles the AsyncAPI document. An action of the table that has no description fails here.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use platform::Problem;
use platform::input::Input;
use platform::routes::{ACTIONS, ActionRoute};
use platform::socket::{Action, ErrorMessage, ServerMessage};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::connection::{handshake, security_schemes};
use super::operation::{Operation, common_errors, connected, updates};
use super::schema::{closed, enveloped, reference, schema, schema_name};
use super::texts::{CHANNEL, DESCRIPTION};

/// The document under construction.
#[derive(Default)]
pub struct Document {
    operations: BTreeMap<&'static str, Operation>,
    messages: Map<String, Value>,
    schemas: Map<String, Value>,
    /// Errors of single actions, beside the common ones.
    errors: Vec<Problem>,
}

/// One action that is being added to the document.
pub struct Entry<'a, A> {
    document: &'a mut Document,
    action: PhantomData<A>,
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
        operations.extend(updates().map(|(name, operation)| (name.into(), operation)));
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
                    "variables": {"host": {
                        "description": "Host of the WebSocket API.",
                        "examples": ["ws.example.com"],
                    }},
                    "security": security,
                },
            },
            "channels": {"live": {
                "address": "/live",
                "title": "The one channel",
                "description": CHANNEL,
                "servers": [named("servers", "deployment")],
                "messages": messages,
                "bindings": {"ws": handshake(&self.schemas)},
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
