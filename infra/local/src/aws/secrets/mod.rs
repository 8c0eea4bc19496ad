//! Secrets Manager: the template's secrets. The first start generates them. After that they are
//! served, changed and rotated.
//!
//! `versions` is one secret with its versions and staging labels. The file `secrets.json` stores
//! them under the secrets' names.

#[cfg(test)]
mod tests;
mod versions;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use hyper::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use super::answer::{Answer, answer, error};
use super::calls::{CallLog, Service};
use super::directory::unusable;
use super::error::AwsError;
use super::invoke_api::function_id;
use super::json_file;
use crate::lambda::Invoke;
use crate::template::model::Secret;
use versions::{CURRENT, Refusal, Versions};

/// The steps in which a function rotates a secret.
const STEPS: [&str; 4] = ["createSecret", "setSecret", "testSecret", "finishSecret"];

/// The secrets of the template with their values.
pub(super) struct Secrets {
    described: Vec<Secret>,
    kept: Mutex<BTreeMap<String, Versions>>,
    file: Option<PathBuf>,
    functions: Arc<dyn Invoke>,
}

impl Secrets {
    /// Reads the values from `file`, if there is one. Generates and stores the missing ones.
    /// Blocks.
    pub(super) fn open(
        file: Option<&Path>,
        secrets: Vec<Secret>,
        functions: Arc<dyn Invoke>,
    ) -> Result<Self, AwsError> {
        let mut kept =
            file.map_or_else(|| Ok(BTreeMap::new()), |path| json_file::read(path, "secrets"))?;
        let known = kept.len();
        for secret in &secrets {
            kept.entry(secret.name.clone()).or_insert_with(|| Versions::generate(secret));
        }
        if let Some(path) = file.filter(|_| kept.len() > known) {
            json_file::write(path, &kept).map_err(unusable(path))?;
        }
        Ok(Self {
            described: secrets,
            kept: Mutex::new(kept),
            file: file.map(Path::to_owned),
            functions,
        })
    }

    /// Answers one request.
    pub(super) async fn answer(&self, operation: &str, request: &Value, calls: &CallLog) -> Answer {
        let id = request["SecretId"].as_str();
        calls.record(
            Service::SecretsManager,
            operation,
            id.map(str::to_owned).into_iter().collect(),
        );
        match self.perform(operation, id, request).await {
            Ok(value) => answer(StatusCode::OK, value.to_string()),
            Err(refusal) => error(refusal.status, refusal.kind, &refusal.message),
        }
    }

    async fn perform(
        &self,
        operation: &str,
        id: Option<&str>,
        request: &Value,
    ) -> Result<Value, Refusal> {
        let id = id.ok_or_else(|| Refusal::parameter("You must provide a SecretId."))?;
        let secret = self.described.iter().find(|secret| secret.name == id || secret.arn == id);
        let secret = secret.ok_or_else(|| {
            Refusal::not_found("Secrets Manager can't find the specified secret.")
        })?;
        let member = |name: &str| request[name].as_str();
        let mut answer = json!({"ARN": secret.arn, "Name": secret.name});
        let found = match operation {
            "GetSecretValue" => self.read(secret, |versions| {
                versions.value(member("VersionId"), member("VersionStage"))
            })?,
            "DescribeSecret" => self.read(secret, |versions| {
                let mut description = versions.description();
                description["RotationEnabled"] = secret.rotated_by.is_some().into();
                description["RotationLambdaARN"] = secret.rotated_by.clone().into();
                Ok(description)
            })?,
            "PutSecretValue" => {
                let value = member("SecretString")
                    .ok_or_else(|| Refusal::parameter("You must provide a SecretString."))?;
                let id = member("ClientRequestToken").map_or_else(new_id, str::to_owned);
                let stages: Vec<_> = request["VersionStages"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str)
                    .collect();
                let stages = if stages.is_empty() { vec![CURRENT] } else { stages };
                self.change(secret, |versions| versions.put(&id, value, &stages))?
            }
            "UpdateSecretVersionStage" => {
                let stage = member("VersionStage")
                    .ok_or_else(|| Refusal::parameter("You must provide a VersionStage."))?;
                self.change(secret, |versions| {
                    versions.move_stage(
                        stage,
                        member("RemoveFromVersionId"),
                        member("MoveToVersionId"),
                    )
                })?
            }
            "RotateSecret" => self.rotate(secret, member("ClientRequestToken")).await?,
            _ => {
                return Err(Refusal::request(format!(
                    "the local Secrets Manager does not know the operation {operation}"
                )));
            }
        };
        if let (Value::Object(answer), Value::Object(found)) = (&mut answer, found) {
            answer.extend(found);
        }
        Ok(answer)
    }

    /// Has the secret's function rotate it. AWS answers at once and rotates later. Here the
    /// rotation is over when the answer comes, and a step that fails is an error that says why. An
    /// unfinished rotation is resumed with its version, as on AWS.
    async fn rotate(&self, secret: &Secret, token: Option<&str>) -> Result<Value, Refusal> {
        let function = secret.rotated_by.as_deref().ok_or_else(|| {
            Refusal::request("No Lambda rotation function is set for this secret.")
        })?;
        let token = token.map_or_else(new_id, str::to_owned);
        let version = self.change(secret, |versions| Ok(json!(versions.begin_rotation(token))))?;
        for step in STEPS {
            let event =
                json!({"SecretId": secret.arn, "ClientRequestToken": version, "Step": step});
            let done = self.functions.invoke(function_id(function), event.to_string().into()).await;
            done.map_err(|error| {
                Refusal::request(format!("the rotation ended at {step}: {error}"))
            })?;
        }
        self.change(secret, |versions| {
            versions.rotated();
            Ok(json!({"VersionId": version}))
        })
    }

    fn read<T>(
        &self,
        secret: &Secret,
        work: impl FnOnce(&Versions) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(&secret.name)
            .map_or_else(|| Err(Refusal::not_found("the secret has no versions")), work)
    }

    /// Applies a change. It is stored in the file before any other request can see it.
    fn change<T>(
        &self,
        secret: &Secret,
        work: impl FnOnce(&mut Versions) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut changed = kept.clone();
        let result = changed
            .get_mut(&secret.name)
            .map_or_else(|| Err(Refusal::not_found("the secret has no versions")), work)?;
        if let Some(path) = &self.file {
            json_file::write(path, &changed)
                .map_err(|error| Refusal::internal(&unusable(path)(error)))?;
        }
        *kept = changed;
        Ok(result)
    }
}

fn new_id() -> String {
    Uuid::new_v4().to_string()
}
