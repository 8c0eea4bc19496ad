//! What each kind of job asks the model, and what it makes of the answers.
//!
//! - `analysis`, `evaluation`, `batch`: the kinds
//! - `asked`: the text of a call's event; `schema`: the JSON of answers, checked by a schema

mod analysis;
mod asked;
mod batch;
mod evaluation;
mod schema;

use std::sync::Arc;

use assistant::Request;
use futures_util::future::BoxFuture;
use platform::clock::Clock;
use platform::{ConfigError, Platform, Problem};
use tally_files::Bucket;
use tally_jobs::domain::{Inputs, JobError, Outcome, Work as Pieces};
use tally_jobs::inputs_of;
use tally_jobs::store::{Head, Item, ItemState, Items};
use tally_prompts::Registry;
use tally_prompts::domain::{Pinned, PromptName, Version};

use analysis::Analysis;
use batch::Batch;
use evaluation::Evaluation;

use crate::board::About;

/// The work of a job: one type for each kind.
pub trait Work: Send + Sync {
    /// What the board has to know of an item. `state` is that of its last attempt.
    fn about(&self, index: u32, state: Option<&ItemState>) -> About;

    /// The result that an item has while it is tried again in a further round: what earlier rounds
    /// gave of its rows. `earlier` is the item, if it has been begun. An item of one unit keeps
    /// nothing.
    fn kept(&self, _index: u32, _earlier: Option<Item>) -> Option<String> {
        None
    }

    /// The version of the prompt that an item uses.
    fn prompt(&self, index: u32) -> Pinned;

    /// Bytes of the system prompt that the items share.
    fn system_bytes(&self) -> usize;

    /// Calls at once, at most, so that what they show fits into memory.
    fn most_at_once(&self) -> usize {
        usize::MAX
    }

    /// The request of an item. It reads the data and the rights of the user anew.
    fn request(&self, index: u32) -> BoxFuture<'_, Result<Call, NoCall>>;

    /// What the job gives as a whole, when all of its items have ended.
    fn finish(&self) -> BoxFuture<'_, Result<Option<Outcome>, Problem>>;
}

/// A call to make.
pub struct Call {
    /// The request.
    pub request: Request,
    /// What the model is asked, as a text of its event: JSON with the version of the prompt, its
    /// variables, and the input by its name and hash. It has no data.
    pub asked: String,
    /// Where the data of the answer comes from, if only some readers may see it: the text `sources`
    /// of the event.
    pub sources: Option<String>,
    /// Makes the result of the answer.
    pub accept: Accept,
}

/// Makes a result of the text of an answer, and of the milliseconds that it took.
pub type Accept = Box<dyn FnOnce(&str, u64) -> Accepted + Send>;

/// The result of an answer. It may lack rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accepted {
    /// The result, as JSON. Absent if the answer gives none.
    pub result: Option<String>,
    /// Why there is none, or why a part of it is missing.
    pub error: Option<JobError>,
    /// Rows, or 1, of the attempt that have a result now.
    pub succeeded: u32,
}

/// Why an item has no call.
#[derive(Debug)]
pub enum NoCall {
    /// The item needs none. This is its result.
    Done(Accepted),
    /// The item cannot be asked.
    Item(JobError),
    /// No item of the job can be asked any more.
    Job(JobError),
    /// A store failed.
    Problem(Problem),
}

impl From<Problem> for NoCall {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

/// The work of a job, with the units and the worst cases of its items.
pub struct Made {
    /// The work.
    pub work: Box<dyn Work>,
    /// What each item counts as: 1, or its rows.
    pub units: Vec<u32>,
    /// Worst-case cost of each item in nano-dollars. Empty where calls cost nothing.
    pub worst: Vec<i64>,
}

/// Makes the work of jobs.
pub struct Kinds {
    bucket: Bucket,
    registry: Registry,
    items: Items,
    ranges: tally_ranges::Reader,
    clock: Clock,
}

impl Kinds {
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            bucket: Bucket::new(platform)?,
            registry: Registry::new(platform)?,
            items: Items::new(platform)?,
            ranges: tally_ranges::Reader::new(platform)?,
            clock: platform.clock.clone(),
        })
    }

    /// The work of a job. `None` if its inputs are gone.
    pub async fn of(&self, head: &Head) -> Result<Option<Made>, Problem> {
        let found = inputs_of(&self.bucket, &head.user_id, &head.id).await?;
        let Some(inputs) = found else { return Ok(None) };
        let Inputs { variables, work, worst } = inputs;
        let units = (0..head.items).map(|index| work.units(index)).collect();
        let work: Box<dyn Work> = match work {
            Pieces::Analysis(work) => Box::new(Analysis::new(self, head, variables, work).await?),
            Pieces::Evaluation(work) => Box::new(Evaluation::new(self, head, work).await?),
            Pieces::Batch(work) => Box::new(Batch::new(self, head, variables, work).await?),
        };
        Ok(Some(Made { work, units, worst }))
    }

    /// A version of a prompt that a job has kept. Versions are never deleted, so it is there.
    async fn version(&self, name: &PromptName, version: u32) -> Result<Arc<Version>, Problem> {
        let found = self.registry.version(name, version).await?;
        found.ok_or_else(|| {
            tracing::error!(
                prompt = %name,
                version,
                "failed to find the version of a prompt that a job has kept"
            );
            Problem::internal()
        })
    }
}
