//! The Lambda function `tell-denials`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), platform::Error> {
    platform::worker::run::<tell_denials::TellDenials>().await
}
