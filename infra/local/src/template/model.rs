//! The resources of the template, after its parameters, conditions and intrinsic functions have
//! been resolved. All values are plain, and their names are the usual ones. The rest of the local
//! stack knows only these types.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::event_pattern::Pattern;

/// Everything of a template that runs on this machine.
#[derive(Debug, Clone, Default)]
pub struct Deployment {
    /// The Lambda functions, in the template's order.
    pub functions: Vec<Function>,
    /// The resources that keep state.
    pub resources: Resources,
    /// The HTTP API, if there is one.
    pub http_api: Option<HttpApi>,
    /// The WebSocket API, if there is one.
    pub websocket_api: Option<WebSocketApi>,
    /// The template's outputs, resolved.
    pub outputs: BTreeMap<String, String>,
    /// Logical ids of functions to invoke once, in this order, after every start
    /// (`Metadata.LocalStack.InvokeOnStart` of the template).
    pub invoke_on_start: Vec<String>,
    /// Lines to print when the stack is ready (`Metadata.LocalStack.Welcome`, with `${Url}` and
    /// `${WebSocketUrl}` filled in).
    pub welcome: Vec<String>,
}

/// The resources that keep state.
#[derive(Debug, Clone, Default)]
pub struct Resources {
    /// The DynamoDB tables.
    pub tables: Vec<Table>,
    /// The Secrets Manager secrets.
    pub secrets: Vec<Secret>,
    /// The KMS keys.
    pub keys: Vec<Key>,
    /// The SQS queues.
    pub queues: Vec<Queue>,
    /// The S3 buckets.
    pub buckets: Vec<Bucket>,
}

/// One Lambda function.
#[derive(Debug, Clone)]
pub struct Function {
    /// Logical id in the template. It is also the function's name and the last part of its local
    /// ARN.
    pub id: String,
    /// Name of the workspace binary that serves as its bootstrap
    /// (`Metadata.BuildProperties.Binary`).
    pub binary: String,
    /// Environment variables as the template sets them.
    pub environment: BTreeMap<String, String>,
    /// The stack kills an invocation that runs longer than this.
    pub timeout: Duration,
    /// Interval of each of its `Schedule` events.
    pub schedules: Vec<Duration>,
    /// Its `DynamoDB` events.
    pub streams: Vec<StreamSource>,
    /// Memory size in MB, given to the function as `AWS_LAMBDA_FUNCTION_MEMORY_SIZE`.
    pub memory_mb: u32,
    /// Maximum number of concurrent invocations, if the template reserves some.
    pub reserved_concurrency: Option<usize>,
    /// The handling of its asynchronous invocations.
    pub event_invoke: EventInvoke,
}

/// The handling of a function's asynchronous invocations (`EventInvokeConfig`). The default is
/// Lambda's.
#[derive(Debug, Clone)]
pub struct EventInvoke {
    /// Number of attempts after the first, two at most.
    pub retries: usize,
    /// An event that has waited for longer is not given to the function.
    pub maximum_age: Duration,
    /// ARN of the destination for a record of each success.
    pub on_success: Option<String>,
    /// ARN of the destination for a record of each failure.
    pub on_failure: Option<String>,
}

impl Default for EventInvoke {
    fn default() -> EventInvoke {
        EventInvoke {
            retries: 2,
            maximum_age: Duration::from_hours(6),
            on_success: None,
            on_failure: None,
        }
    }
}

/// An event source mapping: the stream of a table, whose records invoke a function.
#[derive(Debug, Clone)]
pub struct StreamSource {
    /// Name of the event in the template.
    pub event: String,
    /// ARN of the stream.
    pub arn: String,
    /// Name of the stream's table.
    pub table: String,
    /// The first record of a new mapping.
    pub starting_position: StartingPosition,
    /// Whether records are delivered. A mapping that is not enabled keeps its position.
    pub enabled: bool,
    /// Maximum number of records in an invocation.
    pub batch_size: usize,
    /// How long records are gathered before an invocation (`MaximumBatchingWindowInSeconds`).
    pub window: Duration,
    /// A record is delivered if it matches one of these, or if there are none.
    pub filters: Vec<Pattern>,
    /// Whether the function's answer names the failed records (`ReportBatchItemFailures`).
    pub reports_failures: bool,
    /// How often a failed batch is tried again. `None` has no limit.
    pub retries: Option<u32>,
    /// An older record is given up. `None` has no limit.
    pub max_age: Option<Duration>,
    /// Whether a failed batch is split in two (`BisectBatchOnFunctionError`).
    pub bisects: bool,
    /// Number of batches at a time (`ParallelizationFactor`). The records of one partition key stay
    /// in order.
    pub parallel: usize,
    /// ARN to which records that are given up are reported (`DestinationConfig.OnFailure`).
    pub on_failure: Option<String>,
}

/// The first record that a new mapping delivers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StartingPosition {
    /// The oldest record that the stream still has.
    TrimHorizon,
    /// The first one after the mapping has been made.
    Latest,
}

/// One DynamoDB table.
#[derive(Debug, Clone)]
pub struct Table {
    /// Logical id in the template.
    pub id: String,
    /// Table name.
    pub name: String,
    /// The body of a `CreateTable` request (`AttributeDefinitions`, `KeySchema`,
    /// `GlobalSecondaryIndexes`, …) in the spelling of the DynamoDB API, which is also
    /// CloudFormation's.
    pub create: serde_json::Value,
    /// Attribute that holds the time to live, if enabled.
    pub ttl_attribute: Option<String>,
}

