//! The Lambda function `sso`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), platform::Error> {
    platform::http::HttpFunction::serve::<sso::Endpoints>().await
}
