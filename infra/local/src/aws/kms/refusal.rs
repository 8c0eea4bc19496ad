//! Refusals of requests, with AWS's codes and, where they are known, its words.

use aws_lc_rs::error::Unspecified;
use hyper::StatusCode;

use crate::template::model::Key;
use crate::template::{ACCOUNT, REGION};

/// A refusal of a request.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) kind: &'static str,
    pub(super) message: String,
}

impl Refusal {
    fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, kind, message: message.into() }
    }

    pub(super) fn validation(message: impl Into<String>) -> Self {
        Self::new("ValidationException", message)
    }

    pub(super) fn unknown_operation(operation: &str) -> Self {
        Self::new(
            "UnknownOperationException",
            format!("the local KMS does not know the operation {operation}"),
        )
    }

    pub(super) fn unsupported(message: impl Into<String>) -> Self {
        Self::new("UnsupportedOperationException", message)
    }

    /// No key has this id, ARN or alias.
    pub(super) fn not_found(id: &str) -> Self {
        let arn = |resource: String| {
            if id.starts_with("arn:") {
                id.to_owned()
            } else {
                format!("arn:aws:kms:{REGION}:{ACCOUNT}:{resource}")
            }
        };
        let message = if id.contains("alias/") {
            format!("Alias {} is not found.", arn(id.to_owned()))
        } else {
            format!("Key '{}' does not exist", arn(format!("key/{id}")))
        };
        Self::new("NotFoundException", message)
    }

    pub(super) fn disabled(key: &Key) -> Self {
        Self::new("DisabledException", format!("{} is disabled.", key.arn))
    }

    /// The operation is not for keys of this usage.
    pub(super) fn usage(key: &Key, operation: &str) -> Self {
        let (arn, usage) = (&key.arn, key.spec.usage());
        Self::new(
            "InvalidKeyUsageException",
            format!("{arn} key usage is {usage} which is not valid for {operation}."),
        )
    }

    /// The algorithm is not for keys of this kind.
    pub(super) fn algorithm(key: &Key, algorithm: &str) -> Self {
        let (arn, spec) = (&key.arn, key.spec.name());
        Self::new(
            "InvalidKeyUsageException",
            format!("Algorithm {algorithm} is not valid for {arn}, whose KeySpec is {spec}."),
        )
    }

    /// The ciphertext is damaged or foreign, or the encryption context is another one. AWS gives no
    /// message.
    pub(super) fn ciphertext() -> Self {
        Self::new("InvalidCiphertextException", "")
    }

    /// The ciphertext names a key that is not there.
    pub(super) fn unknown_key_of_ciphertext() -> Self {
        Self::new(
            "AccessDeniedException",
            "The ciphertext refers to a customer master key that does not exist, does not exist \
             in this region, or you are not allowed to access.",
        )
    }

    pub(super) fn incorrect_key() -> Self {
        Self::new(
            "IncorrectKeyException",
            "The key ID in the request does not identify a CMK that can perform this operation.",
        )
    }

    pub(super) fn signature() -> Self {
        Self::new("KMSInvalidSignatureException", "")
    }
}

impl From<Unspecified> for Refusal {
    fn from(_: Unspecified) -> Self {
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            ..Self::new("KMSInternalException", "the cryptography library failed")
        }
    }
}
