//! Disturbed deliveries on demand, as Lambda may make them and as this stack never does by itself.

use std::sync::{Mutex, PoisonError};

/// Disturbs the next deliveries of streams to a function.
#[derive(Debug, Clone)]
pub struct StreamFault {
    /// Logical id of the function.
    pub function: String,
    /// How a delivery is disturbed.
    pub failure: StreamFailure,
    /// How many deliveries are disturbed.
    pub times: usize,
}

/// How a delivery is disturbed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamFailure {
    /// The batch is not delivered, and the stream goes on after it.
    Lost,
    /// The batch is delivered after the next one. Without another batch it waits, and the stream is
    /// not drained.
    Late,
    /// The batch is delivered a second time after the function has answered. The second answer
    /// counts.
    Twice,
    /// The batch is delivered in two invocations at the same time. If one of them fails, the batch
    /// has failed. Otherwise the second answer counts.
    TwiceAtOnce,
}

/// The faults that have not struck yet.
#[derive(Debug, Default)]
pub(super) struct Faults(Mutex<Vec<StreamFault>>);

impl Faults {
    pub(super) fn add(&self, fault: StreamFault) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(fault);
    }

    /// The effect of the first fault on a delivery to this function, if there is one.
    pub(super) fn strike(&self, function: &str) -> Option<StreamFailure> {
        let mut faults = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        faults.retain(|fault| fault.times > 0);
        let fault = faults.iter_mut().find(|fault| fault.function == function)?;
        fault.times -= 1;
        Some(fault.failure)
    }
}
