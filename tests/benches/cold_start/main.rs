//! Measures how fast functions start and answer: `cargo bench -p tally-tests --bench cold_start`,
//! or with names of functions after `--`.
//!
//! It starts the release binaries as Lambda does, with the environment of template.yaml, against
//! the local stack's DynamoDB and Secrets Manager, and the fake tenant of the tests. It prints
//! medians of many starts. Functions take turns, so that other load on the machine affects all
//! alike. docs/PERFORMANCE.md has the results.

mod process;

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use form_urlencoded::Serializer;
use futures_util::future::BoxFuture;
use platform::clock::{Clock, rfc3339};
use process::Process;
use serde_json::{Value, json};
use tally_local::aws::{self, Aws, AwsSettings, Credentials, State};
use tally_local::lambda::{Invoke, InvokeError};
use tally_local::template::model::{Deployment, Function};
use tally_local::{StackOptions, builder, template};
use tally_tests::fake_tenant::{FakeTenant, PAGE, Person};
use tokio::net::TcpListener;

/// Number of starts of each function. `add_task` adds 651 tasks, and a user has at most 1,000.
const ROUNDS: usize = 31;
/// Number of warm invocations after each start.
const WARM: u32 = 20;

/// How long the API key of the requests to `mcp` is valid.
const KEY_LASTS: Duration = Duration::from_hours(12);

/// A challenge of a page that signs in (RFC 7636, appendix B).
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// The functions that run: those that are measured, and those that prepare the measurement.
const STARTED: [&str; 18] = [
    "seed",
    "api-keys",
    "health",
    "me",
    "login",
    "sso",
    "sso-browser",
    "profits",
    "chat",
    "mcp",
    "prompts",
    "files",
    "file-prepare",
    "analyses",
    "batches",
    "jobs",
    "job-run",
    "chat-stream",
];

/// The settings by which a worker has each provider.
const PROVIDERS: [(&str, &[(&str, &str)]); 4] = [
    ("`lorem`", &[]),
    (
        "`anthropic`",
        &[
            ("AI_PROVIDER", "anthropic"),
            ("AI_MODEL", "m"),
            ("AI_PRICES", "m=5/25/6.25/0.50"),
            ("ANTHROPIC_KEY_ARN", "arn:key"),
        ],
    ),
    (
        "`openai`",
        &[
            ("AI_PROVIDER", "openai"),
            ("AI_MODEL", "m"),
            ("AI_PRICES", "m=5/25/6.25/0.50"),
            ("OPENAI_BASE_URL", "https://api.openai.com/v1"),
            ("OPENAI_KEY_ARN", "arn:key"),
        ],
    ),
    (
        "`bedrock`",
        &[("AI_PROVIDER", "bedrock"), ("AI_MODEL", "m"), ("AI_PRICES", "m=5/25/6.25/0.50")],
    ),
];

/// A function and the request for it.
struct Subject {
    function: Function,
    /// The request in a few words.
    request: &'static str,
    /// The event, and the status of its answer. Without one, only the start is measured.
    event: Option<(String, u64)>,
    found: Found,
}

