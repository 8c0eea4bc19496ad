//! The objects of OCSF that an event fills.

use std::net::IpAddr;

use platform::audit::{Actor, Event};
use serde_json::{Value, json};

/// Name of the product, of its maker and of the service.
pub const PRODUCT: &str = "Tally";

/// Version of the product.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The user who acted. An event without one has the client, by the name that it gives itself, or
/// the service itself if no client asked.
pub fn actor(event: &Event) -> Value {
    match &event.actor {
        Some(actor) => object([("user", user(actor)), ("session", session(actor))]),
        None if event.ip.is_empty() => json!({"app_name": PRODUCT}),
        None if event.user_agent.is_empty() => json!({"app_name": "unknown"}),
        None => json!({"app_name": event.user_agent}),
    }
}

/// The user whom the event is about: its resource, or else the one who acted.
pub fn subject(event: &Event) -> Value {
    let of_resource = resource(event).filter(|(kind, _)| *kind == "user").map(|(_, id)| id);
    match (of_resource, &event.actor) {
        (Some(id), Some(actor)) if actor.user_id == id => user(actor),
        (Some(id), _) => json!({"uid": id, "type_id": 1, "type": "User"}),
        (None, Some(actor)) => user(actor),
        // The fingerprint recognises the identifier that was tried. It may belong to no account.
        (None, None) => object([
            ("name", text(event, "username").unwrap_or("unknown").into()),
            ("uid_alt", text(event, "identifier_hmac").into()),
            ("type_id", 0.into()),
            ("type", "Unknown".into()),
        ]),
    }
}

/// The session that the event is about: its resource, or else that of the user who acted.
pub fn subject_session(event: &Event) -> Value {
    match resource(event) {
        Some(("session", id)) => json!({"uid": id}),
        _ => event.actor.as_ref().map_or(Value::Null, session),
    }
}

/// Whether the user signed in at the identity provider, by OpenID Connect. OCSF has no number for a
/// password. The event does not know whether the provider asked for a second factor.
pub fn is_sso(event: &Event) -> bool {
    text(event, "method") == Some("sso")
}

fn user(actor: &Actor) -> Value {
    json!({"uid": actor.user_id, "name": actor.username, "type_id": 1, "type": "User"})
}

/// The session of a user, or the key by which the user acted without one.
fn session(actor: &Actor) -> Value {
    match (&actor.session_id, &actor.key_id) {
        (None, None) => Value::Null,
        (id, key_id) => object([("uid", json!(id)), ("credential_uid", json!(key_id))]),
    }
}

/// The client's address. For IPv6 it is the first of the /64, which is the name.
pub fn source(event: &Event) -> Value {
    let ip = event.ip.as_str();
    match ip.strip_suffix("/64") {
        Some(network) => json!({"ip": network, "name": ip}),
        None if ip.is_empty() => json!({"svc_name": PRODUCT}),
        None if ip.parse::<IpAddr>().is_ok() => json!({"ip": ip}),
        None => json!({"name": ip}),
    }
}

/// The request, or that which opened the connection.
pub fn http_request(event: &Event) -> Value {
    let request = object([
        ("uid", when(!event.request_id.is_empty(), event.request_id.as_str())),
        ("user_agent", when(!event.user_agent.is_empty(), event.user_agent.as_str())),
    ]);
    when(!event.ip.is_empty(), request)
}

/// The call. A denial has its route.
pub fn api(event: &Event) -> Value {
    let request = json!({"uid": event.request_id});
    object([
        ("operation", text(event, "route").unwrap_or(&event.action).into()),
        ("service", service()),
        ("request", when(!event.request_id.is_empty(), request)),
    ])
}

/// The service that was called, in the version that exports.
pub fn service() -> Value {
    json!({"name": PRODUCT, "uid": "tally", "version": VERSION})
}

/// The resource of the event, in a list.
pub fn resources(event: &Event) -> Value {
    resource(event).map_or(Value::Null, |(kind, id)| json!([{"type": kind, "uid": id}]))
}

/// What the data belong to, by the first part of the action: `profits`, `audit`.
pub fn database(event: &Event) -> Value {
    let name = event.action.split('.').next();
    json!({"name": name, "type_id": 6, "type": "NoSQL"})
}

/// The attributes of the profile `ai_operation`.
pub fn ai_operation(event: &Event) -> impl Iterator<Item = (String, Value)> {
    let is_reply = ["chat.message", "job.item"].contains(&event.action.as_str());
    let tokens = |name: &str| event.detail.get(name).and_then(Value::as_u64);
    // The provider counts what its cache holds by itself.
    let read = ["input_tokens", "cache_read_tokens", "cache_write_tokens"].map(tokens);
    let prompt = read.into_iter().flatten().reduce(|sum, tokens| sum + tokens);
    let completion = tokens("output_tokens");
    let context = object([
        ("uid", text(event, "conversation_id").into()),
        ("service", service()),
        ("ai_role_id", if is_reply { 2 } else { 1 }.into()),
        ("ai_role", if is_reply { "Assistant" } else { "User" }.into()),
        ("prompt_tokens", prompt.into()),
        ("completion_tokens", completion.into()),
        ("total_tokens", prompt.zip(completion).map(|(prompt, written)| prompt + written).into()),
    ]);
    let model = text(event, "model")
        .map(|name| ("ai_model".to_owned(), json!({"name": name, "ai_provider": provider(name)})));
    model.into_iter().chain([("message_context".to_owned(), context)])
}

/// Who serves a model.
fn provider(model: &str) -> &'static str {
    match model {
        "lorem" => PRODUCT,
        name if name.starts_with("claude") => "Anthropic",
        // Both forms are names of Bedrock alone.
        name if name.starts_with("arn:") || name.contains("anthropic.claude") => "Amazon Bedrock",
        _ => "unknown",
    }
}

/// The kind and the id of the resource.
fn resource(event: &Event) -> Option<(&str, &str)> {
    event.resource.as_deref()?.split_once(':')
}

/// A detail that is text.
pub fn text<'a>(event: &'a Event, name: &str) -> Option<&'a str> {
    event.detail.get(name)?.as_str()
}

/// A JSON object without the members that are null.
pub fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
    members.into_iter().filter(|(_, value)| !value.is_null()).collect()
}

/// The value, or null unless `holds`.
pub fn when(holds: bool, value: impl Into<Value>) -> Value {
    if holds { value.into() } else { Value::Null }
}

#[cfg(test)]
mod tests;
