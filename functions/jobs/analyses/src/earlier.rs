//! An earlier analysis, which another one repeats.

use jiff::Timestamp;
use platform::{ConfigError, Platform, Problem};
use tally_files::Bucket;
use tally_jobs::domain::{AnalysisWork, Inputs, JobKind, Work};
use tally_jobs::inputs_of;
use tally_jobs::store::Jobs;
use tally_prompts::domain::{Pinned, Values};

/// Finds earlier analyses.
pub struct EarlierAnalyses {
    jobs: Jobs,
    bucket: Bucket,
}

/// An earlier analysis.
pub struct Earlier {
    /// Its title.
    pub title: String,
    /// The version of its prompt.
    pub prompt: Pinned,
    /// The values of the variables.
    pub variables: Values,
    /// Its type and its pieces.
    pub work: AnalysisWork,
}

impl EarlierAnalyses {
    /// Uses the table that `JOBS_TABLE` names, and the bucket that `FILES_BUCKET` names.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { jobs: Jobs::new(platform)?, bucket: Bucket::new(platform)? })
    }

    /// An analysis of a user. One that is not there any more, or was none, is a 422.
    pub async fn find(&self, user_id: &str, id: &str, now: Timestamp) -> Result<Earlier, Problem> {
        let wrong = || Problem::invalid_field("rerun_of", "must be an analysis of yours");
        let head = self.jobs.get(user_id, id, now).await?;
        let head = head.filter(|head| head.kind == JobKind::Analysis).ok_or_else(wrong)?;
        let inputs = inputs_of(&self.bucket, user_id, id).await?.ok_or_else(wrong)?;
        let Inputs { variables, work: Work::Analysis(work), .. } = inputs else {
            return Err(wrong());
        };
        Ok(Earlier { title: head.title, prompt: head.prompt, variables, work })
    }
}
