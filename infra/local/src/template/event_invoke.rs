//! The handling of asynchronous invocations: `EventInvokeConfig` of a function.

use std::time::Duration;

use serde::Deserialize;

use super::destination::{self, Target};
use super::error::TemplateError;
use super::model::{Deployment, EventInvoke};
use super::properties::{Scalar, number};

/// The types of destinations that a function may have here.
const TYPES: &[&str] = &["SQS", "SNS", "Lambda"];

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

impl EventInvokeConfig {
    /// The handling, with Lambda's bounds and defaults. [`check_destinations`] looks for the
    /// destinations, which may come later in the template.
    pub(super) fn read(self) -> Result<EventInvoke, TemplateError> {
        let retries = number("MaximumRetryAttempts", self.maximum_retry_attempts, 2, 0..=2)?;
        let age = self.maximum_event_age_in_seconds;
        let age = number("MaximumEventAgeInSeconds", age, 21_600, 60..=21_600)?;
        let arn = |name: &str, target: Option<Target>| {
            let arn = target.map(|target| target.arn(TYPES)).transpose();
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

/// Refuses a template in which a record would go to a destination that the local stack lacks.
pub(super) fn check_destinations(deployment: &Deployment) -> Result<(), TemplateError> {
    for function in &deployment.functions {
        let EventInvoke { on_success, on_failure, .. } = &function.event_invoke;
        for (name, arn) in [("OnSuccess", on_success), ("OnFailure", on_failure)] {
            let checked = arn.as_ref().map_or(Ok(()), |arn| destination::check(arn, deployment));
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
