//! The Lambda function `chat-sweep`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), platform::Error> {
    platform::worker::run::<chat_sweep::ChatSweep>().await
}
