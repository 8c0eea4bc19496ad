//! An event in the form of OCSF, the Open Cybersecurity Schema Framework (schema.ocsf.io).

mod class;
mod mapping;
mod objects;

use platform::audit::{Event, Outcome};
use platform::clock::Timestamp;
use platform::ids;
use serde_json::{Value, json};

use class::{Class, Severity};
use mapping::Mapping;
use objects::{PRODUCT, object, text, when};

/// Version of the schema. The profile `record_integrity` is new in it, and no release has it yet.
const VERSION: &str = "1.9.0-dev";

/// The event as OCSF has it. It holds the event itself in `raw_data`, byte for byte as the log has
/// it, and the hash of those bytes. So one line of an export is proven by the log.
pub fn render(event: &Event) -> Value {
    let Mapping { class, activity, name, severity } = Mapping::of(event);
    // An attempt that did not succeed is never merely informational.
    let is_success = event.outcome == Outcome::Success;
    let severity = if is_success { severity } else { severity.max(Severity::Low) };
    let (category, category_name) = class.category();
    let failure = (!is_success).then(|| event.outcome.name());
    let raw = event.canonical();
    let mut rendered = object([
        ("activity_id", activity.into()),
        ("activity_name", name.into()),
        ("category_uid", category.into()),
        ("category_name", category_name.into()),
        ("class_uid", class.uid().into()),
        ("class_name", class.name().into()),
        ("type_uid", (class.uid() * 100 + activity).into()),
        ("type_name", type_name(class, activity, name).into()),
        ("severity_id", (severity as u32).into()),
        ("severity", severity.name().into()),
        ("status_id", if is_success { 1 } else { 2 }.into()),
        ("status", if is_success { "Success" } else { "Failure" }.into()),
        ("status_code", failure.map(|name| text(event, "code").unwrap_or(name)).into()),
        // OCSF has no status for what was not allowed.
        ("status_detail", failure.into()),
        ("time", event.time.parse::<Timestamp>().map_or(0, Timestamp::as_millisecond).into()),
        ("message", message(event).into()),
        ("metadata", metadata(event)),
        ("actor", objects::actor(event)),
        ("src_endpoint", objects::source(event)),
        ("http_request", objects::http_request(event)),
        ("unmapped", unmapped(event, class)),
        ("raw_data_size", raw.len().into()),
        ("raw_data_hash", fingerprint(&event.hash, (1, "Flat"))),
        ("raw_data", raw.into()),
    ]);
    if let Some(members) = rendered.as_object_mut() {
        members.extend(of_class(event, class));
        if is_of_ai(event) {
            members.extend(objects::ai_operation(event));
        }
    }
    attested(rendered, &event.id)
}

/// The attributes that only events of the class have.
fn of_class(event: &Event, class: Class) -> Vec<(String, Value)> {
    let attributes = match class {
        Class::AccountChange => vec![("user", objects::subject(event))],
        Class::Authentication => vec![
            ("user", objects::subject(event)),
            ("session", objects::subject_session(event)),
            ("service", objects::service()),
            ("is_remote", true.into()),
            ("auth_protocol_id", when(objects::is_sso(event), 4)),
            ("auth_protocol", when(objects::is_sso(event), "OpenID")),
        ],
        Class::UserAccess => vec![
            ("user", objects::subject(event)),
            ("privileges", mapping::privileges(event).into()),
            ("resources", objects::resources(event)),
        ],
        Class::Api => {
            vec![("api", objects::api(event)), ("resources", objects::resources(event))]
        }
        Class::Datastore => vec![
            ("database", objects::database(event)),
            ("type_id", 1.into()),
            ("type", "Database".into()),
        ],
    };
    let some = attributes.into_iter().filter(|(_, value)| !value.is_null());
    some.map(|(name, value)| (name.to_owned(), value)).collect()
}

/// `Authentication: Logon`. An activity that OCSF does not know has the type `Other`.
fn type_name(class: Class, activity: u32, name: &str) -> String {
    format!("{}: {}", class.name(), if activity == class::OTHER { "Other" } else { name })
}

fn message(event: &Event) -> String {
    let actor = event.actor.as_ref().map_or("", |actor| actor.username.as_str());
    let separator = if actor.is_empty() { "" } else { ": " };
    format!("{actor}{separator}{} ({})", event.action, event.outcome.name())
}

fn metadata(event: &Event) -> Value {
    let profiles: &[&str] =
        if is_of_ai(event) { &["record_integrity", "ai_operation"] } else { &["record_integrity"] };
    object([
        ("uid", event.id.as_str().into()),
        ("version", VERSION.into()),
        ("product", json!({"name": PRODUCT, "vendor_name": PRODUCT, "version": objects::VERSION})),
        ("profiles", profiles.into()),
        ("event_code", event.action.as_str().into()),
        ("correlation_uid", when(!event.request_id.is_empty(), event.request_id.as_str())),
        ("log_name", "audit".into()),
        ("log_version", event.v.to_string().into()),
    ])
}

/// What no attribute of the class holds.
fn unmapped(event: &Event, class: Class) -> Value {
    let has_resources = matches!(class, Class::Api | Class::UserAccess);
    object([
        ("detail", when(!event.detail.is_empty(), json!(event.detail))),
        ("latency_ms", event.latency_ms.into()),
        ("resource", when(!has_resources, event.resource.as_deref())),
        ("texts", when(!event.texts.is_empty(), json!(event.texts))),
    ])
}

/// Adds the attestation of the profile `record_integrity`. Its fingerprint covers the whole event
/// with the attestation, but for the fingerprint.
fn attested(mut event: Value, id: &str) -> Value {
    event["attestation_list"] = json!([{"uid": id}]);
    let text = serde_json_canonicalizer::to_string(&event).unwrap_or_default();
    event["attestation_list"][0]["fingerprint"] = fingerprint(&ids::sha256(&text), (2, "JCS"));
    event
}

/// A SHA-256 in URL-safe base64, of bytes in this serialization.
fn fingerprint(hash: &str, (serialization_id, serialization): (u32, &str)) -> Value {
    json!({
        "algorithm_id": 3,
        "algorithm": "SHA-256",
        "encoding_id": 3,
        "encoding": "Base64URL",
        "serialization_id": serialization_id,
        "serialization": serialization,
        "value": hash,
    })
}

fn is_of_ai(event: &Event) -> bool {
    event.action.starts_with("chat.") || event.action == "job.item"
}

#[cfg(test)]
mod tests;