/// The measurements, one entry per start.
#[derive(Default)]
struct Found {
    init: Vec<Duration>,
    init_tls: Vec<Duration>,
    first: Vec<Duration>,
    /// Processor time of the first invocation.
    first_cpu: Vec<Duration>,
    warm: Vec<Duration>,
    /// Processor time of a warm invocation.
    warm_cpu: Vec<Duration>,
    peak_kib: Vec<u64>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let root =
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_owned).unwrap_or_default();
    let binaries = builder::binaries_directory()?;
    let mut options = StackOptions::new(root.join("template.yaml"), &binaries);
    let tenant = FakeTenant::start();
    let sets = [("RateLimits", "*=1000000/1m".to_owned())].into_iter().chain(tenant.parameters());
    options.sets = sets.map(|(name, value)| (name.to_owned(), value)).collect();
    let deployment = template::load(&options.source("http://127.0.0.1"))?;
    builder::build(&only(&deployment, &STARTED), &root, &binaries)?;

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let credentials = Credentials::random();
    let environment = aws::environment(listener.local_addr()?, None, &credentials);
    let settings = AwsSettings {
        state: State::Memory,
        resources: deployment.resources.clone(),
        s3: None,
        functions: NoWorkers,
        connections: None,
    };
    let aws = Aws::start(listener, credentials, settings).await?;

    let bench = Bench { binaries, deployment, environment, tenant };
    let mut subjects = bench.subjects().await?;
    // `cargo bench` adds arguments that start with dashes.
    let wanted: Vec<_> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    subjects.retain(|subject| wanted.is_empty() || wanted.contains(&subject.function.binary));
    for _ in 0..ROUNDS {
        for subject in &mut subjects {
            bench.measure(subject).await?;
        }
    }
    bench.print(&mut subjects)?;
    aws.shutdown().await;
    Ok(())
}

struct Bench {
    binaries: PathBuf,
    deployment: Deployment,
    environment: BTreeMap<String, String>,
    /// The identity provider. It serves its metadata and its keys.
    tenant: FakeTenant,
}

