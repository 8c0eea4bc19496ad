//! The Lambda function `docs`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), platform::Error> {
    let function = platform::http::HttpFunction::new().endpoint::<docs::Root>()?;
    let function = function.endpoint::<docs::OpenApi>()?.endpoint::<docs::AsyncApi>()?;
    function.endpoint::<docs::Page>()?.endpoint::<docs::Asset>()?.endpoint::<docs::Metadata>()?.run().await
}
