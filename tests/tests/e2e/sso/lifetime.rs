//! How long a session and API keys last after a sign-in.

use std::time::Duration;

use platform::store::{Sessions, SsoLink, User, Users};
use serde_json::json;
use tally_tests::TestStack;
use tally_tests::fake_tenant::{FakeTenant, Person};

use super::accounts::with_key;
use super::{caller_of, refresh, session_of, stored};
use crate::api_keys::new_key;

#[tokio::test]
async fn a_session_ends_although_it_is_refreshed() {
    let tenant = FakeTenant::start();
    let stack = TestStack::with_sso(&tenant, &[("SsoSessionSeconds", "900")]).await;
    let caller = stack.sso(&tenant, &Person::new("Anna")).await;
    let begun = session_of(&stack, &caller).await;
    let ends_at = begun.began_at / 1_000 + 900;
    assert_eq!((begun.ends_at, begun.expires_at), (Some(ends_at), ends_at));

    let caller = caller_of(&refresh(&stack, &caller).await.expect(200));
    let refreshed = session_of(&stack, &caller).await;
    assert_eq!((refreshed.ends_at, refreshed.expires_at), (Some(ends_at), ends_at));
    assert_eq!(stored(&stack, &caller).await.sessions[&refreshed.id], ends_at);

    // The same session nine hundred seconds later.
    let platform = stack.platform("SsoFunction");
    let now = platform.clock.now().as_second();
    let over = Sessions::new(&platform).unwrap().bound(&refreshed, now);
    platform.database().unwrap().commit(vec![over]).await.unwrap();
    refresh(&stack, &caller).await.problem(401, "invalid_refresh_token");
    stack.post("/auth/ws-ticket", Some(&caller), &json!({})).await.problem(401, "invalid_token");
}

#[tokio::test]
async fn no_token_outlives_a_session_that_ends_soon() {
    let tenant = FakeTenant::start();
    let extra = [("SsoSessionSeconds", "900"), ("AccessTokenSeconds", "3600")];
    let stack = TestStack::with_sso(&tenant, &extra).await;
    let caller = stack.sso(&tenant, &Person::new("Anna")).await;
    let pair = refresh(&stack, &caller).await.expect(200);
    assert!(pair["expires_in"].as_u64().is_some_and(|seconds| seconds <= 900), "{pair}");
}

#[tokio::test]
async fn a_key_ends_unless_its_owner_signs_in_again() {
    let tenant = FakeTenant::start();
    let stack = TestStack::with_sso(&tenant, &[("SsoKeyDays", "2")]).await;
    let person = Person::new("Anna");
    let caller = stack.sso(&tenant, &person).await;
    let new = new_key(&["profits:read"], Duration::from_hours(24 * 7));
    let key = stack.post("/api-keys", Some(&caller), &new).await.expect(201);
    with_key(&stack, &key).await.expect(200);

    let before = stored(&stack, &caller).await;
    let platform = stack.platform("SsoFunction");
    let now = platform.clock.now().as_millisecond();
    let sso = before.sso.clone().unwrap();
    assert!((sso.keys_until - now - 2 * 86_400_000).abs() < 60_000, "{}", sso.keys_until);
    // The same account two days later.
    let after = User { sso: Some(SsoLink { keys_until: now, ..sso }), ..before.clone() };
    let writes = Users::new(&platform).unwrap().become_as(&before, &after).unwrap();
    platform.database().unwrap().commit(writes).await.unwrap();
    with_key(&stack, &key).await.problem(401, "invalid_token");
    // Its owner's session goes on, and tells nothing of the provider.
    let caller = caller_of(&refresh(&stack, &caller).await.expect(200));
    with_key(&stack, &key).await.problem(401, "invalid_token");

    stack.sso(&tenant, &person).await;
    with_key(&stack, &key).await.expect(200);
    assert!(stored(&stack, &caller).await.sso.unwrap().keys_until > now);
}
