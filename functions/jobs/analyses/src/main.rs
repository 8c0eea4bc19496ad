//! The Lambda function `analyses`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), platform::Error> {
    platform::http::HttpFunction::serve::<analyses::Endpoints>().await
}
