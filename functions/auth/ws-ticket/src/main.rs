//! The Lambda function `ws-ticket`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), platform::Error> {
    platform::http::HttpFunction::serve::<ws_ticket::Endpoints>().await
}
