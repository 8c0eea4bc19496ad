//! The Lambda function `conversations`.

use conversations::{DeleteConversation, ExportConversation, ListConversations, ReadConversation, ReadMessage, UpdateConversation};
use platform::http::HttpFunction;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), platform::Error> {
    let function = HttpFunction::new().endpoint::<ListConversations>()?.endpoint::<ReadConversation>()?;
    let function = function.endpoint::<UpdateConversation>()?.endpoint::<DeleteConversation>()?;
    function.endpoint::<ExportConversation>()?.endpoint::<ReadMessage>()?.run().await
}
