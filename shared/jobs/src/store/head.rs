//! A job as it is stored.

use std::collections::BTreeMap;

use assistant::domain::{Cost, Usage};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use platform::clock::rfc3339_ms;
use platform::context::Context;
use platform::identity::Principal;
use serde::{Deserialize, Serialize};
use tally_chat::store::Hold;
use tally_prompts::domain::Pinned;

use crate::domain::{Counts, ErrorCode, ItemStatus, Job, JobError, JobKind, JobStatus, Outcome};

/// Milliseconds for which a round goes on, at most.
pub const ROUND_MS: i64 = 86_400_000;

/// Who asked for a job, and from where. The events of its worker have this.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The caller.
    pub caller: Principal,
    /// The circumstances of the request.
    pub context: Context,
}

/// A job as it is stored. Every change replaces it under the revision that was read, and raises the
/// revision. So of two writers at once, one writes and the other reads again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Head {
    /// Id of its user.
    pub user_id: String,
    /// UUIDv7.
    pub id: String,
    /// Its kind.
    pub kind: JobKind,
    /// How far it has come.
    pub status: JobStatus,
    /// Its title.
    pub title: String,
    /// The version of the prompt. Of an evaluation, the first one.
    pub prompt: Pinned,
    /// Who asked for it.
    pub origin: Origin,
    /// Number of items: calls.
    pub items: u32,
    /// How many items, or rows of a batch, are in which state.
    pub counts: Counts,
    /// Tokens of all rounds.
    pub usage: Usage,
    /// Cost of all rounds.
    pub cost: Cost,
    /// Cost of the rounds that have ended. The budgets have it.
    pub settled: Cost,
    /// What is held of the budgets for this round. Absent where calls cost nothing, and after the
    /// end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
    /// What this round has used, by [`Spent::key`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub spent: BTreeMap<String, Spent>,
    /// Why it ended before its items.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<JobError>,
    /// What items are after the end whose calls were not made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rest: Option<Rest>,
    /// The analysis that it repeats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rerun_of: Option<String>,
    /// What it gives as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Counts its changes, from 1.
    pub revision: u64,
    /// Random word of the worker's last change. After a commit whose answer was lost, the worker
    /// knows its own change by it.
    #[serde(default)]
    pub mark: String,
    /// The round: 1, and one more for each retry. Items that failed in an earlier round are pending.
    pub round: u32,
    /// The rows that this round of a batch is for. Empty if it is for all that have no result.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<u32>,
    /// Milliseconds since 1970.
    pub created_at: i64,
    /// Milliseconds since 1970 at which a worker first began it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<i64>,
    /// Milliseconds since 1970 at which the round ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<i64>,
    /// Milliseconds since 1970 at which the round has gone on for a day. See [`Head::ends_at`].
    pub deadline: i64,
    /// Time to live, seconds since 1970. DynamoDB deletes some items later, so readers compare it. It
    /// never changes, so the items and the inputs expire at the same time.
    pub expires_at: i64,
    /// Counts its workers. An item that runs under an earlier epoch has lost its worker.
    pub epoch: u64,
    /// Milliseconds since 1970 until which its worker keeps others off.
    pub lease_until: i64,
    /// Whether its user has asked to stop it.
    #[serde(default)]
    pub cancel_requested: bool,
    /// Whether its user has deleted it. It stays until its items have gone, because it leads to them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deleted: bool,
    /// Partition of the index of jobs that have not ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<String>,
    /// Seconds since 1970 after which the schedule starts a worker for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<i64>,
}

/// What the items of a job are after its end whose calls were not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rest {
    /// Their state: failed or cancelled.
    pub status: ItemStatus,
    /// Why they failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<ErrorCode>,
}

/// Usage of a model with a version of a prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// The model.
    pub model: String,
    /// The version.
    pub prompt: Pinned,
    /// Calls that used tokens.
    pub requests: u64,
    /// Those of them that failed.
    pub failed: u64,
    /// Their tokens.
    pub tokens: Usage,
    /// Their cost.
    pub cost: Cost,
}

impl Spent {
    /// No call of this model with this version.
    pub fn nothing(model: &str, prompt: &Pinned) -> Self {
        Self {
            model: model.to_owned(),
            prompt: prompt.clone(),
            requests: 0,
            failed: 0,
            tokens: Usage::default(),
            cost: Cost::ZERO,
        }
    }

    /// The key in [`Head::spent`].
    pub fn key(model: &str, prompt: &Pinned) -> String {
        format!("{model}#{}@{}", prompt.name, prompt.version)
    }
}

impl Head {
    /// Whether it has neither expired nor been deleted.
    pub fn is_kept(&self, now: Timestamp) -> bool {
        !self.deleted && now.as_second() < self.expires_at
    }

    /// Amount that is held for it.
    pub fn held(&self) -> Cost {
        self.hold.as_ref().map_or(Cost::ZERO, |hold| hold.cost)
    }

    /// Cost of this round.
    pub fn cost_of_round(&self) -> Cost {
        self.cost.less(self.settled)
    }

    /// The day (UTC) on which this round was asked for.
    pub fn day(&self) -> Date {
        let at = Timestamp::from_millisecond(self.deadline - ROUND_MS).unwrap_or_default();
        at.to_zoned_datetime(TimeZone::UTC).date()
    }

    /// Milliseconds since 1970 after which the rest of this round expires: a day after it was asked
    /// for, but a day before the job expires. A job that expired within its round would keep its
    /// hold for ever.
    pub fn ends_at(&self) -> i64 {
        self.deadline.min(self.expires_at.saturating_mul(1_000).saturating_sub(ROUND_MS))
    }

    /// The next revision, changed so.
    #[must_use]
    pub fn changed(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut after = Self { revision: self.revision + 1, ..self.clone() };
        change(&mut after);
        after
    }

