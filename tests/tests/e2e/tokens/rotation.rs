//! The rotation of the rings, as Secrets Manager and operators start it.

use platform::clock::Clock;
use serde_json::{Value, json};
use tally_local::aws::{Failure, State};
use tally_tests::{Caller, TestStack};

use super::forger::{Forger, part};
use super::{me, refresh};

const RINGS: [(&str, &str); 2] = [("access", "AccessRing"), ("refresh", "RefreshRing")];

async fn rotate(stack: &TestStack, ring: &str) -> Result<Value, String> {
    stack.secrets_manager("RotateSecret", ring, json!({})).await
}

/// Invokes the function itself, as Secrets Manager and operators do.
async fn invoke(stack: &TestStack, payload: Value) -> Result<(), String> {
    stack
        .local
        .invoke("RotateRingFunction", payload.to_string())
        .await
        .map(|_| ())
        .map_err(|error| error.to_string())
}

/// Key ids of a ring, the current key's first.
fn kids(kind: &str, ring: &Value) -> Vec<String> {
    let forger =
        |text: &Value| if kind == "access" { Forger::access(text) } else { Forger::refresh(text) };
    ["current", "next", "previous"]
        .iter()
        .filter_map(|name| ring.get(*name))
        .map(|text| forger(text).kid)
        .collect()
}

/// A stack with full rings that were made this many seconds ago. The third age is that of the
/// access ring's last rotation.
async fn with_rings(
    access_age: i64,
    refresh_age: i64,
    rotation_age: Option<i64>,
) -> (TestStack, tempfile::TempDir) {
    let state = tempfile::tempdir().unwrap();
    let now = Clock::System.now().as_second();
    let ago = |age| now - age;
    let ring = |age: i64, rotated_at: Option<i64>| {
        let keys =
            json!({"current": "b".repeat(64), "next": "c".repeat(64), "previous": "a".repeat(64)})
                .to_string();
        let version = json!({
            "created_at_seconds": ago(age), "stages": ["AWSCURRENT"], "secret_string": keys,
        });
        json!({"versions": {"first": version}, "rotated_at_seconds": rotated_at})
    };
    let secrets = json!({
        "tally-local-AccessRing": ring(access_age, rotation_age.map(ago)),
        "tally-local-RefreshRing": ring(refresh_age, None),
    });
    std::fs::write(state.path().join("secrets.json"), secrets.to_string()).unwrap();
    (
        TestStack::of(|options| options.state = State::Directory(state.path().to_owned())).await,
        state,
    )
}

#[tokio::test]
async fn a_rotation_shifts_the_ring_leaves_its_event_and_ends_no_session() {
    let stack = TestStack::start().await;
    let caller = stack.demo().await;
    me(&stack, &caller.access).await.expect(200);
    for (kind, ring) in RINGS {
        let before = stack.secret(ring).await;
        rotate(&stack, ring).await.unwrap();
        let after = stack.secret(ring).await;
        assert_eq!(after["previous"], before["current"]);
        for name in ["current", "next"] {
            assert_eq!(after[name].as_str().unwrap().len(), 64);
        }
        let events = stack.events(&stack.admin().await, "key.rotated").await;
        let event =
            events.iter().find(|event| event["resource"] == format!("ring:{kind}")).unwrap();
        assert_eq!(event["outcome"], "success");
        let detail = json!({
            "ring": kind, "emergency": false, "kids_before": kids(kind, &before),
            "kids_after": kids(kind, &after),
        });
        assert_eq!(event["detail"], detail);
    }
    // Both tokens are signed by keys that no longer sign.
    me(&stack, &caller.access).await.expect(200);
    let pair = refresh(&stack, &caller.refresh).await.expect(200);
    let signed_by = |token: &Value| part(token.as_str().unwrap(), 0)["kid"].clone();
    assert_eq!(
        signed_by(&pair["refresh_token"]),
        kids("refresh", &stack.secret("RefreshRing").await)[0]
    );
    assert_eq!(
        signed_by(&pair["access_token"]),
        kids("access", &stack.secret("AccessRing").await)[0]
    );
    me(&stack, pair["access_token"].as_str().unwrap()).await.expect(200);
}

