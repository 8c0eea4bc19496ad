//! The Lambda function `api-keys`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), platform::Error> {
    platform::http::HttpFunction::serve::<api_keys::Endpoints>().await
}
