//! Measures the cost of our own code per request, without any network call: `cargo bench -p
//! tally-tests --bench overhead`. docs/PERFORMANCE.md has the results.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::Path;

use divan::{Bencher, black_box};
use platform::clock::Clock;
use platform::domain::Role;
use platform::http::Pipeline;
use platform::identity::Identity;
use platform::request::HttpCall;
use platform::routes::{self, Route};
use platform::runtime::Invocation;
use platform::tokens::AccessTokens;
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use tally_accounts::domain::{Hasher, Password};
use tally_accounts::tokens::TokenIssuer;
use tally_local::aws::{self, Aws, AwsSettings, Credentials, State};
use tally_local::lambda::NoFunctions;
use tally_local::{StackOptions, template};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

fn main() {
    divan::main();
}

/// Verifies an access token with every claim: its signature, times, issuer and audience.
#[divan::bench]
fn verify_an_access_token(bencher: Bencher) {
    let bench = Bench::new();
    let tokens = AccessTokens::new(&bench.platform).unwrap();
    let token = bench.token();
    bencher.bench_local(|| bench.runtime.block_on(tokens.verify(black_box(&token))).unwrap());
}

/// Turns an event into a response, around a handler on a protected route that does nothing.
#[divan::bench]
fn answer_around_an_empty_handler(bencher: Bencher) {
    let bench = Bench::new();
    let pipeline = Pipeline::<Empty>::new(&bench.platform).unwrap();
    let event = serde_json::json!({
        "version": "2.0", "routeKey": "GET /auth/me", "rawPath": "/auth/me", "rawQueryString": "",
        "headers": {
            "authorization": format!("Bearer {}", bench.token()), "user-agent": "bench",
            "accept": "application/json",
        },
        "requestContext": {
            "requestId": "1", "routeKey": "GET /auth/me",
            "http": {"method": "GET", "path": "/auth/me", "sourceIp": "192.0.2.1"},
        },
        "isBase64Encoded": false,
    })
    .to_string();
    let mut context = lambda_runtime::Context::default();
    // The deadline is in the year 2100.
    context.deadline = 4_102_444_800_000;
    let invocation = Invocation::new(&context, Clock::System);
    bencher.bench_local(|| {
        let call = HttpCall::from(lambda_http::request::from_str(black_box(&event)).unwrap());
        let response = bench.runtime.block_on(pipeline.answer(&call, &invocation));
        assert_eq!(response.status(), 200);
        response
    });
}

/// Checks a password against its hash on a full CPU: the largest cost of a login, and of a guess at
/// a password.
#[divan::bench(args = ["argon2id", "bcrypt"], sample_count = 20, sample_size = 1)]
fn check_a_password(bencher: Bencher, hasher: &str) {
    let runtime = Runtime::new().unwrap();
    let password = Password::new("Correct-Horse-9");
    let hasher = if hasher == "bcrypt" { Hasher::Bcrypt } else { Hasher::Argon2id };
    let hash = runtime.block_on(hasher.hash(&password)).unwrap();
    bencher.bench_local(|| {
        assert!(runtime.block_on(hasher.check(&password, Some(&hash))).unwrap().matches);
    });
}

/// Answers as `GET /auth/me` does, without a read.
struct Empty;

impl Endpoint for Empty {
    const ROUTE: Route = routes::ME;
    type Caller = Identity;
    type Body = ();
    type Query = ();
    type Output = BTreeMap<String, String>;

    fn new(_: &Platform) -> Result<Self, ConfigError> {
        Ok(Self)
    }

    async fn handle(&self, _: Request<'_, Self>) -> Result<Plan<Self::Output>, Problem> {
        Ok(Plan::reply(BTreeMap::new()))
    }
}

/// The settings of a function, and the secrets of the local stack. They are read once, before the
/// measurement.
struct Bench {
    runtime: Runtime,
    platform: Platform,
    _aws: Aws,
}

impl Bench {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let (platform, aws) = runtime.block_on(async {
            let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
            let options = StackOptions::new(root.join("template.yaml"), root.join("target"));
            let deployment = template::load(&options.source("http://127.0.0.1")).unwrap();
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let credentials = Credentials::random();
            let environment = aws::environment(listener.local_addr().unwrap(), None, &credentials);
            let login =
                deployment.functions.iter().find(|function| function.binary == "login").unwrap();
            let config = login.environment.clone().into_iter().chain(environment).collect();
            let settings = AwsSettings {
                state: State::Memory,
                resources: deployment.resources,
                s3: None,
                functions: NoFunctions,
                connections: None,
            };
            (
                Platform::new(config, Clock::System),
                Aws::start(listener, credentials, settings).await.unwrap(),
            )
        });
        Self { runtime, platform, _aws: aws }
    }

    fn token(&self) -> String {
        let now = self.platform.clock.now();
        let identity = Identity {
            user_id: platform::ids::new_id(now),
            username: "demo".to_owned(),
            session_id: platform::ids::new_id(now),
        };
        let issuer = TokenIssuer::new(&self.platform).unwrap();
        let ends_at = issuer.lifetimes.session_end(now);
        let (pair, _) =
            self.runtime.block_on(issuer.issue(&identity, &[Role::User], ends_at, now)).unwrap();
        pair.access_token
    }
}
