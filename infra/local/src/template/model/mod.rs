//! The resources of the template, after its parameters, conditions and intrinsic functions have
//! been resolved. All values are plain, and their names are the usual ones. The rest of the local
//! stack knows only these types.

mod resources;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use crate::event_pattern::Pattern;

pub use resources::{
    Bucket, CorsRule, DefaultRetention, Expiration, Key, KeySpec, ObjectLock, Queue, Resources,
    RetentionMode, Secret, Table,
};

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
    /// Memory size in MB, given to the function as `AWS_LAMBDA_FUNCTION_MEMORY_SIZE`. A process
    /// that needs more ends.
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