#[tokio::test]
async fn a_shift_that_would_drop_a_key_that_is_needed_is_refused() {
    // Five minutes of caches, the token's time and the leeway: 1,230 s, and with a session's seven
    // days 605,130 s.
    for (access_age, refresh_age, rotation_age) in
        [(1_200, 605_000, None), (2_000_000, 5, Some(1_200))]
    {
        let (stack, _state) = with_rings(access_age, refresh_age, rotation_age).await;
        for (_, ring) in RINGS {
            let before = stack.secret(ring).await;
            // The refusal comes the first time and again at a retry.
            for _ in 0..2 {
                let refusal = rotate(&stack, ring).await.unwrap_err();
                assert!(
                    refusal.contains("createSecret") && refusal.contains("are valid until"),
                    "{refusal}"
                );
            }
            assert_eq!(stack.secret(ring).await, before);
        }
        assert!(stack.events(&stack.admin().await, "key.rotated").await.is_empty());
    }
    let (stack, _state) = with_rings(1_231, 605_131, None).await;
    for (_, ring) in RINGS {
        rotate(&stack, ring).await.unwrap();
        let after = stack.secret(ring).await;
        assert_eq!(
            (&after["previous"], &after["current"]),
            (&json!("b".repeat(64)), &json!("c".repeat(64)))
        );
        // That was a shift, so another rotation has to wait.
        rotate(&stack, ring).await.unwrap_err();
    }
}

#[tokio::test]
async fn a_rotation_that_cannot_be_recorded_waits_and_is_finished_with_the_keys_it_began_with() {
    let stack = TestStack::start().await;
    let before = stack.secret("AccessRing").await;
    let pending = async || {
        let found = stack
            .secrets_manager("GetSecretValue", "AccessRing", json!({"VersionStage": "AWSPENDING"}))
            .await
            .unwrap();
        (found["VersionId"].clone(), found["SecretString"].clone())
    };
    stack.fail("AuditTable", None, Failure::Internal, usize::MAX);
    let refusal = rotate(&stack, "AccessRing").await.unwrap_err();
    assert!(refusal.contains("finishSecret") && refusal.contains("unavailable"), "{refusal}");
    assert_eq!(stack.secret("AccessRing").await, before);
    let begun = pending().await;

    stack.local.aws().recover();
    let rotated = rotate(&stack, "AccessRing").await.unwrap();
    assert_eq!(rotated["VersionId"], begun.0);
    assert_eq!(
        begun.1.as_str().unwrap().parse::<Value>().unwrap(),
        stack.secret("AccessRing").await
    );
    assert_eq!(stack.events(&stack.admin().await, "key.rotated").await.len(), 1);

    // After the end, a repeated step has no effect.
    for step in ["createSecret", "setSecret", "testSecret", "finishSecret"] {
        let event = json!({
            "SecretId": stack.secret_arn("AccessRing"), "ClientRequestToken": begun.0, "Step": step,
        });
        invoke(&stack, event).await.unwrap();
    }
    assert_eq!(pending().await, begun);
    assert_eq!(stack.events(&stack.admin().await, "key.rotated").await.len(), 1);
}

#[tokio::test]
async fn a_rotation_that_fails_after_its_event_is_recorded_again_when_it_is_done() {
    let stack = TestStack::start().await;
    let before = stack.secret("AccessRing").await;
    // The answers to all three of the SDK's tries are lost.
    stack.fail("AuditTable", Some("PutItem"), Failure::AnswerLost, 3);
    rotate(&stack, "AccessRing").await.unwrap_err();
    assert_eq!(stack.secret("AccessRing").await, before);
    rotate(&stack, "AccessRing").await.unwrap();
    let events = stack.events(&stack.admin().await, "key.rotated").await;
    assert_eq!(events.len(), 2);
    for event in events {
        assert_eq!(
            event["detail"]["kids_after"],
            json!(kids("access", &stack.secret("AccessRing").await))
        );
    }
}

