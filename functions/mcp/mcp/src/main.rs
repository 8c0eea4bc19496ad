//! The Lambda function `mcp`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), platform::Error> {
    platform::http::HttpFunction::serve::<mcp::Endpoints>().await
}
