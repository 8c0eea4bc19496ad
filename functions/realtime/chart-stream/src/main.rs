//! The Lambda function `chart-stream`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), platform::Error> {
    platform::worker::run::<chart_stream::ChartStream>().await
}
