//! The Lambda function `api-keys`.

use api_keys::{CreateApiKey, DeleteApiKey, ListApiKeys};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), platform::Error> {
    platform::http::HttpFunction::new().endpoint::<CreateApiKey>()?.endpoint::<ListApiKeys>()?.endpoint::<DeleteApiKey>()?.run().await
}
