//! `PATCH /prompts/{name}`.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use platform::audit::AuditDetails;
use platform::http::PathParameter;
use platform::identity::Principal;
use platform::input::{Fields, Input};
use platform::plan::Retry;
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use tally_prompts::built_in;
use tally_prompts::domain::PromptName;
use tally_prompts::store::{Head, Prompts};
use utoipa::ToSchema;

use crate::fields::Description;
use crate::view::PromptView;
use crate::{change, names};

/// `PATCH /prompts/{name}`. An archived prompt keeps its versions and labels.
#[derive(Clone)]
pub struct UpdatePrompt {
    prompts: Prompts,
}

/// The changes of a prompt, at least one. A field that you leave out keeps its value.
#[derive(Debug, Clone, ToSchema)]
pub struct PromptChange {
    /// Its purpose, for people. With an empty text, a prompt that is built in has the purpose that
    /// it came with.
    #[schema(
        max_length = 500,
        pattern = r"^[^\u0000-\u001f\u007f-\u009f]*$",
        example = "Writes and explains formulas for Excel."
    )]
    pub description: Option<String>,
    /// Whether callers may no longer use it. A prompt that is built in cannot be archived.
    pub archived: Option<bool>,
}

impl Input for PromptChange {
    fn read(fields: &mut Fields) -> Option<Self> {
        let description = fields.optional::<Description>("description");
        let archived = fields.optional("archived");
        let description = description?.map(|Description(text)| text);
        let wanted = Self { description, archived: archived? };
        if wanted.fields().is_empty() {
            fields.refuse("description", "is required, unless you send `archived`");
            return None;
        }
        Some(wanted)
    }
}

impl PromptChange {
    /// The names of the fields that it sets.
    fn fields(&self) -> Vec<&'static str> {
        let set =
            [("description", self.description.is_some()), ("archived", self.archived.is_some())];
        set.into_iter().filter(|(_, is_set)| *is_set).map(|(name, _)| name).collect()
    }
}

impl Endpoint for UpdatePrompt {
    const ROUTE: Route = routes::PROMPT_UPDATE;
    const PATH: &'static [PathParameter] = names::PATH;
    type Caller = Principal;
    type Body = PromptChange;
    type Query = ();
    type Output = PromptView;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { prompts: Prompts::new(platform)? })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<PromptView>, Problem> {
        let name = names::name(request.call)?;
        self.clone().plan(name, request.body).await
    }
}

impl UpdatePrompt {
    /// Plans the change by the prompt as it is stored now.
    fn plan(
        self,
        name: PromptName,
        wanted: PromptChange,
    ) -> BoxFuture<'static, Result<Plan<PromptView>, Problem>> {
        async move {
            let details = AuditDetails::default()
                .resource("prompt", name.as_str())
                .detail("fields", wanted.fields());
            let Some(before) = self.prompts.head(&name).await? else {
                return Ok(Plan::refuse(Problem::not_found()).details(details));
            };
            if wanted.archived == Some(true) && built_in(&name).is_some() {
                let detail = "must be false: the prompt is built in";
                return Err(Problem::invalid_field("archived", detail));
            }
            let production = change::production(&self.prompts, &before).await?;
            let after = Head {
                description: (wanted.description.clone())
                    .unwrap_or_else(|| before.description.clone()),
                archived: wanted.archived.unwrap_or(before.archived),
                ..before.clone()
            };
            let details = details.detail("archived", after.archived);
            if after == before {
                let unchanged = PromptView::new(&before, production.as_ref(), true);
                return Ok(Plan::reply(unchanged).details(details));
            }
            let after = after.next();
            // A caller who may change a prompt may read all of it.
            let view = PromptView::new(&after, production.as_ref(), true);
            let current = change::current(&after, production);
            let [head, current] = change::writes(&self.prompts, before.revision, &after, &current)?;
            // Another request has changed the prompt first.
            let again: Retry<PromptView> = Box::new(move |_| self.plan(name, wanted));
            let plan = Plan::reply(view).details(details).retries(change::AT_ONCE);
            Ok(plan.write_or_retry(head, again).write(current))
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn a_change_has_one_field_at_least() {
        for (body, expected) in [
            (json!({"archived": true}), Ok(vec!["archived"])),
            (json!({"description": "", "archived": null}), Ok(vec!["description"])),
            (json!({}), Err("/description")),
            (json!({"description": null}), Err("/description")),
            (json!({"description": "x".repeat(501)}), Err("/description")),
            (json!({"archived": "yes"}), Err("/archived")),
            (json!({"archived": true, "labels": {}}), Err("/labels")),
        ] {
            let Value::Object(members) = body.clone() else { panic!("{body} is no object") };
            let found = Fields::json(members).read::<PromptChange>();
            let found = found.map(|wanted| wanted.fields());
            let found = found.map_err(|problem| problem.errors[0].pointer.clone().unwrap());
            assert_eq!(found, expected.map_err(str::to_owned), "{body}");
        }
    }
}
