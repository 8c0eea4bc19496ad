//! The Lambda function `ask-mail`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), platform::Error> {
    platform::http::HttpFunction::serve::<ask_mail::Endpoints>().await
}
