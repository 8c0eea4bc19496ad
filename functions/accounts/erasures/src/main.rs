//! The Lambda function `erasures`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), platform::Error> {
    platform::http::HttpFunction::serve::<erasures::Endpoints>().await
}
