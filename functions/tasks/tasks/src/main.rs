//! The Lambda function `tasks`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), platform::Error> {
    platform::http::HttpFunction::serve::<tasks::Endpoints>().await
}
