//! Evaluations: each case is asked with each version of a prompt, and the answers are scored.

mod answer;
mod place;
mod score;
mod statistics;

use std::collections::BTreeMap;
use std::sync::Arc;

use assistant::domain::{MessageRole, ModelName};
use assistant::{Request, Turn};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jsonschema::Validator;
use platform::problem::Code;
use platform::{Problem, ids};
use serde_json::json;
use tally_jobs::domain::{
    Case, Check, ErrorCode, EvaluationOutcome, EvaluationWork, ItemStatus, JobError, Outcome,
};
use tally_jobs::store::{Head, Item, ItemState, Items};
use tally_prompts::domain::{Pinned, Rendered, Version};

use super::asked::asked;
use super::{Accept, Accepted, Call, Kinds, NoCall, Work};
use crate::board::About;
use answer::{Scored, beginning};
use place::Place;
use score::{Expected, score, validator};
use statistics::Numbers;

/// Items that are read at once for the outcome.
const AT_ONCE: usize = 100;

/// The work.
pub struct Evaluation {
    job_id: String,
    work: EvaluationWork,
    versions: Vec<Compared>,
    items: Items,
    /// The day of the request. So a case has the same texts in each of its calls.
    today: Date,
}

/// A version that is compared.
struct Compared {
    version: Arc<Version>,
    /// The validator of its schema, if answers are checked by it.
    schema: Option<Arc<Validator>>,
}

impl Evaluation {
    /// Reads the versions of the prompt of a job.
    pub async fn new(kinds: &Kinds, head: &Head, work: EvaluationWork) -> Result<Self, Problem> {
        let name = &head.prompt.name;
        let is_checked = work.checks.contains(&Check::Schema);
        let mut versions = Vec::new();
        for number in &work.versions {
            let version = kinds.version(name, *number).await?;
            let schema = version.content.output_schema.as_ref().filter(|_| is_checked);
            let schema = schema.and_then(validator).map(Arc::new);
            versions.push(Compared { version, schema });
        }
        let asked_at = Timestamp::from_millisecond(head.created_at).unwrap_or_default();
        Ok(Self {
            job_id: head.id.clone(),
            work,
            versions,
            items: kinds.items.clone(),
            today: asked_at.to_zoned_datetime(TimeZone::UTC).date(),
        })
    }

    /// The version and the case of an item. `None` if the job has no such item.
    fn of(&self, place: Place) -> Option<(&Compared, &Case)> {
        Some((self.versions.get(place.version)?, self.work.cases.get(place.case)?))
    }

    fn call(&self, index: u32) -> Result<Call, NoCall> {
        let place = Place::of(index, &self.work);
        let (Compared { version, schema }, case) = self.of(place).ok_or_else(Problem::internal)?;
        let Case { variables, input, expect } = case;
        let rendered = version.render(variables, input, self.today);
        let Rendered { system, user } = rendered.map_err(unfit)?;
        let about = json!({
            "case": place.case, "repetition": place.repetition, "sha256": ids::sha256(input),
        });
        let asked = asked(version, variables, &about, &user);
        let content = &version.content;
        let request = Request {
            reply_id: format!("{}-{index}", self.job_id),
            system,
            turns: vec![Turn::text(MessageRole::User, user)],
            model: content.model.clone().map(ModelName::into_string),
            max_tokens: content.max_tokens,
            effort: content.effort,
            output_schema: content.output_schema.clone(),
            ..Request::default()
        };
        let (number, checks) = (version.version, self.work.checks.clone());
        let (expect, schema) = (expect.clone(), schema.clone());
        let accept: Accept = Box::new(move |text, latency_ms| {
            let expected = Expected { expect: expect.as_ref(), schema: schema.as_deref() };
            accepted(&scored((number, place), &checks, text, expected, latency_ms))
        });
        Ok(Call { request, asked, sources: None, accept })
    }

    /// What the items gave, by version.
    async fn outcome(&self) -> Result<EvaluationOutcome, Problem> {
        let mut numbers: Vec<_> = self.versions.iter().map(|_| Numbers::default()).collect();
        let add = |item: &Item| {
            let Place { version, .. } = Place::of(item.state.index, &self.work);
            if let Some(numbers) = numbers.get_mut(version) {
                count(numbers, item);
            }
        };
        self.items.each(&self.job_id, AT_ONCE, add).await?;
        let versions = self.work.versions.iter().zip(numbers);
        let versions = versions.map(|(version, numbers)| numbers.of(*version)).collect();
        Ok(EvaluationOutcome { versions })
    }
}

