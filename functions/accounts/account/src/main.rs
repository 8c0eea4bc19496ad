//! The Lambda function `account`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), platform::Error> {
    let function = platform::http::HttpFunction::new();
    function.endpoint::<account::UpdateMe>()?.endpoint::<account::DeleteMe>()?.endpoint::<account::VerifyEmail>()?.run().await
}