    /// The job as its user sees it.
    pub fn shown(&self) -> Job {
        let (analysis, evaluation) = match self.outcome.clone() {
            Some(Outcome::Analysis(outcome)) => (Some(outcome), None),
            Some(Outcome::Evaluation(outcome)) => (None, Some(outcome)),
            None => (None, None),
        };
        Job {
            id: self.id.clone(),
            kind: self.kind,
            status: self.status,
            title: self.title.clone(),
            prompt: self.prompt.clone(),
            counts: self.counts,
            usage: self.usage,
            cost_usd: self.cost,
            held_usd: self.held(),
            error: self.error.clone(),
            rerun_of: self.rerun_of.clone(),
            analysis,
            evaluation,
            revision: self.revision,
            created_at: rfc3339_ms(self.created_at),
            started_at: self.started_at.map(rfc3339_ms),
            ended_at: self.ended_at.map(rfc3339_ms),
            expires_at: rfc3339_ms(self.expires_at.saturating_mul(1_000)),
        }
    }
}

#[cfg(test)]
mod tests {
    use platform::database::{item, read};
    use platform::identity::Credential;

    use super::*;
    use crate::domain::{AnalysisOutcome, EvaluationOutcome};

    fn head() -> Head {
        let caller = Principal {
            user_id: "u".to_owned(),
            username: "someone".to_owned(),
            credential: Credential::SessionId("s".to_owned()),
        };
        Head {
            user_id: "u".to_owned(),
            id: "j".to_owned(),
            kind: JobKind::Analysis,
            status: JobStatus::Queued,
            title: "A job".to_owned(),
            prompt: Pinned::default(),
            origin: Origin { caller, context: Context::default() },
            items: 3,
            counts: Counts::pending(3),
            usage: Usage::default(),
            cost: Cost::from_nanos(50),
            settled: Cost::from_nanos(20),
            hold: None,
            spent: BTreeMap::new(),
            error: None,
            rest: None,
            rerun_of: None,
            outcome: None,
            revision: 4,
            mark: String::new(),
            round: 2,
            only: Vec::new(),
            created_at: 1_000,
            started_at: None,
            ended_at: None,
            deadline: 1_000 + ROUND_MS,
            expires_at: 200_000,
            epoch: 0,
            lease_until: 0,
            cancel_requested: false,
            deleted: false,
            shard: Some("3".to_owned()),
            due_at: Some(61),
        }
    }

    #[test]
    fn a_head_is_read_as_it_was_written() {
        let hold = Hold { cost: Cost::from_nanos(90), month: "1970-01".to_owned(), tokens: 0 };
        let prompt = Pinned::default();
        let spent = Spent { requests: 1, ..Spent::nothing("m", &prompt) };
        let full = Head {
            hold: Some(hold),
            spent: BTreeMap::from([(Spent::key("m", &prompt), spent)]),
            rest: Some(Rest { status: ItemStatus::Failed, code: Some(ErrorCode::Expired) }),
            outcome: Some(Outcome::Analysis(AnalysisOutcome::default())),
            only: vec![2, 7],
            ..head()
        };
        for head in [head(), full] {
            assert_eq!(read::<Head>(item(&head).unwrap()).unwrap(), head);
        }
        // The index has only jobs with both attributes.
        let ended = item(Head { shard: None, due_at: None, ..head() }).unwrap();
        assert!(!ended.contains_key("shard") && !ended.contains_key("due_at"));
    }

    #[test]
    fn a_round_has_its_own_cost_and_day() {
        let head = head();
        assert_eq!((head.cost_of_round(), head.held()), (Cost::from_nanos(30), Cost::ZERO));
        for (at, day) in [(0, "1970-01-01"), (ROUND_MS - 1, "1970-01-01"), (ROUND_MS, "1970-01-02")]
        {
            let deadline = at + ROUND_MS;
            assert_eq!(Head { deadline, ..head.clone() }.day().to_string(), day);
        }
        for (asked_at, expires_at, expected) in [
            (0, 2, 1),
            (0, 90, 1),
            (87, 90, 88),
            (88, 90, 89),
            // A retry on the last day but one has less than a day.
            (89, 90, 89),
        ] {
            let deadline = (asked_at + 1) * ROUND_MS;
            let expires_at = expires_at * ROUND_MS / 1_000;
            let head = Head { deadline, expires_at, ..head.clone() };
            assert_eq!(head.ends_at(), expected * ROUND_MS, "{asked_at}");
        }
        let after = head.changed(|after| after.round += 1);
        assert_eq!((after.revision, after.round), (5, 3));
        let at = |second| Timestamp::from_second(second).unwrap();
        assert!(head.is_kept(at(199_999)) && !head.is_kept(at(200_000)));
        assert!(!Head { deleted: true, ..head }.is_kept(at(199_999)));
    }

    #[test]
    fn a_user_sees_what_the_kind_of_job_gives() {
        let analysis =
            AnalysisOutcome { summary: Some("Fine.".to_owned()), ..AnalysisOutcome::default() };
        let evaluation = EvaluationOutcome::default();
        for (outcome, shown) in [
            (None, (None, None)),
            (Some(Outcome::Analysis(analysis.clone())), (Some(analysis), None)),
            (Some(Outcome::Evaluation(evaluation.clone())), (None, Some(evaluation))),
        ] {
            let job = Head { outcome, ..head() }.shown();
            assert_eq!((job.analysis, job.evaluation), shown);
        }
        let job = head().shown();
        assert_eq!((job.created_at.as_str(), job.started_at), ("1970-01-01T00:00:01.000Z", None));
        assert_eq!(job.expires_at, "1970-01-03T07:33:20.000Z");
    }
}
