//! The Lambda function `ping`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), platform::Error> {
    platform::socket::SocketFunction::new().action::<ping::Ping>()?.run().await
}
