//! The lifetime of a connection by its token, and the renewal of the token.

use platform::store::{Connection, Connections};
use serde_json::{Value, json};
use tally_tests::{Caller, TestStack};

use super::assert_alive;
use crate::tokens::forger::part;

/// The connection that was opened last, and its stored data.
struct Known {
    connections: Connections,
    id: String,
}

impl Known {
    async fn last(stack: &TestStack, auditor: &Caller) -> Self {
        let platform = stack.platform("ConnectFunction");
        let connections = Connections::new(&platform).unwrap();
        let events = stack.events(auditor, "ws.connect").await;
        let resource = events.last().unwrap()["resource"].as_str().unwrap();
        Self { connections, id: resource.strip_prefix("connection:").unwrap().to_owned() }
    }

    async fn token_exp(&self) -> i64 {
        self.connections.get(&self.id).await.unwrap().unwrap().token_exp
    }

    /// Gives the connection a token that expired this many seconds ago.
    async fn expire(&self, stack: &TestStack, seconds_ago: i64) {
        let platform = stack.platform("ConnectFunction");
        let connection = self.connections.forget(&self.id).await.unwrap().unwrap();
        let expired =
            Connection { token_exp: platform.clock.now().as_second() - seconds_ago, ..connection };
        platform
            .database()
            .unwrap()
            .commit(vec![self.connections.open(&expired).unwrap()])
            .await
            .unwrap();
    }
}

fn renew(token: &str) -> Value {
    json!({"action": "auth.renew", "id": "r", "token": token})
}

fn expiry(token: &str) -> i64 {
    part(token, 1)["exp"].as_i64().unwrap()
}

#[tokio::test]
async fn a_connection_lives_on_by_a_newer_token() {
    let stack = TestStack::start().await;
    let caller = stack.someone().await;
    let auditor = stack.admin().await;
    let mut socket = stack.connect(&caller).await;
    let known = Known::last(&stack, &auditor).await;
    assert_eq!(known.token_exp().await, expiry(&caller.access));

    known.expire(&stack, 3_000).await;
    assert_alive(&mut socket).await;
    let pair = stack
        .post("/auth/refresh", None, &json!({"refresh_token": caller.refresh}))
        .await
        .expect(200);
    let newer = pair["access_token"].as_str().unwrap();
    let renewed = socket.ask(&renew(newer), "auth.renewed").await;
    let expires_at: platform::clock::Timestamp =
        renewed["expires_at"].as_str().unwrap().parse().unwrap();
    assert_eq!((expires_at.as_second(), &renewed["id"]), (expiry(newer), &json!("r")));
    assert_eq!(known.token_exp().await, expiry(newer));

    // A token with an earlier expiry shortens nothing, and the answer has the expiry that applies.
    prolong(&stack, &known, expiry(newer) + 60).await;
    let kept = socket.ask(&renew(&caller.access), "auth.renewed").await;
    let expires_at: platform::clock::Timestamp =
        kept["expires_at"].as_str().unwrap().parse().unwrap();
    assert_eq!(expires_at.as_second(), expiry(newer) + 60);
}

/// Gives a connection a token with this expiry.
async fn prolong(stack: &TestStack, known: &Known, token_exp: i64) {
    let renew = known.connections.renew(&known.id, token_exp);
    stack.platform("ConnectFunction").database().unwrap().commit(vec![renew]).await.unwrap();
}

#[tokio::test]
async fn a_token_of_someone_or_somewhere_else_renews_nothing_and_the_connection_stays() {
    let stack = TestStack::start().await;
    let caller = stack.someone().await;
    let auditor = stack.admin().await;
    let mut socket = stack.connect(&caller).await;
    let known = Known::last(&stack, &auditor).await;
    let before = known.token_exp().await;
    let elsewhere = stack.login(&caller.username, "Correct-Horse-9").await;
    let stranger = stack.someone().await;
    let pair = stack
        .post("/auth/refresh", None, &json!({"refresh_token": caller.refresh}))
        .await
        .expect(200);
    for token in
        ["nonsense", pair["refresh_token"].as_str().unwrap(), &elsewhere.access, &stranger.access]
    {
        let error = socket.ask(&renew(token), "error").await;
        assert_eq!(
            (&error["code"], &error["id"]),
            (&json!("invalid_token"), &json!("r")),
            "{error}"
        );
        assert!(!error.to_string().contains(token), "{error}");
    }
    let error = socket.ask(&json!({"action": "auth.renew"}), "error").await;
    assert_eq!(
        (&error["code"], &error["errors"][0]["pointer"]),
        (&json!("validation_failed"), &json!("/token"))
    );
    assert_alive(&mut socket).await;
    assert_eq!(known.token_exp().await, before);

    let events = stack.events(&auditor, "access.denied").await;
    assert_eq!(events.len(), 1, "once for a user and window");
    assert_eq!(
        (&events[0]["detail"]["route"], &events[0]["actor"]["username"]),
        (&json!("auth.renew"), &json!(caller.username))
    );
}

#[tokio::test]
async fn a_connection_is_closed_an_hour_after_its_token_expired() {
    let stack = TestStack::start().await;
    let caller = stack.someone().await;
    let auditor = stack.admin().await;
    // By now a newer token is too late as well.
    for message in [json!({"action": "ping"}), renew(&caller.access)] {
        let mut socket = stack.connect(&caller).await;
        let known = Known::last(&stack, &auditor).await;
        known.expire(&stack, 3_600).await;
        let error = socket.ask(&message, "error").await;
        assert_eq!(error["code"], "invalid_token");
        assert_eq!(socket.next().await, None, "{message}");
    }
}

#[tokio::test]
async fn a_connection_that_only_listens_is_closed_as_well() {
    let stack = TestStack::start().await;
    let caller = stack.someone().await;
    let auditor = stack.admin().await;
    let mut socket = stack.connect_with(&caller, "?chart_type=line&interval_ms=250").await;
    socket.expect("charts.subscribed").await;
    Known::last(&stack, &auditor).await.expire(&stack, 3_600).await;
    let ended = loop {
        let message = socket.next().await.unwrap();
        if message["type"] != "charts.data" {
            break message;
        }
    };
    assert_eq!(
        (&ended["type"], &ended["reason"]),
        (&json!("charts.ended"), &json!("session_ended"))
    );
    assert_eq!(socket.next().await, None);
}
