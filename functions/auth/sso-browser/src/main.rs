//! The Lambda function `sso-browser`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), platform::Error> {
    platform::http::HttpFunction::serve::<sso_browser::Endpoints>().await
}
