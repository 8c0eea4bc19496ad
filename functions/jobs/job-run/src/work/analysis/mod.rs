//! Analyses: a call for each piece of the inputs, and a last one for the summary.
//!
//! - `shown`: a piece as the model is shown it; `answer`: the results of answers
//! - `findings`: the findings of an answer; `anchor`: where their quotes stand
//! - `gathered`: what all pieces have given; `summary`: the input of the summary

mod anchor;
mod answer;
mod findings;
mod gathered;
#[cfg(test)]
mod samples;
mod shown;
mod summary;

use std::sync::Arc;

use assistant::domain::MessageRole;
use assistant::{Content, Request, Turn};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use jiff::civil::Date;
use jsonschema::Validator;
use platform::problem::Code;
use platform::{Problem, ids};
use serde_json::{Value, json};
use tally_files::Bucket;
use tally_jobs::domain::{AnalysisWork, ErrorCode, JobError, Outcome};
use tally_jobs::pieces::name;
use tally_jobs::store::{Head, ItemState, Items};
use tally_prompts::domain::{Pinned, Rendered, Values, Version};

use answer::{Form, accepted};
use findings::Subject;
use gathered::Gathered;
use shown::{Shown, contents, most_at_once};

use super::asked::asked;
use super::{Call, Kinds, NoCall, Work, schema};
use crate::board::About;

/// The work of an analysis.
pub struct Analysis {
    bucket: Bucket,
    items: Items,
    job_id: String,
    /// The day on which the round was asked for.
    today: Date,
    variables: Values,
    work: AnalysisWork,
    review: Prompt,
    summary: Prompt,
}

/// A prompt of the analysis.
struct Prompt {
    version: Arc<Version>,
    /// Checks answers by its schema, if it has one. The error says why the schema cannot be used.
    validator: Result<Option<Arc<Validator>>, JobError>,
}

impl Analysis {
    pub async fn new(
        kinds: &Kinds,
        head: &Head,
        variables: Values,
        work: AnalysisWork,
    ) -> Result<Self, Problem> {
        Ok(Self {
            bucket: kinds.bucket.clone(),
            items: kinds.items.clone(),
            job_id: head.id.clone(),
            today: head.day(),
            variables,
            review: Prompt::find(kinds, &head.prompt).await?,
            summary: Prompt::find(kinds, &work.summary).await?,
            work,
        })
    }

    /// The call that reads a piece.
    async fn ask(&self, index: u32) -> Result<Call, NoCall> {
        let validator = self.review.validator.clone().map_err(NoCall::Job)?;
        let Some(piece) = self.work.pieces.get(index as usize) else {
            return Err(NoCall::Problem(Problem::internal()));
        };
        let Shown { input, document, given, about } = Shown::read(&self.bucket, piece).await?;
        let rendered = self.review.render(&self.variables, &input, self.today)?;
        let asked = self.text_of(&self.review, &self.variables, about, &rendered.user);
        let form = Form::of(self.review.version.content.output_schema.as_ref());
        let of = Subject { input: piece.input.clone(), file: name(piece).to_owned() };
        let content = contents(document, rendered.user);
        Ok(Call {
            request: self.request_of(index, &self.review, rendered.system, content),
            asked,
            sources: None,
            accept: Box::new(move |answer, _| {
                let result = form.result(answer, validator.as_deref(), &of, &given);
                accepted(result.as_ref())
            }),
        })
    }

    /// The call that makes the summary. If no piece has a result, there is nothing to sum up.
    async fn sum_up(&self, index: u32) -> Result<Call, NoCall> {
        let validator = self.summary.validator.clone().map_err(NoCall::Item)?;
        let gathered = Gathered::read(&self.items, &self.job_id, self.last()).await?;
        if gathered.read_pieces() == 0 {
            let code = gathered.error.map_or(ErrorCode::InputGone, |error| error.code);
            return Err(NoCall::Item(JobError::new(code, "No piece has a result to sum up.")));
        }
        let input = summary::input(self.work.r#type, &self.work.pieces, &gathered);
        let variables = Values::default();
        let rendered = self.summary.render(&variables, &input, self.today)?;
        let about = json!({"name": "summary", "sha256": ids::sha256(&input)});
        let asked = self.text_of(&self.summary, &variables, about, &rendered.user);
        let content = contents(None, rendered.user);
        Ok(Call {
            request: self.request_of(index, &self.summary, rendered.system, content),
            asked,
            sources: None,
            accept: Box::new(move |answer, _| {
                accepted(answer::summary(answer, validator.as_deref()).as_ref())
            }),
        })
    }

    /// What the model is asked, as a text of its event.
    fn text_of(&self, prompt: &Prompt, variables: &Values, about: Value, turn: &str) -> String {
        let mut input = about;
        input["today"] = json!(self.today.to_string());
        asked(&prompt.version, variables, &input, turn)
    }

    fn request_of(
        &self,
        index: u32,
        prompt: &Prompt,
        system: String,
        content: Vec<Content>,
    ) -> Request {
        let settings = &prompt.version.content;
        Request {
            reply_id: format!("{}-{index}", self.job_id),
            system,
            turns: vec![Turn { role: MessageRole::User, content }],
            model: settings.model.as_ref().map(|model| model.as_str().to_owned()),
            max_tokens: settings.max_tokens,
            effort: settings.effort,
            output_schema: settings.output_schema.clone(),
            ..Request::default()
        }
    }

    /// Number of pieces, and the index of the item behind them: the summary.
    fn last(&self) -> u32 {
        u32::try_from(self.work.pieces.len()).unwrap_or(u32::MAX)
    }
}

impl Work for Analysis {
    /// The summary is made of the results of all pieces, so it waits for them. The board asks for
    /// it again in a round that reads pieces again.
    fn about(&self, index: u32, _: Option<&ItemState>) -> About {
        About { units: 1, is_last: index == self.last(), is_wanted: true }
    }

    fn prompt(&self, index: u32) -> Pinned {
        let prompt = if index == self.last() { &self.summary } else { &self.review };
        prompt.version.pinned()
    }

    fn system_bytes(&self) -> usize {
        self.review.version.content.system.len()
    }

    fn most_at_once(&self) -> usize {
        most_at_once(&self.work.pieces)
    }

    fn request(&self, index: u32) -> BoxFuture<'_, Result<Call, NoCall>> {
        if index == self.last() { self.sum_up(index).boxed() } else { self.ask(index).boxed() }
    }

    fn finish(&self) -> BoxFuture<'_, Result<Option<Outcome>, Problem>> {
        async {
            let gathered = Gathered::read(&self.items, &self.job_id, self.last()).await?;
            Ok(Some(Outcome::Analysis(gathered.outcome())))
        }
        .boxed()
    }
}

impl Prompt {
    async fn find(kinds: &Kinds, pinned: &Pinned) -> Result<Self, Problem> {
        let version = kinds.version(&pinned.name, pinned.version).await?;
        let schema = version.content.output_schema.as_ref();
        let validator = schema.map(|schema| schema::compile(schema).map(Arc::new)).transpose();
        Ok(Self { version, validator })
    }

    /// The texts for the model. Those that are too long with these values cannot be asked.
    fn render(&self, values: &Values, input: &str, today: Date) -> Result<Rendered, NoCall> {
        self.version.render(values, input, today).map_err(|problem| match problem.code {
            Code::ValidationFailed => NoCall::Item(JobError::of(ErrorCode::TooLarge)),
            _ => NoCall::Problem(problem),
        })
    }
}
