//! The Lambda function `refresh`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), platform::Error> {
    platform::http::HttpFunction::serve::<refresh::Endpoints>().await
}
