//! The buckets as real clients see them.

mod crashes;
mod hostile;
mod locks;
mod objects;
mod signed;

use std::fmt::Debug;
use std::net::SocketAddr;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::{BehaviorVersion, Credentials as SdkCredentials, Region};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use tokio::net::TcpListener;

use crate::aws::{Aws, AwsSettings, Credentials, Service, State, environment};
use crate::lambda::NoFunctions;
use crate::template::model::{
    Bucket, CorsRule, DefaultRetention, ObjectLock, Resources, RetentionMode,
};

/// A bucket without versioning.
const PLAIN: &str = "tally-local-plain";
/// A bucket with versioning.
const VERSIONED: &str = "tally-local-versioned";
/// A bucket with Object Lock and no default.
const LOCKABLE: &str = "tally-local-lockable";
/// A bucket that retains every object for a day.
const LOCKED: &str = "tally-local-locked";
/// A bucket that pages of the origin [`PAGE`] may use.
const SHARED: &str = "tally-local-shared";
const PAGE: &str = "https://app.example";

/// Running endpoints, with a client of S3.
struct Served {
    aws: Aws,
    address: SocketAddr,
    client: Client,
}

impl Served {
    async fn start() -> Self {
        Self::start_in(State::Memory).await
    }

    async fn start_in(state: State) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let s3_listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = s3_listener.local_addr().unwrap();
        let credentials = Credentials::random();
        let general = listener.local_addr().unwrap();
        let variables = environment(general, Some(address), &credentials);
        let client = client(
            &variables["AWS_ENDPOINT_URL_S3"],
            &variables["AWS_ACCESS_KEY_ID"],
            &variables["AWS_SECRET_ACCESS_KEY"],
        );
        let default = DefaultRetention { mode: RetentionMode::Governance, days: 1 };
        let buckets = vec![
            bucket(PLAIN, false, None),
            bucket(VERSIONED, true, None),
            bucket(LOCKABLE, true, Some(ObjectLock { default_retention: None })),
            bucket(LOCKED, true, Some(ObjectLock { default_retention: Some(default) })),
            Bucket { cors: vec![cors_rule()], ..bucket(SHARED, false, None) },
        ];
        let settings = AwsSettings {
            state,
            resources: Resources { buckets, ..Resources::default() },
            s3: Some(s3_listener),
            functions: NoFunctions,
            connections: None,
        };
        let aws = Aws::start(listener, credentials, settings).await.unwrap();
        Self { aws, address, client }
    }

    async fn put(&self, bucket: &str, key: &str, content: &str) -> Option<String> {
        let put = self.client.put_object().bucket(bucket).key(key).body(body(content));
        put.send().await.unwrap().version_id
    }

    /// The content of an object, or the code of the error.
    async fn get(&self, bucket: &str, key: &str) -> Result<String, String> {
        let result = self.client.get_object().bucket(bucket).key(key).send().await;
        match result {
            Ok(output) => Ok(text(output.body).await),
            Err(error) => Err(code(&error)),
        }
    }

    async fn keys(&self, bucket: &str) -> Vec<String> {
        let listed = self.client.list_objects_v2().bucket(bucket).send().await.unwrap();
        let keys = listed.contents.unwrap_or_default().into_iter();
        keys.map(|object| object.key.unwrap()).collect()
    }

    fn calls(&self) -> Vec<(String, Vec<String>)> {
        let calls = self.aws.calls().snapshot().into_iter();
        calls
            .filter(|call| call.service == Service::S3)
            .map(|call| (call.operation, call.targets))
            .collect()
    }
}

fn bucket(name: &str, versioned: bool, object_lock: Option<ObjectLock>) -> Bucket {
    Bucket { name: name.into(), versioned, object_lock, ..Bucket::default() }
}

fn cors_rule() -> CorsRule {
    let list = |items: &[&str]| items.iter().map(|&item| item.to_owned()).collect();
    CorsRule {
        allowed_origins: list(&[PAGE]),
        allowed_methods: list(&["GET", "PUT"]),
        allowed_headers: list(&["Content-Type", "If-None-Match", "x-amz-checksum-sha256"]),
        exposed_headers: list(&["ETag"]),
        max_age_seconds: Some(600),
    }
}

/// A client with these settings and no others.
fn client(endpoint: &str, id: &str, secret: &str) -> Client {
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(endpoint)
        .credentials_provider(SdkCredentials::new(id, secret, None, None, "environment"))
        .retry_config(RetryConfig::disabled())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    Client::from_conf(config)
}

fn body(content: &str) -> ByteStream {
    ByteStream::from(content.as_bytes().to_vec())
}

async fn text(body: ByteStream) -> String {
    String::from_utf8(body.collect().await.unwrap().to_vec()).unwrap()
}

/// The code of an error, or its status if its answer has no body.
fn code<E: ProvideErrorMetadata + Debug>(error: &SdkError<E>) -> String {
    let status = error.raw_response().map(|response| response.status().as_u16());
    let code = error.code().map(str::to_owned).or(status.map(|status| status.to_string()));
    code.unwrap_or_else(|| panic!("{error:?}"))
}

/// The code of the error in `result`.
fn refusal<T: Debug, E: ProvideErrorMetadata + Debug>(result: Result<T, SdkError<E>>) -> String {
    code(&result.unwrap_err())
}
