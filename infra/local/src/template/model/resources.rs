//! The resources that keep state: tables, secrets, keys, queues and buckets.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The resources that keep state.
#[derive(Debug, Clone, Default)]
pub struct Resources {
    /// The DynamoDB tables.
    pub tables: Vec<Table>,
    /// The Secrets Manager secrets.
    pub secrets: Vec<Secret>,
    /// The KMS keys.
    pub keys: Vec<Key>,
    /// The SQS queues.
    pub queues: Vec<Queue>,
    /// The S3 buckets.
    pub buckets: Vec<Bucket>,
}

/// One DynamoDB table.
#[derive(Debug, Clone)]
pub struct Table {
    /// Logical id in the template.
    pub id: String,
    /// Table name.
    pub name: String,
    /// The body of a `CreateTable` request (`AttributeDefinitions`, `KeySchema`,
    /// `GlobalSecondaryIndexes`, …) in the spelling of the DynamoDB API, which is also
    /// CloudFormation's.
    pub create: serde_json::Value,
    /// Attribute that holds the time to live, if enabled.
    pub ttl_attribute: Option<String>,
}

impl Table {
    /// Whether its changes are recorded in a stream.
    pub fn has_stream(&self) -> bool {
        self.create["StreamSpecification"].is_object()
    }
}

/// One Secrets Manager secret with generated content.
#[derive(Debug, Clone)]
pub struct Secret {
    /// Logical id in the template.
    pub id: String,
    /// Name, also the last part of its local ARN.
    pub name: String,
    /// Local ARN, the value of `Ref`.
    pub arn: String,
    /// JSON object to which the generated string is added (`SecretStringTemplate`).
    pub template: serde_json::Map<String, serde_json::Value>,
    /// Key under which the generated string is stored (`GenerateStringKey`).
    pub key: String,
    /// Length of the generated string in characters (`PasswordLength`).
    pub length: usize,
    /// ARN of the function that rotates it (`AWS::SecretsManager::RotationSchedule`), if there is
    /// one.
    pub rotated_by: Option<String>,
}

/// One KMS key.
#[derive(Debug, Clone)]
pub struct Key {
    /// Logical id in the template.
    pub id: String,
    /// Local key id, the value of `Ref`: a UUID that follows from the logical id.
    pub key_id: String,
    /// Local ARN.
    pub arn: String,
    /// The kind of the key.
    pub spec: KeySpec,
    /// Whether the key can be used.
    pub enabled: bool,
    /// Names of the key, `alias/…`.
    pub aliases: Vec<String>,
}

/// `KeySpec` of a KMS key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeySpec {
    /// AES-256-GCM.
    #[default]
    #[serde(rename = "SYMMETRIC_DEFAULT")]
    Symmetric,
    /// Ed25519.
    #[serde(rename = "ECC_NIST_EDWARDS25519")]
    Ed25519,
}

impl KeySpec {
    /// The name that AWS gives it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Symmetric => "SYMMETRIC_DEFAULT",
            Self::Ed25519 => "ECC_NIST_EDWARDS25519",
        }
    }

    /// `KeyUsage` of its keys.
    pub fn usage(self) -> &'static str {
        match self {
            Self::Symmetric => "ENCRYPT_DECRYPT",
            Self::Ed25519 => "SIGN_VERIFY",
        }
    }
}

/// One SQS queue, a standard one.
#[derive(Debug, Clone)]
pub struct Queue {
    /// Logical id in the template.
    pub id: String,
    /// Name, also the last part of its ARN and of its URL.
    pub name: String,
    /// Local ARN.
    pub arn: String,
    /// A sent message is invisible for this long, unless the sender says otherwise.
    pub delay: Duration,
    /// Largest message in bytes.
    pub maximum_bytes: usize,
    /// The queue drops a message this long after it was sent.
    pub retention: Duration,
    /// A receiver waits for a message for this long, unless it says otherwise.
    pub receive_wait: Duration,
    /// A received message is invisible for this long, unless the receiver says otherwise.
    pub visibility_timeout: Duration,
}

/// One S3 bucket.
#[derive(Debug, Clone, Default)]
pub struct Bucket {
    /// Logical id in the template.
    pub id: String,
    /// Name, also the last part of its ARN.
    pub name: String,
    /// Whether it keeps the versions of its objects.
    pub versioned: bool,
    /// Its Object Lock, if enabled.
    pub object_lock: Option<ObjectLock>,
    /// The rules for pages of other origins. The first one that fits a request decides.
    pub cors: Vec<CorsRule>,
    /// The rules by which objects expire, without those that are disabled.
    pub expirations: Vec<Expiration>,
}

/// The requests that browsers may send to a bucket for pages of other origins
/// (`CorsConfiguration`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CorsRule {
    /// Origins. A `*` in one stands for any characters.
    pub allowed_origins: Vec<String>,
    /// Methods.
    pub allowed_methods: Vec<String>,
    /// Request headers, compared without regard to case. A `*` in one stands for any characters.
    pub allowed_headers: Vec<String>,
    /// Headers that scripts may read.
    pub exposed_headers: Vec<String>,
    /// Seconds a preflight may be cached.
    pub max_age_seconds: Option<u64>,
}

/// Objects that expire (a rule of `LifecycleConfiguration`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expiration {
    /// Start of their keys.
    pub prefix: String,
    /// Days after which they expire (`ExpirationInDays`).
    pub days: u32,
}

/// The Object Lock of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectLock {
    /// The retention of objects that are put without one.
    pub default_retention: Option<DefaultRetention>,
}

/// A retention from the moment of the put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefaultRetention {
    /// Its mode.
    pub mode: RetentionMode,
    /// Its length in days.
    pub days: u32,
}

/// How strictly Object Lock retains an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum RetentionMode {
    /// A caller with the permission to bypass it may delete the object.
    Governance,
    /// No caller may delete the object.
    Compliance,
}
