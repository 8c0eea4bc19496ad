//! The Lambda function `users`.

use users::{ListUsers, ReadUser, UpdateUser};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), platform::Error> {
    platform::http::HttpFunction::new().endpoint::<ListUsers>()?.endpoint::<ReadUser>()?.endpoint::<UpdateUser>()?.run().await
}
