//! The Lambda function `ready`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), platform::Error> {
    platform::http::HttpFunction::serve::<ready::Endpoints>().await
}
