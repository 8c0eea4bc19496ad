//! `POST /analyses`.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use platform::audit::AuditDetails;
use platform::domain::Role;
use platform::http::{Parameters, in_query};
use platform::identity::Principal;
use platform::input::{Fields, Input};
use platform::problem::Code;
use platform::routes::{self, Route};
use platform::store::Users;
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use tally_jobs::domain::{AnalysisType, AnalysisWork, Inputs, JobKind, Piece, Work};
use tally_jobs::pieces::SUMMARY_BYTES;
use tally_jobs::store::Origin;
use tally_jobs::{Choosing, Estimate, NewJob, Starting, Worst};
use tally_prompts::domain::{PromptName, PromptRef, Rendered, Values, Version};
use utoipa::IntoParams;
use utoipa::openapi::path::Parameter;

use crate::analysis_request::{AnalysisRequest, Subject};
use crate::answer::{AnalysisAnswer, estimated, started};
use crate::earlier::{Earlier, EarlierAnalyses};
use crate::fields::LONGEST_TITLE;
use crate::input::NewInput;
use crate::pieces::Pieces;
use crate::worst::{add, tokens, tokens_of_piece};

/// The prompt of the last call of an analysis.
const SUMMARY: &str = "analysis.summary";

/// `POST /analyses`. With `dry_run`, the answer is the worst case of the job, and nothing starts.
pub struct StartAnalysis {
    starting: Starting,
    choosing: Choosing,
    users: Users,
    pieces: Pieces,
    earlier: EarlierAnalyses,
}

/// The query parameters.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AnalysisQuery {
    /// Whether to answer with the worst case of the job alone. Then nothing is started or stored.
    #[param(required = false, default = false)]
    pub dry_run: bool,
}

/// What an analysis reads, and what it uses unless its caller says otherwise.
struct Material {
    kind: AnalysisType,
    pieces: Vec<Piece>,
    version: Arc<Version>,
    variables: Values,
    title: String,
    rerun_of: Option<String>,
}

impl Input for AnalysisQuery {
    fn read(fields: &mut Fields) -> Option<Self> {
        Some(Self { dry_run: fields.optional("dry_run")?.unwrap_or_default() })
    }
}

impl Parameters for AnalysisQuery {
    fn parameters() -> Vec<Parameter> {
        in_query::<Self>()
    }
}

impl Endpoint for StartAnalysis {
    const ROUTE: Route = routes::ANALYSIS_CREATE;
    const PROBLEMS: &'static [Code] =
        &[Code::BudgetExceeded, Code::NotFound, Code::FileNotReady, Code::TooManyJobs];
    type Caller = Principal;
    type Body = AnalysisRequest;
    type Query = AnalysisQuery;
    type Output = AnalysisAnswer;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            starting: Starting::new(platform)?,
            choosing: Choosing::new(platform)?,
            users: Users::new(platform)?,
            pieces: Pieces::new(platform)?,
            earlier: EarlierAnalyses::new(platform)?,
        })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<AnalysisAnswer>, Problem> {
        let now = request.now;
        let origin = Origin { caller: request.caller, context: request.context.clone() };
        let prepared = self.prepare(origin, request.body, now).await;
        if request.query.dry_run {
            let silent = AuditDetails::default().silent();
            let refused = |problem| Plan::refuse(problem).details(silent);
            return Ok(prepared.map_or_else(refused, |(_, estimate)| estimated(estimate)));
        }
        let (new, _) = prepared?;
        Ok(self.starting.start(new, now).await?.map(started))
    }

    async fn repeat(
        &self,
        request: Request<'_, Self>,
        created: &str,
    ) -> Result<Plan<AnalysisAnswer>, Problem> {
        if request.query.dry_run {
            return self.handle(request).await;
        }
        let plan = self.starting.started(&request.caller.user_id, created, request.now).await?;
        Ok(plan.map(started))
    }
}

