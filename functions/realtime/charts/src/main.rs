//! The Lambda function `charts`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), platform::Error> {
    platform::socket::SocketFunction::new()
        .action::<charts::Subscribe>()?
        .action::<charts::Unsubscribe>()?
        .run()
        .await
}
