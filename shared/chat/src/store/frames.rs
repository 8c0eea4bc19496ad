//! The frames of replies in the table of [`Drafts`], as they were sent: text, and calls of tools.
//! Each item holds the frames since the item before. Its sequence is the number of its first frame;
//! the first of all is 1.

use jiff::Timestamp;
use platform::database::{Expression, Item, StoreError, Write, item, n, read};
use serde::{Deserialize, Serialize};
use tally_access::sources::Sources;

use super::Drafts;
use super::drafts::KEPT_SECONDS;
use crate::domain::Frame;

/// Seconds for which frames are kept. They are stored before their reply ends, and must not go
/// before its head.
const FRAMES_KEPT_SECONDS: i64 = 2 * KEPT_SECONDS;

/// Frames of a reply, one after the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frames {
    /// The reply.
    pub message_id: String,
    /// Number of the first one; the first of all is 1.
    pub sequence: u64,
    /// The frames.
    pub frames: Vec<Frame>,
    /// The sources of the reply, if the items before do not have the same. The item with the first
    /// frame has some if the reply has any. So no function reads the text without them.
    #[serde(default, skip_serializing_if = "Sources::is_empty")]
    pub sources: Sources,
}

impl Drafts {
    /// Stores frames.
    pub async fn save(&self, frames: &Frames, now: Timestamp) -> Result<(), StoreError> {
        self.database.put(&self.table, stored(frames, now)?).await
    }

    /// Frames that are stored together with the end. A write whose answer was lost may have stored
    /// some of them already.
    pub fn last(&self, frames: &Frames, now: Timestamp) -> Result<Write, StoreError> {
        let expression =
            Expression::default().name("frames", "frames").value("count", n(frames.frames.len()));
        let condition = "attribute_not_exists(message_id) OR size(#frames) <= :count";
        Ok(Write::put(&self.table, stored(frames, now)?, condition, &expression))
    }

    /// The stored frames of a reply, from the first one on, up to one that is missing.
    pub async fn frames(&self, message_id: &str) -> Result<Vec<Frame>, StoreError> {
        Ok(self.whole(message_id).await?.0)
    }

    /// The text of a reply as far as it is stored here, and its sources.
    pub async fn text(&self, message_id: &str) -> Result<(String, Sources), StoreError> {
        let (frames, sources) = self.whole(message_id).await?;
        Ok((Frame::text_of(&frames), sources))
    }

    /// The stored frames of a reply, as [`Drafts::frames`] gives them, and its sources.
    pub async fn whole(&self, message_id: &str) -> Result<(Vec<Frame>, Sources), StoreError> {
        let (mut all, mut all_sources) = (Vec::new(), Sources::default());
        for found in self.items(message_id, 1, None).await? {
            let Frames { sequence, frames, sources, .. } = read(found)?;
            if sequence != all.len() as u64 + 1 {
                tracing::warn!(
                    message_id,
                    sequence,
                    "failed to read all frames of a reply: some are missing before this sequence"
                );
                break;
            }
            // Each set of sources includes the one before.
            if !sources.is_empty() {
                all_sources = sources;
            }
            all.extend(frames);
        }
        Ok((all, all_sources))
    }
}

fn stored(frames: &Frames, now: Timestamp) -> Result<Item, StoreError> {
    let mut stored = item(frames)?;
    stored.insert("expires_at".to_owned(), n(now.as_second() + FRAMES_KEPT_SECONDS));
    Ok(stored)
}
