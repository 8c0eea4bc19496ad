//! Password hashes: equal work for all refused logins, and stronger hashes that replace weaker
//! ones.

use std::io::Write;
use std::sync::{Arc, Mutex};

use futures_util::future::join_all;
use platform::context::Context;
use platform::domain::{Email, Role, Username};
use platform::store::{User, Users};
use platform::{Platform, ids};
use serde_json::json;
use tally_accounts::domain::{Hasher, Password};
use tally_accounts::sessions::{Attempt, PasswordLogin};
use tally_tests::{Answer, TestStack};
use tracing_subscriber::filter::LevelFilter;

const PASSWORD: &str = "Correct-Horse-9";

/// Hashes of `password`, made by Argon2's reference implementation.
const WEAK_ARGON2ID: &str =
    "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc";
const ARGON2I: &str =
    "$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$wWKIMhR9lyDFvRz9YTZweHKfbftvj+qf+YFY4NeBbtA";
const STRONG_ARGON2ID: &str =
    "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";

/// Prefixes of the hashes, by setting.
const OURS: [(&str, &str); 2] =
    [("argon2id", "$argon2id$v=19$m=19456,t=2,p=1$"), ("bcrypt", "$bcrypt-hmac-sha384$2b$12$")];

/// Accounts as an operator may have imported them.
struct Accounts {
    users: Users,
    platform: Platform,
}

impl Accounts {
    fn of(stack: &TestStack) -> Self {
        let platform = stack.platform("LoginFunction");
        Self { users: Users::new(&platform).unwrap(), platform }
    }

    async fn import(&self, name: &str, hash: &str, is_active: bool) {
        let (username, email): (Username, Email) =
            (name.parse().unwrap(), format!("{name}@example.com").parse().unwrap());
        let now = self.platform.clock.now();
        let user = User {
            id: ids::new_id(now),
            username: username.to_string(),
            email: Some(email.to_string()),
            unverified_email: None,
            full_name: None,
            created_at: now.as_millisecond(),
            is_active,
            roles: vec![Role::User],
            password_hash: Some(hash.to_owned()),
            sso: None,
            version: 1,
            sessions: std::collections::BTreeMap::new(),
            api_keys: std::collections::BTreeMap::new(),
        };
        let writes = self.users.create(&user, &username, &email).unwrap();
        self.platform.database().unwrap().commit(writes).await.unwrap();
    }

    async fn hash(&self, name: &str) -> String {
        self.users.find(name).await.unwrap().unwrap().password_hash.unwrap()
    }
}

async fn login(stack: &TestStack, username: &str, password: &str) -> Answer {
    stack.post("/auth/login", None, &json!({"username": username, "password": password})).await
}

#[tokio::test]
async fn a_login_replaces_a_hash_that_is_weaker_than_the_setting() {
    for (setting, ours) in OURS {
        let stack = TestStack::with(&[
            ("PasswordHasher", setting),
            ("RateLimits", "login_lock=100000/1m,*=100000/1m"),
        ])
        .await;
        let accounts = Accounts::of(&stack);
        let (other, weak): (_, &[_]) = if setting == "argon2id" {
            (Hasher::Bcrypt, &[("weak", WEAK_ARGON2ID), ("variant", ARGON2I)])
        } else {
            (Hasher::Argon2id, &[])
        };
        let other = other.hash(&Password::new("password")).await.unwrap();
        for (name, hash) in weak.iter().copied().chain([("other", other.as_str())]) {
            accounts.import(name, hash, true).await;
            login(&stack, name, "Password").await.problem(401, "invalid_credentials");
            assert_eq!(accounts.hash(name).await, hash, "a password that is wrong changes nothing");
            login(&stack, name, "password").await.expect(200);
            let upgraded = accounts.hash(name).await;
            assert!(upgraded.starts_with(ours), "{upgraded}");
            login(&stack, name, "password").await.expect(200);
            login(&stack, name, "Password").await.problem(401, "invalid_credentials");
            assert_eq!(accounts.hash(name).await, upgraded, "once is enough");
        }
    }
}

#[tokio::test]
async fn a_stronger_hash_stays_and_new_ones_are_what_the_setting_says() {
    for (setting, ours) in OURS {
        let stack = TestStack::with(&[
            ("PasswordHasher", setting),
            ("RateLimits", "login_lock=100000/1m,*=100000/1m"),
        ])
        .await;
        let accounts = Accounts::of(&stack);
        let body = json!({"username": "fresh", "email": "fresh@example.com", "password": PASSWORD});
        stack.post("/auth/register", None, &body).await.expect(201);
        for name in ["fresh", "demo"] {
            let hash = accounts.hash(name).await;
            assert!(hash.starts_with(ours), "{hash}");
        }
        if setting == "argon2id" {
            accounts.import("strong", STRONG_ARGON2ID, true).await;
            login(&stack, "strong", "password").await.expect(200);
            assert_eq!(accounts.hash("strong").await, STRONG_ARGON2ID);
        }
    }
}

#[tokio::test]
async fn first_logins_at_the_same_time_all_succeed() {
    let stack = TestStack::start().await;
    let accounts = Accounts::of(&stack);
    accounts.import("imported", WEAK_ARGON2ID, true).await;
    // Each login finds that another one has replaced the hash meanwhile.
    for answer in join_all((0..4).map(|_| login(&stack, "imported", "password"))).await {
        answer.expect(200);
    }
    let hash = accounts.hash("imported").await;
    assert!(hash.starts_with(OURS[0].1), "{hash}");
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn everyone_who_is_refused_costs_the_same() {
    let stack = TestStack::start().await;
    let accounts = Accounts::of(&stack);
    let hash = Hasher::Argon2id.hash(&Password::new(PASSWORD)).await.unwrap();
    accounts.import("active", &hash, true).await;
    accounts.import("inactive", &hash, false).await;
    let wrong = [
        ("active", "wrong"),
        ("inactive", "wrong"),
        ("inactive", PASSWORD),
        ("nobody", PASSWORD),
        ("nobody@example.com", "wrong"),
    ];

    // Collect the calls to the tables, and the answer without its id.
    let mut seen = Vec::new();
    for (username, password) in wrong {
        let (answer, calls) = stack.round_trips(login(&stack, username, password)).await;
        let problem = answer.problem(401, "invalid_credentials");
        let mut headers: Vec<_> = answer.headers.keys().map(ToString::to_string).collect();
        headers.sort();
        seen.push((
            calls,
            problem["detail"].clone(),
            headers,
            answer.header("ratelimit-policy").to_owned(),
        ));
    }
    assert_eq!(seen, vec![seen[0].clone(); wrong.len()]);

    // Compare the hashes that are computed, which the log shows.
    let attempt = async |username: &str, password: &str| {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(LevelFilter::DEBUG)
            .without_time()
            .with_writer(move || writer.clone())
            .finish();
        let _recording = tracing::subscriber::set_default(subscriber);
        let attempt = Attempt {
            identifier: username.parse().unwrap(),
            password: Password::new(password),
            context: Context::default(),
            now: accounts.platform.clock.now(),
        };
        PasswordLogin::new(&accounts.platform).unwrap().plan(attempt).await.unwrap();
        let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        text.lines()
            .filter(|line| line.contains("a password was checked"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let expected = attempt("active", PASSWORD).await;
    assert!(
        expected.len() == 1 && expected[0].contains("memory_kib: 19456, passes: 2, lanes: 1"),
        "{expected:?}"
    );
    for (username, password) in wrong {
        assert_eq!(attempt(username, password).await, expected, "{username} with {password}");
    }
}
