//! Secrets Manager: the template's secrets, generated at the first start and served from then on.

#![expect(clippy::disallowed_methods, reason = "the rule that one module reads the wall clock is the functions'")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use bytes::Bytes;
use hyper::StatusCode;
use jiff::Timestamp;
use rand::distr::{Alphanumeric, SampleString};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tempfile::NamedTempFile;
use uuid::Uuid;

use super::answer::{Answer, answer, error};
use super::calls::{CallLog, Service};
use super::directory::unusable;
use super::error::AwsError;
use crate::template::model::Secret;

/// The stage of the version that is in force.
const CURRENT: &str = "AWSCURRENT";

/// The secrets of the template with their values.
pub(super) struct Secrets(Vec<(Secret, Version)>);

/// A secret's value, as `secrets.json` keeps it under the secret's name.
#[derive(Serialize, Deserialize)]
struct Version {
    id: String,
    created_at_seconds: i64,
    secret_string: String,
}

impl Secrets {
    /// Reads the values from `file`, if there is one, and generates and keeps those that it lacks. Blocks.
    pub(super) fn open(file: Option<&Path>, secrets: Vec<Secret>) -> Result<Self, AwsError> {
        let mut kept = file.map_or_else(|| Ok(BTreeMap::new()), read)?;
        let known = kept.len();
        for secret in &secrets {
            kept.entry(secret.name.clone()).or_insert_with(|| Version::generate(secret));
        }
        if let Some(path) = file.filter(|_| kept.len() > known) {
            write(path, &kept).map_err(unusable(path))?;
        }
        Ok(Self(secrets.into_iter().filter_map(|secret| kept.remove(&secret.name).map(|value| (secret, value))).collect()))
    }

    /// Answers one request.
    pub(super) fn answer(&self, operation: &str, body: &Bytes, calls: &CallLog) -> Answer {
        let request: Value = serde_json::from_slice(body).unwrap_or_default();
        let id = request["SecretId"].as_str();
        calls.record(Service::SecretsManager, operation, id.map(str::to_owned).into_iter().collect());
        match (operation, id) {
            ("GetSecretValue", Some(id)) => self.get(id, &request),
            ("GetSecretValue", None) => error(StatusCode::BAD_REQUEST, "InvalidParameterException", "You must provide a SecretId."),
            _ => error(
                StatusCode::BAD_REQUEST,
                "InvalidRequestException",
                &format!("the local Secrets Manager does not know the operation {operation}"),
            ),
        }
    }

    fn get(&self, id: &str, request: &Value) -> Answer {
        let Some((secret, version)) = self.0.iter().find(|(secret, _)| secret.name == id || secret.arn == id) else {
            return not_found("Secrets Manager can't find the specified secret.");
        };
        let stage = request["VersionStage"].as_str().unwrap_or(CURRENT);
        if stage != CURRENT || request["VersionId"].as_str().is_some_and(|wanted| wanted != version.id) {
            return not_found("Secrets Manager can't find the specified secret value.");
        }
        let value = json!({
            "ARN": secret.arn,
            "Name": secret.name,
            "VersionId": version.id,
            "VersionStages": [CURRENT],
            "SecretString": version.secret_string,
            "CreatedDate": version.created_at_seconds,
        });
        answer(StatusCode::OK, value.to_string())
    }
}

impl Version {
    fn generate(secret: &Secret) -> Self {
        let mut content = secret.template.clone();
        content.insert(secret.key.clone(), Alphanumeric.sample_string(&mut rand::rng(), secret.length).into());
        Self {
            id: Uuid::new_v4().to_string(),
            created_at_seconds: Timestamp::now().as_second(),
            secret_string: Value::Object(content).to_string(),
        }
    }
}

fn read(path: &Path) -> Result<BTreeMap<String, Version>, AwsError> {
    match fs::read(path) {
        Ok(content) => serde_json::from_slice(&content).map_err(|source| AwsError::Secrets { path: path.to_owned(), source }),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(error) => Err(unusable(path)(error)),
    }
}

/// Replaces the file as a whole, so that a crash leaves the old values or the new ones. Only the owner may read it,
/// which is how the temporary file is made.
fn write(path: &Path, kept: &BTreeMap<String, Version>) -> io::Result<()> {
    let mut file = NamedTempFile::new_in(path.parent().unwrap_or(Path::new(".")))?;
    serde_json::to_writer_pretty(&mut file, kept)?;
    file.flush()?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

fn not_found(message: &str) -> Answer {
    error(StatusCode::BAD_REQUEST, "ResourceNotFoundException", message)
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    fn secret(name: &str) -> Secret {
        Secret {
            id: "AccessRing".into(),
            name: name.into(),
            arn: format!("arn:aws:secretsmanager:us-east-1:000000000000:secret:{name}"),
            template: [("purpose".to_owned(), json!("tests"))].into_iter().collect(),
            key: "current".into(),
            length: 64,
        }
    }

    async fn ask(secrets: &Secrets, request: Value) -> (StatusCode, Value) {
        let answer = secrets.answer("GetSecretValue", &request.to_string().into(), &CallLog::default());
        let (parts, body) = answer.into_parts();
        (parts.status, serde_json::from_slice(&body.collect().await.unwrap().to_bytes()).unwrap())
    }

    #[tokio::test]
    async fn a_secret_is_found_by_name_and_by_arn_in_its_current_version_alone() {
        let secrets = Secrets::open(None, vec![secret("ring")]).unwrap();
        let arn = secret("ring").arn;
        let (_, value) = ask(&secrets, json!({ "SecretId": "ring" })).await;
        let content: Value = serde_json::from_str(value["SecretString"].as_str().unwrap()).unwrap();
        let generated = content["current"].as_str().unwrap();
        assert_eq!(content["purpose"], "tests");
        assert!(generated.len() == 64 && generated.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{generated}");

        for (request, status) in [
            (json!({ "SecretId": arn }), StatusCode::OK),
            (json!({ "SecretId": arn, "VersionStage": "AWSCURRENT" }), StatusCode::OK),
            (json!({ "SecretId": arn, "VersionId": value["VersionId"] }), StatusCode::OK),
            (json!({ "SecretId": arn, "VersionId": "another" }), StatusCode::BAD_REQUEST),
            (json!({ "SecretId": "ring", "VersionStage": "AWSPENDING" }), StatusCode::BAD_REQUEST),
            (json!({ "SecretId": "another" }), StatusCode::BAD_REQUEST),
            (json!({}), StatusCode::BAD_REQUEST),
        ] {
            assert_eq!(ask(&secrets, request.clone()).await.0, status, "{request}");
        }
    }

    #[tokio::test]
    async fn values_are_generated_once_and_kept_in_a_file_for_the_owner_alone() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("secrets.json");
        let first = Secrets::open(Some(&file), vec![secret("ring")]).unwrap();
        let again = Secrets::open(Some(&file), vec![secret("new"), secret("ring")]).unwrap();
        let request = json!({ "SecretId": "ring" });
        assert_eq!(ask(&first, request.clone()).await, ask(&again, request.clone()).await);
        assert_ne!(ask(&again, request).await, ask(&again, json!({ "SecretId": "new" })).await);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn a_file_that_holds_no_secrets_is_left_alone_and_named() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("secrets.json");
        fs::write(&file, "{").unwrap();
        let refusal = Secrets::open(Some(&file), vec![secret("ring")]).err().unwrap().to_string();
        assert!(refusal.contains("secrets.json"), "{refusal}");
        assert_eq!(fs::read_to_string(&file).unwrap(), "{");
    }
}
