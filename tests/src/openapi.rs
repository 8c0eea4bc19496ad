//! The OpenAPI document: paths from the route table, schemas from the types.

use std::collections::BTreeMap;

use http::StatusCode;
use platform::http::Endpoint;
use platform::problem::ProblemBody;
use platform::routes::{Access, ROUTES, Route};
use serde_json::{Map, Value, json};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{IntoParams, ToSchema};

type Schemas = Vec<(String, RefOr<Schema>)>;

/// What the types say of one endpoint.
struct Described {
    route: Route,
    body: Option<Value>,
    parameters: Vec<Value>,
    output: Option<Value>,
    /// Statuses beside those that follow from the row.
    statuses: Vec<u16>,
}

/// The document being made.
#[derive(Default)]
struct Document {
    described: BTreeMap<String, Described>,
    schemas: Schemas,
}

/// The whole document.
pub fn document() -> Value {
    let mut document = Document::default();
    document.json::<docs::Root>().output::<docs::Service>();
    document.json::<health::Health>().output::<health::Alive>();
    document.json::<ready::Ready>().output::<ready::Readiness>().status(503);
    document.media::<docs::OpenApi>("application/json");
    document.media::<docs::AsyncApi>("application/json");
    document.media::<docs::Page>("text/html");
    document.media::<docs::Asset>("*/*");
    document.json::<docs::Metadata>().output::<docs::AuthorizationServer>();
    document.json::<register::Register>().body::<register::Registration>().output::<register::Registered>().status(403).status(409);
    document.json::<login::Login>().body_or_form::<login::Credentials>().output::<platform::tokens::TokenPair>().status(401).status(403);
    document.json::<refresh::Refresh>().body::<refresh::Spend>().output::<platform::tokens::TokenPair>().status(401);
    document.json::<token::Token>().form::<token::Grant>().output::<platform::tokens::TokenPair>();
    document.json::<revoke::Revoke>().form::<platform::sessions::ShownToken>().output::<revoke::Revoked>();
    document.json::<introspect::Introspect>().form::<platform::sessions::ShownToken>().output::<introspect::Introspection>();
    document.json::<logout::Logout>().body::<logout::Scope>();
    document.json::<me::Me>().output::<me::Myself>();
    document.json::<sessions::ListSessions>().output::<sessions::SessionsView>();
    document.json::<sessions::EndSession>();
    document.json::<ask_mail::Forgot>().body::<ask_mail::AccountAddress>().output::<platform::mail::Accepted>();
    document.json::<ask_mail::Resend>().body::<ask_mail::AccountAddress>().output::<platform::mail::Accepted>();
    document.json::<account::VerifyEmail>().body::<account::EmailVerification>().output::<account::Changed>().status(401).status(409);
    document.json::<account::UpdateMe>().body::<account::AccountChange>().output::<account::Changed>().status(202).status(409);
    document.json::<account::DeleteMe>().body::<account::Confirmation>().status(409);
    document.json::<password::ChangePassword>().body::<password::PasswordChange>();
    document.json::<password::ResetPassword>().body::<password::PasswordReset>().status(401);
    document.json::<ws_ticket::WsTicket>().output::<ws_ticket::IssuedTicket>();
    document.json::<api_keys::CreateApiKey>().body::<api_keys::NewApiKey>().output::<api_keys::CreatedApiKey>();
    document.json::<api_keys::ListApiKeys>().query::<platform::cursor::Paging>().output::<platform::cursor::Page<api_keys::ApiKeyView>>();
    document.json::<api_keys::DeleteApiKey>();
    document.json::<users::ListUsers>().query::<users::UsersQuery>().output::<platform::cursor::Page<platform::store::Account>>();
    document.json::<users::ReadUser>().output::<platform::store::Account>();
    document.json::<users::UpdateUser>().body::<users::UserChange>().output::<platform::store::Account>().status(409);
    document.json::<invites::CreateInvite>().body::<invites::NewInvite>().output::<invites::CreatedInvite>();
    document.json::<invites::ListInvites>().query::<platform::cursor::Paging>().output::<platform::cursor::Page<invites::InviteView>>();
    document.json::<invites::RevokeInvite>();
    document.json::<profits::GetProfits>().query::<profits::ProfitsQuery>().output::<profits::ProfitsPage>().status(304);
    document.json::<audit::GetAudit>().query::<audit::AuditQuery>().output::<platform::cursor::Page<platform::audit::Event>>();
    document.json::<chat::Chat>().body::<platform::chat::ChatRequest>().output::<chat::ChatAnswer>().status(202).status(402).status(404);
    document
        .json::<conversations::ListConversations>()
        .query::<conversations::ConversationsQuery>()
        .output::<platform::cursor::Page<conversations::ConversationView>>();
    document
        .json::<conversations::ReadConversation>()
        .query::<platform::cursor::Paging>()
        .output::<conversations::ConversationWithMessages>();
    document
        .json::<conversations::UpdateConversation>()
        .body::<conversations::ConversationChange>()
        .output::<conversations::ConversationView>();
    document.json::<conversations::DeleteConversation>();
    document
        .json::<conversations::ExportConversation>()
        .query::<conversations::ExportQuery>()
        .file::<conversations::ExportedConversation>("text/markdown");
    document.json::<conversations::ReadMessage>().output::<conversations::MessageView>();
    document.json::<usage::GetUsage>().query::<usage::UsageQuery>().output::<usage::UsageReport>();
    document.json::<budgets::ReadBudget>().output::<budgets::BudgetView>();
    document.json::<budgets::SetBudget>().body::<budgets::BudgetChange>().output::<budgets::BudgetView>();
    document.json::<budgets::ReadDeploymentBudget>().output::<budgets::BudgetView>();
    document.json::<budgets::SetDeploymentBudget>().body::<budgets::BudgetChange>().output::<budgets::BudgetView>();
    document.finish()
}

