//! The Lambda function `erase`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), platform::Error> {
    platform::worker::run::<erase::Erase>().await
}