impl Table {
    /// Whether its changes are recorded in a stream.
    pub fn has_stream(&self) -> bool {
        self.create["StreamSpecification"].is_object()
    }
}

/// One Secrets Manager secret with generated content.
#[derive(Debug, Clone)]
pub struct Secret {
    /// Logical id in the template.
    pub id: String,
    /// Name, also the last part of its local ARN.
    pub name: String,
    /// Local ARN, the value of `Ref`.
    pub arn: String,
    /// JSON object to which the generated string is added (`SecretStringTemplate`).
    pub template: serde_json::Map<String, serde_json::Value>,
    /// Key under which the generated string is stored (`GenerateStringKey`).
    pub key: String,
    /// Length of the generated string in characters (`PasswordLength`).
    pub length: usize,
    /// ARN of the function that rotates it (`AWS::SecretsManager::RotationSchedule`), if there is
    /// one.
    pub rotated_by: Option<String>,
}

/// One KMS key.
#[derive(Debug, Clone)]
pub struct Key {
    /// Logical id in the template.
    pub id: String,
    /// Local key id, the value of `Ref`: a UUID that follows from the logical id.
    pub key_id: String,
    /// Local ARN.
    pub arn: String,
    /// The kind of the key.
    pub spec: KeySpec,
    /// Whether the key can be used.
    pub enabled: bool,
    /// Names of the key, `alias/…`.
    pub aliases: Vec<String>,
}

/// `KeySpec` of a KMS key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeySpec {
    /// AES-256-GCM.
    #[default]
    #[serde(rename = "SYMMETRIC_DEFAULT")]
    Symmetric,
    /// Ed25519.
    #[serde(rename = "ECC_NIST_EDWARDS25519")]
    Ed25519,
}

impl KeySpec {
    /// The name that AWS gives it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Symmetric => "SYMMETRIC_DEFAULT",
            Self::Ed25519 => "ECC_NIST_EDWARDS25519",
        }
    }

    /// `KeyUsage` of its keys.
    pub fn usage(self) -> &'static str {
        match self {
            Self::Symmetric => "ENCRYPT_DECRYPT",
            Self::Ed25519 => "SIGN_VERIFY",
        }
    }
}

/// One SQS queue, a standard one.
#[derive(Debug, Clone)]
pub struct Queue {
    /// Logical id in the template.
    pub id: String,
    /// Name, also the last part of its ARN and of its URL.
    pub name: String,
    /// Local ARN.
    pub arn: String,
    /// A sent message is invisible for this long, unless the sender says otherwise.
    pub delay: Duration,
    /// Largest message in bytes.
    pub maximum_bytes: usize,
    /// The queue drops a message this long after it was sent.
    pub retention: Duration,
    /// A receiver waits for a message for this long, unless it says otherwise.
    pub receive_wait: Duration,
    /// A received message is invisible for this long, unless the receiver says otherwise.
    pub visibility_timeout: Duration,
}

/// One S3 bucket.
#[derive(Debug, Clone)]
pub struct Bucket {
    /// Logical id in the template.
    pub id: String,
    /// Name, also the last part of its ARN.
    pub name: String,
    /// Whether it keeps the versions of its objects.
    pub versioned: bool,
    /// Its Object Lock, if enabled.
    pub object_lock: Option<ObjectLock>,
}

/// The Object Lock of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectLock {
    /// The retention of objects that are put without one.
    pub default_retention: Option<DefaultRetention>,
}

/// A retention from the moment of the put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefaultRetention {
    /// Its mode.
    pub mode: RetentionMode,
    /// Its length in days.
    pub days: u32,
}

/// How strictly Object Lock retains an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum RetentionMode {
    /// A caller with the permission to bypass it may delete the object.
    Governance,
    /// No caller may delete the object.
    Compliance,
}

/// The HTTP API (API Gateway v2, payload format 2.0).
#[derive(Debug, Clone, Default)]
pub struct HttpApi {
    /// Logical id in the template.
    pub id: String,
    /// Routes, `$default` included.
    pub routes: Vec<HttpRoute>,
    /// CORS configuration, if any.
    pub cors: Option<Cors>,
}

/// One route of the HTTP API.
#[derive(Debug, Clone)]
pub struct HttpRoute {
    /// `GET /users/{id}` or `$default`.
    pub route_key: String,
    /// Logical id of its function.
    pub function: String,
    /// How long the API waits for the function before it answers 503 (`TimeoutInMillis`, at most 30
    /// s).
    pub timeout: Duration,
}

/// `CorsConfiguration` of the HTTP API.
#[derive(Debug, Clone, Default)]
pub struct Cors {
    /// Exact origins.
    pub allow_origins: Vec<String>,
    /// Request headers, compared without regard to case.
    pub allow_headers: Vec<String>,
    /// Methods.
    pub allow_methods: Vec<String>,
    /// Headers that scripts may read.
    pub expose_headers: Vec<String>,
    /// Seconds a preflight may be cached.
    pub max_age_seconds: Option<u64>,
    /// Whether browsers may send credentials.
    pub allow_credentials: bool,
}

/// The WebSocket API (API Gateway v2), raw resources in the template.
#[derive(Debug, Clone, Default)]
pub struct WebSocketApi {
    /// Logical id in the template.
    pub id: String,
    /// Stage name, the first segment of the path.
    pub stage: String,
    /// Route selection expression, `$request.body.action`.
    pub selection: String,
    /// Route key (`$connect`, `charts.subscribe`, `$default`) to logical function id.
    pub routes: BTreeMap<String, String>,
}
