//! The Lambda function `introspect`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), platform::Error> {
    platform::http::HttpFunction::serve::<introspect::Endpoints>().await
}
