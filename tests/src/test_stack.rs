//! A running stack with real function binaries.

use std::ops::Deref;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use platform::Platform;
use platform::clock::Clock;
use serde_json::json;
use tally_local::aws::{Failure, Fault, Mail, Service};
use tally_local::{Shared, Stack, StackOptions, builder, template};

use crate::Client;

/// Root of the workspace.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// A separate stack for one test, on a free port, with its state in memory.
pub struct TestStack {
    /// The stack.
    pub local: Stack,
    client: Client,
}

/// Gives a stack the methods of a client.
impl Deref for TestStack {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

/// The directory of the functions' binaries, which are built once for all tests of a process.
pub fn binaries() -> PathBuf {
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

/// The parts that the stacks of a process share. So a test may begin with the sample data that
/// another test's stack has made.
fn shared() -> Shared {
    static SHARED: OnceLock<Shared> = OnceLock::new();
    SHARED.get_or_init(Shared::default).clone()
}

impl TestStack {
    /// Starts a stack whose limits, lockouts too, do not get in the way.
    pub async fn start() -> Self {
        Self::with(&[("RateLimits", "login_lock=100000/1m,*=100000/1m")]).await
    }

    /// Starts such a stack whose sealer gathers no events: it seals each one as soon as it can.
    pub async fn sealing() -> Self {
        Self::with(&[("AuditSealSeconds", "0"), ("RateLimits", "login_lock=100000/1m,*=100000/1m")])
            .await
    }

    /// Starts a stack with these parameters.
    pub async fn with(sets: &[(&str, &str)]) -> Self {
        Self::of(|options| {
            options.sets = sets
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect();
        })
        .await
    }

    /// Starts a stack with options that the test changes. A worker that fails is attempted again
    /// after an hour, so never during a test, unless the test changes that.
    pub async fn of(change: impl FnOnce(&mut StackOptions)) -> Self {
        let binaries = tokio::task::spawn_blocking(binaries).await.unwrap();
        let mut options = StackOptions::new(root().join("template.yaml"), binaries);
        options.processes.retry_delays = [Duration::from_hours(1); 2];
        options.shared = Some(shared());
        change(&mut options);
        Self::run(options).await
    }

    /// Starts a stack with these options. Its binaries must be built.
    pub async fn run(options: StackOptions) -> Self {
        let local = Stack::start(options).await.unwrap_or_else(|error| panic!("{error}"));
        Self { client: Client::new(local.url()), local }
    }

    /// Builds the platform of a function, by its logical id, in this process: its settings, and
    /// with them its tables.
    pub fn platform(&self, function: &str) -> Platform {
        let functions = &self.local.deployment().functions;
        let found = functions.iter().find(|candidate| candidate.id == function);
        let found = found.unwrap_or_else(|| panic!("the template has no {function}"));
        Platform::new(self.local.environment(found).into_iter().collect(), Clock::System)
    }

    /// Asks a path for a mail to this address, and returns the token in the mail.
    pub async fn mailed_token(&self, path: &str, email: &str) -> String {
        let number = self.local.outbox().mails().len();
        self.post(path, None, &json!({"email": email})).await.expect(202);
        self.token_from(number, email).await
    }

    /// Returns the token of the first mail with one, from this number on. The mail must be
    /// addressed to this address.
    pub async fn token_from(&self, mut number: usize, email: &str) -> String {
        loop {
            let mail = self.local.outbox().mail(number).await;
            if let Some(token) = token(&mail) {
                assert_eq!(mail.to, [email]);
                return token;
            }
            number += 1;
        }
    }

    /// Seals all events that are there, and publishes a checkpoint. It does not wait for the stream
    /// of the audit table.
    pub async fn seal(&self) {
        let payload = json!({"reconcile": true}).to_string();
        self.local.invoke("AuditSealFunction", payload).await.unwrap();
    }

    /// Makes the next calls of an operation (any, if it is `None`) fail that touch a table, given
    /// by its logical id.
    pub fn fail(&self, table: &str, operation: Option<&str>, failure: Failure, times: usize) {
        let found =
            self.local.deployment().resources.tables.iter().find(|candidate| candidate.id == table);
        let name = found.unwrap_or_else(|| panic!("the template has no {table}")).name.clone();
        self.local.aws().fail(Fault {
            service: Service::DynamoDb,
            operation: operation.map(str::to_owned),
            target: Some(name),
            failure,
            times,
        });
    }

    /// Runs `work`. Returns its result and the `DynamoDB` round trips that it made. The sealer of
    /// the audit log works beside it, so calls to its table are left out.
    pub async fn round_trips<T>(&self, work: impl Future<Output = T>) -> (T, Vec<String>) {
        self.local.calls().clear();
        let result = work.await;
        let calls = self.local.calls().snapshot().into_iter();
        let calls = calls.filter(|call| {
            call.service == Service::DynamoDb
                && !call.targets.iter().any(|target| target.contains("AuditSequence"))
        });
        (
            result,
            calls.map(|call| format!("{} {}", call.operation, call.targets.join("+"))).collect(),
        )
    }
}

/// Finds the token in a mail, which is on a line of its own.
fn token(mail: &Mail) -> Option<String> {
    let is_token = |line: &&str| line.len() == 80 && line.as_bytes()[36] == b'.';
    mail.text.lines().find(is_token).map(str::to_owned)
}
