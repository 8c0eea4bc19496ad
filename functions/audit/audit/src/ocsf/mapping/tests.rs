//! What the details of an event decide.

use serde_json::json;

use super::*;

fn event(action: &str, detail: &Value) -> Event {
    let event = json!({
        "v": 1, "id": "i-1", "time": "2027-01-15T08:00:00.123Z", "action": action,
        "outcome": "success", "ip": "", "user_agent": "", "request_id": "", "latency_ms": 0,
        "detail": detail,
    });
    serde_json::from_value(event).unwrap()
}

#[test]
fn the_details_of_a_change_say_what_it_was() {
    for (detail, expected, rights) in [
        (json!({}), (AccountChange, OTHER, Informational), vec![]),
        (json!({"was_active": true, "is_active": false}), (AccountChange, 5, Low), vec![]),
        (json!({"was_active": false, "is_active": true}), (AccountChange, 2, Low), vec![]),
        (
            json!({"roles_before": ["user"], "roles": ["admin", "auditor", "user"]}),
            (UserAccess, 1, Medium),
            vec!["admin", "auditor"],
        ),
        (
            json!({"roles_before": ["admin", "user"], "roles": ["user"]}),
            (UserAccess, 2, Low),
            vec!["admin"],
        ),
        // Rights that were given come first.
        (
            json!({"roles_before": ["admin"], "roles": ["auditor"], "is_active": false}),
            (UserAccess, 1, Medium),
            vec!["auditor"],
        ),
        // Details that are none of ours.
        (
            json!({"roles_before": "admin", "roles": [1], "is_active": "no"}),
            (AccountChange, OTHER, Informational),
            vec![],
        ),
    ] {
        let event = event("user.updated", &detail);
        let Mapping { class, activity, severity, .. } = Mapping::of(&event);
        assert_eq!((class, activity, severity), expected, "{detail}");
        assert_eq!(privileges(&event), rights, "{detail}");
    }
}

#[test]
fn the_rights_of_a_key_are_its_scopes() {
    let created = event("apikey.created", &json!({"scopes": ["profits.read", "chat.write"]}));
    assert_eq!(privileges(&created), vec!["profits.read", "chat.write"]);
    assert_eq!(privileges(&event("apikey.deleted", &json!({}))), Vec::<&str>::new());
    assert_eq!(privileges(&event("admin.bootstrapped", &json!({}))), vec!["admin"]);
    assert_eq!(privileges(&event("group.member_added", &json!({"group_id": "g"}))), vec!["g"]);
}

#[test]
fn an_unknown_action_keeps_its_name() {
    let event = event("no.such", &json!({}));
    let own = Mapping { class: Api, activity: OTHER, name: "no.such", severity: Informational };
    assert_eq!((Mapping::of(&event), Mapping::knows(&event)), (own, false));
}
