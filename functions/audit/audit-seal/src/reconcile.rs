//! Finds events that the stream has lost, and seals them late.

use std::time::Duration;

use archive::{CHUNK, Entry};
use jiff::Timestamp;
use platform::audit::Event;
use platform::runtime::Invocation;
use platform::store::{EventRange, Found, Order, Room, Search};
use platform::{Problem, ids};

use crate::AuditSeal;

/// Time between two runs.
const INTERVAL: Duration = Duration::from_hours(1);

/// Events younger than this may still come by the stream.
const GRACE: Duration = Duration::from_mins(10);

/// Time before the end of the invocation in which no further events are read.
const MARGIN: Duration = Duration::from_secs(20);

/// Events that are looked at together.
const PIECE: usize = 400;

impl AuditSeal {
    /// Gives places to events that have none, once an hour or `now`. Gives the time of the oldest
    /// one. A later invocation goes on where a run has ended early.
    pub(crate) async fn reconcile(
        &self,
        now: bool,
        invocation: &Invocation,
    ) -> Result<Option<Timestamp>, Problem> {
        let time = self.clock.now();
        // A clock that was ahead leaves a position in the future. It would hide events until then.
        let from = self.sealer.head().await?.reconciled_to.filter(|from| *from <= time);
        let to = if now { time } else { before(time, GRACE) };
        let is_due = from.is_none_or(|from| before(to, INTERVAL) >= from);
        let retention = self.log.retention();
        let mut range = EventRange::between(from, None, to, retention).filter(|_| now || is_due);
        let search = Search { order: Order::Ascending, ..Search::default() };
        let mut oldest = None;
        while let Some(part) = range {
            if invocation.remaining() < MARGIN {
                tracing::warn!(
                    %to,
                    "failed to reconcile all events to this time; a later invocation goes on"
                );
                break;
            }
            // The stream tells of items that are no events.
            let found = self.log.search(&search, part, Room::of(PIECE), |_| 0).await?;
            let Found { events, rest, .. } = found;
            // The events come in the order of their times.
            let first = self.place_lost(&events).await?;
            oldest = oldest.or(first);
            let reached = rest.map_or(to, |rest| rest.reached(Order::Ascending));
            // An event has its id some time before it is there.
            self.sealer.reconciled(reached.min(before(time, GRACE))).await?;
            range = rest;
        }
        if is_due {
            self.sealer.renew_last_bundle(retention).await?;
        }
        Ok(oldest)
    }

    /// Gives places to those of these events that have none. Gives the time of the first of them.
    async fn place_lost(&self, events: &[Event]) -> Result<Option<Timestamp>, Problem> {
        let mut oldest = None;
        for part in events.chunks(CHUNK) {
            let ids: Vec<&str> = part.iter().map(|event| event.id.as_str()).collect();
            let lost = self.sealer.without_place(&ids).await?;
            let entries = part.iter().filter(|event| lost.contains(&event.id));
            // The stream tells of an event that the log cannot hold.
            let entries = entries.filter_map(|event| Entry::new(event, true).ok());
            for chunk in archive::chunks(entries) {
                let first = chunk.first().map(|entry| entry.id.as_str()).unwrap_or_default();
                tracing::warn!(events = chunk.len(), first, "sealed events late");
                self.sealer.append(&chunk).await?;
                oldest = oldest.or(ids::made_at(first));
            }
        }
        Ok(oldest)
    }
}

fn before(time: Timestamp, span: Duration) -> Timestamp {
    time.checked_sub(span).unwrap_or(Timestamp::UNIX_EPOCH)
}
