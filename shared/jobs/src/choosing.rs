//! Which versions of prompts the items of a job use.

use std::sync::Arc;

use assistant::domain::ModelName;
use assistant::pricing::Pricing;
use jiff::civil::Date;
use platform::domain::Role;
use platform::problem::FieldError;
use platform::{ConfigError, Platform, Problem};
use tally_prompts::domain::{Kind, Pinned, PromptName, PromptRef, Values, Version, Which};
use tally_prompts::store::Prompts;
use tally_prompts::{Registry, built_in};

/// The phrase for a prompt that no job can use.
const WRONG: &str = "must be a prompt of the kind task that you may use";

/// Chooses versions of prompts for jobs. All of them are of the kind `task`.
#[derive(Clone)]
pub struct Choosing {
    registry: Registry,
    prompts: Prompts,
    /// The prices of models. Absent where calls cost nothing.
    pricing: Option<Pricing>,
}

impl Choosing {
    /// Uses the table that `PROMPTS_TABLE` names, and the settings of [`Registry`] and
    /// [`Pricing::from_config`].
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            registry: Registry::new(platform)?,
            prompts: Prompts::new(platform)?,
            pricing: Pricing::from_config(&platform.config)?,
        })
    }

    /// The version that a reference of a caller with these roles names. Only editors and
    /// administrators may name more than a prompt, otherwise that is a 403. A prompt that is
    /// unknown, archived, of another kind, or whose model has no price, is a 422 `/prompt`.
    pub async fn task(
        &self,
        reference: &PromptRef,
        roles: &[Role],
    ) -> Result<Arc<Version>, Problem> {
        let is_editor = Role::PROMPT_EDITORS.iter().any(|role| roles.contains(role));
        if reference.which.is_some() && !is_editor {
            let detail = "Only editors and administrators may name a version of a prompt.";
            return Err(Problem::forbidden(detail));
        }
        self.find(reference).await
    }

    /// The version of an earlier job again, also for a caller who may not name versions. It fails
    /// as [`Self::task`] does.
    pub async fn again(&self, pinned: &Pinned) -> Result<Arc<Version>, Problem> {
        let which = Some(Which::Number(pinned.version));
        self.find(&PromptRef { name: pinned.name.clone(), which }).await
    }

    /// The versions of a prompt with these numbers, in their order. The prompt fails as in
    /// [`Self::task`]. A number without a version is a 422 at its place in `/versions`.
    pub async fn versions(
        &self,
        name: &PromptName,
        numbers: &[u32],
    ) -> Result<Vec<Arc<Version>>, Problem> {
        let head = self.prompts.head(name).await?;
        if head.is_none_or(|head| head.archived || head.kind != Kind::Task) {
            return Err(Problem::invalid_field("prompt", WRONG));
        }
        let (mut versions, mut faults) = (Vec::new(), Vec::new());
        for (at, number) in numbers.iter().enumerate() {
            let detail = match self.registry.version(name, *number).await? {
                Some(version) if self.is_priced(&version) => {
                    versions.push(version);
                    continue;
                }
                Some(_) => "must have a model with a price in this deployment",
                None => "must be a version of the prompt",
            };
            let pointer = Some(format!("/versions/{at}"));
            faults.push(FieldError { pointer, parameter: None, detail: detail.to_owned() });
        }
        if faults.is_empty() { Ok(versions) } else { Err(Problem::validation_failed(faults)) }
    }

    /// The version of a prompt that the server itself names: the one that callers would get. If
    /// that one is no task, lacks a price or needs values, it is the one that is built in.
    pub async fn own(&self, name: &PromptName, today: Date) -> Result<Arc<Version>, Problem> {
        let fits = |version: &Arc<Version>| {
            let needs_none = version.render(&Values::default(), "", today).is_ok();
            version.content.kind == Kind::Task && self.is_priced(version) && needs_none
        };
        let found = self.registry.find(&name.clone().into()).await?;
        if let Some(version) = found.filter(fits) {
            return Ok(version);
        }
        tracing::warn!(prompt = %name, "failed to use a prompt; its built-in version is used");
        built_in(name).ok_or_else(|| {
            tracing::error!(prompt = %name, "failed to find a prompt that is built in");
            Problem::internal()
        })
    }

    async fn find(&self, reference: &PromptRef) -> Result<Arc<Version>, Problem> {
        let found = self.registry.find(reference).await?;
        let task = found.filter(|version| version.content.kind == Kind::Task);
        let version = task.ok_or_else(|| Problem::invalid_field("prompt", WRONG))?;
        if self.is_priced(&version) {
            return Ok(version);
        }
        let detail = "must be a prompt whose model has a price in this deployment";
        Err(Problem::invalid_field("prompt", detail))
    }

    /// Whether the model of a version has a price, if it names one. Without a price it would be
    /// free.
    fn is_priced(&self, version: &Version) -> bool {
        let own = version.content.model.as_ref().map(ModelName::as_str);
        let is_priced = |pricing: &Pricing| own.is_none_or(|model| pricing.is_priced(model));
        self.pricing.as_ref().is_none_or(is_priced)
    }
}
