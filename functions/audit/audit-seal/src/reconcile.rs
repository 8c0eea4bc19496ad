//! Finds events that the stream has lost, and seals them late.

use std::time::Duration;

use archive::{CHUNK, Entry};
use jiff::Timestamp;
use platform::Problem;
use platform::audit::Event;
use platform::runtime::Invocation;
use platform::store::{EventRange, Found, Order, Search};

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
    /// Gives places to events that have none, once an hour or `now`. Gives how many there were. A
    /// run that ends early goes on with the next invocation.
    pub(crate) async fn reconcile(
        &self,
        now: bool,
        invocation: &Invocation,
    ) -> Result<usize, Problem> {
        let from = self.sealer.head().await?.reconciled_to;
        let time = self.clock.now();
        let to = if now { time } else { before(time, GRACE) };
        let is_due = from.is_none_or(|from| before(to, INTERVAL) >= from);
        let mut range = EventRange::between(from, None, to).filter(|_| now || is_due);
        let search = Search { order: Order::Ascending, ..Search::default() };
        let mut sealed = 0;
        while let Some(part) = range {
            if invocation.remaining() < MARGIN {
                tracing::warn!("failed to reconcile in time; the next invocation does the rest");
                return Ok(sealed);
            }
            let Found { events, rest } = self.log.search(&search, part, PIECE, |_| 0).await?;
            sealed += self.seal_lost(&events).await?;
            let reached = rest.map_or(to, |rest| rest.reached(Order::Ascending));
            // An event has its id some time before it is there.
            self.sealer.reconciled(reached.min(before(time, GRACE))).await?;
            range = rest;
        }
        Ok(sealed)
    }

    /// Gives places to those of these events that have none.
    async fn seal_lost(&self, events: &[Event]) -> Result<usize, Problem> {
        let mut sealed = 0;
        for part in events.chunks(CHUNK) {
            let ids: Vec<&str> = part.iter().map(|event| event.id.as_str()).collect();
            let lost = self.sealer.without_place(&ids).await?;
            let entries = part.iter().filter(|event| lost.contains(&event.id));
            // An event that the log cannot hold has been told of when it was written.
            let entries = entries.filter_map(|event| Entry::new(event, true).ok());
            for chunk in archive::chunks(entries) {
                tracing::warn!(events = chunk.len(), first = chunk[0].id, "sealed events late");
                self.sealer.append(&chunk).await?;
                sealed += chunk.len();
            }
        }
        Ok(sealed)
    }
}

fn before(time: Timestamp, span: Duration) -> Timestamp {
    time.checked_sub(span).unwrap_or(Timestamp::UNIX_EPOCH)
}
