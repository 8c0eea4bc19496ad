//! The Lambda function `docs`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), platform::Error> {
    let function = platform::http::HttpFunction::new().endpoint::<docs::Root>()?.endpoint::<docs::OpenApi>()?;
    function.endpoint::<docs::Page>()?.endpoint::<docs::Asset>()?.endpoint::<docs::Metadata>()?.run().await
}
