//! The keys with their material, and how a request names them.

#![expect(
    clippy::disallowed_methods,
    reason = "the rule that one module reads the wall clock is the functions'"
)]

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::Path;

use aws_lc_rs::aead::RandomizedNonceKey;
use aws_lc_rs::signature::Ed25519KeyPair;
use jiff::Timestamp;

use super::super::directory::unusable;
use super::super::error::AwsError;
use super::super::json_file;
use super::material::{KeptKey, Material};
use super::refusal::Refusal;
use crate::template::model::Key;
use crate::template::{ACCOUNT, REGION};

/// The keys of the template.
pub(super) struct Keys(Vec<OpenKey>);

/// One key, ready for use.
pub(super) struct OpenKey {
    pub(super) described: Key,
    pub(super) created_at_seconds: i64,
    pub(super) material: Material,
}

impl Keys {
    /// Reads the keys from `file`, if there is one. Generates and stores the missing ones. Blocks.
    pub(super) fn open(file: Option<&Path>, keys: Vec<Key>) -> Result<Self, AwsError> {
        let mut kept: BTreeMap<String, KeptKey> =
            file.map_or_else(|| Ok(BTreeMap::new()), |path| json_file::read(path, "KMS keys"))?;
        let known = kept.len();
        let mut opened = Vec::new();
        for key in keys {
            if let Entry::Vacant(place) = kept.entry(key.key_id.clone()) {
                let new = KeptKey::generate(key.spec, Timestamp::now().as_second());
                place.insert(new.map_err(|_| unusable_key(&key, "it can't be generated"))?);
            }
            opened.push(OpenKey::new(key, &kept)?);
        }
        if let Some(path) = file.filter(|_| kept.len() > known) {
            json_file::write(path, &kept).map_err(unusable(path))?;
        }
        Ok(Self(opened))
    }

    /// The key for an operation that encrypts or decrypts.
    pub(super) fn symmetric(
        &self,
        id: &str,
        operation: &str,
    ) -> Result<(&Key, &RandomizedNonceKey), Refusal> {
        let key = self.enabled(id)?;
        match &key.material {
            Material::Symmetric(cipher) => Ok((&key.described, cipher)),
            Material::Ed25519(_) => Err(Refusal::usage(&key.described, operation)),
        }
    }

    /// The key for an operation that signs or verifies.
    pub(super) fn signing(
        &self,
        id: &str,
        operation: &str,
    ) -> Result<(&Key, &Ed25519KeyPair), Refusal> {
        let key = self.enabled(id)?;
        match &key.material {
            Material::Ed25519(pair) => Ok((&key.described, pair)),
            Material::Symmetric(_) => Err(Refusal::usage(&key.described, operation)),
        }
    }

    pub(super) fn enabled(&self, id: &str) -> Result<&OpenKey, Refusal> {
        let key = self.existing(id)?;
        if key.described.enabled { Ok(key) } else { Err(Refusal::disabled(&key.described)) }
    }

    pub(super) fn existing(&self, id: &str) -> Result<&OpenKey, Refusal> {
        self.find(id).ok_or_else(|| Refusal::not_found(id))
    }

    /// The key with this id, ARN, alias or ARN of an alias.
    pub(super) fn find(&self, id: &str) -> Option<&OpenKey> {
        let alias = id.strip_prefix(&format!("arn:aws:kms:{REGION}:{ACCOUNT}:")).unwrap_or(id);
        self.0.iter().find(|OpenKey { described: key, .. }| {
            key.key_id == id || key.arn == id || key.aliases.iter().any(|name| name == alias)
        })
    }
}

impl OpenKey {
    fn new(described: Key, kept: &BTreeMap<String, KeptKey>) -> Result<Self, AwsError> {
        let kept = kept
            .get(&described.key_id)
            .filter(|kept| kept.spec == described.spec)
            .ok_or_else(|| unusable_key(&described, "it is kept with another KeySpec"))?;
        let material =
            kept.material().map_err(|_| unusable_key(&described, "its material is damaged"))?;
        Ok(Self { described, created_at_seconds: kept.created_at_seconds, material })
    }
}

fn unusable_key(key: &Key, reason: &'static str) -> AwsError {
    AwsError::Key { key: key.id.clone(), reason }
}
