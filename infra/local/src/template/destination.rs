//! Destinations of records: of asynchronous invocations, and of records of a stream that are given
//! up.

use serde::Deserialize;

use super::attributes::function_arn;
use super::error::TemplateError;
use super::model::Deployment;

/// A destination as the template names it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Target {
    r#type: String,
    destination: Option<String>,
}

impl Target {
    /// The ARN of the destination, which has one of these types.
    pub(super) fn arn(self, types: &[&str]) -> Result<String, TemplateError> {
        if !types.contains(&self.r#type.as_str()) {
            let message = format!(
                "the local stack has no destinations of the type `{}` here, only {}",
                self.r#type,
                types.join(", ")
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

/// Refuses an ARN to which [`crate::destinations::Destinations`] can't send a record.
pub(super) fn check(arn: &str, deployment: &Deployment) -> Result<(), TemplateError> {
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
