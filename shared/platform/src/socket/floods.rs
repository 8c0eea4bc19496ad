//! Connections that send too much. A process remembers each one that it has refused, and refuses it
//! again without asking the store. Several processes may serve a connection, so each of them
//! reports its number of refusals to the store from time to time.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

/// Largest number of connections that a process remembers at once.
const REMEMBERED: usize = 1_000;

/// The connections that a process has refused.
#[derive(Debug, Default)]
pub(super) struct Floods {
    connections: Mutex<HashMap<String, Flood>>,
}

#[derive(Debug)]
struct Flood {
    /// End of the refusal, in milliseconds since 1970.
    until: i64,
    /// Number of messages refused here and not yet reported to the store.
    untold: u64,
}

/// A message that is refused without asking the store.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// Seconds until a message is let through again.
    pub wait_seconds: u64,
    /// Number of refused messages to report to the store now, if any.
    pub tell: Option<u64>,
}

impl Floods {
    /// Refuses a message of a connection that has to wait. One report to the store is due for every
    /// `batch` messages.
    pub(super) fn refuse(
        &self,
        connection_id: &str,
        now: Timestamp,
        batch: u64,
    ) -> Option<Refusal> {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        let flood = connections.get_mut(connection_id)?;
        let wait =
            u64::try_from(flood.until - now.as_millisecond()).ok().filter(|wait| *wait > 0)?;
        flood.untold += 1;
        let tell = (flood.untold >= batch).then(|| std::mem::take(&mut flood.untold));
        Some(Refusal { wait_seconds: wait.div_ceil(1_000), tell })
    }

    /// Remembers that a connection has to wait. If there is no room, it evicts the connection with
    /// the shortest wait. The next message of that connection asks the store.
    pub(super) fn remember(&self, connection_id: &str, now: Timestamp, wait_seconds: u64) {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        let until = now
            .as_millisecond()
            .saturating_add(i64::try_from(wait_seconds).unwrap_or(i64::MAX).saturating_mul(1_000));
        if let Some(flood) = connections.get_mut(connection_id) {
            flood.until = until;
            return;
        }
        if connections.len() >= REMEMBERED {
            let first =
                connections.iter().min_by_key(|(_, flood)| flood.until).map(|(id, _)| id.clone());
            first.and_then(|id| connections.remove(&id));
        }
        connections.insert(connection_id.to_owned(), Flood { until, untold: 0 });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: i64) -> Timestamp {
        Timestamp::from_millisecond(1_800_000_000_000 + milliseconds).unwrap()
    }

    #[test]
    fn a_connection_is_refused_until_its_time_is_over() {
        let floods = Floods::default();
        assert_eq!(floods.refuse("a", at(0), 10), None);
        floods.remember("a", at(0), 3);
        for (now, expected) in [
            (0, Some(3)),
            (1, Some(3)),
            (1_000, Some(2)),
            (2_999, Some(1)),
            (3_000, None),
            (9_000, None),
        ] {
            assert_eq!(
                floods.refuse("a", at(now), 10).map(|refusal| refusal.wait_seconds),
                expected,
                "{now}"
            );
        }
        assert_eq!(floods.refuse("b", at(0), 10), None);
    }

    #[test]
    fn every_refusal_is_told_once_a_batch() {
        let floods = Floods::default();
        floods.remember("a", at(0), 60);
        let told: Vec<_> = (0..10).map(|_| floods.refuse("a", at(1), 4).unwrap().tell).collect();
        assert_eq!(told, [None, None, None, Some(4), None, None, None, Some(4), None, None]);
        // The rest is reported with the next refusals.
        floods.remember("a", at(60_000), 60);
        assert_eq!(floods.refuse("a", at(60_001), 4).unwrap().tell, None);
        assert_eq!(floods.refuse("a", at(60_001), 4).unwrap().tell, Some(4));
    }

    #[test]
    fn memory_is_bounded_and_the_longest_waits_are_kept() {
        let floods = Floods::default();
        for number in 0..2 * REMEMBERED {
            floods.remember(&number.to_string(), at(0), 1 + number as u64);
        }
        assert_eq!(floods.connections.lock().unwrap().len(), REMEMBERED);
        assert_eq!(floods.refuse("0", at(0), 10), None);
        assert!(floods.refuse(&(2 * REMEMBERED - 1).to_string(), at(0), 10).is_some());
    }
}
