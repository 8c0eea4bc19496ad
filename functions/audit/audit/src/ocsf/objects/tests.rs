//! The objects, case by case.

use platform::audit::Outcome;

use super::*;

fn event() -> Event {
    Event {
        v: 1,
        id: "i-1".into(),
        time: "2027-01-15T08:00:00.123Z".into(),
        actor: None,
        action: "auth.login".into(),
        outcome: Outcome::Success,
        resource: None,
        ip: "203.0.113.7".into(),
        user_agent: "test/1".into(),
        request_id: "r-1".into(),
        latency_ms: 7,
        detail: std::collections::BTreeMap::new(),
        texts: Vec::new(),
        hash: String::new(),
    }
}

fn detailed(action: &str, detail: &Value) -> Event {
    let detail = serde_json::from_value(detail.clone()).unwrap();
    Event { action: action.into(), detail, ..event() }
}

fn ann(session_id: Option<&str>, key_id: Option<&str>) -> Actor {
    let (session_id, key_id) = (session_id.map(str::to_owned), key_id.map(str::to_owned));
    Actor { session_id, key_id, ..Actor::user("u-1", "ann") }
}

#[test]
fn an_actor_is_the_user_or_the_client_or_the_service() {
    let user = json!({"uid": "u-1", "name": "ann", "type_id": 1, "type": "User"});
    for (actor, expected) in [
        (ann(None, None), json!({"user": user})),
        (ann(Some("s-1"), None), json!({"user": user, "session": {"uid": "s-1"}})),
        (ann(None, Some("k-1")), json!({"user": user, "session": {"credential_uid": "k-1"}})),
    ] {
        assert_eq!(super::actor(&Event { actor: Some(actor), ..event() }), expected);
    }
    let by = |ip: &str, user_agent: &str| {
        super::actor(&Event { ip: ip.into(), user_agent: user_agent.into(), ..event() })
    };
    assert_eq!(by("203.0.113.7", "test/1"), json!({"app_name": "test/1"}));
    assert_eq!(by("203.0.113.7", ""), json!({"app_name": "unknown"}));
    assert_eq!(by("", ""), json!({"app_name": "Tally"}));
}

#[test]
fn the_subject_is_the_resource_or_the_actor_or_what_was_tried() {
    let of = |resource: &str, actor: Option<Actor>, detail: &Value| {
        let resource = (!resource.is_empty()).then(|| resource.to_owned());
        subject(&Event { resource, actor, ..detailed("auth.login", detail) })
    };
    let none = json!({});
    let ann_by_name = json!({"uid": "u-1", "name": "ann", "type_id": 1, "type": "User"});
    assert_eq!(of("user:u-1", Some(ann(None, None)), &none), ann_by_name);
    assert_eq!(of("session:s-1", Some(ann(None, None)), &none), ann_by_name);
    let other = json!({"uid": "u-2", "type_id": 1, "type": "User"});
    assert_eq!(of("user:u-2", Some(ann(None, None)), &none), other);
    assert_eq!(of("user:u-2", None, &none), other);
    let tried = json!({"name": "unknown", "uid_alt": "h", "type_id": 0, "type": "Unknown"});
    assert_eq!(of("", None, &json!({"identifier_hmac": "h"})), tried);
    assert_eq!(of("", None, &json!({"username": "bob"}))["name"], "bob");
}

#[test]
fn the_session_is_the_resource_or_that_of_the_actor() {
    let of = |resource: Option<&str>, actor: Option<Actor>| {
        subject_session(&Event { resource: resource.map(str::to_owned), actor, ..event() })
    };
    assert_eq!(of(Some("session:s-2"), Some(ann(Some("s-1"), None))), json!({"uid": "s-2"}));
    assert_eq!(of(Some("user:u-1"), Some(ann(Some("s-1"), None))), json!({"uid": "s-1"}));
    assert_eq!(of(None, None), Value::Null);
}

#[test]
fn an_address_is_an_ip_where_it_is_one() {
    for (ip, expected) in [
        ("203.0.113.7", json!({"ip": "203.0.113.7"})),
        ("2001:db8:1:2::/64", json!({"ip": "2001:db8:1:2::", "name": "2001:db8:1:2::/64"})),
        ("unknown", json!({"name": "unknown"})),
        ("", json!({"svc_name": "Tally"})),
    ] {
        assert_eq!(source(&Event { ip: ip.into(), ..event() }), expected, "{ip}");
    }
    let request = json!({"uid": "r-1", "user_agent": "test/1"});
    assert_eq!(http_request(&event()), request);
    assert_eq!(http_request(&Event { ip: String::new(), ..event() }), Value::Null);
}

#[test]
fn a_call_is_the_action_or_the_route_that_was_denied() {
    assert_eq!(api(&event())["operation"], "auth.login");
    let denied = detailed("access.denied", &json!({"route": "GET /users"}));
    assert_eq!(api(&denied)["operation"], "GET /users");
    assert_eq!(api(&denied)["request"], json!({"uid": "r-1"}));
    let of_worker = Event { request_id: String::new(), ..event() };
    assert_eq!(api(&of_worker).get("request"), None);
}

#[test]
fn an_operation_of_ai_has_its_model_and_tokens() {
    let reply = detailed(
        "chat.message",
        &json!({
            "conversation_id": "c-1", "model": "claude-x", "input_tokens": 2,
            "cache_read_tokens": 30, "cache_write_tokens": 400, "output_tokens": 4,
        }),
    );
    let attributes: Value = ai_operation(&reply).collect();
    let expected = json!({
        "ai_model": {"name": "claude-x", "ai_provider": "Anthropic"},
        "message_context": {
            "uid": "c-1", "service": service(), "ai_role_id": 2, "ai_role": "Assistant",
            "prompt_tokens": 432, "completion_tokens": 4, "total_tokens": 436,
        },
    });
    assert_eq!(attributes, expected);
    let request: Value = ai_operation(&detailed("chat.requested", &json!({}))).collect();
    let context = json!({"service": service(), "ai_role_id": 1, "ai_role": "User"});
    assert_eq!(request, json!({"message_context": context}));
    for (model, expected) in [
        ("lorem", "Tally"),
        ("claude-x", "Anthropic"),
        ("eu.anthropic.claude-x-v1:0", "Amazon Bedrock"),
        ("arn:aws:bedrock:us-east-1:000000000000:inference-profile/x", "Amazon Bedrock"),
        ("gpt", "unknown"),
    ] {
        assert_eq!(provider(model), expected);
    }
}