impl StartAnalysis {
    /// The job that a request asks for, and its worst case.
    async fn prepare(
        &self,
        origin: Origin,
        request: AnalysisRequest,
        now: Timestamp,
    ) -> Result<(NewJob, Estimate), Problem> {
        let AnalysisRequest { subject, prompt, variables, max_cost, title } = request;
        let user_id = &origin.caller.user_id;
        let material = match subject {
            Subject::Inputs(kind, inputs) => {
                self.of_inputs(user_id, (kind, inputs), prompt, now).await?
            }
            Subject::Earlier(id) => self.of_earlier(user_id, &id, prompt, now).await?,
        };
        let Material { kind, pieces, version, variables: usual, title: usual_title, rerun_of } =
            material;
        let variables = variables.unwrap_or(usual);
        let today = now.to_zoned_datetime(TimeZone::UTC).date();
        let texts = version.render(&variables, "", today)?;
        let summary = self.choosing.own(&name(SUMMARY)?, today).await?;
        let worst = self.worst((&version, texts), &pieces, (&summary, today))?;
        let summary = summary.pinned();
        let work = Work::Analysis(AnalysisWork { r#type: kind, pieces, summary });
        let items = work.items();
        let estimate = worst.estimate(items);
        let new = NewJob {
            origin,
            kind: JobKind::Analysis,
            title: title.unwrap_or(usual_title),
            prompt: version.pinned(),
            inputs: Inputs { variables, work, worst: worst.nanos },
            units: items,
            max_cost,
            rerun_of,
        };
        Ok((new, estimate))
    }

    /// The material of a new analysis.
    async fn of_inputs(
        &self,
        user_id: &str,
        (kind, inputs): (AnalysisType, Vec<NewInput>),
        prompt: Option<PromptRef>,
        now: Timestamp,
    ) -> Result<Material, Problem> {
        let reference = match (prompt, usual_prompt(kind)) {
            (Some(reference), _) => reference,
            (None, Some(usual)) => name(usual)?.into(),
            (None, None) => return Err(Problem::invalid_field("prompt", "is required")),
        };
        let version = self.chosen(&reference, user_id).await?;
        let pieces = self.pieces.of(user_id, inputs, now).await?;
        let first = pieces.first().map_or("", |piece| piece.input.as_str());
        let title = usual_title(kind, first);
        Ok(Material { kind, pieces, version, variables: Values::default(), title, rerun_of: None })
    }

    /// The material of an earlier analysis.
    async fn of_earlier(
        &self,
        user_id: &str,
        id: &str,
        prompt: Option<PromptRef>,
        now: Timestamp,
    ) -> Result<Material, Problem> {
        let Earlier { title, prompt: before, variables, work } =
            self.earlier.find(user_id, id, now).await?;
        let version = match prompt {
            Some(reference) => self.chosen(&reference, user_id).await?,
            None => self.choosing.again(&before).await?,
        };
        // Another prompt has other variables.
        let variables = if version.name == before.name { variables } else { Values::default() };
        let AnalysisWork { r#type: kind, pieces, .. } = work;
        let rerun_of = Some(id.to_owned());
        Ok(Material { kind, pieces, version, variables, title, rerun_of })
    }

    /// The version that a reference of a user names. Their roles are read only if it takes some.
    async fn chosen(&self, reference: &PromptRef, user_id: &str) -> Result<Arc<Version>, Problem> {
        let roles: Vec<Role> = if reference.which.is_some() {
            let user = self.users.get(user_id).await?.filter(|user| user.is_active);
            user.ok_or_else(Problem::invalid_token)?.roles
        } else {
            Vec::new()
        };
        self.choosing.task(reference, &roles).await
    }

    /// The worst cases of the calls: one for each piece, and one for the summary.
    fn worst(
        &self,
        (version, texts): (&Version, Rendered),
        pieces: &[Piece],
        (summary, today): (&Version, Date),
    ) -> Result<Worst, Problem> {
        let pricing = self.starting.pricing();
        let mut worst = Worst::default();
        let without_piece = tokens(version, texts);
        for piece in pieces {
            add(&mut worst, pricing, version, without_piece + tokens_of_piece(piece));
        }
        let texts = summary.render(&Values::default(), "", today)?;
        add(&mut worst, pricing, summary, tokens(summary, texts) + SUMMARY_BYTES as u64);
        Ok(worst)
    }
}

/// The prompt of a type, if it has one.
fn usual_prompt(kind: AnalysisType) -> Option<&'static str> {
    match kind {
        AnalysisType::Code => Some("code.review"),
        AnalysisType::Document => Some("finance.review"),
        AnalysisType::Custom => None,
    }
}

/// The title of an analysis without one.
fn usual_title(kind: AnalysisType, first: &str) -> String {
    let title = format!("{} analysis of {first}", kind.as_str());
    title.chars().take(LONGEST_TITLE).collect()
}

/// A name of a prompt that the server itself uses.
fn name(text: &str) -> Result<PromptName, Problem> {
    text.parse().map_err(|_| Problem::internal())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_has_its_prompt_and_its_title() {
        for (kind, prompt, title) in [
            (AnalysisType::Code, Some("code.review"), "code analysis of a.rs"),
            (AnalysisType::Document, Some("finance.review"), "document analysis of a.rs"),
            (AnalysisType::Custom, None, "custom analysis of a.rs"),
        ] {
            assert_eq!(usual_prompt(kind), prompt);
            assert_eq!(usual_title(kind, "a.rs"), title);
        }
        for known in ["code.review", "finance.review", SUMMARY] {
            assert_eq!(name(known).unwrap().as_str(), known);
        }
        let long = usual_title(AnalysisType::Code, &"€".repeat(255));
        assert_eq!(long.chars().count(), LONGEST_TITLE);
    }
}