#[tokio::test]
async fn an_emergency_replaces_every_key_and_what_was_signed_dies() {
    let stack = TestStack::start().await;
    let caller = stack.demo().await;
    let admin = stack.admin().await;
    me(&stack, &caller.access).await.expect(200);
    let mut found = Vec::new();
    for (kind, ring) in RINGS {
        let before = stack.secret(ring).await;
        invoke(&stack, json!({"emergency": true, "ring": kind})).await.unwrap();
        let after = stack.secret(ring).await;
        let old = kids(kind, &before);
        let new = kids(kind, &after);
        assert_eq!((new.len(), after.get("previous")), (2, None));
        assert!(new.iter().all(|kid| !old.contains(kid)), "{old:?} {new:?}");
        found.push(json!({"ring": kind, "emergency": true, "kids_before": old, "kids_after": new}));
    }
    // A warm function learns of it with the first token of the new ring, or else within five
    // minutes.
    let forger = Forger::access(&stack.secret("AccessRing").await["current"]);
    let again = |access: &str| forger.token(&part(access, 1));
    me(&stack, &again(&caller.access)).await.expect(200);
    me(&stack, &caller.access).await.problem(401, "invalid_token");
    refresh(&stack, &caller.refresh).await.problem(401, "invalid_refresh_token");
    let auditor = Caller { access: again(&admin.access), ..admin };
    let events = stack.events(&auditor, "key.rotated").await;
    assert_eq!(events.iter().map(|event| event["detail"].clone()).collect::<Vec<_>>(), found);
    // The next key has only just been published.
    assert!(rotate(&stack, "AccessRing").await.unwrap_err().contains("createSecret"));
}

#[tokio::test]
async fn a_rotation_under_way_does_not_bring_back_what_an_emergency_has_replaced() {
    let stack = TestStack::start().await;
    stack.fail("AuditTable", None, Failure::Internal, usize::MAX);
    rotate(&stack, "AccessRing").await.unwrap_err();
    let pending = stack
        .secrets_manager("GetSecretValue", "AccessRing", json!({"VersionStage": "AWSPENDING"}))
        .await
        .unwrap();
    stack.local.aws().recover();
    invoke(&stack, json!({"emergency": true, "ring": "access"})).await.unwrap();
    let replaced = stack.secret("AccessRing").await;

    let finish = json!({
        "SecretId": stack.secret_arn("AccessRing"), "ClientRequestToken": pending["VersionId"],
        "Step": "finishSecret",
    });
    let refusal = invoke(&stack, finish.clone()).await.unwrap_err();
    assert!(refusal.contains("an emergency rotation has ended it"), "{refusal}");
    // It is refused even if the same value gets the label again.
    let members = json!({
        "ClientRequestToken": "late", "SecretString": pending["SecretString"],
        "VersionStages": ["AWSPENDING"],
    });
    stack.secrets_manager("PutSecretValue", "AccessRing", members).await.unwrap();
    for step in ["testSecret", "finishSecret"] {
        let event = json!({
            "SecretId": stack.secret_arn("AccessRing"), "ClientRequestToken": "late", "Step": step,
        });
        let refusal = invoke(&stack, event).await.unwrap_err();
        assert!(refusal.contains("does not follow"), "{refusal}");
    }
    assert_eq!(stack.secret("AccessRing").await, replaced);
}

#[tokio::test]
async fn what_is_no_rotation_of_a_ring_is_refused() {
    let stack = TestStack::start().await;
    let before = (stack.secret("AccessRing").await, stack.secret("SealSecret").await);
    let ring = stack.secret_arn("AccessRing");
    let seal_secret = stack.secret_arn("SealSecret");
    for payload in [
        json!({"SecretId": seal_secret, "ClientRequestToken": "t", "Step": "createSecret"}),
        json!({"SecretId": ring, "ClientRequestToken": "t", "Step": "createSecret"}),
        json!({"SecretId": ring, "ClientRequestToken": "t", "Step": "finishSecret"}),
        json!({"SecretId": ring, "ClientRequestToken": "t", "Step": "dropSecret"}),
        json!({"emergency": false, "ring": "access"}),
        json!({"emergency": "yes", "ring": "access"}),
        json!({"emergency": true, "ring": "seal"}),
        json!({"emergency": true}),
        json!({}),
    ] {
        invoke(&stack, payload.clone()).await.expect_err(&payload.to_string());
    }
    assert_eq!((stack.secret("AccessRing").await, stack.secret("SealSecret").await), before);
    assert!(stack.events(&stack.admin().await, "key.rotated").await.is_empty());
}
