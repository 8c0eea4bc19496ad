//! The secrets of the rings in Secrets Manager, with their versions and staging labels.

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueError;
use aws_sdk_secretsmanager::operation::get_secret_value::builders::GetSecretValueFluentBuilder;
use aws_sdk_secretsmanager::operation::put_secret_value::PutSecretValueError;
use aws_sdk_secretsmanager::primitives::DateTime;
use jiff::Timestamp;
use platform::aws::{Service, describe, sdk_config};
use platform::config::Config;
use platform::{ConfigError, Problem};

/// The label of the version in force.
pub const CURRENT: &str = "AWSCURRENT";
/// The label of the version that a rotation is making.
pub const PENDING: &str = "AWSPENDING";

/// A client of Secrets Manager that changes secrets.
pub struct Vault(Client);

/// A version of a secret with its value.
pub struct Version {
    pub id: String,
    /// When it got its value.
    pub created_at: Timestamp,
    pub text: String,
}

/// The state of a rotation.
pub struct VersionStatus {
    /// The labels of the version that it makes.
    pub stages: Vec<String>,
    /// When Secrets Manager last saw a rotation end.
    pub rotated_at: Option<Timestamp>,
}

impl Vault {
    pub fn new(config: &Config) -> Result<Self, ConfigError> {
        Ok(Self(Client::new(&sdk_config(config, Service::SecretsManager)?)))
    }

    /// The state of the rotation that makes the version `id`.
    pub async fn status(&self, arn: &str, id: &str) -> Result<VersionStatus, Problem> {
        let found =
            self.0.describe_secret().secret_id(arn).send().await.map_err(|error| failed(&error))?;
        let stages = found
            .version_ids_to_stages()
            .and_then(|versions| versions.get(id))
            .cloned()
            .unwrap_or_default();
        Ok(VersionStatus { stages, rotated_at: found.last_rotated_date().and_then(time) })
    }

    /// The version in force.
    pub async fn current(&self, arn: &str) -> Result<Version, Problem> {
        let found =
            self.read(self.0.get_secret_value().secret_id(arn).version_stage(CURRENT)).await?;
        found.ok_or_else(|| {
            failed(&std::io::Error::other("the secret has no version with the label AWSCURRENT"))
        })
    }

    /// The version that a rotation makes; `None` until it has a value.
    pub async fn pending(&self, arn: &str, id: &str) -> Result<Option<Version>, Problem> {
        self.read(self.0.get_secret_value().secret_id(arn).version_id(id).version_stage(PENDING))
            .await
    }

    /// Gives the version that a rotation makes its value. A value that it has already stays.
    pub async fn prepare(&self, arn: &str, id: &str, text: String) -> Result<(), Problem> {
        let put = self
            .0
            .put_secret_value()
            .secret_id(arn)
            .client_request_token(id)
            .version_stages(PENDING)
            .secret_string(text);
        match put.send().await {
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(PutSecretValueError::is_resource_exists_exception) =>
            {
                Ok(())
            }
            put => put.map(|_| ()).map_err(|error| failed(&error)),
        }
    }

    /// Puts a new version in force at once, which ends a rotation that is under way.
    pub async fn replace(&self, arn: &str, text: String) -> Result<(), Problem> {
        let put = self
            .0
            .put_secret_value()
            .secret_id(arn)
            .version_stages(CURRENT)
            .version_stages(PENDING)
            .secret_string(text);
        put.send().await.map(|_| ()).map_err(|error| failed(&error))
    }

    /// Puts the version `to` in force, if `from` is still in force.
    pub async fn promote(&self, arn: &str, from: &str, to: &str) -> Result<(), Problem> {
        let update = self.0.update_secret_version_stage().secret_id(arn).version_stage(CURRENT);
        let update = update.remove_from_version_id(from).move_to_version_id(to);
        update.send().await.map(|_| ()).map_err(|error| failed(&error))
    }

    async fn read(&self, request: GetSecretValueFluentBuilder) -> Result<Option<Version>, Problem> {
        let found = match request.send().await {
            Ok(found) => found,
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(GetSecretValueError::is_resource_not_found_exception) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(failed(&error)),
        };
        let version =
            (found.version_id, found.created_date.as_ref().and_then(time), found.secret_string);
        let (Some(id), Some(created_at), Some(text)) = version else {
            return Err(failed(&std::io::Error::other(
                "a version of the secret lacks its id, its creation time or its text",
            )));
        };
        Ok(Some(Version { id, created_at, text }))
    }
}

fn time(time: &DateTime) -> Option<Timestamp> {
    Timestamp::from_second(time.secs()).ok()
}

fn failed(error: &dyn std::error::Error) -> Problem {
    tracing::error!(error = describe(error), "failed to call Secrets Manager");
    Problem::unavailable()
}
