//! The keys of the objects of jobs in the bucket of files.

/// The inputs of a job: [`super::Inputs`] as JSON.
pub fn inputs(user_id: &str, job_id: &str) -> String {
    format!("{}{job_id}", of_user(user_id))
}

/// What the keys of all inputs of a user begin with, also of jobs that were not started.
pub fn of_user(user_id: &str) -> String {
    format!("inputs/{user_id}/")
}
