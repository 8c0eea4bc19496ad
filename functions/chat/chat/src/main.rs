//! The Lambda function `chat`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), platform::Error> {
    platform::http::HttpFunction::serve::<chat::Endpoints>().await
}
