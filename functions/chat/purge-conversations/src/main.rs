//! The Lambda function `purge-conversations`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), platform::Error> {
    platform::worker::run::<purge_conversations::PurgeConversations>().await
}
