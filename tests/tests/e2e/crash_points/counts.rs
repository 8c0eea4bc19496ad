//! Writes outside transactions: counters, denials, the last use of a key, the event of an
//! emergency, a notice.

use http::Method;
use serde_json::json;
use tally_local::aws::Failure;
use tally_tests::TestStack;

use super::{MOMENTS, TRANSACT, cut, events, post};
use crate::api_keys::new_key;

const UPDATE: &str = "UpdateItem";

#[tokio::test]
async fn a_call_that_is_cut_as_it_is_counted_is_counted_at_most_once() {
    for moment in MOMENTS {
        let stack = TestStack::with(&[("RateLimits", "register=2/1h,*=100000/1m")]).await;
        let register = |name: &str| {
            let body = json!({
                "username": name, "email": format!("{name}@example.com"),
                "password": "Correct-Horse-9",
            });
            post(&stack, "/auth/register", None, &body).header("idempotency-key", name)
        };
        cut(&stack, moment, ("RegisterFunction", UPDATE, "LimitsTable"), register("first")).await;
        let mut statuses = Vec::new();
        for name in ["second", "third", "fourth"] {
            statuses.push(stack.send(register(name)).await.status);
        }
        let expected =
            if moment == Failure::HeldBefore { [201, 201, 429] } else { [201, 429, 429] };
        assert_eq!(statuses, expected, "{moment:?}");
    }
}

#[tokio::test]
async fn a_denial_that_is_cut_leaves_its_event_or_the_next_one_does() {
    // The first denial in a window counts nothing, and then commits the window with its event.
    for operation in [UPDATE, TRANSACT] {
        for moment in MOMENTS {
            let stack = TestStack::start().await;
            let read = || stack.request(Method::GET, "/audit").bearer_auth("not.a.token");
            cut(&stack, moment, ("AuditFunction", operation, "LimitsTable"), read()).await;
            stack.send(read()).await.problem(401, "invalid_token");
            let told = events(&stack, "access.denied", "denied").await;
            assert_eq!(told, 1, "{operation} {moment:?}");
        }
    }
}

#[tokio::test]
async fn a_key_whose_use_is_cut_is_good_all_the_same() {
    for moment in MOMENTS {
        let stack = TestStack::start().await;
        let demo = stack.demo().await;
        let body = new_key(&["profits:read"], std::time::Duration::from_hours(1));
        let key = stack.post("/api-keys", Some(&demo), &body).await.expect(201);
        let read = || {
            stack.request(Method::GET, "/profits").header("x-api-key", key["key"].as_str().unwrap())
        };
        cut(&stack, moment, ("ProfitsFunction", UPDATE, "ApiKeysTable"), read()).await;
        stack.send(read()).await.expect(200);
        let listed = stack.get("/api-keys", Some(&demo)).await.expect(200);
        assert!(listed["items"][0]["last_used_at"].is_string(), "{listed}");
    }
}

#[tokio::test]
async fn an_emergency_that_is_cut_at_its_event_is_done_when_it_is_asked_for_again() {
    for moment in MOMENTS {
        let stack = TestStack::start().await;
        let demo = stack.demo().await;
        let emergency = || {
            stack.local.invoke(
                "RotateRingFunction",
                json!({"emergency": true, "ring": "refresh"}).to_string(),
            )
        };
        let before = stack.secret("RefreshRing").await;
        stack.fail("AuditTable", Some("PutItem"), moment, 1);
        let kill = async {
            stack.local.aws().held().await;
            stack.local.functions().kill("RotateRingFunction").unwrap();
        };
        let (answer, ()) = futures_util::join!(emergency(), kill);
        assert!(answer.is_err(), "{moment:?}");
        // The old ring is still in force, and signed-in users go on.
        assert_eq!(stack.secret("RefreshRing").await, before);
        stack.get("/auth/me", Some(&demo)).await.expect(200);
        emergency().await.unwrap();
        assert_ne!(stack.secret("RefreshRing").await["current"], before["current"]);
        let told = 1 + usize::from(moment == Failure::HeldAfter);
        let auditor = stack.admin().await;
        assert_eq!(stack.events(&auditor, "key.rotated").await.len(), told, "{moment:?}");
    }
}

#[tokio::test]
async fn a_notice_whose_worker_is_cut_does_not_come_and_nothing_else_is_lost() {
    let stack = TestStack::start().await;
    let caller = stack.someone().await;
    stack.fail("ErrandsTable", Some("GetItem"), Failure::HeldBefore, 1);
    let body = json!({"current_password": "Correct-Horse-9", "new_password": "Another-Horse-9"});
    stack.post("/auth/password", Some(&caller), &body).await.expect(204);
    stack.local.aws().held().await;
    stack.local.functions().kill("SendMailFunction").unwrap();
    stack.login(&caller.username, "Another-Horse-9").await;
    assert_eq!(stack.local.outbox().mails().len(), 0);
}
