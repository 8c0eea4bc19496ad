//! The Lambda function `send-mail`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), platform::Error> {
    platform::worker::run::<send_mail::SendMail>().await
}
