//! KMS: the template's keys. The first start generates them. They stay in the file `kms.json`.
//!
//! A key is AES-256-GCM (`SYMMETRIC_DEFAULT`) or Ed25519 (`ECC_NIST_EDWARDS25519`). `keys` finds a
//! key by its names, `material` is its secret part, `requests` are the bodies of requests, and
//! `refusal` the answers to bad ones.

mod keys;
mod material;
mod refusal;
mod requests;
#[cfg(test)]
mod tests;

use std::path::Path;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand;
use aws_lc_rs::signature::{ED25519, KeyPair, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::StatusCode;
use serde_json::{Map, Value, json};

use super::answer::{Answer, answer, error};
use super::calls::{CallLog, Service};
use super::error::AwsError;
use crate::template::ACCOUNT;
use crate::template::model::{Key, KeySpec};
use keys::Keys;
use material::Material;
use refusal::Refusal;
use requests::{
    DataKeyRequest, DecryptRequest, EncryptRequest, KeyRequest, SignRequest, VerifyRequest, read,
};

/// The one algorithm of symmetric keys.
const ENCRYPTION: &str = "SYMMETRIC_DEFAULT";
/// The algorithm of Ed25519 keys. AWS also has `ED25519_PH_SHA_512`, for messages that the caller
/// has hashed.
const SIGNING: &str = "ED25519_SHA_512";
const PREHASHED_SIGNING: &str = "ED25519_PH_SHA_512";

/// The service with the keys of the template.
pub(super) struct Kms {
    keys: Keys,
}

impl Kms {
    /// Reads the keys from `file`, if there is one. Generates and stores the missing ones. Blocks.
    pub(super) fn open(file: Option<&Path>, keys: Vec<Key>) -> Result<Self, AwsError> {
        Keys::open(file, keys).map(|keys| Self { keys })
    }

    /// Answers one request.
    pub(super) fn answer(&self, operation: &str, request: Value, calls: &CallLog) -> Answer {
        calls.record(Service::Kms, operation, self.target(&request).into_iter().collect());
        match self.perform(operation, request) {
            Ok(value) => answer(StatusCode::OK, value.to_string()),
            Err(refusal) => error(refusal.status, refusal.kind, &refusal.message),
        }
    }

    /// The id of the key that a request names itself or by its ciphertext.
    fn target(&self, request: &Value) -> Option<String> {
        if let Some(id) = request["KeyId"].as_str() {
            return Some(
                self.keys.find(id).map_or(id, |key| key.described.key_id.as_str()).to_owned(),
            );
        }
        let ciphertext = STANDARD.decode(request["CiphertextBlob"].as_str()?).ok()?;
        material::key_of(&ciphertext).map(str::to_owned)
    }

    fn perform(&self, operation: &str, request: Value) -> Result<Value, Refusal> {
        match operation {
            "GenerateDataKey" => {
                self.generate_data_key(operation, &read(request)?).map(Value::from)
            }
            "GenerateDataKeyWithoutPlaintext" => {
                let mut generated = self.generate_data_key(operation, &read(request)?)?;
                generated.remove("Plaintext");
                Ok(generated.into())
            }
            "Encrypt" => self.encrypt(operation, &read(request)?),
            "Decrypt" => self.decrypt(operation, &read(request)?),
            "Sign" => self.sign(operation, &read(request)?),
            "Verify" => self.verify(operation, &read(request)?),
            "GetPublicKey" => self.public_key(&read(request)?),
            "DescribeKey" => self.describe(&read(request)?),
            _ => Err(Refusal::unknown_operation(operation)),
        }
    }

    fn generate_data_key(
        &self,
        operation: &str,
        request: &DataKeyRequest,
    ) -> Result<Map<String, Value>, Refusal> {
        let (key, cipher) = self.keys.symmetric(&request.key_id, operation)?;
        let mut plaintext = vec![0; request.length()?];
        rand::fill(&mut plaintext)?;
        let context = request.encryption_context.canonical()?;
        let sealed = material::seal(cipher, &key.key_id, &context, &plaintext)?;
        let members = [
            ("KeyId", json!(key.arn)),
            ("CiphertextBlob", json!(STANDARD.encode(sealed))),
            ("Plaintext", json!(STANDARD.encode(plaintext))),
        ];
        Ok(members.map(|(name, value)| (name.to_owned(), value)).into_iter().collect())
    }

    fn encrypt(&self, operation: &str, request: &EncryptRequest) -> Result<Value, Refusal> {
        let (key, cipher) = self.keys.symmetric(&request.key_id, operation)?;
        check_encryption(key, request.encryption_algorithm.as_deref())?;
        let context = request.encryption_context.canonical()?;
        let sealed = material::seal(cipher, &key.key_id, &context, &request.plaintext.0)?;
        Ok(json!({
            "KeyId": key.arn,
            "CiphertextBlob": STANDARD.encode(sealed),
            "EncryptionAlgorithm": ENCRYPTION,
        }))
    }

    fn decrypt(&self, operation: &str, request: &DecryptRequest) -> Result<Value, Refusal> {
        let ciphertext = &request.ciphertext_blob.0;
        if let Some(id) = &request.key_id {
            let (key, _) = self.keys.symmetric(id, operation)?;
            if material::key_of(ciphertext).is_some_and(|named| named != key.key_id) {
                return Err(Refusal::incorrect_key());
            }
        }
        let id = material::key_of(ciphertext).ok_or_else(Refusal::ciphertext)?;
        if self.keys.find(id).is_none() {
            return Err(Refusal::unknown_key_of_ciphertext());
        }
        let (key, cipher) = self.keys.symmetric(id, operation)?;
        check_encryption(key, request.encryption_algorithm.as_deref())?;
        let context = request.encryption_context.canonical()?;
        let plaintext =
            material::open(cipher, &context, ciphertext).map_err(|_| Refusal::ciphertext())?;
        Ok(json!({
            "KeyId": key.arn,
            "Plaintext": STANDARD.encode(plaintext),
            "EncryptionAlgorithm": ENCRYPTION,
        }))
    }

    fn sign(&self, operation: &str, request: &SignRequest) -> Result<Value, Refusal> {
        let (key, pair) = self.keys.signing(&request.key_id, operation)?;
        check_signing(key, &request.signing_algorithm, request.message_type.as_deref())?;
        let signature = pair.sign(&request.message.0);
        Ok(json!({
            "KeyId": key.arn,
            "Signature": STANDARD.encode(signature),
            "SigningAlgorithm": SIGNING,
        }))
    }

    fn verify(&self, operation: &str, request: &VerifyRequest) -> Result<Value, Refusal> {
        let (key, pair) = self.keys.signing(&request.key_id, operation)?;
        check_signing(key, &request.signing_algorithm, request.message_type.as_deref())?;
        UnparsedPublicKey::new(&ED25519, pair.public_key())
            .verify(&request.message.0, &request.signature.0)
            .map_err(|_| Refusal::signature())?;
        Ok(json!({ "KeyId": key.arn, "SignatureValid": true, "SigningAlgorithm": SIGNING }))
    }

    fn public_key(&self, request: &KeyRequest) -> Result<Value, Refusal> {
        let key = self.keys.enabled(&request.key_id)?;
        let described = &key.described;
        let Material::Ed25519(pair) = &key.material else {
            return Err(Refusal::unsupported(format!(
                "{} is a symmetric key, which has no public key.",
                described.arn
            )));
        };
        let der: PublicKeyX509Der = pair.public_key().as_der()?;
        Ok(json!({
            "KeyId": described.arn,
            "PublicKey": STANDARD.encode(der.as_ref()),
            "CustomerMasterKeySpec": described.spec.name(),
            "KeySpec": described.spec.name(),
            "KeyUsage": described.spec.usage(),
            "SigningAlgorithms": [SIGNING],
        }))
    }

    fn describe(&self, request: &KeyRequest) -> Result<Value, Refusal> {
        let key = self.keys.existing(&request.key_id)?;
        let described = &key.described;
        let (member, algorithm) = match described.spec {
            KeySpec::Symmetric => ("EncryptionAlgorithms", ENCRYPTION),
            KeySpec::Ed25519 => ("SigningAlgorithms", SIGNING),
        };
        let mut metadata = json!({
            "AWSAccountId": ACCOUNT,
            "KeyId": described.key_id,
            "Arn": described.arn,
            "CreationDate": key.created_at_seconds,
            "Enabled": described.enabled,
            "Description": "",
            "KeyUsage": described.spec.usage(),
            "KeyState": if described.enabled { "Enabled" } else { "Disabled" },
            "Origin": "AWS_KMS",
            "KeyManager": "CUSTOMER",
            "CustomerMasterKeySpec": described.spec.name(),
            "KeySpec": described.spec.name(),
            "MultiRegion": false,
        });
        metadata[member] = json!([algorithm]);
        Ok(json!({ "KeyMetadata": metadata }))
    }
}

fn check_encryption(key: &Key, algorithm: Option<&str>) -> Result<(), Refusal> {
    match algorithm {
        None | Some(ENCRYPTION) => Ok(()),
        Some(other) => Err(Refusal::algorithm(key, other)),
    }
}

fn check_signing(key: &Key, algorithm: &str, message_type: Option<&str>) -> Result<(), Refusal> {
    match (algorithm, message_type) {
        (SIGNING, None | Some("RAW")) => Ok(()),
        (SIGNING, Some(other)) => Err(Refusal::validation(format!(
            "MessageType {other} is not valid for {SIGNING}, which signs a RAW message."
        ))),
        (PREHASHED_SIGNING, _) => Err(Refusal::unsupported(format!(
            "the local KMS signs by {SIGNING}, not by {PREHASHED_SIGNING}"
        ))),
        _ => Err(Refusal::algorithm(key, algorithm)),
    }
}
