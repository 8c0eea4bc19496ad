//! The Lambda function `connect`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), platform::Error> {
    platform::socket::SocketFunction::new().lifecycle::<connect::Connect>()?.run().await
}