impl Work for Evaluation {
    fn about(&self, _: u32, _: Option<&ItemState>) -> About {
        About { units: 1, is_last: false, is_wanted: true }
    }

    fn prompt(&self, index: u32) -> Pinned {
        let compared = self.of(Place::of(index, &self.work));
        compared.map(|(compared, _)| compared.version.pinned()).unwrap_or_default()
    }

    /// The calls with a version share its text. Those with the first one come first.
    fn system_bytes(&self) -> usize {
        self.versions.first().map_or(0, |first| first.version.content.system.len())
    }

    fn request(&self, index: u32) -> BoxFuture<'_, Result<Call, NoCall>> {
        async move { self.call(index) }.boxed()
    }

    fn finish(&self) -> BoxFuture<'_, Result<Option<Outcome>, Problem>> {
        async move { Ok(Some(Outcome::Evaluation(self.outcome().await?))) }.boxed()
    }
}

/// Why a case cannot be asked. It fitted its version at the request, but the version that is built
/// in may be another one since a release.
fn unfit(problem: Problem) -> NoCall {
    match problem.code {
        Code::ValidationFailed => NoCall::Item(JobError::of(ErrorCode::TooLarge)),
        _ => NoCall::Problem(problem),
    }
}

/// The result of an answer.
fn scored(
    (version, place): (u32, Place),
    checks: &[Check],
    answer: &str,
    expected: Expected<'_>,
    latency_ms: u64,
) -> Scored {
    let named = |check: &Check| (check.as_str().to_owned(), score(*check, answer, expected));
    let scores: BTreeMap<_, _> = checks.iter().map(named).collect();
    let (text, truncated) = beginning(answer);
    let Place { case, repetition, .. } = place;
    Scored { version, case, repetition, text, truncated, scores, latency_ms }
}

/// A result as the worker takes it. Every score has a JSON form, so this does not fail.
fn accepted(scored: &Scored) -> Accepted {
    let result = serde_json::to_string(scored).ok();
    let succeeded = u32::from(result.is_some());
    Accepted { result, error: None, succeeded }
}

/// Adds an item to the numbers of its version.
fn count(numbers: &mut Numbers, item: &Item) {
    numbers.spend(item.state.cost);
    let result = item.result.as_deref().filter(|_| item.state.status == ItemStatus::Succeeded);
    match result.and_then(|result| serde_json::from_str(result).ok()) {
        Some(scored) => numbers.answer(scored),
        None if item.state.status == ItemStatus::Failed => numbers.fail(),
        None => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;
    use assistant::domain::Cost;
    use serde_json::Value;

    const PLACE: Place = Place { version: 1, case: 3, repetition: 2 };

    fn item(status: ItemStatus, result: Option<String>) -> Item {
        let mut item = samples::item(0, status, result);
        item.state.cost = Cost::from_nanos(1_000);
        item
    }

    #[test]
    fn an_answer_is_scored_by_each_check() {
        let schema = validator(&json!({"type": "string"}));
        let expect = json!("well");
        let expected = Expected { expect: Some(&expect), schema: schema.as_ref() };
        let checks = [Check::Contains, Check::Exact, Check::Schema];
        let accepted = accepted(&scored((7, PLACE), &checks, r#""well""#, expected, 120));
        assert_eq!((accepted.succeeded, &accepted.error), (1, &None));
        let result: Value = serde_json::from_str(&accepted.result.unwrap()).unwrap();
        let wanted = json!({
            "version": 7, "case": 3, "repetition": 2, "text": "\"well\"", "latency_ms": 120,
            "scores": {"exact": 0.0, "contains": 1.0, "schema": 1.0},
        });
        assert_eq!(result, wanted);
    }

    #[test]
    fn the_outcome_counts_what_has_ended() {
        let expect = json!("yes");
        let expected = Expected { expect: Some(&expect), schema: None };
        let result = |answer: &str| {
            accepted(&scored((7, PLACE), &[Check::Exact], answer, expected, 100)).result
        };
        let mut numbers = Numbers::default();
        for (status, result) in [
            (ItemStatus::Succeeded, result("yes")),
            (ItemStatus::Succeeded, result("no")),
            (ItemStatus::Failed, None),
            // A result of an earlier round counts with its status alone.
            (ItemStatus::Failed, result("yes")),
            (ItemStatus::Cancelled, None),
            (ItemStatus::Pending, None),
        ] {
            count(&mut numbers, &item(status, result));
        }
        let found = numbers.of(7);
        assert_eq!((found.answered, found.failed), (2, 2));
        assert!((found.scores["exact"].mean - 0.5).abs() < 1e-9);
        assert_eq!(found.cost_usd, Cost::from_nanos(6_000));
    }
}
