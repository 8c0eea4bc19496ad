//! The Lambda function `invites`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), platform::Error> {
    platform::http::HttpFunction::serve::<invites::Endpoints>().await
}
