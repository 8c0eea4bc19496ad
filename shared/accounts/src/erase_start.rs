//! The payload that starts the worker `erase`, which destroys the data of users.

use serde::{Deserialize, Serialize};

/// The user whose erasure has just been confirmed. A schedule sends none: then the worker goes on
/// with the erasures that run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EraseStart {
    /// Id of the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
}
