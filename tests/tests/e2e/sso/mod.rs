//! Single sign-on, against a provider that the tests run themselves. `.ci/check-sso` has real
//! clients.

mod accounts;
pub mod browser;
mod entitlement;
mod lifetime;
mod link;
mod managed;
mod ready;
mod refusals;
mod sign_in;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use platform::store::{Session, Sessions, User, Users};
use serde_json::{Value, json};
use tally_tests::{Answer, Caller, TestStack, id};

/// Signs in with an access token of the provider.
async fn by_token(stack: &TestStack, token: &str) -> Answer {
    stack.post("/auth/sso", None, &json!({"token": token})).await
}

/// The account of a caller.
async fn me(stack: &TestStack, caller: &Caller) -> Value {
    stack.get("/auth/me", Some(caller)).await.expect(200)["user"].clone()
}

/// Exchanges a caller's refresh token.
async fn refresh(stack: &TestStack, caller: &Caller) -> Answer {
    stack.post("/auth/refresh", None, &json!({"refresh_token": caller.refresh})).await
}

/// The caller of an answer with a pair of tokens.
fn caller_of(pair: &Value) -> Caller {
    let text = |member: &str| pair[member].as_str().unwrap().to_owned();
    Caller { username: String::new(), access: text("access_token"), refresh: text("refresh_token") }
}

/// The events of sign-ins by single sign-on, oldest first.
async fn sign_ins(stack: &TestStack) -> Vec<Value> {
    let auditor = stack.admin().await;
    let events = stack.events(&auditor, "auth.login").await.into_iter();
    events.filter(|event| event["detail"]["method"] == "sso").collect()
}

/// Whether an event holds the beginning of a JWT: the first member of its header.
fn has_token(event: &Value) -> bool {
    let text = event.to_string();
    [r#"{"alg":"#, r#"{"kid":"#, r#"{"typ":"#, r#"{"ver":"#, r#"{"aud":"#]
        .iter()
        .any(|start| text.contains(&URL_SAFE_NO_PAD.encode(start)[..8]))
}

/// The session of a caller, as it is stored.
async fn session_of(stack: &TestStack, caller: &Caller) -> Session {
    let listed = stack.get("/auth/sessions", Some(caller)).await.expect(200);
    let items = listed["items"].as_array().unwrap();
    let own = items.iter().find(|session| session["current"] == true).unwrap();
    let sessions = Sessions::new(&stack.platform("SsoFunction")).unwrap();
    sessions.get(&id(own)).await.unwrap().unwrap()
}

/// The account of a caller, as it is stored.
async fn stored(stack: &TestStack, caller: &Caller) -> User {
    let users = Users::new(&stack.platform("SsoFunction")).unwrap();
    users.get(&id(&me(stack, caller).await)).await.unwrap().unwrap()
}

/// The status of the service, and that of single sign-on. Accounts and data answer in any state of
/// the provider.
async fn readiness(stack: &TestStack) -> (Value, Value) {
    let ready = stack.get("/ready", None).await.expect(200);
    (ready["status"].clone(), ready["checks"]["sso"]["status"].clone())
}

fn all_is_well() -> (Value, Value) {
    ("ok".into(), "ok".into())
}

fn sign_ins_fail() -> (Value, Value) {
    ("degraded".into(), "degraded".into())
}
