//! The Lambda function `ranges`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), platform::Error> {
    platform::http::HttpFunction::serve::<ranges::Endpoints>().await
}
