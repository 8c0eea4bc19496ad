//! The Lambda function `sweep-conversations`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), platform::Error> {
    platform::worker::run::<sweep_conversations::SweepConversations>().await
}
