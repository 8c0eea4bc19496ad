//! The Lambda function `agents`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), platform::Error> {
    platform::http::HttpFunction::serve::<agents::Endpoints>().await
}
