//! The Lambda function `expire-replies`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), platform::Error> {
    platform::worker::run::<expire_replies::ExpireReplies>().await
}
