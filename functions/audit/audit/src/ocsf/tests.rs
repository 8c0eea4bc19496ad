//! Every action, in the form that the schema allows.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use platform::routes::{ACTIONS, ROUTES};

use super::*;

/// The classes of OCSF 1.9.0-dev that events have. `.ci/ocsf/compile` makes it.
const SCHEMA: &str = include_str!("schema.json");

/// Actions of the contract, beside those that the sources name.
const LATER: [&str; 3] = ["audit.tampered", "profits.exported", "profits.imported"];

/// An event of this action with all members and details.
fn full(action: &str) -> Event {
    let event = json!({
        "v": 1,
        "id": "019ab9a0-0000-7000-8000-000000000000",
        "time": "2027-01-15T08:00:00.123Z",
        "actor": {"user_id": "u-1", "username": "ann", "session_id": "s-1"},
        "action": action,
        "outcome": "success",
        "resource": "user:u-2",
        "ip": "203.0.113.7",
        "user_agent": "test/1",
        "request_id": "r-1",
        "latency_ms": 7,
        "detail": {
            "code": "forbidden", "route": "GET /users", "conversation_id": "c-1", "model": "lorem",
            "input_tokens": 2, "cache_read_tokens": 30, "output_tokens": 4,
            "roles_before": ["user"], "roles": ["admin", "user"], "scopes": ["profits.read"],
        },
        "texts": [{"name": "prompt", "sha256": "x", "bytes": 30, "key_id": "k-1"}],
    });
    sealed(serde_json::from_value(event).unwrap())
}

fn sealed(event: Event) -> Event {
    let hash = event.fingerprint();
    Event { hash, ..event }
}

/// The same event with as little as an event can have.
fn bare(event: Event) -> Event {
    sealed(Event {
        actor: None,
        resource: None,
        ip: String::new(),
        user_agent: String::new(),
        request_id: String::new(),
        detail: std::collections::BTreeMap::new(),
        texts: Vec::new(),
        ..event
    })
}

/// The sources of the functions and of what they share.
fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Prompts that are built in, which have names like actions.
const PROMPTS: [&str; 12] = [
    "agent.auditor",
    "agent.finance",
    "agent.tasks",
    "analysis.summary",
    "code.review",
    "excel.classify",
    "excel.clean",
    "excel.explain",
    "excel.extract",
    "excel.formula",
    "excel.summarize",
    "finance.review",
];

/// Other texts of this form: a part of a model's name, and a host in an example.
const OTHERS: [&str; 2] = ["anthropic.claude", "example.com"];

/// Whether text is the name of an action, and not that of a file or a prompt.
fn is_action(text: &str) -> bool {
    let Some((kind, verb)) = text.split_once('.') else { return false };
    let is_word = |word: &str| {
        !word.is_empty() && word.chars().all(|sign| sign.is_ascii_lowercase() || sign == '_')
    };
    let is_file = ["css", "csv", "html", "js", "json", "sarif", "txt", "zip"].contains(&verb);
    let is_other = PROMPTS.contains(&text) || OTHERS.contains(&text);
    is_word(kind) && is_word(verb) && !is_file && !is_other
}

/// The action of each route, and each name of an action in the sources.
fn actions() -> BTreeSet<String> {
    let of_routes = ROUTES.iter().filter_map(|route| route.audit);
    let of_messages = ACTIONS.iter().filter_map(|route| route.audit);
    let mut actions: BTreeSet<_> =
        of_routes.chain(of_messages).chain(LATER).map(str::to_owned).collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
    let mut files = Vec::new();
    sources(&root.join("functions"), &mut files);
    sources(&root.join("shared"), &mut files);
    // The route table names messages too. Those that are audited are above. The crate of the
    // models' providers writes no event, and knows many names of theirs.
    let skipped = |path: &PathBuf| {
        path.ends_with("platform/src/routes.rs")
            || path.ends_with("tests.rs")
            || path.starts_with(root.join("shared/assistant"))
    };
    for file in files.iter().filter(|path| !skipped(path)) {
        let text = std::fs::read_to_string(file).unwrap();
        let code = text.split("\nmod tests").next().unwrap().lines();
        // A message has its name in a constant.
        let code = code.filter(|line| {
            !line.trim_start().starts_with("//") && !line.contains("TYPE: &'static str")
        });
        for line in code {
            let names = line.split('"').skip(1).step_by(2).filter(|text| is_action(text));
            actions.extend(names.map(str::to_owned));
        }
    }
    actions
}

