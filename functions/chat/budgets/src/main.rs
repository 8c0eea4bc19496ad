//! The Lambda function `budgets`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), platform::Error> {
    let function = platform::http::HttpFunction::new().endpoint::<budgets::ReadBudget>()?.endpoint::<budgets::SetBudget>()?;
    function.endpoint::<budgets::ReadDeploymentBudget>()?.endpoint::<budgets::SetDeploymentBudget>()?.run().await
}
