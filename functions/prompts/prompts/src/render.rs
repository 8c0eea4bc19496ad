//! `POST /prompts/{name}/render`: the texts that a model would get. No model is asked.

use std::sync::Arc;

use assistant::pricing::tokens_at_most;
use jiff::tz::TimeZone;
use platform::http::PathParameter;
use platform::identity::Principal;
use platform::input::{Fields, FromField, Inner, Input, RawValue};
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use serde::Serialize;
use tally_prompts::Registry;
use tally_prompts::domain::{
    Content, Label, PromptName, Rendered, Values, Version, VersionNumber, Which,
};
use tally_prompts::store::Prompts;
use utoipa::ToSchema;

use crate::names::{PATH, name};
use crate::rights::Rights;

/// Characters of the message or the input, at most.
const LONGEST_TEXT: usize = 100_000;

/// `POST /prompts/{name}/render`.
pub struct RenderPrompt {
    prompts: Prompts,
    registry: Registry,
    rights: Rights,
}

/// The version to render, with the values of its variables. Name it by one of `version`, `label`
/// and `content`. Without them, it is the version that replies use.
#[derive(Debug, Clone, PartialEq, Eq, ToSchema)]
pub struct RenderRequest {
    /// Number of the version. 0 is the version that is built in.
    #[schema(maximum = 999_999_999, example = 7)]
    pub version: Option<u32>,
    /// A label of the version.
    #[schema(value_type = Option<String>, pattern = "^[a-z][a-z0-9-]{0,31}$", example = "staging")]
    pub label: Option<Label>,
    /// A draft of a version, which is not saved. Only editors and administrators may render it.
    pub content: Option<Content>,
    /// Values of the variables, by name. At most 100,000 bytes of JSON.
    #[schema(value_type = Option<std::collections::HashMap<String, serde_json::Value>>, example = json!({}))]
    pub variables: Values,
    /// The message or the input. It is empty unless you send one. At most 100,000 characters.
    #[schema(value_type = Option<String>, max_length = 100_000, example = "How did Alpha do?")]
    pub text: String,
}

/// The texts that a model would get.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RenderedTexts)]
pub struct Texts {
    /// Number of the version; null for a draft.
    #[schema(required, example = 7)]
    pub version: Option<u32>,
    /// The system prompt.
    #[schema(example = "You are the assistant of Alpha.")]
    pub system: String,
    /// The user's turn.
    #[schema(example = "How did Alpha do?")]
    pub user: String,
    /// Tokens of both texts, at most.
    #[schema(example = 80)]
    pub tokens_at_most: u64,
}

struct Text(String);

impl FromField for Text {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let text = raw.text()?;
        if text.chars().count() > LONGEST_TEXT {
            return Err("must be at most 100,000 characters".into());
        }
        Ok(Self(text.to_owned()))
    }
}

impl Input for RenderRequest {
    fn read(fields: &mut Fields) -> Option<Self> {
        let version = fields.optional::<VersionNumber>("version");
        let label = fields.optional::<Label>("label");
        let content = fields.optional::<Inner<Content>>("content");
        let variables = fields.optional("variables");
        let text = fields.optional::<Text>("text");
        let named = [
            ("version", !matches!(version, Some(None))),
            ("label", !matches!(label, Some(None))),
            ("content", !matches!(content, Some(None))),
        ];
        let mut named = named.into_iter().filter(|(_, is_sent)| *is_sent).map(|(name, _)| name);
        if let Some(first) = named.next() {
            let fault = format!("must not be sent together with {first}");
            named.for_each(|name| fields.refuse(name, &fault));
        }
        Some(Self {
            version: version?.map(|VersionNumber(number)| number),
            label: label?,
            content: content?.map(|Inner(content)| content),
            variables: variables?.unwrap_or_default(),
            text: text?.map(|Text(text)| text).unwrap_or_default(),
        })
    }
}

impl Endpoint for RenderPrompt {
    const ROUTE: Route = routes::PROMPT_RENDER;
    const PATH: &'static [PathParameter] = PATH;
    type Caller = Principal;
    type Body = RenderRequest;
    type Query = ();
    type Output = Texts;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            prompts: Prompts::new(platform)?,
            registry: Registry::new(platform)?,
            rights: Rights::new(platform)?,
        })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<Texts>, Problem> {
        let name = name(request.call)?;
        let RenderRequest { version, label, content, variables, text } = request.body;
        let (chosen, number) = if let Some(content) = content {
            self.rights.require_editor(&request.caller.user_id).await?;
            (Arc::new(draft(name, content)), None)
        } else {
            let which = version.map(Which::Number).or(label.map(Which::Label));
            let saved = self.saved(&name, which.as_ref()).await?;
            let number = saved.version;
            (saved, Some(number))
        };
        let today = request.now.to_zoned_datetime(TimeZone::UTC).date();
        let Rendered { system, user } = chosen.render(&variables, &text, today)?;
        let tokens_at_most = tokens_at_most(&system) + tokens_at_most(&user);
        Ok(Plan::reply(Texts { version: number, system, user, tokens_at_most }))
    }
}

impl RenderPrompt {
    /// The version that a request names, as the labels stand now.
    async fn saved(
        &self,
        name: &PromptName,
        which: Option<&Which>,
    ) -> Result<Arc<Version>, Problem> {
        let head = self.prompts.head(name).await?.ok_or_else(Problem::not_found)?;
        let wrong = || match which {
            Some(Which::Number(_)) => {
                Problem::invalid_field("version", "must be a version of the prompt")
            }
            Some(Which::Label(_)) => {
                Problem::invalid_field("label", "must be a label of the prompt")
            }
            None => {
                let detail = "is required, because the label `production` is not set";
                Problem::invalid_field("label", detail)
            }
        };
        let number = head.number(which).ok_or_else(wrong)?;
        self.registry.version(name, number).await?.ok_or_else(wrong)
    }
}

/// A draft in the form of a version.
fn draft(name: PromptName, content: Content) -> Version {
    let sha256 = content.sha256();
    Version { name, version: 0, content, note: None, sha256, created_at: None, created_by: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(body: &Value) -> Result<RenderRequest, Vec<String>> {
        let Value::Object(members) = body else { panic!("{body} is no object") };
        Fields::json(members.clone()).read::<RenderRequest>().map_err(|problem| {
            problem.errors.into_iter().map(|error| error.pointer.unwrap()).collect()
        })
    }

    #[test]
    fn a_request_names_one_version_at_most() {
        let content = json!({"kind": "chat", "system": "Be brief."});
        for (body, faults) in [
            (json!({}), &[][..]),
            (json!({"version": 0, "label": null, "content": null}), &[]),
            (json!({"label": "staging", "variables": {"x": 1}, "text": "Hi"}), &[]),
            (json!({"content": content}), &[]),
            (json!({"version": 1, "label": "staging"}), &["/label"]),
            (
                json!({"version": 1, "label": "staging", "content": content}),
                &["/label", "/content"],
            ),
            (json!({"label": "latest"}), &["/label"]),
            (json!({"version": "1"}), &["/version"]),
            (json!({"content": {"kind": "chat"}}), &["/content"]),
            (json!({"variables": []}), &["/variables"]),
            (json!({"text": "x".repeat(100_001)}), &["/text"]),
            (json!({"temperature": 0}), &["/temperature"]),
        ] {
            assert_eq!(read(&body).err().unwrap_or_default(), faults, "{body}");
        }
    }
}
