//! The Lambda function `batches`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), platform::Error> {
    platform::http::HttpFunction::serve::<batches::Endpoints>().await
}
