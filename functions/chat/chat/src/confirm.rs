//! `POST /conversations/{id}/messages/{message_id}/confirmations`.

use std::sync::Arc;

use platform::http::PathParameter;
use platform::identity::Identity;
use platform::input::{Fields, Input};
use platform::problem::Code;
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use tally_chat::domain::{Decision, Decisions};
use tally_chat::store::Message;
use tally_chat::{Answering, Confirmation, Confirming};
use utoipa::ToSchema;

use crate::answer::{ChatAnswer, accepted};
use crate::prefers_async;
use crate::watch::Watch;

/// The endpoint. The first decision about a call counts, and the same one again changes nothing.
/// The answer is that of `POST /chat`: the reply, or its path if it waits for further decisions or
/// takes longer.
pub struct ConfirmCalls {
    confirming: Confirming,
    watch: Watch,
}

/// Decisions about calls of tools that a reply waits for.
#[derive(Debug, ToSchema)]
pub struct ConfirmationBody {
    /// One decision for each call. The reply goes on once all calls that wait are decided.
    #[schema(value_type = Vec<Decision>, min_items = 1, max_items = 16)]
    pub decisions: Decisions,
}

impl Input for ConfirmationBody {
    fn read(fields: &mut Fields) -> Option<Self> {
        Some(Self { decisions: fields.required("decisions")? })
    }
}

impl Endpoint for ConfirmCalls {
    const ROUTE: Route = routes::CONFIRMATION;
    const PATH: &'static [PathParameter] = &[
        PathParameter::id("id", "Id of the conversation."),
        PathParameter::id("message_id", "Id of the reply."),
    ];
    const PROBLEMS: &'static [Code] =
        &[Code::Conflict, Code::ContextTooLong, Code::ContentRefused, Code::ProviderRejected];
    type Caller = Identity;
    type Body = ConfirmationBody;
    type Query = ();
    type Output = ChatAnswer;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { confirming: Confirming::new(platform)?, watch: Watch::new(platform)? })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<ChatAnswer>, Problem> {
        let patient = !prefers_async(request.call);
        let now = request.now;
        let confirmation = Confirmation {
            conversation_id: Some(request.call.path_id("id")?.to_string()),
            message_id: request.call.path_id("message_id")?.to_string(),
            caller: request.caller,
            context: request.context.clone(),
            decisions: request.body.decisions,
            now,
        };
        let watch = self.watch.clone();
        let answering = Answering {
            answer: Arc::new(move |reply: &Message| accepted(reply, patient)),
            follow: Some(Arc::new(move |reply: Message| watch.step(reply, patient, now))),
        };
        self.confirming.decide(confirmation, answering).await
    }
}
