//! `POST /batches`.

use std::sync::Arc;

use jiff::tz::TimeZone;
use platform::clock::Timestamp;
use platform::http::Created;
use platform::identity::{Principal, Scope};
use platform::problem::Code;
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use tally_access::domain::Action;
use tally_chat::Excerpts;
use tally_chat::domain::MessageText;
use tally_jobs::domain::{BatchWork, Inputs, Job, JobKind, Operation, Work};
use tally_jobs::store::Origin;
use tally_jobs::{Choosing, NewJob, Starting};
use tally_prompts::domain::{Values, Version};
use tally_ranges::{Opened, Reader};

use crate::measure::{ACTIONS, Base, Measured, measure};
use crate::request::{BatchRequest, area};

/// `POST /batches`.
pub struct StartBatch {
    reader: Reader,
    choosing: Choosing,
    starting: Starting,
}

impl Endpoint for StartBatch {
    const ROUTE: Route = routes::BATCH_CREATE;
    const PROBLEMS: &'static [Code] = &[
        Code::BudgetExceeded,
        Code::NotFound,
        Code::NotReady,
        Code::PreviewOutdated,
        Code::TooManyJobs,
        Code::Conflict,
    ];
    type Caller = Principal;
    type Body = BatchRequest;
    type Query = ();
    type Output = Created<Job>;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            reader: Reader::new(platform)?,
            choosing: Choosing::new(platform)?,
            starting: Starting::new(platform)?,
        })
    }

    /// A key that names a range reads its cells.
    fn row(&self, _: &Request<'_, Self>) -> Route {
        Route { scope: Some(Scope::RangesRead), ..Self::ROUTE }
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<Created<Job>>, Problem> {
        let (body, now) = (request.body, request.now);
        let user_id = &request.caller.user_id;
        let opened = self.reader.open(&body.range_id, user_id, now).await?;
        opened.must_be_ready()?;
        let mut work = body.work(opened.head())?;
        let area = area(&work)?;
        let allowed = opened.columns(area, Action::Ai);
        if work.columns().any(|column| !allowed.contains(&column)) {
            return Err(Problem::not_granted(Action::Ai.as_str()));
        }
        if let Some(digest) = &body.preview_digest {
            must_be_current(&opened, digest).await?;
        }
        let instructions = body.instructions.as_ref().map(MessageText::as_str);
        let variables = work.operation.variables(instructions);
        let (version, measured) = self.measured(&opened, &work, &variables, now).await?;
        let Measured { bytes, worst } = measured;
        work.bytes = bytes;
        let (kind, units) = (work.operation.as_str(), work.rows());
        let new = NewJob {
            origin: Origin { caller: request.caller, context: request.context.clone() },
            kind: JobKind::Batch,
            title: format!("Batch {kind} of {area}"),
            prompt: version.pinned(),
            inputs: Inputs { variables, work: Work::Batch(work), worst: worst.nanos },
            units,
            max_cost: body.max_cost_usd,
            rerun_of: None,
        };
        let head = opened.head();
        let plan = self.starting.start(new, now).await?;
        let plan = plan
            .detail("operation", kind)
            .detail("rows", units)
            .detail("range_id", head.id.as_str())
            .detail("workbook_id", head.workbook_id.as_str())
            .detail("sheet_id", head.sheet_id.as_str())
            .detail("address", area.to_string());
        Ok(plan.map(|reply| reply.map(Created)))
    }

    async fn repeat(
        &self,
        request: Request<'_, Self>,
        created_id: &str,
    ) -> Result<Plan<Created<Job>>, Problem> {
        let user_id = &request.caller.user_id;
        let plan = self.starting.started(user_id, created_id, request.now).await?;
        Ok(plan.map(|reply| reply.map(Created)))
    }
}

impl StartBatch {
    /// The version of the operation's prompt that its calls use, and what they take.
    async fn measured(
        &self,
        opened: &Opened,
        work: &BatchWork,
        variables: &Values,
        now: Timestamp,
    ) -> Result<(Arc<Version>, Measured), Problem> {
        let operation = &work.operation;
        let refused = |problem| unusable(operation, problem);
        let reference = operation.prompt().into();
        let version = self.choosing.task(&reference, &[]).await.map_err(refused)?;
        let today = now.to_zoned_datetime(TimeZone::UTC).date();
        let texts = version.render(variables, "", today).map_err(refused)?;
        let base = Base::new(work, &version, texts, self.starting.pricing());
        let measured = measure(opened, work, &base).await?;
        Ok((version, measured))
    }
}

/// The problem of a prompt that does not fit its operation. The caller has not named it, so it is no
/// fault of the request.
fn unusable(operation: &Operation, problem: Problem) -> Problem {
    if problem.code != Code::ValidationFailed {
        return problem;
    }
    let detail = format!(
        "The production version of the prompt {} does not take what a batch gives it. An editor \
         has to save a version with the variables of the one that is built in.",
        operation.prompt()
    );
    Problem { detail, ..Problem::conflict() }
}

/// Requires that a preview of the range would have this digest now, with or without the hidden rows
/// and columns.
async fn must_be_current(opened: &Opened, digest: &str) -> Result<(), Problem> {
    let cells = opened.cells(None, ACTIONS).await?;
    let is_it = |include_hidden| {
        let (excerpts, _) = Excerpts::of_range(opened.head(), &cells, include_hidden);
        excerpts.digest() == digest
    };
    if [false, true].into_iter().any(is_it) { Ok(()) } else { Err(Problem::preview_outdated()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_that_does_not_fit_is_no_fault_of_the_caller() {
        let wrong = unusable(&Operation::Explain, Problem::invalid_field("prompt", "must be"));
        assert_eq!(wrong.code, Code::Conflict);
        assert!(wrong.detail.contains("excel.explain"), "{}", wrong.detail);
        assert!(wrong.errors.is_empty());
        let other = unusable(&Operation::Explain, Problem::unavailable());
        assert_eq!(other.code, Code::Unavailable);
    }
}
