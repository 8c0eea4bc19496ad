//! The Lambda function `seed`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), platform::Error> {
    platform::worker::run::<seed::Seed>().await
}
