//! The inputs of a job, from the bucket.

use platform::Problem;
use tally_files::Bucket;

use crate::domain::{Inputs, keys};

/// The inputs of a user's job. `None` if they are gone.
pub async fn inputs_of(
    bucket: &Bucket,
    user_id: &str,
    job_id: &str,
) -> Result<Option<Inputs>, Problem> {
    let Some(stored) = bucket.get(&keys::inputs(user_id, job_id)).await? else { return Ok(None) };
    serde_json::from_slice(&stored).map(Some).map_err(|error| {
        tracing::error!(%error, job_id, "failed to read the inputs of a job");
        Problem::internal()
    })
}
