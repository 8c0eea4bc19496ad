//! The command against a bucket of the local stack.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "this is a test")]

#[path = "tampering/log.rs"]
mod log;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Config, Credentials as SdkCredentials, Region};
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt, ready};
use log::{Log, START};
use tally_local::aws::{Aws, AwsSettings, Credentials, State, environment};
use tally_local::lambda::{Invoke, InvokeError};
use tally_local::template::model::{Bucket, Resources};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::spawn_blocking;

const BUCKET: &str = "tally-local-archive";

struct NoFunctions;

impl Invoke for NoFunctions {
    fn invoke<'a>(
        &'a self,
        function: &'a str,
        _: Bytes,
    ) -> BoxFuture<'a, Result<Bytes, InvokeError>> {
        ready(Err(InvokeError::Unknown(function.to_owned()))).boxed()
    }

    fn invoke_async(&self, function: &str, _: Bytes) -> Result<(), InvokeError> {
        Err(InvokeError::Unknown(function.to_owned()))
    }
}

/// S3 with one bucket, and the variables by which a client reaches it.
async fn start() -> (Aws, BTreeMap<String, String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let s3 = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let credentials = Credentials::random();
    let addresses = (listener.local_addr().unwrap(), s3.local_addr().unwrap());
    let variables = environment(addresses.0, Some(addresses.1), &credentials);
    let bucket = Bucket { id: "Archive".into(), name: BUCKET.into(), ..Bucket::default() };
    let settings = AwsSettings {
        state: State::Memory,
        resources: Resources { buckets: vec![bucket], ..Resources::default() },
        s3: Some(s3),
        functions: NoFunctions,
        connections: None,
    };
    (Aws::start(listener, credentials, settings).await.unwrap(), variables)
}

fn client(variables: &BTreeMap<String, String>) -> Client {
    let (id, secret) = (&variables["AWS_ACCESS_KEY_ID"], &variables["AWS_SECRET_ACCESS_KEY"]);
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(variables["AWS_REGION"].clone()))
        .endpoint_url(&variables["AWS_ENDPOINT_URL_S3"])
        .credentials_provider(SdkCredentials::new(id, secret, None, None, "environment"))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    Client::from_conf(config)
}

/// All files of a directory, with their paths in it.
fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Runs the command, and waits for its end while the bucket is served.
async fn run(variables: &BTreeMap<String, String>, log: &Log, place: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_audit-verify"));
    command.arg(place).args(["--vkey", &log.key.to_string()]).envs(variables);
    spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

#[tokio::test]
async fn a_bucket_is_read_like_a_directory() {
    let (aws, variables) = start().await;
    let client = client(&variables);
    let directory = TempDir::new().unwrap();
    let mut log = Log::new(directory.path(), 1);
    for number in 0..700 {
        log.append(format!("{{\"number\":{number}}}").as_bytes());
        if number % 100 == 99 {
            log.seal(START + number);
        }
    }
    for file in files(directory.path()) {
        let path = file.strip_prefix(directory.path()).unwrap().to_str().unwrap();
        let put = client.put_object().bucket(BUCKET).key(format!("audit/{path}"));
        let put =
            if path.starts_with("tile/entries/") { put.content_encoding("gzip") } else { put };
        put.body(ByteStream::from(fs::read(&file).unwrap())).send().await.unwrap();
    }
    let place = format!("s3://{BUCKET}/audit");
    let good = run(&variables, &log, &place).await;
    let text = str::from_utf8(&good.stdout).unwrap();
    assert_eq!(good.status.code(), Some(0), "{good:?}");
    assert!(text.contains("kept checkpoints: 7 are signed"), "{text}");
    client.delete_object().bucket(BUCKET).key("audit/tile/entries/001").send().await.unwrap();
    let bad = run(&variables, &log, &place).await;
    assert_eq!(bad.status.code(), Some(1), "{bad:?}");
    // No other bucket, no empty folder and no missing credentials look like a log, good or bad.
    for place in ["s3://tally-local-other", &format!("s3://{BUCKET}/other")] {
        let unreadable = run(&variables, &log, place).await;
        assert_eq!(unreadable.status.code(), Some(2), "{unreadable:?}");
    }
    let unset = BTreeMap::from([("AWS_ACCESS_KEY_ID".to_owned(), String::new())]);
    let unreadable = run(&unset, &log, &place).await;
    assert_eq!(unreadable.status.code(), Some(2), "{unreadable:?}");
    aws.shutdown().await;
}
