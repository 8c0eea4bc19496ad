//! The Lambda function `job-run`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), platform::Error> {
    platform::worker::run::<job_run::JobRun>().await
}
