//! The Lambda function `conversations`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), platform::Error> {
    platform::http::HttpFunction::serve::<conversations::Endpoints>().await
}
