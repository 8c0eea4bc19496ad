//! The actor of an event.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::identity::{Credential, Identity, Principal};

/// The user who acted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Actor {
    /// User id.
    #[schema(format = "uuid")]
    pub user_id: String,
    /// Username at the time.
    pub username: String,
    /// Id of the session, if the user acted in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = "uuid", nullable = false)]
    pub session_id: Option<String>,
    /// Id of the API key, if the user acted by one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = "uuid", nullable = false)]
    pub key_id: Option<String>,
}

impl Actor {
    /// A user who is known although not signed in.
    pub fn user(user_id: &str, username: &str) -> Self {
        Self {
            user_id: user_id.to_owned(),
            username: username.to_owned(),
            session_id: None,
            key_id: None,
        }
    }
}

impl From<&Identity> for Actor {
    fn from(identity: &Identity) -> Self {
        Self {
            session_id: Some(identity.session_id.clone()),
            ..Self::user(&identity.user_id, &identity.username)
        }
    }
}

impl From<&Principal> for Actor {
    fn from(principal: &Principal) -> Self {
        let user = Self::user(&principal.user_id, &principal.username);
        match &principal.credential {
            Credential::SessionId(id) => Self { session_id: Some(id.clone()), ..user },
            Credential::KeyId(id) => Self { key_id: Some(id.clone()), ..user },
        }
    }
}
