//! The Lambda function `me`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), platform::Error> {
    platform::http::HttpFunction::new().endpoint::<me::Me>()?.run().await
}
