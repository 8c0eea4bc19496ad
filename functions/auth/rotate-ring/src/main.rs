//! The Lambda function `rotate-ring`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), platform::Error> {
    platform::worker::run::<rotate_ring::RotateRing>().await
}
