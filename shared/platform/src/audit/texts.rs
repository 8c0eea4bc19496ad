//! The texts of an event. The event itself has only references: the texts are stored encrypted, in
//! a table of their own.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A text that belongs to an event, without the text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = AuditTextReference)]
pub struct TextReference {
    /// Its name within the event.
    #[schema(example = "prompt")]
    pub name: String,
    /// SHA-256 over the encrypted text as it is stored, URL-safe base64.
    pub sha256: String,
    /// Bytes of the encrypted text. They are 28 more than those of the text.
    #[schema(example = 212)]
    pub bytes: u64,
    /// Id of the key that encrypts it, which belongs to the actor of the event.
    #[schema(format = "uuid")]
    pub key_id: String,
}

/// Texts that are stored for an event to come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventTexts {
    /// Id of the event: the encryption binds the texts to it.
    pub event_id: String,
    /// The texts.
    pub texts: Vec<TextReference>,
}
