//! The Lambda function `usage`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), platform::Error> {
    platform::http::HttpFunction::serve::<usage::Endpoints>().await
}
