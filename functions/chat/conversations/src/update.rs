//! `PATCH /conversations/{id}`.

use platform::http::PathParameter;
use platform::identity::Principal;
use platform::input::{Fields, Input};
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use tally_chat::Reading;
use tally_chat::store::Conversations;
use utoipa::ToSchema;

use crate::title::Title;
use crate::{ConversationView, PATH};

/// `PATCH /conversations/{id}`. The conversation keeps its place in the list, because nothing has
/// been said.
pub struct UpdateConversation {
    reading: Reading,
    conversations: Conversations,
}

/// The changes of a conversation.
#[derive(ToSchema)]
pub struct ConversationChange {
    /// The new title, on one line.
    #[schema(value_type = String, min_length = 1, max_length = 100, pattern = r"^[^\u0000-\u001f\u007f-\u009f\u2028\u2029]*[^\s\u0000-\u001f\u007f-\u009f\u2028\u2029][^\u0000-\u001f\u007f-\u009f\u2028\u2029]*$",
        example = "Alpha, the year 2023")]
    pub title: Title,
}

impl Input for ConversationChange {
    fn read(fields: &mut Fields) -> Option<Self> {
        Some(Self { title: fields.required("title")? })
    }
}

impl Endpoint for UpdateConversation {
    const ROUTE: Route = routes::CONVERSATION_UPDATE;
    const PATH: &'static [PathParameter] = PATH;
    type Caller = Principal;
    type Body = ConversationChange;
    type Query = ();
    type Output = ConversationView;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { reading: Reading::new(platform)?, conversations: Conversations::new(platform)? })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<ConversationView>, Problem> {
        let (id, user_id, Title(title)) =
            (&request.call.path_id("id")?, &request.caller.user_id, request.body.title);
        let before = self.reading.conversation(user_id, id, request.now).await?;
        let before = ConversationView::from(before.ok_or_else(Problem::not_found)?);
        let rename = self.conversations.rename(user_id, id, &title);
        let after = ConversationView { title, withheld: false, ..before };
        Ok(Plan::reply(after).write_or(rename, Problem::not_found()))
    }
}
