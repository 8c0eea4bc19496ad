//! Who calls: what an access token says, once it has been verified.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a user may do beyond their own data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Every account.
    User,
    /// Reads the audit trail.
    Auditor,
    /// Manages accounts.
    Admin,
}

/// A signed-in user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// User id.
    pub user_id: String,
    /// Username.
    pub username: String,
    /// Session id.
    pub session_id: String,
}

/// The kind of caller that an endpoint takes: nobody in particular (`()`) or an [`Identity`].
pub trait Caller: Sized + Send {
    /// Whether a route has to be protected to have such a caller.
    const SIGNED_IN: bool;

    /// The caller, if the route has one to give.
    fn from_identity(identity: Option<&Identity>) -> Option<Self>;
}

impl Caller for () {
    const SIGNED_IN: bool = false;

    fn from_identity(_: Option<&Identity>) -> Option<Self> {
        Some(())
    }
}

impl Caller for Identity {
    const SIGNED_IN: bool = true;

    fn from_identity(identity: Option<&Identity>) -> Option<Self> {
        identity.cloned()
    }
}
