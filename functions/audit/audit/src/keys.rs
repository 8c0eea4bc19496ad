//! `GET /audit/keys`: the keys that sign checkpoints.

use archive::Archive;
use platform::clock::rfc3339;
use platform::identity::Principal;
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use serde::Serialize;
use utoipa::ToSchema;

/// `GET /audit/keys`.
pub struct ListKeys {
    archive: Archive,
}

/// The keys that sign checkpoints. They are no anchor of trust: pin a key that you have read when
/// the log began.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditKeys)]
pub struct KeyList {
    /// The keys, the present one first.
    pub items: Vec<KeyView>,
}

/// A key of the log.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditKey)]
pub struct KeyView {
    /// The key that signs checkpoints (c2sp.org/signed-note).
    #[schema(example = "example.com/audit+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k")]
    pub vkey: String,
    /// The same key as a cosigner, which states the time of each checkpoint.
    pub time_vkey: String,
    /// When the log got its first entry, RFC 3339 in UTC. Null if it has none.
    #[schema(required, format = DateTime)]
    pub from: Option<String>,
    /// When the key signed for the last time, RFC 3339 in UTC. Absent for the present key.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime)]
    pub until: Option<String>,
}

impl Endpoint for ListKeys {
    const ROUTE: Route = routes::AUDIT_KEYS;
    type Caller = Principal;
    type Body = ();
    type Query = ();
    type Output = KeyList;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { archive: Archive::new(platform)? })
    }

    async fn handle(&self, _: Request<'_, Self>) -> Result<Plan<KeyList>, Problem> {
        let key = self.archive.key().await?;
        let from = self.archive.started_at().await?.map(rfc3339);
        let (vkey, time_vkey) = (key.to_string(), key.cosigner().to_string());
        Ok(Plan::reply(KeyList { items: vec![KeyView { vkey, time_vkey, from, until: None }] }))
    }
}
