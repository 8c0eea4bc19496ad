//! Assembles the document. A row of the route table that no function describes fails here.

use std::any::{TypeId, type_name};
use std::collections::BTreeMap;
use std::convert::Infallible;

use platform::Endpoint;
use platform::http::{
    Described, Output as _, Parameters as _, Plain, PlainEndpoint, Schemas, Visitor,
};
use platform::input::{Input as _, Media};
use platform::problem::ProblemBody;
use platform::routes::ROUTES;
use serde_json::{Map, Value, json};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema as _, ToSchema};

use super::operation::{self, Body, Description};
use super::responses;
use super::schema::{normal, parameter, reference, sent, with_others};

/// The document under construction.
#[derive(Default)]
pub struct Document {
    tags: Vec<Value>,
    operations: BTreeMap<String, Value>,
    schemas: Map<String, Value>,
    /// Answers that operations share.
    responses: Map<String, Value>,
}

impl Visitor for Document {
    type Error = Infallible;

    fn endpoint<E: Endpoint>(self) -> Result<Self, Infallible> {
        Ok(self.operation::<E>())
    }

    fn plain<E: PlainEndpoint>(self) -> Result<Self, Infallible> {
        Ok(self.operation::<Plain<E>>())
    }
}

impl Document {
    /// Begins a heading. The endpoints that follow belong under it.
    pub fn tag(mut self, name: &str, description: &str) -> Self {
        self.tags.push(json!({"name": name, "description": description}));
        self
    }

    /// Adds an endpoint.
    fn operation<E: Described>(mut self) -> Self {
        // The name of the type; that of `Plain<docs::ReadDocs>` is `ReadDocs`.
        let name = type_name::<E>().rsplit("::").next().unwrap().trim_end_matches('>');
        let takes_body = TypeId::of::<E::Body>() != TypeId::of::<()>();
        let mut answers = E::Output::describe();
        for answer in &mut answers {
            self.add(std::mem::take(&mut answer.schemas));
        }
        let described = Description {
            route: E::ROUTE,
            name,
            path: E::PATH,
            query: E::Query::parameters()
                .into_iter()
                .map(|found| parameter(serde_json::to_value(found).unwrap()))
                .collect(),
            body: takes_body.then(|| self.body::<E>()),
            statuses: E::STATUSES,
            problems: E::PROBLEMS,
            answers,
        };
        let mut operation = operation::operation(
            &described,
            self.tags.last().expect("a function belongs under a tag"),
        );
        operation["responses"] = responses::responses(&described, &mut self.responses);
        let earlier = self.operations.insert(described.route.key(), operation);
        assert!(earlier.is_none(), "{} is described twice", described.route.key());
        self
    }

    fn body<E: Described>(&mut self) -> Body {
        let described = |schema: RefOr<Schema>| sent(normal(serde_json::to_value(schema).unwrap()));
        // A form may have members that the server does not know, each once (RFC 6749 section 3.2).
        // JSON may not, unless another specification says what it may have.
        let in_form = |schema| with_others(schema, json!({"type": "string"}));
        let in_json = |schema| with_others(schema, (E::MEDIA == Media::JsonBytes).into());
        let name = E::Body::name();
        let schema = described(E::Body::schema());
        let mut content = Map::new();
        if E::MEDIA != Media::Form {
            self.insert(&name, in_json(schema.clone()));
            content.insert("application/json".into(), json!({"schema": reference(&name)}));
        }
        if E::MEDIA == Media::JsonOrCsv {
            content
                .insert("text/csv".into(), json!({"schema": {"type": "string", "minLength": 1}}));
        }
        if matches!(E::MEDIA, Media::Form | Media::JsonOrForm) {
            let name = format!("{name}Form");
            self.insert(&name, in_form(schema));
            content.insert(
                "application/x-www-form-urlencoded".into(),
                json!({"schema": reference(&name)}),
            );
        }
        let mut parts = Schemas::new();
        E::Body::schemas(&mut parts);
        for (part, schema) in parts.into_iter().filter(|(part, _)| *part != name) {
            let schema = described(schema);
            self.insert(
                &part,
                if E::MEDIA == Media::Form { in_form(schema) } else { in_json(schema) },
            );
        }
        Body { media: E::MEDIA, required: !E::Body::OPTIONAL, content: content.into() }
    }

    fn add(&mut self, schemas: Schemas) {
        for (name, schema) in schemas {
            self.insert(&name, normal(serde_json::to_value(schema).unwrap()));
        }
    }

    /// Adds a schema. A name stands for one schema only.
    fn insert(&mut self, name: &str, schema: Value) {
        if let Some(other) = self.schemas.insert(name.to_owned(), schema) {
            assert_eq!(
                other, self.schemas[name],
                "two schemas are called {name}: name one by #[schema(as = ...)]"
            );
        }
    }

    /// Completes the document.
    pub fn finish(mut self) -> Value {
        let mut problem = vec![("Problem".to_owned(), ProblemBody::schema())];
        ProblemBody::schemas(&mut problem);
        self.add(problem);
        self.insert("GatewayError", responses::gateway_error());
        let mut paths = Map::new();
        for route in ROUTES {
            let operation = self.operations.remove(&route.key());
            let operation = operation
                .unwrap_or_else(|| panic!("{} is not described: list its endpoint", route.key()));
            paths.entry(route.path).or_insert_with(|| json!({}))[route.method.to_lowercase()] =
                operation;
        }
        let examples = responses::examples(&self.responses);
        json!({
            "openapi": "3.1.0",
            "info": {
                "title": "Tally",
                "version": env!("CARGO_PKG_VERSION"),
                "description": DESCRIPTION,
                "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
                "contact": {"name": "Tally", "url": "https://github.com/tally-backend/tally"},
            },
            // Each deployment replaces this URL by its own when it serves the document.
            "servers": [{"url": docs::SERVER_URL, "description": "The local stack"}],
            "tags": self.tags,
            "paths": paths,
            "components": {
                "schemas": self.schemas,
                "responses": self.responses,
                "examples": examples,
                "headers": responses::headers(),
                "securitySchemes": {
                    "bearer": {
                        "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
                        "description": "Access token of `POST /auth/login` or `POST /auth/sso`",
                    },
                    "apiKey": {
                        "type": "apiKey", "in": "header", "name": "X-API-Key",
                        "description": "Key of `POST /api-keys`, for services",
                    },
                },
            },
        })
    }
}

const DESCRIPTION: &str = "Backend of a finance team's AI assistant. Errors are RFC 9457 problems \
    with a stable `code`; docs/api/errors.md says what each code means. The API only grows: fields \
    and routes are added, never changed or removed. asyncapi.json describes the messages of the \
    WebSocket.";
