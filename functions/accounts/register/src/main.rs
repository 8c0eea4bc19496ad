//! The Lambda function `register`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), platform::Error> {
    platform::http::HttpFunction::serve::<register::Endpoints>().await
}
