//! The Lambda function `chat-send`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), platform::Error> {
    platform::socket::SocketFunction::new().action::<chat_send::ChatSend>()?.run().await
}
