//! `GET /conversations/{id}`.

use platform::cursor::{Cursors, Page, Paging};
use platform::http::PathParameter;
use platform::identity::Principal;
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use serde::Serialize;
use tally_chat::Reading;
use tally_chat::domain::IdleAfter;
use tally_chat::store::First;
use utoipa::{PartialSchema as _, ToSchema};

use crate::{ConversationView, MessageView, PATH, weight};

/// `GET /conversations/{id}`.
pub struct ReadConversation {
    reading: Reading,
    cursors: Cursors,
    idle: IdleAfter,
}

/// A conversation and a page of its messages.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConversationWithMessages {
    /// The conversation as it is listed.
    #[serde(flatten)]
    pub conversation: ConversationView,
    /// Its messages, the newest first; further pages go back in time. A page of very long messages
    /// is shorter than its limit.
    #[schema(schema_with = Page::<MessageView>::schema)]
    pub messages: Page<MessageView>,
}

impl Endpoint for ReadConversation {
    const ROUTE: Route = routes::CONVERSATION;
    const PATH: &'static [PathParameter] = PATH;
    type Caller = Principal;
    type Body = ();
    type Query = Paging;
    type Output = ConversationWithMessages;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            reading: Reading::new(platform)?,
            cursors: Cursors::new(platform)?,
            idle: IdleAfter::from_config(&platform.config)?,
        })
    }

    async fn handle(
        &self,
        request: Request<'_, Self>,
    ) -> Result<Plan<ConversationWithMessages>, Problem> {
        let id = &request.call.path_id("id")?;
        let (user_id, now) = (&request.caller.user_id, request.now);
        let before = self.cursors.open::<String>(&request.query, user_id, request.call).await?;
        // This comes first, so that no messages of another user are read.
        let conversation = self.reading.conversation(user_id, id, now).await?;
        let conversation = conversation.ok_or_else(Problem::not_found)?;
        let status = conversation.status(self.idle, now);
        let conversation = ConversationView::new(conversation, status);
        let (place, limit) = ((user_id.as_str(), id.as_str()), request.query.limit);
        let (mut messages, more) =
            self.reading.messages(place, First::Newest, before.as_deref(), limit, now).await?;
        let more = weight::cut(&mut messages) || more;
        let next = messages.last().filter(|_| more).map(|message| message.id.clone());
        let items = messages.into_iter().map(MessageView::from).collect();
        let page = self.cursors.page(items, next, user_id, request.call).await?;
        Ok(Plan::reply(page.map(|messages| ConversationWithMessages { conversation, messages })))
    }
}
