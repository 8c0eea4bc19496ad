//! A job and its items for unit tests.

use std::collections::BTreeMap;

use assistant::domain::{Cost, Usage};
use platform::context::Context;
use platform::identity::{Credential, Principal};
use tally_jobs::domain::{Counts, ItemStatus, JobKind, JobStatus};
use tally_jobs::store::{Head, Item, ItemState, Origin, ROUND_MS};
use tally_prompts::domain::Pinned;

/// A job of so many items, none of which has begun. It was asked for in 1970.
pub fn head(items: u32) -> Head {
    let caller = Principal {
        user_id: "u-1".to_owned(),
        username: "someone".to_owned(),
        credential: Credential::SessionId("s-1".to_owned()),
    };
    Head {
        user_id: "u-1".to_owned(),
        id: "j-1".to_owned(),
        kind: JobKind::Analysis,
        status: JobStatus::Running,
        title: "A job".to_owned(),
        prompt: Pinned::default(),
        origin: Origin { caller, context: Context::default() },
        items,
        counts: Counts::pending(items),
        usage: Usage::default(),
        cost: Cost::ZERO,
        settled: Cost::ZERO,
        hold: None,
        spent: BTreeMap::new(),
        error: None,
        rest: None,
        rerun_of: None,
        outcome: None,
        revision: 7,
        mark: String::new(),
        round: 1,
        only: Vec::new(),
        created_at: 0,
        started_at: Some(0),
        ended_at: None,
        deadline: ROUND_MS,
        expires_at: 8_000_000,
        epoch: 3,
        lease_until: 0,
        cancel_requested: false,
        deleted: false,
        shard: Some("0".to_owned()),
        due_at: Some(60),
    }
}

/// An item of the job, as one free attempt has left it.
pub fn item(index: u32, status: ItemStatus, result: Option<String>) -> Item {
    let state = ItemState {
        index,
        status,
        epoch: 1,
        round: 1,
        attempts: 1,
        worst: Cost::ZERO,
        succeeded: u32::from(status == ItemStatus::Succeeded),
        failed: u32::from(status == ItemStatus::Failed),
        usage: Usage::default(),
        cost: Cost::ZERO,
        estimated: false,
    };
    Item {
        job_id: "j-1".to_owned(),
        state,
        result,
        error: None,
        model: None,
        latency_ms: None,
        expires_at: 0,
    }
}