#[test]
fn every_action_has_a_mapping() {
    let actions = actions();
    for known in ["auth.locked", "chat.message", "audit.exported", "key.rotated", "ws.connect"] {
        assert!(actions.contains(known), "{known} is not found in the sources");
    }
    let missing: Vec<_> = actions.iter().filter(|action| !Mapping::knows(&full(action))).collect();
    assert!(missing.is_empty(), "ocsf/mapping.rs has no row for {missing:?}");
}

#[test]
fn every_event_is_valid_in_the_schema() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    for action in actions().iter().map(String::as_str).chain(["no.such"]) {
        let full = full(action);
        for event in [full.clone(), bare(full)] {
            for outcome in [Outcome::Success, Outcome::Failure, Outcome::Denied] {
                let event = sealed(Event { outcome, ..event.clone() });
                let rendered = render(&event);
                let errors: Vec<_> = schema
                    .iter_errors(&rendered)
                    .map(|error| format!("{}: {error}", error.instance_path()))
                    .collect();
                assert!(errors.is_empty(), "{action}: {errors:#?} {rendered:#}");
            }
        }
    }
    // The schema refuses what it does not know.
    let mut unknown = render(&full("auth.login"));
    let version = unknown["metadata"]["version"].as_str().unwrap();
    assert!(SCHEMA.contains(&format!("from OCSF {version}, ")), "{version}");
    unknown["other"] = 1.into();
    assert!(!schema.is_valid(&unknown));
}

#[test]
fn an_event_of_each_class_has_what_its_class_asks_for() {
    for (action, class, type_name, attributes) in [
        ("auth.login", 3002, "Authentication: Logon", &["user", "session", "service"][..]),
        ("auth.refresh_reuse", 3002, "Authentication: Other", &["user", "session"]),
        ("auth.locked", 3002, "Authentication: Logon", &["user"]),
        ("account.deleted", 3001, "Account Change: Delete", &["user"]),
        ("account.linked", 3001, "Account Change: Other", &["user"]),
        (
            "user.updated",
            3005,
            "User Access Management: Assign Privileges",
            &["user", "privileges"],
        ),
        ("users.read", 6003, "API Activity: Read", &["api", "resources", "http_request"]),
        ("profits.read", 6005, "Datastore Activity: Query", &["database", "src_endpoint"]),
        ("chat.message", 6003, "API Activity: Other", &["ai_model", "message_context"]),
        ("prompt.version_created", 6003, "API Activity: Create", &["api", "resources"]),
        ("prompt.updated", 6003, "API Activity: Update", &["api", "resources"]),
        ("prompt.label_moved", 6003, "API Activity: Update", &["api", "resources"]),
        ("prompt.label_removed", 6003, "API Activity: Delete", &["api", "resources"]),
        ("file.created", 6003, "API Activity: Create", &["api", "resources"]),
        ("file.completed", 6005, "Datastore Activity: Write", &["database"]),
        ("file.rejected", 6003, "API Activity: Other", &["api", "resources"]),
        ("file.read", 6005, "Datastore Activity: Read", &["database"]),
        ("file.deleted", 6005, "Datastore Activity: Delete", &["database"]),
        ("job.requested", 6003, "API Activity: Create", &["api", "resources"]),
        ("job.item", 6003, "API Activity: Other", &["ai_model", "message_context"]),
        ("job.ended", 6003, "API Activity: Other", &["api", "resources"]),
        ("job.exported", 6005, "Datastore Activity: Read", &["database"]),
        ("batch.read", 6005, "Datastore Activity: Read", &["database"]),
        ("job.deleted", 6005, "Datastore Activity: Delete", &["database"]),
        ("no.such", 6003, "API Activity: Other", &["api"]),
    ] {
        let rendered = render(&full(action));
        assert_eq!(rendered["class_uid"], class, "{action}");
        assert_eq!(rendered["type_name"], type_name, "{action}");
        assert_eq!(rendered["metadata"]["event_code"], action);
        for name in attributes {
            assert!(!rendered[*name].is_null(), "{action} {name}: {rendered:#}");
        }
    }
}