/// One endpoint on its way into the document.
struct Entry<'a, E> {
    document: &'a mut Document,
    endpoint: std::marker::PhantomData<E>,
}

impl Document {
    fn json<E: Endpoint>(&mut self) -> Entry<'_, E> {
        let described = Described { route: E::ROUTE, body: None, parameters: Vec::new(), output: None, statuses: Vec::new() };
        self.described.insert(E::ROUTE.key(), described);
        Entry { document: self, endpoint: std::marker::PhantomData }
    }

    /// An endpoint whose answer is a file.
    fn media<E: Endpoint>(&mut self, media_type: &str) {
        self.json::<E>().described().output = Some(json!({ media_type: {} }));
    }

    fn schema<T: ToSchema>(&mut self) -> Value {
        self.schemas.push((T::name().into_owned(), T::schema()));
        T::schemas(&mut self.schemas);
        json!({"$ref": format!("#/components/schemas/{}", T::name())})
    }

    fn finish(mut self) -> Value {
        self.schema::<ProblemBody<'static>>();
        let mut paths = Map::new();
        for route in ROUTES {
            let described = self.described.get(&route.key()).unwrap_or_else(|| panic!("{} is not described here", route.key()));
            let methods = paths.entry(route.path).or_insert_with(|| json!({}));
            methods[route.method.to_lowercase()] = described.operation();
        }
        let schemas: BTreeMap<_, _> =
            self.schemas.into_iter().map(|(name, schema)| (name, serde_json::to_value(schema).unwrap())).collect();
        json!({
            "openapi": "3.1.0",
            "info": {
                "title": "Tally",
                "version": env!("CARGO_PKG_VERSION"),
                "description": "Backend of a finance team's AI assistant. Errors are RFC 9457 problems with a stable `code`. The API only grows: \
                                fields and routes are added, never changed or removed. The messages of the WebSocket are described in \
                                [asyncapi.json](asyncapi.json).",
                "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
            },
            // Relative to where the document is served.
            "servers": [{"url": "./"}],
            "paths": paths,
            "components": {
                "schemas": schemas,
                "securitySchemes": {
                    "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "Access token of `POST /auth/login`"},
                    "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "Key of `POST /api-keys`, for services"},
                },
            },
        })
    }
}

impl<E: Endpoint> Entry<'_, E> {
    fn described(&mut self) -> &mut Described {
        self.document.described.get_mut(&E::ROUTE.key()).unwrap()
    }

    fn body<T: ToSchema + platform::http::Form>(self) -> Self
    where
        E: Endpoint<Body = T>,
    {
        self.body_as::<T>(&["application/json"])
    }

    fn body_or_form<T: ToSchema + platform::http::Form>(self) -> Self
    where
        E: Endpoint<Body = T>,
    {
        self.body_as::<T>(&["application/json", "application/x-www-form-urlencoded"])
    }

    fn form<T: ToSchema + platform::http::Form>(self) -> Self
    where
        E: Endpoint<Body = T>,
    {
        self.body_as::<T>(&["application/x-www-form-urlencoded"])
    }

    fn body_as<T: ToSchema + platform::http::Form>(mut self, media_types: &[&str]) -> Self
    where
        E: Endpoint<Body = T>,
    {
        let schema = self.document.schema::<T>();
        let content: Map<_, _> = media_types.iter().map(|media_type| ((*media_type).to_owned(), json!({"schema": schema}))).collect();
        let required = !T::OPTIONAL;
        self.described().body = Some(json!({"required": required, "content": content}));
        self
    }

    fn query<T: IntoParams>(mut self) -> Self
    where
        E: Endpoint<Query = T>,
    {
        let parameters = T::into_params(|| Some(utoipa::openapi::path::ParameterIn::Query));
        self.described().parameters.extend(parameters.into_iter().map(|parameter| serde_json::to_value(parameter).unwrap()));
        self
    }

    fn output<T: ToSchema>(mut self) -> Self
    where
        E: Endpoint<Output = T>,
    {
        let schema = self.document.schema::<T>();
        self.described().output = Some(json!({"application/json": {"schema": schema}}));
        self
    }

    /// JSON of this type, or a file of another.
    fn file<T: ToSchema>(mut self, media_type: &str) {
        let schema = self.document.schema::<T>();
        self.described().output = Some(json!({"application/json": {"schema": schema}, media_type: {}}));
    }

    fn status(mut self, status: u16) -> Self {
        self.described().statuses.push(status);
        self
    }
}

