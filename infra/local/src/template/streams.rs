//! `DynamoDB` events of functions. SAM makes an event source mapping of each.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::attributes::stream_arn;
use super::destination::{self, Target};
use super::error::TemplateError;
use super::model::{Deployment, StartingPosition, StreamSource};
use super::properties::{Scalar, number, read};
use crate::event_pattern::Pattern;

/// Lambda's default.
const DEFAULT_BATCH_SIZE: usize = 100;
/// The longest pattern that Lambda takes, in characters.
const LONGEST_PATTERN: usize = 4_096;
/// The most filters that Lambda takes by default.
const MOST_FILTERS: usize = 5;

/// The types of destinations that a mapping may have here.
const TYPES: &[&str] = &["SQS", "SNS"];

/// Properties that have no effect on this machine.
const WITHOUT_LOCAL_EFFECT: &[&str] = &["KmsKeyArn", "MetricsConfig", "Tags"];

/// The fields of a stream's record, as a pattern sees it.
const RECORD_FIELDS: &[&str] = &[
    "awsRegion",
    "dynamodb",
    "eventID",
    "eventName",
    "eventSource",
    "eventSourceARN",
    "eventVersion",
    "userIdentity",
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct DynamoDbEvent {
    stream: String,
    starting_position: StartingPosition,
    batch_size: Option<Scalar<usize>>,
    maximum_batching_window_in_seconds: Option<Scalar<u64>>,
    filter_criteria: Option<FilterCriteria>,
    function_response_types: Option<Vec<ResponseType>>,
    maximum_retry_attempts: Option<Scalar<i64>>,
    maximum_record_age_in_seconds: Option<Scalar<i64>>,
    bisect_batch_on_function_error: Option<Scalar<bool>>,
    parallelization_factor: Option<Scalar<usize>>,
    enabled: Option<Scalar<bool>>,
    destination_config: Option<DestinationConfig>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct FilterCriteria {
    filters: Vec<Filter>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Filter {
    pattern: String,
}

#[derive(Deserialize)]
enum ResponseType {
    ReportBatchItemFailures,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct DestinationConfig {
    on_failure: Target,
}

/// Reads the event `name` of a function.
pub(super) fn source(
    name: &str,
    properties: Map<String, Value>,
) -> Result<StreamSource, TemplateError> {
    read(properties, WITHOUT_LOCAL_EFFECT)
        .and_then(|event| mapping(name, event))
        .map_err(|error| error.within("Properties"))
}

fn mapping(name: &str, event: DynamoDbEvent) -> Result<StreamSource, TemplateError> {
    let table = event.stream.split_once(":table/").and_then(|(_, rest)| rest.split('/').next());
    let table = table.unwrap_or_default().to_owned();
    let batch_size = number("BatchSize", event.batch_size, DEFAULT_BATCH_SIZE, 1..=10_000)?;
    let window = event.maximum_batching_window_in_seconds;
    let window = number("MaximumBatchingWindowInSeconds", window, 0, 0..=300)?;
    let retries = number("MaximumRetryAttempts", event.maximum_retry_attempts, -1, -1..=10_000)?;
    let max_age = event.maximum_record_age_in_seconds;
    let max_age = number("MaximumRecordAgeInSeconds", max_age, -1, -1..=604_800)?;
    if (0..60).contains(&max_age) {
        return Err(TemplateError::new("this must be -1, or 60 or more")
            .within("MaximumRecordAgeInSeconds"));
    }
    let on_failure = event.destination_config.map(|config| {
        let arn = config.on_failure.arn(TYPES);
        arn.map_err(|error| error.within("OnFailure").within("DestinationConfig"))
    });
    let criteria = event.filter_criteria.map(|criteria| criteria.filters).unwrap_or_default();
    Ok(StreamSource {
        event: name.to_owned(),
        table,
        arn: event.stream,
        starting_position: event.starting_position,
        enabled: event.enabled.is_none_or(|enabled| enabled.0),
        batch_size,
        window: Duration::from_secs(window),
        filters: filters(&criteria).map_err(|error| error.within("FilterCriteria.Filters"))?,
        reports_failures: event.function_response_types.is_some_and(|types| !types.is_empty()),
        retries: u32::try_from(retries).ok(),
        max_age: u64::try_from(max_age).ok().map(Duration::from_secs),
        bisects: event.bisect_batch_on_function_error.is_some_and(|bisects| bisects.0),
        parallel: number("ParallelizationFactor", event.parallelization_factor, 1, 1..=10)?,
        on_failure: on_failure.transpose()?,
    })
}

fn filters(filters: &[Filter]) -> Result<Vec<Pattern>, TemplateError> {
    if filters.len() > MOST_FILTERS {
        return Err(TemplateError::new(format!("Lambda takes at most {MOST_FILTERS} filters")));
    }
    let pattern = |(index, filter): (usize, &Filter)| {
        let parsed = if filter.pattern.chars().count() > LONGEST_PATTERN {
            Err(TemplateError::new(format!(
                "Lambda takes patterns of at most {LONGEST_PATTERN} characters"
            )))
        } else {
            Pattern::parse(&filter.pattern, RECORD_FIELDS)
                .map_err(|error| TemplateError::new(error.to_string()))
        };
        parsed.map_err(|error| error.within("Pattern").within(index.to_string()))
    };
    filters.iter().enumerate().map(pattern).collect()
}

/// Checks that each mapping reads the stream of a table of the template and reports to a
/// destination that is there. Lambda also refuses a function that reads one stream twice.
pub(super) fn check(deployment: &Deployment) -> Result<(), TemplateError> {
    for function in &deployment.functions {
        for (index, source) in function.streams.iter().enumerate() {
            let earlier = &function.streams[..index];
            check_source(source, earlier, deployment).map_err(|error| {
                error.within(format!(
                    "Resources.{}.Properties.Events.{}.Properties",
                    function.id, source.event
                ))
            })?;
        }
    }
    Ok(())
}

fn check_source(
    source: &StreamSource,
    earlier: &[StreamSource],
    deployment: &Deployment,
) -> Result<(), TemplateError> {
    let mut tables = deployment.resources.tables.iter();
    let problem = match tables.find(|table| stream_arn(&table.name) == source.arn) {
        None => Some(format!("`{}` is not the stream of a table of this template", source.arn)),
        Some(table) if !table.has_stream() => {
            Some(format!("{} has no stream: give it a StreamSpecification", table.id))
        }
        Some(_) => earlier
            .iter()
            .find(|earlier| earlier.arn == source.arn)
            .map(|earlier| format!("the event {} reads this stream already", earlier.event)),
    };
    if let Some(problem) = problem {
        return Err(TemplateError::new(problem).within("Stream"));
    }
    source.on_failure.as_deref().map_or(Ok(()), |arn| {
        destination::check(arn, deployment)
            .map_err(|error| error.within("OnFailure").within("DestinationConfig"))
    })
}
