//! The Lambda function `chat`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), platform::Error> {
    platform::http::HttpFunction::new().endpoint::<chat::Chat>()?.run().await
}
