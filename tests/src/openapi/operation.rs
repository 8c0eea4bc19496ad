//! An endpoint's description of itself, and its operation without the answers.

use platform::domain::Role;
use platform::http::{Answer, PathKind, PathParameter, RequestHeader};
use platform::identity::Someone;
use platform::input::Media;
use platform::problem::Code;
use platform::routes::{Access, Route};
use serde_json::{Value, json};
use utoipa::PartialSchema as _;

/// An endpoint's description of itself, as values.
pub struct Description {
    pub route: Route,
    pub name: &'static str,
    pub path: &'static [PathParameter],
    pub query: Vec<Value>,
    pub body: Option<Body>,
    pub statuses: &'static [u16],
    pub problems: &'static [Code],
    pub answers: Vec<Answer>,
}

/// The request body of an endpoint.
pub struct Body {
    pub media: Media,
    pub required: bool,
    /// The content, by media type.
    pub content: Value,
}

/// The operation of an endpoint, under a tag.
pub fn operation(described: &Description, tag: &Value) -> Value {
    let route = &described.route;
    let mut operation = json!({
        "operationId": format!("{}{}", described.name[..1].to_lowercase(), &described.name[1..]),
        "summary": route.summary,
        "description": description(route),
        "tags": [tag["name"]],
        "parameters": parameters(described),
        "security": security(described),
    });
    if let Some(body) = &described.body {
        operation["requestBody"] = json!({"required": body.required, "content": body.content});
    }
    operation
}

/// Describes which callers may use the route, and how often.
fn description(route: &Route) -> String {
    let roles = |roles: &[Role]| {
        roles.iter().map(|role| format!("`{}`", role.as_str())).collect::<Vec<_>>().join(" or ")
    };
    let mut description = match route.access {
        Access::Public => "Anyone may call this.".to_owned(),
        Access::SignedIn => "Any signed-in user may call this.".to_owned(),
        Access::Role(named) => format!("Users with the role {} may call this.", roles(named)),
        Access::Key => "Services with an API key may call this.".to_owned(),
        Access::AnyKey => "Services with an API key may call this. The key may also come as a \
                           bearer token. Each tool needs a scope of its own."
            .to_owned(),
        Access::RoleOrMe { roles: named, .. } => {
            format!(
                "Users with the role {} may call this. Any signed-in user may call it about \
                 themselves.",
                roles(named)
            )
        }
    };
    if let Some(scope) = route.scope {
        description.extend([" An API key needs the scope `", scope.as_str(), "`."]);
    }
    if !route.limits.is_empty() {
        let limits: Vec<_> =
            route.limits.iter().map(|policy| format!("`{}`", policy.name)).collect();
        description.extend([" Limits: ", &limits.join(", "), "."]);
    }
    description
}

fn security(described: &Description) -> Value {
    let route = &described.route;
    let bearer =
        matches!(route.access, Access::SignedIn | Access::Role(_) | Access::RoleOrMe { .. })
            .then(|| json!({"bearer": []}));
    let scopes: Vec<_> = route.scope.iter().map(|scope| scope.as_str()).collect();
    let key = route.takes_keys().then(|| json!({"apiKey": scopes}));
    bearer.into_iter().chain(key).collect()
}

fn parameters(described: &Description) -> Vec<Value> {
    let route = &described.route;
    let names: Vec<_> = route
        .path
        .split('/')
        .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
        .collect();
    let described_names: Vec<_> = described.path.iter().map(|parameter| parameter.name).collect();
    assert_eq!(
        names,
        described_names,
        "{} has to describe the parameters of its path",
        route.key()
    );
    let path = described.path.iter().map(|parameter| {
        let schema = match parameter.kind {
            PathKind::Id => json!({"type": "string", "format": "uuid"}),
            PathKind::IdOrMe => json!(Someone::schema()),
            PathKind::OneOf(texts) => json!({"type": "string", "enum": texts}),
            PathKind::UpTo(most) => json!({"type": "integer", "minimum": 1, "maximum": most}),
            PathKind::Matching(pattern) => json!({"type": "string", "pattern": pattern}),
        };
        json!({
            "name": parameter.name, "in": "path", "required": true,
            "description": parameter.description, "schema": schema,
        })
    });
    let asked = described.answers.iter().filter_map(|answer| answer.asked_by);
    let asked = asked.map(|header| match header {
        RequestHeader::IfNoneMatch => json!({
            "name": "If-None-Match", "in": "header", "required": false,
            "schema": {"type": "string"},
            "description": "The `ETag` of an earlier answer. If the answer is still the same, the \
                            status is 304.",
        }),
        RequestHeader::Prefer => json!({
            "name": "Prefer", "in": "header", "required": false, "schema": {"type": "string"},
            "example": "respond-async",
            "description": "`respond-async` (RFC 7240) asks for a 202 at once.",
        }),
    });
    let of_version = described.problems.contains(&Code::PreconditionFailed).then(|| {
        json!({
            "name": "If-Match", "in": "header", "required": false, "schema": {"type": "string"},
            "example": "\"3\"",
            "description": "The `ETag` of the version that you know. If the resource has another \
                            one, nothing changes and the status is 412.",
        })
    });
    let key = route.idempotent.then(|| {
        json!({
            "name": "Idempotency-Key", "in": "header", "required": false,
            "schema": {"type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[!-~]([ -~]*[!-~])?$"},
            "description": "1 to 128 printable ASCII characters. Within 24 hours the same request \
                            with the same key creates nothing again. The answer has what the first \
                            request created. An answer of 429 or 5xx frees the key.",
        })
    });
    let query = described.query.iter().cloned();
    path.chain(query).chain(asked).chain(of_version).chain(key).collect()
}
