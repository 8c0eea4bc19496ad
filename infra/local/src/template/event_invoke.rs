//! The handling of asynchronous invocations: `EventInvokeConfig` of a function.

use std::time::Duration;

use serde::Deserialize;

use super::attributes::function_arn;
use super::error::TemplateError;
use super::model::{Deployment, EventInvoke};
use super::properties::{Scalar, number};

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct EventInvokeConfig {
    maximum_retry_attempts: Option<Scalar<u64>>,
    maximum_event_age_in_seconds: Option<Scalar<u64>>,
    #[serde(default)]
    destination_config: DestinationConfig,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct DestinationConfig {
    on_success: Option<Target>,
    on_failure: Option<Target>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Target {
    r#type: String,
    destination: Option<String>,
}

impl EventInvokeConfig {
    /// The handling, with Lambda's bounds and defaults. [`check_destinations`] looks for the
    /// destinations, which may come later in the template.
    pub(super) fn read(self) -> Result<EventInvoke, TemplateError> {
        let retries = number("MaximumRetryAttempts", self.maximum_retry_attempts, 2, 0..=2)?;
        let age = self.maximum_event_age_in_seconds;
        let age = number("MaximumEventAgeInSeconds", age, 21_600, 60..=21_600)?;
        let arn = |name: &str, target: Option<Target>| {
            let arn = target.map(Target::arn).transpose();
            arn.map_err(|error| error.within(name).within("DestinationConfig"))
        };
        Ok(EventInvoke {
            retries: usize::try_from(retries).unwrap_or(usize::MAX),
            maximum_age: Duration::from_secs(age),
            on_success: arn("OnSuccess", self.destination_config.on_success)?,
            on_failure: arn("OnFailure", self.destination_config.on_failure)?,
        })
    }
}

impl Target {
    fn arn(self) -> Result<String, TemplateError> {
        if !["SQS", "SNS", "Lambda"].contains(&self.r#type.as_str()) {
            let message = format!(
                "the local stack has no destinations of the type `{}`, only SQS, SNS and Lambda",
                self.r#type
            );
            return Err(TemplateError::new(message).within("Type"));
        }
        let Some(arn) = self.destination else {
            return Err(TemplateError::new(
                "name the destination: SAM would make one, and the local stack does not",
            )
            .within("Destination"));
        };
        // By the type, SAM decides what the function may do.
        if !service(&arn).eq_ignore_ascii_case(&self.r#type) {
            let message = format!("`{arn}` is not an ARN of the type {}", self.r#type);
            return Err(TemplateError::new(message).within("Destination"));
        }
        Ok(arn)
    }
}

/// Refuses a template in which a record would go to a destination that the local stack lacks.
pub(super) fn check_destinations(deployment: &Deployment) -> Result<(), TemplateError> {
    for function in &deployment.functions {
        let EventInvoke { on_success, on_failure, .. } = &function.event_invoke;
        for (name, arn) in [("OnSuccess", on_success), ("OnFailure", on_failure)] {
            let checked = arn.as_ref().map_or(Ok(()), |arn| check_destination(arn, deployment));
            checked.map_err(|error| {
                error.within(format!(
                    "Resources.{}.Properties.EventInvokeConfig.DestinationConfig.{name}",
                    function.id
                ))
            })?;
        }
    }
    Ok(())
}

/// Refuses an ARN to which [`crate::destinations::Destinations`] can't send a record.
pub(super) fn check_destination(arn: &str, deployment: &Deployment) -> Result<(), TemplateError> {
    let is_known = match service(arn) {
        "sqs" => deployment.resources.queues.iter().any(|queue| queue.arn == arn),
        "lambda" => deployment.functions.iter().any(|function| function_arn(&function.id) == arn),
        "sns" => true,
        _ => false,
    };
    if is_known {
        return Ok(());
    }
    let message = format!(
        "the local stack can't send records to `{arn}`, only to SQS queues and functions of this \
         template, and it logs those for SNS topics"
    );
    Err(TemplateError::new(message).within("Destination"))
}

fn service(arn: &str) -> &str {
    arn.split(':').nth(2).unwrap_or_default()
}
