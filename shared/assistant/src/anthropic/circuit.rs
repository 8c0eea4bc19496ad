//! A circuit: who has failed often in a row is not asked for a while.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Failures in a row that open it.
const THRESHOLD: u32 = 5;

/// How long it stays open, and the time between two trials after that.
const OPEN_FOR: Duration = Duration::from_secs(30);

/// The circuit to one model, of this process alone.
#[derive(Debug)]
pub(super) struct Circuit {
    model: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// In a row.
    failures: u32,
    /// Not to be asked before then; `None` while it is closed.
    closed_until: Option<Instant>,
}

impl Circuit {
    /// A closed circuit.
    pub fn new(model: &str) -> Self {
        Self { model: model.to_owned(), state: Mutex::default() }
    }

    /// Whether the model may be asked. An open circuit lets one in when its time is over, to try; the next one has to wait as
    /// long again, unless the trial succeeds. So a trial that is given up blocks nobody for ever.
    pub fn admits(&self, now: Instant) -> bool {
        let mut state = self.state();
        match &mut state.closed_until {
            None => true,
            Some(at) if *at <= now => {
                *at = now + OPEN_FOR;
                true
            }
            Some(_) => false,
        }
    }

    /// When it is time for a trial, while it is open.
    pub fn open_until(&self, now: Instant) -> Option<Instant> {
        self.state().closed_until.filter(|at| now < *at)
    }

    /// The model has answered.
    pub fn succeeded(&self) {
        let before = std::mem::take(&mut *self.state());
        if before.closed_until.is_some() {
            tracing::info!(model = self.model, "the circuit is closed again");
        }
    }

    /// The model has failed.
    pub fn failed(&self, now: Instant) {
        let mut state = self.state();
        state.failures = state.failures.saturating_add(1);
        if state.failures >= THRESHOLD {
            tracing::warn!(model = self.model, failures = state.failures, seconds = OPEN_FOR.as_secs(), "the circuit is open");
            state.closed_until = Some(now + OPEN_FOR);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_after_failures_in_a_row_and_closes_by_a_trial() {
        let (circuit, start) = (Circuit::new("m"), Instant::now());
        for _ in 1..THRESHOLD {
            circuit.failed(start);
        }
        circuit.succeeded();
        for _ in 1..THRESHOLD {
            assert!(circuit.admits(start) && circuit.open_until(start).is_none());
            circuit.failed(start);
        }
        assert!(circuit.admits(start));
        circuit.failed(start);
        assert!(!circuit.admits(start) && circuit.open_until(start) == Some(start + OPEN_FOR));

        let almost = start + OPEN_FOR - Duration::from_millis(1);
        assert!(!circuit.admits(almost) && circuit.open_until(almost).is_some());
        let trial = start + OPEN_FOR;
        assert!(circuit.open_until(trial).is_none() && circuit.admits(trial), "a trial");
        assert!(!circuit.admits(trial), "and no second one");
        circuit.failed(trial);
        assert!(!circuit.admits(trial + OPEN_FOR - Duration::from_millis(1)));
        assert!(circuit.admits(trial + OPEN_FOR), "the next trial");
        circuit.succeeded();
        assert!(circuit.admits(trial + OPEN_FOR) && circuit.admits(trial + OPEN_FOR));
    }

    #[test]
    fn a_trial_that_is_given_up_is_followed_by_another() {
        let (circuit, start) = (Circuit::new("m"), Instant::now());
        for _ in 0..THRESHOLD {
            circuit.failed(start);
        }
        assert!(circuit.admits(start + OPEN_FOR) && circuit.admits(start + 2 * OPEN_FOR));
    }
}
