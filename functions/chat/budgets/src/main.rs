//! The Lambda function `budgets`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), platform::Error> {
    platform::http::HttpFunction::serve::<budgets::Endpoints>().await
}
