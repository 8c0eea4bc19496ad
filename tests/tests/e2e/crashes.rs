//! Kills the whole stack at any moment. Every result that a client was told is there afterwards,
//! with its event. There is no event without its result.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt as _};
use http::Method;
use serde_json::{Value, json};
use tally_tests::{Caller, Client, binaries, root};
use tokio::sync::mpsc;

const PASSWORD: &str = "Correct-Horse-9";

/// How often the stack is killed.
const KILLS: usize = 10;

/// Clients that register and sign in at the same time.
const CLIENTS: usize = 8;

/// The command `tally`, on a state directory and a port that the next one reuses.
struct Tally(Child);

impl Tally {
    /// Starts the command, and returns when it answers.
    fn start(state: &Path, port: u16) -> Self {
        let mut child = Command::new(binaries().join("tally"))
            .arg("--no-build")
            .arg("--template")
            .arg(root().join("template.yaml"))
            .arg("--state")
            .arg(state)
            .args(["--port", &port.to_string(), "--set", "RateLimits=*=100000/1m"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.contains("ready"), "{line}");
        Self(child)
    }

    /// Ends the command as a power cut would.
    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The attempt of one client with one account, and the answers that arrived before the kill.
struct Attempt {
    username: String,
    /// Id of the account, from a 201.
    registered: Option<String>,
    /// Refresh token, from a 200.
    signed_in: Option<String>,
}

impl Attempt {
    /// Registers an account and signs in, unless the stack is killed first. Every answer is
    /// counted.
    async fn make(client: &Client, username: String, answers: &mpsc::UnboundedSender<()>) -> Self {
        let mut attempt = Self { username, registered: None, signed_in: None };
        let username = &attempt.username;
        let body = json!({
            "username": username, "email": format!("{username}@example.com"), "password": PASSWORD,
        });
        let Some(answer) =
            post(client, "/auth/register", &format!("register-{username}"), &body, 201).await
        else {
            return attempt;
        };
        let _ = answers.send(());
        attempt.registered = Some(answer["user"]["id"].as_str().unwrap().to_owned());
        let body = json!({"username": username, "password": PASSWORD});
        let Some(answer) =
            post(client, "/auth/login", &format!("login-{username}"), &body, 200).await
        else {
            return attempt;
        };
        let _ = answers.send(());
        attempt.signed_in = Some(answer["refresh_token"].as_str().unwrap().to_owned());
        attempt
    }
}

/// An answer, if one arrives. It must have this status.
async fn post(
    client: &Client,
    path: &str,
    request_id: &str,
    body: &Value,
    status: u16,
) -> Option<Value> {
    let response = client
        .request(Method::POST, path)
        .header("x-request-id", request_id)
        .json(body)
        .send()
        .await
        .ok()?;
    let found = response.status().as_u16();
    let text = response.text().await.ok()?;
    assert_eq!(found, status, "{path}: {text}");
    Some(serde_json::from_str(&text).unwrap())
}

/// Ids of the requests that left a success event of an action.
async fn succeeded(client: &Client, auditor: &Caller, action: &str) -> BTreeSet<String> {
    let events = client
        .events(auditor, action)
        .await
        .into_iter()
        .filter(|event| event["outcome"] == "success");
    events.map(|event| event["request_id"].as_str().unwrap().to_owned()).collect()
}

/// Fails unless the accounts, sessions, events and answers agree.
async fn check(client: &Client, attempts: &[Attempt]) {
    let auditor = client.admin().await;
    let registrations = succeeded(client, &auditor, "auth.register").await;
    let logins = succeeded(client, &auditor, "auth.login").await;
    let checks = attempts.iter().map(async |attempt| {
        let username = &attempt.username;
        let has_event = registrations.contains(&format!("register-{username}"));
        let answer = client
            .post("/auth/login", None, &json!({"username": username, "password": PASSWORD}))
            .await;
        // An account and its event exist together or not at all, whether or not the answer arrived.
        assert_eq!(answer.status, if has_event { 200 } else { 401 }, "{username}: {answer:?}");
        if let Some(id) = &attempt.registered {
            assert!(has_event, "{username} was told that it has registered, and there is no event");
            let access = answer.json()["access_token"].as_str().unwrap().to_owned();
            let caller = Caller { username: username.clone(), access, refresh: String::new() };
            assert_eq!(client.get("/auth/me", Some(&caller)).await.expect(200)["user"]["id"], *id);
        }
        if let Some(token) = &attempt.signed_in {
            assert!(
                logins.contains(&format!("login-{username}")),
                "{username} was told that it has signed in, and there is no event"
            );
            client.post("/auth/refresh", None, &json!({"refresh_token": token})).await.expect(200);
        }
    });
    // Run as many at a time as before, because a check is no load test.
    stream::iter(checks).buffer_unordered(CLIENTS).collect::<Vec<()>>().await;
}

#[tokio::test]
async fn what_was_answered_outlives_a_kill_at_any_moment() {
    tally_local::builder::build_binaries(["tally"], &root(), &binaries()).unwrap();
    let state = tempfile::tempdir().unwrap();
    let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let client = Client::new(&format!("http://127.0.0.1:{port}"));
    let mut attempts = Vec::new();
    for kill in 0..KILLS {
        // The port and the directory are free without any cleanup: no process of the last stack is
        // left.
        let tally = Tally::start(state.path(), port);
        check(&client, attempts.last().map_or(&[], Vec::as_slice)).await;
        // Each kill comes a little later, so that it cuts another step.
        attempts
            .push(work_until_killed(&client, tally, &format!("kill{kill}"), 2 * kill + 1).await);
    }
    let _tally = Tally::start(state.path(), port);
    check(&client, &attempts[KILLS - 1]).await;
    let mut attempts: Vec<_> = attempts.into_iter().flatten().collect();
    let told = attempts.iter().filter(|attempt| attempt.registered.is_some()).count();
    assert!(
        told >= KILLS && told < attempts.len(),
        "{told} of {} registrations were answered",
        attempts.len()
    );
    // The checks have spent their tokens.
    for attempt in &mut attempts {
        attempt.signed_in = None;
    }
    check(&client, &attempts).await;
}

/// Runs clients until the stack is killed, which happens after this many answers.
async fn work_until_killed(
    client: &Client,
    tally: Tally,
    name: &str,
    answers: usize,
) -> Vec<Attempt> {
    let (answer, mut answered) = mpsc::unbounded_channel();
    let work = join_all((0..CLIENTS).map(async |number| {
        let mut made: Vec<Attempt> = Vec::new();
        // A client stops after the first attempt that is cut short.
        while made.last().is_none_or(|attempt| attempt.signed_in.is_some()) {
            made.push(
                Attempt::make(client, format!("{name}_{number}_{}", made.len()), &answer).await,
            );
        }
        made
    }));
    let end = async {
        for _ in 0..answers {
            answered.recv().await;
        }
        tally.kill();
    };
    let (made, ()) = futures_util::join!(work, end);
    made.into_iter().flatten().collect()
}
