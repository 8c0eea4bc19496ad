//! The Lambda function `workbooks`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), platform::Error> {
    platform::http::HttpFunction::serve::<workbooks::Endpoints>().await
}
