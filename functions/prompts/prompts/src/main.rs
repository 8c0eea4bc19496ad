//! The Lambda function `prompts`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), platform::Error> {
    platform::http::HttpFunction::serve::<prompts::Endpoints>().await
}
