//! The Lambda function `file-prepare`, and the process in which it parses a file.

use file_prepare::{FilePrepare, sandbox};

fn main() -> Result<(), platform::Error> {
    if let Some(media_type) = sandbox::media_type() {
        sandbox::parse(&media_type);
        return Ok(());
    }
    serve()
}

#[tokio::main(flavor = "current_thread")]
async fn serve() -> Result<(), platform::Error> {
    platform::worker::run::<FilePrepare>().await
}
