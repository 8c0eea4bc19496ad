//! The Lambda function `bootstrap-admin`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), platform::Error> {
    platform::worker::run::<bootstrap_admin::BootstrapAdmin>().await
}
