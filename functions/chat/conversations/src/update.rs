//! `PATCH /conversations/{id}`.

use platform::http::PathParameter;
use platform::identity::Principal;
use platform::input::{Fields, Input};
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use tally_chat::domain::{AgentName, IdleAfter};
use tally_chat::store::Conversations;
use tally_chat::{OpenAgents, Reading};
use utoipa::ToSchema;

use crate::title::Title;
use crate::{ConversationView, PATH};

/// `PATCH /conversations/{id}`. The conversation keeps its place in the list, because nothing has
/// been said.
pub struct UpdateConversation {
    reading: Reading,
    conversations: Conversations,
    agents: OpenAgents,
    idle: IdleAfter,
}

/// The changes of a conversation: another title, another agent, or both. A field that you leave out
/// keeps its value.
#[derive(ToSchema)]
#[allow(clippy::option_option, reason = "a field that is left out and null are two things")]
pub struct ConversationChange {
    /// The new title, on one line.
    #[schema(value_type = Option<String>, nullable = false, min_length = 1, max_length = 100, pattern = r"^[^\u0000-\u001f\u007f-\u009f\u2028\u2029]*[^\s\u0000-\u001f\u007f-\u009f\u2028\u2029][^\u0000-\u001f\u007f-\u009f\u2028\u2029]*$",
        example = "Alpha, the year 2023")]
    pub title: Option<Title>,
    /// Name of the agent that answers from now on; null for none.
    #[schema(value_type = Option<String>, pattern = "^[a-z][a-z0-9-]{0,39}$", example = "finance")]
    pub agent: Option<Option<AgentName>>,
}

impl Input for ConversationChange {
    fn read(fields: &mut Fields) -> Option<Self> {
        let has_agent = fields.has("agent");
        let title = if fields.has("title") || !has_agent {
            fields.required("title").map(Some)
        } else {
            Some(None)
        };
        let agent = fields.optional("agent");
        let (title, agent) = (title?, agent?);
        Some(Self { title, agent: has_agent.then_some(agent) })
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
        Ok(Self {
            reading: Reading::new(platform)?,
            conversations: Conversations::new(platform)?,
            agents: OpenAgents::new(platform)?,
            idle: IdleAfter::from_config(&platform.config)?,
        })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<ConversationView>, Problem> {
        let (id, user_id) = (&request.call.path_id("id")?, &request.caller.user_id);
        let ConversationChange { title, agent } = request.body;
        let title = title.map(|Title(title)| title);
        let before = self.reading.conversation(user_id, id, request.now).await?;
        let before = before.ok_or_else(Problem::not_found)?;
        let status = before.status(self.idle, request.now);
        let mut view = ConversationView::new(before, status);
        if let Some(Some(agent)) = &agent {
            self.agents.find(agent.as_str(), user_id).await?;
        }
        let change = self.conversations.change(
            user_id,
            id,
            title.as_deref(),
            agent.as_ref().map(|agent| agent.as_ref().map(AgentName::as_str)),
        );
        if let Some(title) = title {
            (view.title, view.withheld) = (title, false);
        }
        if let Some(agent) = agent {
            view.agent = agent.map(String::from);
        }
        Ok(Plan::reply(view).write_or(change, Problem::not_found()))
    }
}
