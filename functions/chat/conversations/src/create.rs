//! `POST /conversations`: begins a conversation before its first message.

use platform::clock::Timestamp;
use platform::http::Created;
use platform::identity::Principal;
use platform::input::{Fields, Input};
use platform::plan::Reply;
use platform::problem::Code;
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request, ids};
use tally_access::sources::Sources;
use tally_chat::domain::{AgentName, IdleAfter};
use tally_chat::store::{Conversation, Conversations};
use tally_chat::{OpenAgents, Reading, Shown};
use utoipa::ToSchema;

use crate::ConversationView;
use crate::title::Title;

/// `POST /conversations`. Without a title the conversation gets one from its first message.
pub struct CreateConversation {
    reading: Reading,
    conversations: Conversations,
    agents: OpenAgents,
    idle: IdleAfter,
}

/// The conversation to begin.
#[derive(ToSchema)]
pub struct NewConversation {
    /// Name of the agent that answers in it.
    #[schema(value_type = Option<String>, pattern = "^[a-z][a-z0-9-]{0,39}$", example = "finance")]
    pub agent: Option<AgentName>,
    /// Its title, on one line. Without it, the first words of the first message.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 100, pattern = r"^[^\u0000-\u001f\u007f-\u009f\u2028\u2029]*[^\s\u0000-\u001f\u007f-\u009f\u2028\u2029][^\u0000-\u001f\u007f-\u009f\u2028\u2029]*$",
        example = "Alpha, the year 2023")]
    pub title: Option<Title>,
}

impl Input for NewConversation {
    const OPTIONAL: bool = true;

    fn read(fields: &mut Fields) -> Option<Self> {
        let agent = fields.optional("agent");
        let title = fields.optional("title");
        Some(Self { agent: agent?, title: title? })
    }
}

impl Endpoint for CreateConversation {
    const ROUTE: Route = routes::CONVERSATION_CREATE;
    const PROBLEMS: &'static [Code] = &[Code::NotFound];
    type Caller = Principal;
    type Body = NewConversation;
    type Query = ();
    type Output = Created<ConversationView>;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            reading: Reading::new(platform)?,
            conversations: Conversations::new(platform)?,
            agents: OpenAgents::new(platform)?,
            idle: IdleAfter::from_config(&platform.config)?,
        })
    }

    async fn handle(
        &self,
        request: Request<'_, Self>,
    ) -> Result<Plan<Created<ConversationView>>, Problem> {
        let NewConversation { agent, title } = request.body;
        let (user_id, now) = (&request.caller.user_id, request.now);
        if let Some(agent) = &agent {
            self.agents.find(agent.as_str(), user_id).await?;
        }
        let conversation = Conversation {
            user_id: user_id.clone(),
            id: ids::new_id(now),
            title: title.map(|Title(title)| title).unwrap_or_default(),
            created_at: now.as_millisecond(),
            updated_at: now.as_millisecond(),
            agent: agent.map(String::from),
            idle_at: None,
            sources: Sources::default(),
        };
        let (create, id) = (self.conversations.create(&conversation)?, conversation.id.clone());
        let shown = self.reading.show(user_id, conversation, now).await?;
        Ok(Plan::reply(self.created(shown, now)).creates(id).write(create))
    }

    async fn repeat(
        &self,
        request: Request<'_, Self>,
        created: &str,
    ) -> Result<Plan<Created<ConversationView>>, Problem> {
        let found =
            self.reading.conversation(&request.caller.user_id, created, request.now).await?;
        let shown = found.ok_or_else(Problem::not_found)?;
        Ok(Plan::reply(self.created(shown, request.now)))
    }
}

impl CreateConversation {
    fn created(
        &self,
        shown: Shown<Conversation>,
        now: Timestamp,
    ) -> Reply<Created<ConversationView>> {
        let status = shown.status(self.idle, now);
        let path = format!("/conversations/{}", shown.id);
        Reply::new(Created(ConversationView::new(shown, status))).location(&path)
    }
}
