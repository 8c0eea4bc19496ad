//! The rules of a bucket for pages of other origins and for the age of its objects.

use serde::Deserialize;

use super::error::TemplateError;
use super::model::{CorsRule, Expiration};
use super::properties::{Scalar, number};

/// The methods that a rule may allow. S3 answers a preflight for no other.
const METHODS: [&str; 5] = ["GET", "PUT", "POST", "DELETE", "HEAD"];
/// The longest time that S3 takes, in days.
const MOST_DAYS: u32 = 2_147_483_647;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct CorsConfiguration {
    cors_rules: Vec<CorsRuleProperties>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct CorsRuleProperties {
    #[serde(rename = "Id")]
    _id: Option<String>,
    #[serde(default)]
    allowed_headers: Vec<String>,
    allowed_methods: Vec<String>,
    allowed_origins: Vec<String>,
    #[serde(default)]
    exposed_headers: Vec<String>,
    max_age: Option<Scalar<u64>>,
}

impl CorsConfiguration {
    pub(super) fn rules(self) -> Result<Vec<CorsRule>, TemplateError> {
        if self.cors_rules.is_empty() {
            return Err(TemplateError::new("S3 takes at least one rule: leave the property out")
                .within("CorsConfiguration.CorsRules"));
        }
        let rules = self.cors_rules.into_iter().enumerate().map(|(index, rule)| {
            let place = format!("CorsConfiguration.CorsRules[{index}]");
            cors_rule(rule).map_err(|error| error.within(place))
        });
        rules.collect()
    }
}

fn cors_rule(rule: CorsRuleProperties) -> Result<CorsRule, TemplateError> {
    for (property, values) in
        [("AllowedMethods", &rule.allowed_methods), ("AllowedOrigins", &rule.allowed_origins)]
    {
        if values.is_empty() {
            return Err(TemplateError::new("this must name one at least").within(property));
        }
    }
    if let Some(method) =
        rule.allowed_methods.iter().find(|method| !METHODS.contains(&method.as_str()))
    {
        let message = format!("S3 does not take `{method}` here, only {}", METHODS.join(", "));
        return Err(TemplateError::new(message).within("AllowedMethods"));
    }
    for (property, values) in
        [("AllowedHeaders", &rule.allowed_headers), ("AllowedOrigins", &rule.allowed_origins)]
    {
        let is_pattern = |value: &String| !value.is_empty() && value.matches('*').count() <= 1;
        if let Some(value) = values.iter().find(|value| !is_pattern(value)) {
            let message = format!("`{value}` must have a character, and `*` no more than once");
            return Err(TemplateError::new(message).within(property));
        }
    }
    Ok(CorsRule {
        allowed_origins: rule.allowed_origins,
        allowed_methods: rule.allowed_methods,
        allowed_headers: rule.allowed_headers,
        exposed_headers: rule.exposed_headers,
        max_age_seconds: rule.max_age.map(|age| age.0),
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct LifecycleConfiguration {
    rules: Vec<LifecycleRule>,
}

/// A rule. The parts with `_` have no effect here: the local S3 has no multipart uploads, and keeps
/// the versions of a bucket that has them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct LifecycleRule {
    #[serde(rename = "Id")]
    _id: Option<String>,
    status: Status,
    #[serde(default)]
    prefix: String,
    expiration_in_days: Option<Scalar<u32>>,
    #[serde(rename = "AbortIncompleteMultipartUpload")]
    _uploads: Option<UploadExpiration>,
    #[serde(rename = "ExpiredObjectDeleteMarker")]
    _markers: Option<Scalar<bool>>,
    #[serde(rename = "NoncurrentVersionExpiration")]
    _versions: Option<VersionExpiration>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
enum Status {
    Enabled,
    Disabled,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UploadExpiration {
    #[serde(rename = "DaysAfterInitiation")]
    _days: Scalar<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VersionExpiration {
    #[serde(rename = "NoncurrentDays")]
    _days: Scalar<u32>,
    #[serde(rename = "NewerNoncurrentVersions")]
    _newer: Option<Scalar<u32>>,
}

impl LifecycleConfiguration {
    /// The rules in force by which objects expire.
    pub(super) fn expirations(self) -> Result<Vec<Expiration>, TemplateError> {
        let mut expirations = Vec::new();
        for (index, rule) in self.rules.into_iter().enumerate() {
            let Some(days) = rule.expiration_in_days else { continue };
            let days = number("ExpirationInDays", Some(days), 1, 1..=MOST_DAYS)
                .map_err(|error| error.within(format!("LifecycleConfiguration.Rules[{index}]")))?;
            if rule.status == Status::Enabled {
                expirations.push(Expiration { prefix: rule.prefix, days });
            }
        }
        Ok(expirations)
    }
}
