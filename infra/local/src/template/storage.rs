//! DynamoDB tables, Secrets Manager secrets and SQS queues.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::attributes::queue_arn;
use super::document::Resource;
use super::error::TemplateError;
use super::model::{Queue, Secret, Table};
use super::properties::{Scalar, number, read};
use super::resolver::Resolver;

const TABLE_WITHOUT_LOCAL_EFFECT: &[&str] = &[
    "ContributorInsightsSpecification",
    "DeletionProtectionEnabled",
    "KinesisStreamSpecification",
    "OnDemandThroughput",
    "PointInTimeRecoverySpecification",
    "ResourcePolicy",
    "SSESpecification",
    "TableClass",
    "Tags",
    "WarmThroughput",
];

/// Properties that CloudFormation and the DynamoDB API spell in the same way.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct TableProperties {
    #[serde(rename = "TableName")]
    _name: Option<String>,
    attribute_definitions: Value,
    key_schema: Value,
    billing_mode: Option<Value>,
    provisioned_throughput: Option<Value>,
    global_secondary_indexes: Option<Value>,
    local_secondary_indexes: Option<Value>,
    stream_specification: Option<StreamSpecification>,
    time_to_live_specification: Option<TimeToLive>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct StreamSpecification {
    stream_view_type: StreamViewType,
    #[serde(rename = "ResourcePolicy")]
    _resource_policy: Option<Value>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum StreamViewType {
    KeysOnly,
    NewImage,
    OldImage,
    NewAndOldImages,
}

/// An SDK refuses the shard id of a local stream whose table has a shorter name.
const SHORTEST_NAME_WITH_STREAM: usize = 11;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct TimeToLive {
    attribute_name: Option<String>,
    enabled: Scalar<bool>,
}

pub(super) fn table(resource: &Resource, resolver: &Resolver) -> Result<Table, TemplateError> {
    let name = resolver.own_name(resource, "TableName")?;
    let properties: TableProperties = resolver
        .map(&resource.properties)
        .and_then(|properties| read(properties, TABLE_WITHOUT_LOCAL_EFFECT))
        .map_err(|error| error.within("Properties"))?;
    let mut create = Map::from_iter([
        ("TableName".to_owned(), json!(name)),
        ("AttributeDefinitions".to_owned(), properties.attribute_definitions),
        ("KeySchema".to_owned(), properties.key_schema),
    ]);
    if properties.stream_specification.is_some() && name.len() < SHORTEST_NAME_WITH_STREAM {
        return Err(TemplateError::new(format!(
            "a table with a stream needs a name of {SHORTEST_NAME_WITH_STREAM} or more characters \
             on the local stack, and `{name}` is shorter"
        ))
        .within("Properties.TableName"));
    }
    // CloudFormation enables a stream by naming its view. The API needs the switch as well.
    let stream = properties
        .stream_specification
        .map(|stream| json!({"StreamEnabled": true, "StreamViewType": stream.stream_view_type}));
    for (key, value) in [
        ("BillingMode", properties.billing_mode),
        ("ProvisionedThroughput", properties.provisioned_throughput),
        ("GlobalSecondaryIndexes", properties.global_secondary_indexes),
        ("LocalSecondaryIndexes", properties.local_secondary_indexes),
        ("StreamSpecification", stream),
    ] {
        create.extend(value.map(|value| (key.to_owned(), value)));
    }
    let ttl_attribute = properties
        .time_to_live_specification
        .filter(|ttl| ttl.enabled.0)
        .and_then(|ttl| ttl.attribute_name);
    Ok(Table { id: resource.id.clone(), name, create: create.into(), ttl_attribute })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct SecretProperties {
    #[serde(rename = "Name")]
    _name: Option<String>,
    generate_secret_string: GenerateSecretString,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct GenerateSecretString {
    secret_string_template: String,
    generate_string_key: String,
    password_length: Option<Scalar<usize>>,
}

/// Properties that choose the characters of the generated string. They have no effect here: the
/// local string is letters and digits.
const CHARACTER_CHOICES: &[&str] = &[
    "ExcludeCharacters",
    "ExcludeLowercase",
    "ExcludeNumbers",
    "ExcludePunctuation",
    "ExcludeUppercase",
    "IncludeSpace",
    "RequireEachIncludedType",
];

/// Length of a generated string if the template does not give one, as on AWS.
const DEFAULT_PASSWORD_LENGTH: usize = 32;

pub(super) fn secret(resource: &Resource, resolver: &Resolver) -> Result<Secret, TemplateError> {
    let mut properties =
        resolver.map(&resource.properties).map_err(|error| error.within("Properties"))?;
    if let Some(Value::Object(generate)) = properties.get_mut("GenerateSecretString") {
        generate.retain(|name, _| !CHARACTER_CHOICES.contains(&name.as_str()));
    }
    let properties: SecretProperties =
        read(properties, &["Description", "KmsKeyId", "ReplicaRegions", "Tags"])
            .map_err(|error| error.within("Properties"))?;
    let generate = properties.generate_secret_string;
    let template = serde_json::from_str(&generate.secret_string_template).map_err(|error| {
        TemplateError::new(format!("this is not a JSON object: {error}"))
            .within("Properties.GenerateSecretString.SecretStringTemplate")
    })?;
    Ok(Secret {
        id: resource.id.clone(),
        name: resolver.own_name(resource, "Name")?,
        arn: resolver.physical_id(&resource.id)?,
        template,
        key: generate.generate_string_key,
        length: generate.password_length.map_or(DEFAULT_PASSWORD_LENGTH, |length| length.0),
        rotated_by: None,
    })
}

/// Connects a secret to the function that rotates it, by their ARNs. AWS also rotates on a
/// schedule. Here a request starts the rotation.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rotation {
    #[serde(rename = "SecretId")]
    pub(super) secret_arn: String,
    #[serde(rename = "RotationLambdaARN")]
    pub(super) function_arn: String,
}

pub(super) fn rotation(
    resource: &Resource,
    resolver: &Resolver,
) -> Result<Rotation, TemplateError> {
    let properties = resolver.map(&resource.properties);
    properties
        .and_then(|properties| read(properties, &["RotateImmediatelyOnUpdate", "RotationRules"]))
        .map_err(|error| error.within("Properties"))
}

const QUEUE_WITHOUT_LOCAL_EFFECT: &[&str] = &[
    "KmsDataKeyReusePeriodSeconds",
    "KmsMasterKeyId",
    "RedriveAllowPolicy",
    "SqsManagedSseEnabled",
    "Tags",
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct QueueProperties {
    #[serde(rename = "QueueName")]
    _name: Option<String>,
    delay_seconds: Option<Scalar<u64>>,
    fifo_queue: Option<Scalar<bool>>,
    maximum_message_size: Option<Scalar<u64>>,
    message_retention_period: Option<Scalar<u64>>,
    receive_message_wait_time_seconds: Option<Scalar<u64>>,
    visibility_timeout: Option<Scalar<u64>>,
}

/// Reads a queue. The defaults and bounds of its numbers are those of SQS.
pub(super) fn queue(resource: &Resource, resolver: &Resolver) -> Result<Queue, TemplateError> {
    let name = resolver.own_name(resource, "QueueName")?;
    let properties = resolver.map(&resource.properties);
    properties
        .and_then(|properties| read(properties, QUEUE_WITHOUT_LOCAL_EFFECT))
        .and_then(|properties| standard_queue(&resource.id, name, &properties))
        .map_err(|error| error.within("Properties"))
}

fn standard_queue(
    id: &str,
    name: String,
    properties: &QueueProperties,
) -> Result<Queue, TemplateError> {
    let named_as_fifo = name.rsplit_once('.').is_some_and(|(_, suffix)| suffix == "fifo");
    if properties.fifo_queue.is_some_and(|fifo| fifo.0) || named_as_fifo {
        return Err(TemplateError::new(
            "this is a FIFO queue, and the local stack has standard queues only",
        )
        .within("FifoQueue"));
    }
    let is_allowed = |letter: u8| letter.is_ascii_alphanumeric() || b"-_".contains(&letter);
    if name.is_empty() || name.len() > 80 || !name.bytes().all(is_allowed) {
        return Err(TemplateError::new(
            "a queue's name has 1 to 80 letters, digits, hyphens and underscores",
        )
        .within("QueueName"));
    }
    let seconds = |property: &str, given, default, bounds| {
        number(property, given, default, bounds).map(Duration::from_secs)
    };
    let retention = properties.message_retention_period;
    let wait = properties.receive_message_wait_time_seconds;
    let visibility = properties.visibility_timeout;
    let bytes =
        number("MaximumMessageSize", properties.maximum_message_size, 1_048_576, 1_024..=1_048_576);
    Ok(Queue {
        id: id.to_owned(),
        arn: queue_arn(&name),
        name,
        delay: seconds("DelaySeconds", properties.delay_seconds, 0, 0..=900)?,
        maximum_bytes: usize::try_from(bytes?).unwrap_or(usize::MAX),
        retention: seconds("MessageRetentionPeriod", retention, 345_600, 60..=1_209_600)?,
        receive_wait: seconds("ReceiveMessageWaitTimeSeconds", wait, 0, 0..=20)?,
        visibility_timeout: seconds("VisibilityTimeout", visibility, 30, 0..=43_200)?,
    })
}
