//! The Lambda function `revoke`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), platform::Error> {
    platform::http::HttpFunction::serve::<revoke::Endpoints>().await
}
