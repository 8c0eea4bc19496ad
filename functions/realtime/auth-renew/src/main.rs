//! The Lambda function `auth-renew`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), platform::Error> {
    platform::socket::SocketFunction::new().action::<auth_renew::Renew>()?.run().await
}
