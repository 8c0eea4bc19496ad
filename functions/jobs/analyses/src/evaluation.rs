//! `POST /evaluations`.

use std::sync::Arc;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jsonschema::PatternOptions;
use platform::http::Created;
use platform::identity::Principal;
use platform::problem::Code;
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use serde_json::Value;
use tally_jobs::domain::{Case, Check, EvaluationWork, Inputs, Job, JobKind, Work};
use tally_jobs::store::Origin;
use tally_jobs::{Choosing, NewJob, Starting, Worst};
use tally_prompts::domain::{Values, Version};

use crate::evaluation_request::EvaluationRequest;
use crate::faults::Faults;
use crate::worst::{add, tokens};

/// `POST /evaluations`.
pub struct StartEvaluation {
    starting: Starting,
    choosing: Choosing,
}

impl Endpoint for StartEvaluation {
    const ROUTE: Route = routes::EVALUATION_CREATE;
    const PROBLEMS: &'static [Code] = &[Code::BudgetExceeded, Code::NotFound, Code::TooManyJobs];
    type Caller = Principal;
    type Body = EvaluationRequest;
    type Query = ();
    type Output = Created<Job>;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { starting: Starting::new(platform)?, choosing: Choosing::new(platform)? })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<Created<Job>>, Problem> {
        let now = request.now;
        let EvaluationRequest {
            prompt,
            versions: numbers,
            cases,
            checks,
            repeat,
            max_cost_usd: max_cost,
            title,
        } = request.body;
        let versions = self.choosing.versions(&prompt, &numbers).await?;
        let [first, ..] = &versions[..] else { return Err(Problem::internal()) };
        if checks.contains(&Check::Schema) {
            check_schemas(&versions)?;
        }
        let today = now.to_zoned_datetime(TimeZone::UTC).date();
        let worst = self.worst(&versions, &cases, repeat, today)?;
        let work = Work::Evaluation(EvaluationWork { versions: numbers, cases, checks, repeat });
        let new = NewJob {
            origin: Origin { caller: request.caller, context: request.context.clone() },
            kind: JobKind::Evaluation,
            title: title.unwrap_or_else(|| format!("evaluation of {prompt}")),
            prompt: first.pinned(),
            units: work.items(),
            inputs: Inputs { variables: Values::default(), work, worst: worst.nanos },
            max_cost,
            rerun_of: None,
        };
        Ok(self.starting.start(new, now).await?.map(|reply| reply.map(Created)))
    }

    async fn repeat(
        &self,
        request: Request<'_, Self>,
        id: &str,
    ) -> Result<Plan<Created<Job>>, Problem> {
        let plan = self.starting.started(&request.caller.user_id, id, request.now).await?;
        Ok(plan.map(|reply| reply.map(Created)))
    }
}

impl StartEvaluation {
    /// The worst cases of the calls, in the order of [`EvaluationWork`]. Values of variables that
    /// do not fit a version are a 422 that names each at its case.
    fn worst(
        &self,
        versions: &[Arc<Version>],
        cases: &[Case],
        repeat: u32,
        today: Date,
    ) -> Result<Worst, Problem> {
        let pricing = self.starting.pricing();
        let (mut worst, mut faults) = (Worst::default(), Faults::default());
        for version in versions {
            for (at, case) in cases.iter().enumerate() {
                match version.render(&case.variables, &case.input, today) {
                    Ok(texts) => {
                        let tokens = tokens(version, texts);
                        for _ in 0..repeat {
                            add(&mut worst, pricing, version, tokens);
                        }
                    }
                    Err(problem) => faults.add(&format!("/cases/{at}"), problem)?,
                }
            }
        }
        faults.end()?;
        Ok(worst)
    }
}

/// Refuses versions without a schema by which the worker can check answers.
fn check_schemas(versions: &[Arc<Version>]) -> Result<(), Problem> {
    let mut faults = Faults::default();
    for (at, version) in versions.iter().enumerate() {
        let fault = match &version.content.output_schema {
            None => "must have an output_schema for the check schema",
            Some(schema) if is_usable(schema) => continue,
            Some(_) => {
                "must have an output_schema that is a JSON Schema, refers to no other document, \
                 and has neither look-around nor back references in its patterns"
            }
        };
        faults.add("/versions", Problem::invalid_field(&at.to_string(), fault))?;
    }
    faults.end()
}

/// Whether the worker can check answers by a schema. It fetches no other document, and its patterns
/// take a time linear in the answer.
fn is_usable(schema: &Value) -> bool {
    let options = jsonschema::options().offline().with_pattern_options(PatternOptions::regex());
    options.build(schema).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::version;
    use serde_json::json;

    #[test]
    fn a_check_by_schema_needs_schemas_that_stand_alone() {
        for (schema, is_good) in [
            (Some(json!({"type": "object"})), true),
            (Some(json!({"$ref": "#/$defs/a", "$defs": {"a": {"type": "string"}}})), true),
            (Some(json!({})), true),
            (None, false),
            (Some(json!({"type": "nothing"})), false),
            (Some(json!({"$ref": "https://example.com/schema.json"})), false),
            (Some(json!({"$ref": "file:///etc/passwd"})), false),
            (Some(json!({"pattern": "^(a+)+$"})), true),
            (Some(json!({"pattern": "^(?=a)"})), false),
        ] {
            let name = format!("{schema:?}");
            let versions = [Some(json!({"type": "string"})), schema];
            let versions = versions.map(|schema| Arc::new(version(schema)));
            let faults = check_schemas(&versions).err().map(|problem| problem.errors);
            let pointers: Vec<_> =
                faults.iter().flatten().filter_map(|fault| fault.pointer.as_deref()).collect();
            let expected: &[&str] = if is_good { &[] } else { &["/versions/1"] };
            assert_eq!(pointers, expected, "{name}");
        }
    }
}