impl Bench {
    /// The functions to measure. A user signs in for it, and the tables are seeded.
    async fn subjects(&self) -> Result<Vec<Subject>, Box<dyn Error>> {
        self.start("seed").await?.invoke("{}").await?;
        let login = |username: &str, password: &str| {
            event(
                "POST /auth/login",
                "",
                None,
                &json!({"username": username, "password": password}).to_string(),
            )
        };
        let (answer, _) =
            self.start("login").await?.invoke(&login("demo", "SecureDemo123!")).await?;
        let pair: Value = serde_json::from_str(answer["body"].as_str().unwrap_or_default())?;
        let token = pair["access_token"].as_str();
        let key = self.key(token).await?;
        let message = |method: &str, params: Value| {
            let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
            event("POST /mcp", "", Some(&key), &body.to_string())
        };
        let of = |binary: &str, request, event: Option<(String, u64)>| {
            let function = self.function(binary)?.clone();
            Ok::<_, Box<dyn Error>>(Subject { function, request, event, found: Found::default() })
        };
        let subject = |binary: &str, request, event: String, status| {
            of(binary, request, Some((event, status)))
        };
        let profits = event("GET /profits", "company=Alpha&year=2023", token, "");
        let chat = event("POST /chat", "", token, r#"{"message": "Which month was best?"}"#);
        let add = json!({"name": "add_task", "arguments": {"title": "Close the books"}});
        // The first of all these sign-ins makes the account.
        let proof = json!({"token": self.tenant.token(&Person::new("Anna Berg"))});
        let by_token = event("POST /auth/sso", "", None, &proof.to_string());
        let page = Serializer::new(String::new())
            .append_pair("return_to", PAGE)
            .append_pair("code_challenge", CHALLENGE)
            .finish();
        let authorize = event("GET /auth/sso/authorize", &page, None, "");
        let mut subjects = vec![
            subject("health", "`GET /health`", event("GET /health", "", None, ""), 200)?,
            subject("me", "`GET /auth/me`", event("GET /auth/me", "", token, ""), 200)?,
            // Use another user: the fourth session would end the first one, and the other requests
            // go on using its token.
            subject("login", "`POST /auth/login`", login("admin", "SecureAdmin123!"), 200)?,
            subject("sso", "`GET /auth/sso`", event("GET /auth/sso", "", None, ""), 200)?,
            // In each process the first invocation fetches the provider's metadata and keys, and
            // the others find them there.
            subject("sso", "`POST /auth/sso`, a token", by_token, 200)?,
            // Likewise, but only the metadata.
            subject("sso-browser", "`GET /auth/sso/authorize`", authorize, 302)?,
            subject("profits", "`GET /profits`, 12 rows", profits, 200)?,
            subject("chat", "`POST /chat`, until the worker is started", chat, 202)?,
            subject("mcp", "`POST /mcp`, `tools/list`", message("tools/list", json!({})), 200)?,
            subject("mcp", "`POST /mcp`, `add_task`", message("tools/call", add), 200)?,
            subject("files", "`GET /files`", event("GET /files", "", token, ""), 200)?,
            subject("jobs", "`GET /jobs`", event("GET /jobs", "", token, ""), 200)?,
            of("prompts", "its start", None)?,
            of("file-prepare", "its start", None)?,
            of("analyses", "its start", None)?,
            of("batches", "its start", None)?,
        ];
        for worker in ["chat-stream", "job-run"] {
            for (provider, settings) in PROVIDERS {
                let mut subject = of(worker, provider, None)?;
                let settings = settings.iter();
                let settings = settings.map(|(name, value)| ((*name).into(), (*value).into()));
                subject.function.environment.extend(settings);
                subjects.push(subject);
            }
        }
        Ok(subjects)
    }

    /// An API key of the user with this token, with the scopes of all tools but the auditors'.
    async fn key(&self, token: Option<&str>) -> Result<String, Box<dyn Error>> {
        let body = json!({
            "name": "Benchmark",
            "scopes": ["profits:read", "ranges:read", "tasks:read", "tasks:write"],
            "expires_at": rfc3339(Clock::System.now() + KEY_LASTS),
        });
        let create = event("POST /api-keys", "", token, &body.to_string());
        let (answer, _) = self.start("api-keys").await?.invoke(&create).await?;
        let made: Value = serde_json::from_str(answer["body"].as_str().unwrap_or_default())?;
        let key = made["key"].as_str();
        Ok(key.ok_or_else(|| format!("api-keys answered {answer}"))?.to_owned())
    }

    /// Makes one start with the SDK's clients as they are on AWS, which reaches no server, and one
    /// that answers.
    async fn measure(&self, subject: &mut Subject) -> Result<(), Box<dyn Error>> {
        let Subject { function, event, found, .. } = subject;
        let on_aws =
            self.environment.iter().filter(|(name, _)| !name.starts_with("AWS_ENDPOINT_URL"));
        let on_aws = on_aws.map(|(name, value)| (name.clone(), value.clone())).collect();
        let process = Process::start(&self.binaries, function, &on_aws).await?;
        found.init_tls.push(process.init);
        process.end().await?;

        let mut process = Process::start(&self.binaries, function, &self.environment).await?;
        found.init.push(process.init);
        let Some((event, status)) = event else {
            found.peak_kib.extend(process.peak_kib());
            return Ok(process.end().await?);
        };
        let mut before = process.cpu();
        for invocation in 0..=WARM {
            let (answer, took) = process.invoke(event).await?;
            // A call of a tool that fails is a success of HTTP.
            let body = answer["body"].as_str().unwrap_or_default();
            if answer["statusCode"] != *status || body.contains(r#""isError":true"#) {
                return Err(format!("{} answered {answer}", function.binary).into());
            }
            if invocation == 0 {
                found.first.push(took);
                let after = process.cpu();
                found.first_cpu.extend(used(before, after));
                before = after;
            } else {
                found.warm.push(took);
            }
        }
        found.warm_cpu.extend(used(before, process.cpu()).map(|used| used / WARM));
        found.peak_kib.extend(process.peak_kib());
        Ok(process.end().await?)
    }

    /// Prints the table of docs/PERFORMANCE.md.
    fn print(&self, subjects: &mut [Subject]) -> Result<(), Box<dyn Error>> {
        println!("Medians of {ROUNDS} starts with {WARM} warm invocations each:\n");
        println!(
            "| function | size | init | init without TLS | first invocation | CPU of it | warm | \
             CPU of it | peak memory |"
        );
        println!("|---|---|---|---|---|---|---|---|---|");
        for Subject { function, request, found, .. } in subjects {
            let size = std::fs::metadata(self.binaries.join(&function.binary))?.len() / 1000;
            println!(
                "| `{}` ({request}) | {} MB | {} | {} | {} | {} | {} | {} | {} MB |",
                function.binary,
                thousandths(size),
                milliseconds(&mut found.init_tls),
                milliseconds(&mut found.init),
                milliseconds(&mut found.first),
                milliseconds(&mut found.first_cpu),
                milliseconds(&mut found.warm),
                milliseconds(&mut found.warm_cpu),
                thousandths(median(&mut found.peak_kib).map_or(0, |kib| kib * 1024 / 1000)),
            );
        }
        Ok(())
    }

    async fn start(&self, binary: &str) -> Result<Process, Box<dyn Error>> {
        Process::start(&self.binaries, self.function(binary)?, &self.environment).await
    }

    fn function(&self, binary: &str) -> Result<&Function, Box<dyn Error>> {
        let function = self.deployment.functions.iter().find(|function| function.binary == binary);
        function.ok_or_else(|| format!("template.yaml has no function {binary}").into())
    }
}

/// Accepts workers and never runs them: the measurement ends where they begin.
struct NoWorkers;

impl Invoke for NoWorkers {
    fn invoke<'a>(
        &'a self,
        function: &'a str,
        _: Bytes,
    ) -> BoxFuture<'a, Result<Bytes, InvokeError>> {
        Box::pin(async { Err(InvokeError::Unknown(function.to_owned())) })
    }

    fn invoke_async(&self, _: &str, _: Bytes) -> Result<(), InvokeError> {
        Ok(())
    }
}

