//! The Lambda function `profits`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), platform::Error> {
    platform::http::HttpFunction::serve::<profits::Endpoints>().await
}
