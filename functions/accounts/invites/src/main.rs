//! The Lambda function `invites`.

use invites::{CreateInvite, ListInvites, RevokeInvite};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), platform::Error> {
    platform::http::HttpFunction::new().endpoint::<CreateInvite>()?.endpoint::<ListInvites>()?.endpoint::<RevokeInvite>()?.run().await
}
