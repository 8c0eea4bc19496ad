//! What the worker is started with that deletes the messages of deleted conversations.

use serde::{Deserialize, Serialize};

/// Which conversation has just been deleted. What a schedule sends names none: then it is about those that were left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SweepStart {
    /// Id of the conversation.
    #[serde(default)]
    pub conversation_id: Option<String>,
}
