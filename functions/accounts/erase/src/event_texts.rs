//! The texts of the events of a user who is erased.

use platform::clock::Timestamp;
use platform::store::{AuditLog, EventRange, Found, Order, Room, Search};
use platform::{ConfigError, Platform, Problem};
use texts::store::TextPieces;

/// Events that are looked at together.
const PIECE: usize = 400;

/// Deletes the texts of events. The events stay.
pub struct EventTexts {
    log: AuditLog,
    pieces: TextPieces,
}

impl EventTexts {
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { log: AuditLog::new(platform)?, pieces: TextPieces::new(platform)? })
    }

    /// The events from a time on, in milliseconds since 1970, or all. An event past its retention
    /// may still be there, and its texts longer still: they expire by the retention of their time.
    pub fn left(from: Option<i64>, now: Timestamp) -> Option<EventRange> {
        EventRange::since(from.and_then(|from| Timestamp::from_millisecond(from).ok()), now)
    }

    /// Deletes the texts of the first events of a user in this range, and gives the rest of it.
    /// Texts that belong to no event expire: only a transaction that failed leaves some.
    pub async fn delete(
        &self,
        user_id: &str,
        range: EventRange,
    ) -> Result<Option<EventRange>, Problem> {
        let actor = Some(user_id.to_owned());
        let search = Search { actor, order: Order::Ascending, ..Search::default() };
        let found = self.log.search(&search, range, Room::of(PIECE), |_| 0).await?;
        let Found { events, rest, .. } = found;
        for event in events.iter().filter(|event| !event.texts.is_empty()) {
            self.pieces.delete(event).await?;
        }
        Ok(rest)
    }
}
