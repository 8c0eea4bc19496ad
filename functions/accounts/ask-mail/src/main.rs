//! The Lambda function `ask-mail`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), platform::Error> {
    platform::http::HttpFunction::new().endpoint::<ask_mail::Forgot>()?.endpoint::<ask_mail::Resend>()?.run().await
}
