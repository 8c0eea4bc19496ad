//! What the worker is started with that deletes what deleted conversations and accounts leave.

use serde::{Deserialize, Serialize};

/// What has just been deleted. What a schedule sends names nothing: then it is about what was left.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SweepStart {
    /// Id of a conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation_id: Option<String>,
    /// Id of an account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
}
