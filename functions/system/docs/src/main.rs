//! The Lambda function `docs`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), platform::Error> {
    platform::http::HttpFunction::serve::<docs::Endpoints>().await
}
