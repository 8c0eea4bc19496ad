//! The payload that starts the worker `purge-conversations`. That worker deletes the data that
//! deleted conversations and accounts leave.

use serde::{Deserialize, Serialize};

/// The conversation or account that has just been deleted. A schedule sends neither: then the
/// worker deletes the data that earlier runs left.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PurgeStart {
    /// Id of a conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation_id: Option<String>,
    /// Id of an account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
}
