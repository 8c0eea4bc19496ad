//! A step that the model has made.

use tally_chat::store::{CallRecord, Step};

use crate::job::Moment;

/// A step that the model has made, and its calls.
#[derive(Debug)]
pub struct Taken {
    /// The step.
    pub step: Step,
    /// Its calls that are recorded, in order.
    pub calls: Vec<CallRecord>,
    /// The moment when the step asked for its calls.
    pub moment: Option<Moment>,
    /// Until when its user has to decide about the calls, seconds since 1970.
    pub decide_by: i64,
}

#[cfg(test)]
impl Taken {
    /// A step none of whose calls is recorded.
    pub fn unanswered(step: Step) -> Self {
        Self { step, calls: Vec::new(), moment: None, decide_by: 0 }
    }
}
