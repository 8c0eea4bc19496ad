//! The Lambda function `password`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), platform::Error> {
    platform::http::HttpFunction::new().endpoint::<password::ChangePassword>()?.endpoint::<password::ResetPassword>()?.run().await
}