impl Described {
    fn operation(&self) -> Value {
        let route = &self.route;
        let mut parameters: Vec<_> = route
            .path
            .split('/')
            .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
            .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}))
            .collect();
        let has_path_parameters = !parameters.is_empty();
        parameters.extend(self.parameters.iter().cloned());
        if route.idempotent {
            parameters.push(json!({
                "name": "Idempotency-Key", "in": "header", "required": false,
                "schema": {"type": "string", "minLength": 1, "maxLength": 128},
                "description": "1 to 128 printable ASCII characters. Within 24 hours the same request with the same key creates nothing \
                                again and is answered with what the first one created.",
            }));
        }
        let mut operation = json!({
            "operationId": format!("{} {}", route.method.to_lowercase(), route.path).replace(['/', '{', '}', ' ', '-', '.'], "_").trim_matches('_'),
            "summary": route.summary,
            "tags": [tag(route)],
            "parameters": parameters,
            "responses": self.responses(has_path_parameters),
        });
        if let Some(body) = &self.body {
            operation["requestBody"] = body.clone();
        }
        let bearer = (!matches!(route.access, Access::Public | Access::Key)).then(|| json!({"bearer": []}));
        let key = route.scope.map(|scope| json!({"apiKey": [scope.as_str()]}));
        if route.access != Access::Public {
            operation["security"] = bearer.into_iter().chain(key).collect();
        }
        operation
    }

    /// Success, and every problem that can follow from the row: by access, input, limits and the stores behind it.
    fn responses(&self, has_path_parameters: bool) -> Value {
        let route = &self.route;
        let mut responses = Map::new();
        let takes_body = route.method != "GET" && route.method != "DELETE";
        let problems = [
            (400, takes_body),
            (401, route.access != Access::Public),
            (403, route.scope.is_some() || matches!(route.access, Access::Role(_) | Access::RoleOrMe { .. })),
            (404, has_path_parameters),
            (409, route.idempotent),
            (413, true),
            (415, takes_body),
            (422, true),
            (429, !route.limits.is_empty() || route.scope.is_some()),
            (500, true),
            (503, route.access != Access::Public || !route.limits.is_empty()),
        ];
        let follow = problems.into_iter().filter(|(_, follows)| *follows).map(|(status, _)| status);
        for status in follow.chain(self.statuses.iter().copied()).chain([route.success]) {
            let mut response = json!({"description": reason(status), "headers": headers(route, status)});
            // `GET /ready` answers with its checks whether they pass or not.
            let is_output = status < 300 || (route.path == "/ready" && status == 503);
            let problem = || json!({"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}});
            match &self.output {
                Some(output) if is_output => response["content"] = output.clone(),
                _ if status >= 400 => response["content"] = problem(),
                _ => {}
            }
            responses.insert(status.to_string(), response);
        }
        Value::Object(responses)
    }
}

/// Headers of an answer beyond those that every HTTP answer has.
fn headers(route: &Route, status: u16) -> Value {
    let mut names = vec!["X-Request-Id"];
    match status {
        202 => names.extend(["Location", "Retry-After", "Preference-Applied"]),
        401 => names.push("WWW-Authenticate"),
        429 | 503 => names.push("Retry-After"),
        200 | 304 if route.path == "/profits" => names.push("ETag"),
        200 if route.path == "/conversations/{id}/export" => names.extend(["Content-Disposition", "Link"]),
        200 if is_list(route) => names.push("Link"),
        201 if route.path == "/auth/register" => names.push("Location"),
        _ => {}
    }
    if !route.limits.is_empty() && (status < 300 || status == 429) {
        names.extend(["RateLimit", "RateLimit-Policy"]);
    }
    let headers: Map<_, _> = names.into_iter().map(|name| (name.to_owned(), json!({"schema": {"type": "string"}}))).collect();
    Value::Object(headers)
}

/// Whether an answer is a page that another may follow.
fn is_list(route: &Route) -> bool {
    let lists = ["/audit", "/api-keys", "/users", "/users/invites", "/conversations", "/conversations/{id}"];
    route.method == "GET" && lists.contains(&route.path)
}

/// The heading under which the documentation page lists a route.
fn tag(route: &Route) -> &'static str {
    match route.function {
        "docs" | "health" | "ready" => "system",
        _ => route.path.split('/').nth(1).unwrap_or("system"),
    }
}

fn reason(status: u16) -> &'static str {
    StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("")
}
