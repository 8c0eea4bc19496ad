//! A sign-in whose token has been verified.

use platform::domain::SsoIdentity;
use serde::{Deserialize, Serialize};

/// What a verified token says of its user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// The person.
    pub identity: SsoIdentity,
    /// Claim `preferred_username`, from which a new account gets its username.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preferred_username: Option<String>,
    /// Claim `name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Claim `email`. Nothing has verified it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The values of the claim `SSO_ROLES_CLAIM`.
    #[serde(default)]
    pub roles: Vec<String>,
    /// Whether the provider has left that claim out, because it has too many values.
    #[serde(default)]
    pub has_overage: bool,
    /// The values of the claim `acrs`: the authentication contexts that the sign-in has met.
    #[serde(default)]
    pub contexts: Vec<String>,
    /// Claim `azp`: the client that asked for the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// Claim `uti` of Entra, or `jti`: the name of the token in the provider's own logs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_id: Option<String>,
}