#[test]
fn a_sign_in_at_the_identity_provider_has_its_protocol() {
    let mut event = full("auth.login");
    let detail = json!({
        "method": "sso", "tenant": "t-1", "azp": "c-1", "uti": "i-1", "provisioned": true,
    });
    event.detail.extend(serde_json::from_value::<BTreeMap<_, _>>(detail).unwrap());
    let rendered = render(&sealed(event));
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    assert!(jsonschema::validator_for(&schema).unwrap().is_valid(&rendered), "{rendered:#}");
    assert_eq!(
        (&rendered["auth_protocol_id"], &rendered["auth_protocol"], rendered.get("is_mfa")),
        (&json!(4), &json!("OpenID"), None)
    );
    assert_eq!(render(&full("auth.login")).get("auth_protocol_id"), None);
}

#[test]
fn an_attempt_that_did_not_succeed_is_a_failure_of_at_least_low_severity() {
    for (action, outcome, expected) in [
        ("profits.read", Outcome::Success, json!([1, 1, null, null])),
        ("profits.read", Outcome::Failure, json!([2, 2, "forbidden", "failure"])),
        ("profits.read", Outcome::Denied, json!([2, 2, "forbidden", "denied"])),
        ("access.denied", Outcome::Denied, json!([3, 2, "forbidden", "denied"])),
        ("auth.locked", Outcome::Denied, json!([3, 2, "forbidden", "denied"])),
        ("audit.tampered", Outcome::Failure, json!([5, 2, "forbidden", "failure"])),
    ] {
        let rendered = render(&Event { outcome, ..full(action) });
        let names = ["severity_id", "status_id", "status_code", "status_detail"];
        assert_eq!(json!(names.map(|name| rendered[name].clone())), expected, "{action}");
    }
    let without_code = render(&Event { outcome: Outcome::Denied, ..bare(full("auth.login")) });
    assert_eq!(without_code["status_code"], "denied");
}

#[test]
fn the_event_itself_and_its_form_are_both_fingerprinted() {
    let event = full("chat.message");
    let mut rendered = render(&event);
    let raw = rendered["raw_data"].as_str().unwrap().to_owned();
    assert_eq!(rendered["raw_data_hash"]["value"], ids::sha256(&raw));
    assert_eq!(rendered["raw_data_size"], raw.len());
    let mut read: Value = serde_json::from_str(&raw).unwrap();
    read["hash"] = event.hash.clone().into();
    assert_eq!(serde_json::from_value::<Event>(read).unwrap(), event);

    let attestation = rendered["attestation_list"][0].as_object_mut().unwrap();
    let told = attestation.remove("fingerprint").unwrap();
    let text = serde_json_canonicalizer::to_string(&rendered).unwrap();
    assert_eq!(told["value"], ids::sha256(&text));
    // An event that was changed in its table has the hash that it was written with.
    let changed = render(&Event { latency_ms: 8, ..event });
    let raw = changed["raw_data"].as_str().unwrap();
    assert_ne!(changed["raw_data_hash"]["value"], ids::sha256(raw));
}

#[test]
fn what_ocsf_does_not_know_is_unmapped() {
    let event = full("profits.read");
    let expected = json!({
        "detail": event.detail, "latency_ms": 7, "resource": "user:u-2", "texts": event.texts,
    });
    assert_eq!(render(&event)["unmapped"], expected);
    let api = render(&full("users.read"));
    assert_eq!(api["unmapped"].get("resource"), None);
    assert_eq!(api["resources"], json!([{"type": "user", "uid": "u-2"}]));
    assert_eq!(render(&bare(event))["unmapped"], json!({"latency_ms": 7}));
}
