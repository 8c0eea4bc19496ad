//! The messages about a job. Every open connection of its user gets them, without a subscription.
//! They tell the state, so a client that misses one loses nothing.

use assistant::domain::Cost;
use platform::socket::ServerMessage;
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::{Counts, Job, JobKind, JobStatus};
use crate::store::Head;

/// Groups of ended items that a message lists, at most.
const MOST_RANGES: usize = 200;

/// The state of a job that goes on. It comes at most once a second.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct JobProgress {
    /// Id of the job.
    #[schema(format = "uuid")]
    pub job_id: String,
    /// Its kind.
    pub kind: JobKind,
    /// Revision of the job. Drop a message with a lower one than you know.
    pub revision: u64,
    /// Its state.
    pub status: JobStatus,
    /// How many items are in which state.
    pub counts: Counts,
    /// Cost so far, in US dollars.
    #[schema(value_type = String, example = "0.0125")]
    pub cost_usd: Cost,
    /// The items that have ended, as groups of indices: the first and the last one of each. There
    /// are at most 200 groups, the first ones.
    #[schema(example = json!([[0, 57]]))]
    pub ended: Vec<[u32; 2]>,
}

/// A job has ended.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct JobEnded {
    /// The job as it is now.
    pub job: Job,
}

impl JobProgress {
    /// The message about a job of which these items have ended.
    pub fn new(head: &Head, ended: impl IntoIterator<Item = u32>) -> Self {
        Self {
            job_id: head.id.clone(),
            kind: head.kind,
            revision: head.revision,
            status: head.status,
            counts: head.counts,
            cost_usd: head.cost,
            ended: ended_ranges(ended),
        }
    }
}

impl ServerMessage for JobProgress {
    const TYPE: &'static str = "job.progress";
}

impl ServerMessage for JobEnded {
    const TYPE: &'static str = "job.ended";
}

/// Groups of consecutive indices of a list in order, the first and the last one of each.
fn ended_ranges(indices: impl IntoIterator<Item = u32>) -> Vec<[u32; 2]> {
    let mut ranges: Vec<[u32; 2]> = Vec::new();
    for index in indices {
        let count = ranges.len();
        match ranges.last_mut() {
            Some([_, last]) if *last + 1 == index => *last = index,
            _ if count == MOST_RANGES => break,
            _ => ranges.push([index, index]),
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consecutive_indices_are_a_group() {
        for (indices, expected) in [
            (vec![], vec![]),
            (vec![0], vec![[0, 0]]),
            (vec![0, 1, 2], vec![[0, 2]]),
            (vec![1, 3, 4, 9], vec![[1, 1], [3, 4], [9, 9]]),
        ] {
            assert_eq!(ended_ranges(indices.clone()), expected, "{indices:?}");
        }
        let many = ended_ranges((0..1_000).map(|number| number * 2));
        assert_eq!((many.len(), many[199]), (200, [398, 398]));
    }
}
