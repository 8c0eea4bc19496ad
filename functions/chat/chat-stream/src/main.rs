//! The Lambda function `chat-stream`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), platform::Error> {
    platform::worker::run::<chat_stream::ChatStream>().await
}
