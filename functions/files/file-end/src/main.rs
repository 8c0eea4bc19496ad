//! The Lambda function `file-end`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), platform::Error> {
    platform::worker::run::<file_end::FileEnd>().await
}
