//! The Lambda function `disconnect`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), platform::Error> {
    platform::socket::SocketFunction::new().lifecycle::<disconnect::Disconnect>()?.run().await
}
