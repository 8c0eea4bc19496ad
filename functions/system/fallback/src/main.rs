//! The Lambda function `fallback`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), platform::Error> {
    platform::http::HttpFunction::serve::<fallback::Endpoints>().await
}
