//! A running stack with real function binaries, and clients of it.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use http::Method;
use serde_json::{Value, json};
use tally_local::{Stack, StackOptions, builder, template};

use crate::Answer;

/// Root of the workspace.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// A stack of its own for one test, on a free port, with its state in memory.
pub struct World {
    /// The stack.
    pub stack: Stack,
    client: reqwest::Client,
}

/// Someone who is signed in.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Username.
    pub username: String,
    /// Access token.
    pub access: String,
    /// Refresh token.
    pub refresh: String,
}

/// The functions are built once for all tests of a process.
fn binaries() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT
        .get_or_init(|| {
            let directory = builder::binaries_directory().unwrap();
            let options = StackOptions::new(root().join("template.yaml"), &directory);
            let deployment = template::load(&options.source("http://127.0.0.1:1")).unwrap();
            builder::build(&deployment, &root(), &directory).unwrap();
            directory
        })
        .clone()
}

impl World {
    /// A stack whose limits are out of the way.
    pub async fn start() -> Self {
        Self::with(&[("RateLimits", "*=100000/1m")]).await
    }

    /// A stack with these parameters.
    pub async fn with(sets: &[(&str, &str)]) -> Self {
        Self::of(|options| options.sets = sets.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()).await
    }

    /// A stack with options of the test's own.
    pub async fn of(change: impl FnOnce(&mut StackOptions)) -> Self {
        let binaries = tokio::task::spawn_blocking(binaries).await.unwrap();
        let mut options = StackOptions::new(root().join("template.yaml"), binaries);
        change(&mut options);
        Self { stack: Stack::start(options).await.unwrap_or_else(|error| panic!("{error}")), client: reqwest::Client::new() }
    }

    /// A client whose requests come from this address of the loopback range.
    #[must_use]
    pub fn from_address(&self, address: [u8; 4]) -> reqwest::Client {
        reqwest::Client::builder().local_address(std::net::IpAddr::from(address)).build().unwrap()
    }

    /// A request to be completed and sent.
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.stack.url()))
    }

    /// Sends a request.
    pub async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let request = request.build().unwrap();
        let path = request.url().path().to_owned();
        Answer::read(&path, self.client.execute(request).await.unwrap()).await
    }

    /// GET by someone, or by nobody.
    pub async fn get(&self, path: &str, caller: Option<&Caller>) -> Answer {
        self.send(authorized(self.request(Method::GET, path), caller)).await
    }

    /// POST of a JSON body by someone, or by nobody.
    pub async fn post(&self, path: &str, caller: Option<&Caller>, body: &Value) -> Answer {
        self.send(authorized(self.request(Method::POST, path), caller).json(body)).await
    }

    /// Signs in.
    pub async fn login(&self, username: &str, password: &str) -> Caller {
        let pair = self.post("/auth/login", None, &json!({"username": username, "password": password})).await.expect(200);
        Caller { username: username.to_owned(), access: text(&pair["access_token"]), refresh: text(&pair["refresh_token"]) }
    }

    /// The seeded user.
    pub async fn demo(&self) -> Caller {
        self.login("demo", "SecureDemo123!").await
    }

    /// The seeded administrator and auditor.
    pub async fn admin(&self) -> Caller {
        self.login("admin", "SecureAdmin123!").await
    }

    /// A new account that nobody else uses, signed in.
    pub async fn someone(&self) -> Caller {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let username = format!("someone_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let body = json!({"username": username, "email": format!("{username}@example.com"), "password": "Correct-Horse-9"});
        self.post("/auth/register", None, &body).await.expect(201);
        self.login(&username, "Correct-Horse-9").await
    }

    /// Events of an action (or prefix), oldest first, as the auditor sees them.
    pub async fn events(&self, auditor: &Caller, action: &str) -> Vec<Value> {
        let (mut events, mut path) = (Vec::new(), format!("/audit?action={action}&order=asc&limit=100"));
        loop {
            let page = self.get(&path, Some(auditor)).await.expect(200);
            events.extend(page["items"].as_array().unwrap().iter().cloned());
            let Some(cursor) = page["next_cursor"].as_str() else { return events };
            path = format!("/audit?action={action}&order=asc&limit=100&cursor={cursor}");
        }
    }

    /// `DynamoDB` round trips that `work` makes.
    pub async fn round_trips<T>(&self, work: impl Future<Output = T>) -> (T, Vec<String>) {
        self.stack.calls().clear();
        let result = work.await;
        let calls = self.stack.calls().snapshot().into_iter();
        let calls = calls.filter(|call| call.service == tally_local::aws::Service::DynamoDb);
        (result, calls.map(|call| format!("{} {}", call.operation, call.targets.join("+"))).collect())
    }
}

/// A caller's `Authorization`.
fn authorized(request: reqwest::RequestBuilder, caller: Option<&Caller>) -> reqwest::RequestBuilder {
    match caller {
        Some(caller) => request.bearer_auth(&caller.access),
        None => request,
    }
}

/// A member of an answer that is a string.
#[track_caller]
fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no string")).to_owned()
}

/// The `id` of an object.
#[track_caller]
pub fn id(value: &Value) -> String {
    text(&value["id"])
}
