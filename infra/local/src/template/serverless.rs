//! SAM's own resources: functions with their HTTP events, and the HTTP API.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::document::Resource;
use super::error::TemplateError;
use super::event_invoke::EventInvokeConfig;
use super::model::{Cors, Function, HttpApi, HttpRoute};
use super::properties::{Scalar, read};
use super::resolver::Resolver;
use super::streams;

/// Lambda's default, in seconds.
const DEFAULT_TIMEOUT_SECONDS: u64 = 3;
const DEFAULT_MEMORY_MB: u32 = 128;
/// The longest time API Gateway waits for a function, which is also its default.
const API_TIMEOUT_MS: u64 = 30_000;

/// Properties that a function may have and that have no effect on this machine.
const FUNCTION_WITHOUT_LOCAL_EFFECT: &[&str] = &[
    "Architectures",
    "CodeUri",
    "Description",
    "EphemeralStorage",
    "Handler",
    "KmsKeyArn",
    "Layers",
    "PermissionsBoundary",
    "Policies",
    "RecursiveLoop",
    "Role",
    "RolePath",
    "Runtime",
    "RuntimeManagementConfig",
    "SnapStart",
    "Tags",
    "PropagateTags",
    "Tracing",
    "VpcConfig",
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct FunctionProperties {
    timeout: Option<Scalar<u64>>,
    memory_size: Option<Scalar<u32>>,
    reserved_concurrent_executions: Option<Scalar<usize>>,
    #[serde(default)]
    environment: Environment,
    #[serde(default)]
    events: BTreeMap<String, Event>,
    logging_config: Option<LoggingConfig>,
    #[serde(default)]
    event_invoke_config: EventInvokeConfig,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Environment {
    #[serde(default)]
    variables: BTreeMap<String, Scalar<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct LoggingConfig {
    log_format: Option<String>,
    application_log_level: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Event {
    r#type: String,
    #[serde(default)]
    properties: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct HttpEvent {
    api_id: String,
    method: Option<String>,
    path: Option<String>,
    timeout_in_millis: Option<Scalar<u64>>,
    payload_format_version: Option<Scalar<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct ScheduleEvent {
    schedule: String,
}

/// Reads a function and the routes that its events make. Each route comes with the API it belongs
/// to.
pub(super) fn function(
    resource: &Resource,
    resolver: &Resolver,
) -> Result<(Function, Vec<(String, HttpRoute)>), TemplateError> {
    let properties: FunctionProperties = read(
        resolver.map(&resource.properties).map_err(|error| error.within("Properties"))?,
        FUNCTION_WITHOUT_LOCAL_EFFECT,
    )
    .map_err(|error| error.within("Properties"))?;
    let mut routes = Vec::new();
    let mut schedules = Vec::new();
    let mut sources = Vec::new();
    for (name, event) in properties.events {
        let read = match event.r#type.as_str() {
            "HttpApi" => route(&resource.id, event.properties).map(|route| routes.push(route)),
            "Schedule" => schedule(event.properties).map(|every| schedules.push(every)),
            "DynamoDB" => {
                streams::source(&name, event.properties).map(|source| sources.push(source))
            }
            other => Err(TemplateError::new(format!(
                "the local stack does not know events of the type `{other}`"
            ))
            .within("Type")),
        };
        read.map_err(|error| error.within(format!("Properties.Events.{name}")))?;
    }
    let mut environment: BTreeMap<String, String> =
        properties.environment.variables.into_iter().map(|(name, value)| (name, value.0)).collect();
    if let Some(logging) = properties.logging_config {
        // Lambda tells a function its logging configuration through these variables.
        environment
            .extend(logging.log_format.map(|format| ("AWS_LAMBDA_LOG_FORMAT".to_owned(), format)));
        environment.extend(
            logging.application_log_level.map(|level| ("AWS_LAMBDA_LOG_LEVEL".to_owned(), level)),
        );
    }
    let event_invoke = properties
        .event_invoke_config
        .read()
        .map_err(|error| error.within("Properties.EventInvokeConfig"))?;
    let function = Function {
        id: resource.id.clone(),
        binary: binary(resource, resolver)?,
        environment,
        schedules,
        streams: sources,
        timeout: Duration::from_secs(
            properties.timeout.map_or(DEFAULT_TIMEOUT_SECONDS, |timeout| timeout.0),
        ),
        memory_mb: properties.memory_size.map_or(DEFAULT_MEMORY_MB, |memory| memory.0),
        reserved_concurrency: properties.reserved_concurrent_executions.map(|reserved| reserved.0),
        event_invoke,
    };
    Ok((function, routes))
}

/// `Metadata.BuildProperties.Binary`. cargo-lambda also finds the function's binary by it.
fn binary(resource: &Resource, resolver: &Resolver) -> Result<String, TemplateError> {
    let metadata = resolver.map(&resource.metadata).map_err(|error| error.within("Metadata"))?;
    metadata
        .get("BuildProperties")
        .and_then(|build| build.get("Binary"))
        .and_then(Value::as_str)
        .map(str::to_owned)
        .ok_or_else(|| {
            TemplateError::new(
                "name the function's binary here, as in `Metadata: {BuildMethod: rust-cargolambda, \
             BuildProperties: {Binary: health}}`",
            )
            .within("Metadata.BuildProperties.Binary")
        })
}

/// Reads how often a schedule invokes its function: `rate(5 minutes)`.
fn schedule(properties: Map<String, Value>) -> Result<Duration, TemplateError> {
    let event: ScheduleEvent =
        read(properties, &["Description", "Name"]).map_err(|error| error.within("Properties"))?;
    let unknown = || {
        TemplateError::new("the local stack knows rates only, as in `rate(5 minutes)`")
            .within("Properties.Schedule")
    };
    let rate = event
        .schedule
        .strip_prefix("rate(")
        .and_then(|rest| rest.strip_suffix(')'))
        .ok_or_else(unknown)?;
    let (count, unit) = rate.split_once(' ').ok_or_else(unknown)?;
    let count: u64 = count.parse().map_err(|_| unknown())?;
    let seconds = match unit {
        "minute" | "minutes" => 60,
        "hour" | "hours" => 3_600,
        "day" | "days" => 86_400,
        _ => return Err(unknown()),
    };
    if count == 0 { Err(unknown()) } else { Ok(Duration::from_secs(count * seconds)) }
}

fn route(
    function: &str,
    properties: Map<String, Value>,
) -> Result<(String, HttpRoute), TemplateError> {
    let event: HttpEvent =
        read(properties, &["RouteSettings"]).map_err(|error| error.within("Properties"))?;
    if event.payload_format_version.is_some_and(|version| version.0 != "2.0") {
        return Err(TemplateError::new("the local stack knows payload format 2.0 only")
            .within("Properties.PayloadFormatVersion"));
    }
    let route_key = match (event.method, event.path) {
        (None, None) => "$default".to_owned(),
        (method, Some(path)) => {
            format!("{} {path}", method.as_deref().unwrap_or("ANY").to_uppercase())
        }
        (Some(_), None) => {
            return Err(TemplateError::new("a method needs a path").within("Properties.Method"));
        }
    };
    let timeout = Duration::from_millis(
        event.timeout_in_millis.map_or(API_TIMEOUT_MS, |timeout| timeout.0.min(API_TIMEOUT_MS)),
    );
    Ok((event.api_id, HttpRoute { route_key, function: function.to_owned(), timeout }))
}

const HTTP_API_WITHOUT_LOCAL_EFFECT: &[&str] = &[
    "AccessLogSettings",
    "DefaultRouteSettings",
    "Description",
    "DisableExecuteApiEndpoint",
    "Domain",
    "FailOnWarnings",
    "Name",
    "PropagateTags",
    "RouteSettings",
    "Tags",
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct HttpApiProperties {
    cors_configuration: Option<CorsConfiguration>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct CorsConfiguration {
    #[serde(default)]
    allow_origins: Vec<String>,
    #[serde(default)]
    allow_headers: Vec<String>,
    #[serde(default)]
    allow_methods: Vec<String>,
    #[serde(default)]
    expose_headers: Vec<String>,
    max_age: Option<Scalar<u64>>,
    allow_credentials: Option<Scalar<bool>>,
}

/// Reads an HTTP API without its routes. The events of the functions add them.
pub(super) fn http_api(resource: &Resource, resolver: &Resolver) -> Result<HttpApi, TemplateError> {
    let properties: HttpApiProperties = resolver
        .map(&resource.properties)
        .and_then(|properties| read(properties, HTTP_API_WITHOUT_LOCAL_EFFECT))
        .map_err(|error| error.within("Properties"))?;
    let cors = properties.cors_configuration.map(|cors| Cors {
        allow_origins: cors.allow_origins,
        allow_headers: cors.allow_headers,
        allow_methods: cors.allow_methods,
        expose_headers: cors.expose_headers,
        max_age_seconds: cors.max_age.map(|age| age.0),
        allow_credentials: cors.allow_credentials.is_some_and(|allow| allow.0),
    });
    Ok(HttpApi { id: resource.id.clone(), routes: Vec::new(), cors })
}
