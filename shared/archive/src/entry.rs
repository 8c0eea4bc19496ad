//! An event as the log has it.

use jiff::Timestamp;
use platform::audit::Event;
use platform::ids;
use transparency::Hash;
use transparency::bundle::ENTRY_LIMIT;

/// An event on its way into the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The event's id.
    pub id: String,
    /// The RFC 8785 form of the event without its hash. The log has these bytes.
    pub text: String,
    /// Time of the event's id.
    pub made_at: Timestamp,
    /// Whether reconciliation has found the event, and not the stream.
    pub is_late: bool,
}

/// An event that cannot become an entry. Its id is not a UUID with a time, or it is too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the event has no valid id, or its form has more than 65535 bytes")]
pub struct NotAnEntry;

impl Entry {
    /// The entry of an event.
    pub fn new(event: &Event, is_late: bool) -> Result<Self, NotAnEntry> {
        let made_at = ids::made_at(&event.id).ok_or(NotAnEntry)?;
        let text = event.canonical();
        if text.is_empty() || text.len() > ENTRY_LIMIT {
            return Err(NotAnEntry);
        }
        Ok(Self { id: event.id.clone(), text, made_at, is_late })
    }
}

/// The hash of an entry with this text.
pub(crate) fn leaf(text: impl AsRef<[u8]>) -> Hash {
    Hash::leaf(text.as_ref())
}
