//! The Lambda function `jobs`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), platform::Error> {
    platform::http::HttpFunction::serve::<jobs::Endpoints>().await
}
