//! `GET /prompts/{name}`.

use futures_util::future::join;
use platform::http::PathParameter;
use platform::identity::Principal;
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use tally_prompts::store::Prompts;

use crate::rights::{Rights, reads_all};
use crate::view::PromptView;
use crate::{change, names};

/// `GET /prompts/{name}`.
pub struct ReadPrompt {
    prompts: Prompts,
    rights: Rights,
}

impl Endpoint for ReadPrompt {
    const ROUTE: Route = routes::PROMPT;
    const PATH: &'static [PathParameter] = names::PATH;
    type Caller = Principal;
    type Body = ();
    type Query = ();
    type Output = PromptView;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { prompts: Prompts::new(platform)?, rights: Rights::new(platform)? })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<PromptView>, Problem> {
        let name = names::name(request.call)?;
        let (head, roles) =
            join(self.prompts.head(&name), self.rights.roles(&request.caller.user_id)).await;
        let (head, roles) = (head?.ok_or_else(Problem::not_found)?, roles?);
        let production = change::production(&self.prompts, &head).await?;
        Ok(Plan::reply(PromptView::new(&head, production.as_ref(), reads_all(&roles))))
    }
}
