//! The Lambda function `health`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), platform::Error> {
    platform::http::HttpFunction::new().endpoint::<health::Health>()?.run().await
}