/// The deployment with only these functions.
fn only(deployment: &Deployment, binaries: &[&str]) -> Deployment {
    let mut deployment = deployment.clone();
    deployment.functions.retain(|function| binaries.contains(&function.binary.as_str()));
    deployment
}

/// A request as API Gateway hands it to a function (payload format 2.0).
fn event(route: &str, query: &str, token: Option<&str>, body: &str) -> String {
    let (method, path) = route.split_once(' ').unwrap_or_default();
    let mut event = json!({
        "version": "2.0",
        "routeKey": route,
        "rawPath": path,
        "rawQueryString": query,
        "headers": {"host": "api.example.com", "user-agent": "benchmark"},
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "api",
            "domainName": "api.example.com",
            "domainPrefix": "api",
            "http": {
                "method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "203.0.113.7",
                "userAgent": "benchmark",
            },
            "requestId": "benchmark",
            "routeKey": route,
            "stage": "$default",
            "time": "01/Jan/2026:00:00:00 +0000",
            "timeEpoch": 1_767_225_600_000_i64,
        },
        "isBase64Encoded": false,
    });
    if let Some(token) = token {
        event["headers"]["authorization"] = format!("Bearer {token}").into();
    }
    if !body.is_empty() {
        event["headers"]["content-type"] = "application/json".into();
        event["headers"]["prefer"] = "respond-async".into();
        event["body"] = body.into();
    }
    event.to_string()
}

/// The processor time between two looks at a process.
fn used(before: Option<Duration>, after: Option<Duration>) -> Option<Duration> {
    before.zip(after).map(|(before, after)| after.saturating_sub(before))
}

fn median<T: Ord + Copy>(values: &mut [T]) -> Option<T> {
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}

/// The median in milliseconds; empty if nothing was measured.
fn milliseconds(found: &mut [Duration]) -> String {
    let micros = |found: Duration| u64::try_from(found.as_micros()).unwrap_or(u64::MAX);
    median(found).map(|found| format!("{} ms", thousandths(micros(found)))).unwrap_or_default()
}

/// Writes `1234` as `1.23`.
fn thousandths(value: u64) -> String {
    format!("{}.{:02}", value / 1000, value % 1000 / 10)
}
