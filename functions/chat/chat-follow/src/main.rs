//! The Lambda function `chat-follow`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), platform::Error> {
    platform::socket::SocketFunction::new()
        .action::<chat_follow::Cancel>()?
        .action::<chat_follow::Confirm>()?
        .action::<chat_follow::Resume>()?
        .run()
        .await
}
