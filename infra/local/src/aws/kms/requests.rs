//! The bodies of requests. A parameter that is not here is refused by name, so that none is
//! ignored: `GrantTokens`, `Recipient`, `DryRun`.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error};
use serde_json::Value;

use super::super::members;
use super::refusal::Refusal;

/// The most bytes of an encryption context, in its canonical form.
const CONTEXT_LIMIT: usize = 8_192;

/// Reads the body of a request.
pub(super) fn read<T: DeserializeOwned>(body: Value) -> Result<T, Refusal> {
    members::read(body).map_err(Refusal::validation)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct KeyRequest {
    pub(super) key_id: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct DataKeyRequest {
    pub(super) key_id: String,
    #[serde(default)]
    pub(super) encryption_context: Context,
    key_spec: Option<DataKeySpec>,
    number_of_bytes: Option<usize>,
}

#[derive(Deserialize)]
enum DataKeySpec {
    #[serde(rename = "AES_128")]
    Aes128,
    #[serde(rename = "AES_256")]
    Aes256,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct EncryptRequest {
    pub(super) key_id: String,
    pub(super) plaintext: Blob<4_096>,
    #[serde(default)]
    pub(super) encryption_context: Context,
    pub(super) encryption_algorithm: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct DecryptRequest {
    pub(super) key_id: Option<String>,
    pub(super) ciphertext_blob: Blob<6_144>,
    #[serde(default)]
    pub(super) encryption_context: Context,
    pub(super) encryption_algorithm: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct SignRequest {
    pub(super) key_id: String,
    pub(super) message: Blob<4_096>,
    pub(super) message_type: Option<String>,
    pub(super) signing_algorithm: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct VerifyRequest {
    pub(super) key_id: String,
    pub(super) message: Blob<4_096>,
    pub(super) message_type: Option<String>,
    pub(super) signature: Blob<6_144>,
    pub(super) signing_algorithm: String,
}

impl DataKeyRequest {
    /// Length of the data key in bytes.
    pub(super) fn length(&self) -> Result<usize, Refusal> {
        match (&self.key_spec, self.number_of_bytes) {
            (Some(DataKeySpec::Aes128), None) => Ok(16),
            (Some(DataKeySpec::Aes256), None) => Ok(32),
            (None, Some(length @ 1..=1_024)) => Ok(length),
            (None, Some(length)) => Err(Refusal::validation(format!(
                "NumberOfBytes: {length} is not between 1 and 1024"
            ))),
            _ => Err(Refusal::validation("Please specify either number of bytes or key spec.")),
        }
    }
}

/// The names and values that a ciphertext is bound to. Their order does not matter, and an empty
/// context is the same as none.
#[derive(Default, Deserialize)]
#[serde(transparent)]
pub(super) struct Context(BTreeMap<String, String>);

impl Context {
    /// The bytes of which two contexts have the same only if they are equal: JSON, sorted by name.
    pub(super) fn canonical(&self) -> Result<Vec<u8>, Refusal> {
        let bytes = serde_json::to_vec(&self.0)
            .map_err(|error| Refusal::validation(format!("EncryptionContext: {error}")))?;
        if bytes.len() > CONTEXT_LIMIT {
            return Err(Refusal::validation(format!(
                "EncryptionContext: it has more than {CONTEXT_LIMIT} bytes"
            )));
        }
        Ok(bytes)
    }
}

/// Bytes, which are Base64 in a body: at least one, at most `MAX`.
pub(super) struct Blob<const MAX: usize>(pub(super) Vec<u8>);

impl<'de, const MAX: usize> Deserialize<'de> for Blob<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = STANDARD.decode(text).map_err(|_| D::Error::custom("this is not Base64"))?;
        match bytes.len() {
            length if (1..=MAX).contains(&length) => Ok(Self(bytes)),
            length => Err(D::Error::custom(format!("{length} bytes are not between 1 and {MAX}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check<T: DeserializeOwned>(body: &Value, expected: Option<&str>) {
        let refusal = read::<T>(body.clone()).err().map(|refusal| refusal.message);
        assert_eq!(refusal.is_some(), expected.is_some(), "{body}: {refusal:?}");
        if let (Some(refusal), Some(expected)) = (refusal, expected) {
            assert!(refusal.contains(expected), "{body}: {refusal}");
        }
    }

    #[test]
    fn bytes_are_base64_of_an_allowed_length() {
        for (length, expected) in [
            (0, Some("Message: 0 bytes are not between 1 and 4096")),
            (1, None),
            (4_096, None),
            (4_097, Some("Message: 4097 bytes are not between 1 and 4096")),
        ] {
            let message = STANDARD.encode(vec![0; length]);
            let body = json!({"KeyId": "k", "Message": message, "SigningAlgorithm": "a"});
            check::<SignRequest>(&body, expected);
        }
        for text in ["a", "YQ", "YQ=", "YQ==\n", "-_==", " "] {
            check::<EncryptRequest>(
                &json!({"KeyId": "k", "Plaintext": text}),
                Some("Plaintext: this is not Base64"),
            );
        }
    }

    #[test]
    fn parameters_that_are_not_served_are_refused_by_name() {
        check::<KeyRequest>(&json!({"KeyId": "k"}), None);
        check::<KeyRequest>(&json!({}), Some("missing field `KeyId`"));
        check::<KeyRequest>(&Value::Null, Some("null"));
        check::<KeyRequest>(
            &json!({"KeyId": "k", "GrantTokens": ["x"]}),
            Some("unknown field `GrantTokens`"),
        );
        check::<DataKeyRequest>(
            &json!({"KeyId": "k", "KeySpec": "AES_256", "DryRun": true}),
            Some("unknown field `DryRun`"),
        );
        check::<DataKeyRequest>(
            &json!({"KeyId": "k", "KeySpec": "AES_192"}),
            Some("KeySpec: unknown variant `AES_192`"),
        );
        check::<DataKeyRequest>(
            &json!({"KeyId": "k", "EncryptionContext": {"a": 1}}),
            Some("EncryptionContext.a: invalid type"),
        );
    }

    #[test]
    fn a_data_key_has_a_kind_or_a_length() {
        for (body, expected) in [
            (json!({"KeySpec": "AES_128"}), Some(16)),
            (json!({"KeySpec": "AES_256"}), Some(32)),
            (json!({"NumberOfBytes": 1}), Some(1)),
            (json!({"NumberOfBytes": 1_024}), Some(1_024)),
            (json!({"NumberOfBytes": 0}), None),
            (json!({"NumberOfBytes": 1_025}), None),
            (json!({"KeySpec": "AES_256", "NumberOfBytes": 32}), None),
            (json!({}), None),
        ] {
            let mut request = body.clone();
            request["KeyId"] = "k".into();
            let request: DataKeyRequest = read(request).unwrap_or_else(|_| panic!("{body}"));
            assert_eq!(request.length().ok(), expected, "{body}");
        }
    }

    #[test]
    fn contexts_are_equal_without_regard_to_order_and_differ_otherwise() {
        let canonical = |text: &str| {
            let context: Context = serde_json::from_str(text).unwrap();
            context.canonical().map_err(|refusal| refusal.kind)
        };
        assert_eq!(canonical(r#"{"a":"1","b":"2"}"#), canonical(r#"{"b":"2","a":"1"}"#));
        for other in ["{}", r#"{"a":"1"}"#, r#"{"a":"1\",\"b\":\"2"}"#, r#"{"a":"1","b":"2 "}"#] {
            assert_ne!(canonical(r#"{"a":"1","b":"2"}"#), canonical(other), "{other}");
        }
        let long = |length: usize| format!(r#"{{"a":"{}"}}"#, "x".repeat(length));
        assert!(canonical(&long(CONTEXT_LIMIT - 8)).is_ok());
        assert_eq!(canonical(&long(CONTEXT_LIMIT - 7)), Err("ValidationException"));
    }
}
