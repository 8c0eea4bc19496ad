//! One secret: its versions, and the staging labels that say which of them is current.
//!
//! <https://docs.aws.amazon.com/secretsmanager/latest/userguide/whats-in-a-secret.html#term_version>

#![expect(
    clippy::disallowed_methods,
    reason = "the rule that one module reads the wall clock is the functions'"
)]

use std::collections::{BTreeMap, BTreeSet};

use hyper::StatusCode;
use jiff::Timestamp;
use rand::distr::{Alphanumeric, SampleString};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::new_id;
use crate::template::model::Secret;

/// The label of the current version.
pub(super) const CURRENT: &str = "AWSCURRENT";
/// The label of the version that a rotation is making.
const PENDING: &str = "AWSPENDING";
/// The label of the version that was current before.
const PREVIOUS: &str = "AWSPREVIOUS";

/// A secret's versions, by id. A version that loses its last label is deleted.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Versions {
    versions: BTreeMap<String, Version>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rotated_at_seconds: Option<i64>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Version {
    created_at_seconds: i64,
    stages: BTreeSet<String>,
    /// `None` until the first step of a rotation has put a value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    secret_string: Option<String>,
}

/// A refusal of a request, in AWS's words where they matter.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) kind: &'static str,
    pub(super) message: String,
}

impl Versions {
    /// Makes a first version, as the template describes it.
    pub(super) fn generate(secret: &Secret) -> Self {
        let mut content = secret.template.clone();
        content.insert(
            secret.key.clone(),
            Alphanumeric.sample_string(&mut rand::rng(), secret.length).into(),
        );
        let mut versions = Self { versions: BTreeMap::new(), rotated_at_seconds: None };
        versions.insert(&new_id(), Some(Value::Object(content).to_string()), &[CURRENT]);
        versions
    }

    /// The version with this id and this label. Without both, the current one.
    pub(super) fn value(&self, id: Option<&str>, stage: Option<&str>) -> Result<Value, Refusal> {
        let stage = stage.or(if id.is_none() { Some(CURRENT) } else { None });
        let is_it = |found: &str, version: &Version| {
            id.is_none_or(|id| id == found)
                && stage.is_none_or(|stage| version.stages.contains(stage))
        };
        let found = self.versions.iter().find(|(found, version)| is_it(found, version));
        let found =
            found.and_then(|(id, version)| Some((id, version, version.secret_string.as_ref()?)));
        let (id, version, value) = found.ok_or_else(|| {
            Refusal::not_found("Secrets Manager can't find the specified secret value.")
        })?;
        Ok(json!({
            "VersionId": id,
            "VersionStages": version.stages,
            "SecretString": value,
            "CreatedDate": version.created_at_seconds,
        }))
    }

    /// The metadata of the versions, without their values.
    pub(super) fn description(&self) -> Value {
        let stages = self.versions.iter().map(|(id, version)| (id.clone(), json!(version.stages)));
        json!({
            "VersionIdsToStages": Value::Object(stages.collect()),
            "LastRotatedDate": self.rotated_at_seconds,
        })
    }

    /// Adds a version, or gives a value to one that a rotation has begun. Repeating a call changes
    /// nothing. Another value is refused.
    pub(super) fn put(&mut self, id: &str, value: &str, stages: &[&str]) -> Result<Value, Refusal> {
        match self.versions.get(id).and_then(|version| version.secret_string.as_deref()) {
            Some(known) if known != value => {
                return Err(Refusal::new(
                    "ResourceExistsException",
                    "This version has another value.",
                ));
            }
            Some(_) => {}
            None => self.insert(id, Some(value.to_owned()), stages),
        }
        Ok(json!({
            "VersionId": id,
            "VersionStages": self.versions.get(id).map(|version| &version.stages),
        }))
    }

    /// Moves a label, if it is at the version that the caller names.
    pub(super) fn move_stage(
        &mut self,
        stage: &str,
        from: Option<&str>,
        to: Option<&str>,
    ) -> Result<Value, Refusal> {
        let holder = self.holder(stage);
        if holder.is_some() && holder != from && holder != to {
            return Err(Refusal::parameter(format!(
                "The staging label {stage} is attached to another version than RemoveFromVersionId."
            )));
        }
        if to.is_some_and(|to| !self.versions.contains_key(to)) {
            return Err(Refusal::not_found(
                "Secrets Manager can't find the specified secret version.",
            ));
        }
        self.attach(stage, to);
        Ok(json!({}))
    }

    /// The id of the version for a rotation: a new version without a value, or that of an
    /// unfinished rotation.
    pub(super) fn begin_rotation(&mut self, token: String) -> String {
        match self.holder(PENDING) {
            Some(pending) if self.holder(CURRENT) != Some(pending) => pending.to_owned(),
            _ => {
                self.insert(&token, None, &[PENDING]);
                token
            }
        }
    }

    /// Records the end of a rotation.
    pub(super) fn rotated(&mut self) {
        self.rotated_at_seconds = Some(Timestamp::now().as_second());
    }

    fn insert(&mut self, id: &str, secret_string: Option<String>, stages: &[&str]) {
        let version = Version {
            created_at_seconds: Timestamp::now().as_second(),
            stages: BTreeSet::new(),
            secret_string,
        };
        self.versions.insert(id.to_owned(), version);
        for stage in stages {
            self.attach(stage, Some(id));
        }
    }

    /// Attaches a label, which is on one version at most. The version that AWSCURRENT leaves
    /// becomes AWSPREVIOUS.
    fn attach(&mut self, stage: &str, to: Option<&str>) {
        let left = self.holder(stage).filter(|left| Some(*left) != to).map(str::to_owned);
        for (id, version) in &mut self.versions {
            version.stages.remove(stage);
            if Some(id.as_str()) == to {
                version.stages.insert(stage.to_owned());
            }
        }
        if let Some(left) = left.filter(|_| stage == CURRENT) {
            self.attach(PREVIOUS, Some(&left));
        }
        self.versions.retain(|_, version| !version.stages.is_empty());
    }

    fn holder(&self, stage: &str) -> Option<&str> {
        self.versions
            .iter()
            .find(|(_, version)| version.stages.contains(stage))
            .map(|(id, _)| id.as_str())
    }
}

impl Refusal {
    fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, kind, message: message.into() }
    }

    pub(super) fn not_found(message: &str) -> Self {
        Self::new("ResourceNotFoundException", message)
    }

    pub(super) fn parameter(message: impl Into<String>) -> Self {
        Self::new("InvalidParameterException", message)
    }

    pub(super) fn request(message: impl Into<String>) -> Self {
        Self::new("InvalidRequestException", message)
    }

    pub(super) fn internal(error: &dyn std::error::Error) -> Self {
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            ..Self::new("InternalServiceError", error.to_string())
        }
    }
}
