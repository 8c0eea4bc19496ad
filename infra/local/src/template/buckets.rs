//! S3 buckets.

use serde::Deserialize;

use super::bucket_rules::{CorsConfiguration, LifecycleConfiguration};
use super::document::Resource;
use super::error::TemplateError;
use super::model::{Bucket, DefaultRetention, ObjectLock, RetentionMode};
use super::properties::{Scalar, read};
use super::resolver::Resolver;

/// Properties that a bucket may have and that have no effect on this machine.
const WITHOUT_LOCAL_EFFECT: &[&str] = &[
    "BucketEncryption",
    "InventoryConfigurations",
    "LoggingConfiguration",
    "MetricsConfigurations",
    "OwnershipControls",
    "PublicAccessBlockConfiguration",
    "Tags",
];

/// The longest retention that S3 takes: 100 years.
const LONGEST_RETENTION_DAYS: u32 = 36_500;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Properties {
    #[serde(rename = "BucketName")]
    _name: Option<String>,
    cors_configuration: Option<CorsConfiguration>,
    lifecycle_configuration: Option<LifecycleConfiguration>,
    object_lock_enabled: Option<Scalar<bool>>,
    object_lock_configuration: Option<LockConfiguration>,
    versioning_configuration: Option<Versioning>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Versioning {
    status: VersioningStatus,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
enum VersioningStatus {
    Enabled,
    Suspended,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct LockConfiguration {
    #[serde(rename = "ObjectLockEnabled")]
    _enabled: LockEnabled,
    rule: Option<LockRule>,
}

#[derive(Deserialize)]
enum LockEnabled {
    Enabled,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct LockRule {
    default_retention: Retention,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Retention {
    mode: RetentionMode,
    days: Scalar<u32>,
}

pub(super) fn bucket(resource: &Resource, resolver: &Resolver) -> Result<Bucket, TemplateError> {
    let name = resolver.bucket_name(resource)?;
    let properties = resolver.map(&resource.properties);
    properties
        .and_then(|properties| read(properties, WITHOUT_LOCAL_EFFECT))
        .and_then(|properties| described(&resource.id, name, properties))
        .map_err(|error| error.within("Properties"))
}

fn described(id: &str, name: String, properties: Properties) -> Result<Bucket, TemplateError> {
    let versioning = properties.versioning_configuration.map(|versioning| versioning.status);
    let object_lock = object_lock(
        properties.object_lock_enabled.is_some_and(|enabled| enabled.0),
        properties.object_lock_configuration,
        versioning,
    )?;
    let cors = properties.cors_configuration.map(CorsConfiguration::rules);
    let expirations = properties.lifecycle_configuration.map(LifecycleConfiguration::expirations);
    Ok(Bucket {
        id: id.to_owned(),
        name,
        versioned: versioning == Some(VersioningStatus::Enabled) || object_lock.is_some(),
        object_lock,
        cors: cors.transpose()?.unwrap_or_default(),
        expirations: expirations.transpose()?.unwrap_or_default(),
    })
}

/// The Object Lock of a bucket. S3 keeps the versions of a bucket that has it.
fn object_lock(
    enabled: bool,
    configuration: Option<LockConfiguration>,
    versioning: Option<VersioningStatus>,
) -> Result<Option<ObjectLock>, TemplateError> {
    if !enabled {
        return match configuration {
            Some(_) => Err(TemplateError::new(
                "the configuration needs the bucket's `ObjectLockEnabled: true`",
            )
            .within("ObjectLockConfiguration")),
            None => Ok(None),
        };
    }
    if versioning == Some(VersioningStatus::Suspended) {
        return Err(TemplateError::new("a bucket with Object Lock must keep versions")
            .within("VersioningConfiguration.Status"));
    }
    let rule = configuration.and_then(|configuration| configuration.rule);
    let default_retention = rule.map(|rule| DefaultRetention {
        mode: rule.default_retention.mode,
        days: rule.default_retention.days.0,
    });
    match &default_retention {
        Some(retention) if !(1..=LONGEST_RETENTION_DAYS).contains(&retention.days) => {
            Err(TemplateError::new(format!("this must be 1 to {LONGEST_RETENTION_DAYS}"))
                .within("ObjectLockConfiguration.Rule.DefaultRetention.Days"))
        }
        _ => Ok(Some(ObjectLock { default_retention })),
    }
}
