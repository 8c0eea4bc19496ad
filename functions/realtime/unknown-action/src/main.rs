//! The Lambda function `unknown-action`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), platform::Error> {
    platform::socket::SocketFunction::new().action::<unknown_action::UnknownAction>()?.run().await
}
