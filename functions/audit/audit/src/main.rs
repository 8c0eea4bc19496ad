//! The Lambda function `audit`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), platform::Error> {
    platform::http::HttpFunction::new().endpoint::<audit::GetAudit>()?.run().await
}
