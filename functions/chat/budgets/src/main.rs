//! The Lambda function `budgets`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), platform::Error> {
    platform::http::HttpFunction::new().endpoint::<budgets::ReadBudget>()?.endpoint::<budgets::SetBudget>()?.run().await
}
