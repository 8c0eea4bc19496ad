//! A document of the provider, as this process keeps it.
//!
//! Calls that need a new document at the same time wait for one fetch, and share its outcome. A
//! call that finds what it wants in the kept document waits for none. A caller can make up the
//! names of keys. So a part that the kept document lacks makes a process fetch it once a minute at
//! most.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;

use crate::Refusal;

/// How long a document is used. If no newer one arrives until then, sign-ins end.
const KEPT_FOR: Duration = Duration::from_hours(12);

/// A kept document is fetched again at most this often for a part that it lacks.
const REFETCH_EVERY: Duration = Duration::from_mins(1);

/// One document.
pub(super) struct Cache<T> {
    state: Mutex<State<T>>,
    /// Held by the call that fetches.
    flight: tokio::sync::Mutex<()>,
}

struct State<T> {
    /// The document and the time at which it was fetched.
    kept: Option<(Arc<T>, Timestamp)>,
    /// Fetches that have ended.
    ended: u64,
    /// Whether the last of them failed.
    has_failed: bool,
    /// The last time of a fetch for a part that the document lacked.
    doubted_at: Option<Timestamp>,
}

impl<T> Default for Cache<T> {
    fn default() -> Self {
        let state = State { kept: None, ended: 0, has_failed: false, doubted_at: None };
        Self { state: Mutex::new(state), flight: tokio::sync::Mutex::default() }
    }
}

impl<T> Cache<T> {
    /// The document that has what the caller wants; `None` if the provider's document lacks it.
    /// `fetch` is called only if it is needed.
    pub async fn get<'f>(
        &self,
        now: Timestamp,
        is_wanted: impl Fn(&T) -> bool,
        fetch: impl FnOnce() -> BoxFuture<'f, Result<T, Refusal>>,
    ) -> Result<Option<Arc<T>>, Refusal> {
        let (kept, seen) = self.look(now);
        if let Some(document) = kept.filter(|document| is_wanted(document)) {
            return Ok(Some(document));
        }
        let _flight = self.flight.lock().await;
        let may_fetch = self.state().may_fetch(seen, now);
        if may_fetch {
            let fetched = fetch().await;
            self.state().land(fetched, now, &is_wanted);
        }
        let state = self.state();
        match state.fresh(now).filter(|document| is_wanted(document)) {
            Some(document) => Ok(Some(document)),
            // The part may be in a document that did not arrive.
            None if state.has_failed => Err(Refusal::Unavailable),
            None => Ok(None),
        }
    }

    /// Forgets the document. The next call fetches it.
    pub fn forget(&self) {
        self.state().kept = None;
    }

    /// The kept document, and how many fetches have ended so far.
    fn look(&self, now: Timestamp) -> (Option<Arc<T>>, u64) {
        let state = self.state();
        (state.fresh(now), state.ended)
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> State<T> {
    /// The document, unless it is too old.
    fn fresh(&self, now: Timestamp) -> Option<Arc<T>> {
        let (document, fetched_at) = self.kept.as_ref()?;
        is_within(KEPT_FOR, *fetched_at, now).then(|| Arc::clone(document))
    }

    /// Whether a call may fetch that has seen so many fetches end. If another one has ended
    /// meanwhile, its outcome is as new as the call.
    fn may_fetch(&mut self, seen: u64, now: Timestamp) -> bool {
        if self.ended != seen {
            return false;
        }
        if self.fresh(now).is_none() {
            return true;
        }
        let is_due = self.doubted_at.is_none_or(|at| !is_within(REFETCH_EVERY, at, now));
        if is_due {
            self.doubted_at = Some(now);
        }
        is_due
    }

    /// Takes the outcome of a fetch. A failed one leaves the document from before.
    fn land(
        &mut self,
        fetched: Result<T, Refusal>,
        now: Timestamp,
        is_wanted: &impl Fn(&T) -> bool,
    ) {
        self.ended += 1;
        self.has_failed = fetched.is_err();
        if let Ok(document) = fetched {
            if !is_wanted(&document) {
                self.doubted_at = Some(now);
            }
            self.kept = Some((Arc::new(document), now));
        }
    }
}

fn is_within(time: Duration, then: Timestamp, now: Timestamp) -> bool {
    now.duration_since(then).unsigned_abs() < time
}
