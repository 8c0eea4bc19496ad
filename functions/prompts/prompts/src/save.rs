//! `POST /prompts/{name}/versions`.

use assistant::pricing::Pricing;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::StatusCode;
use platform::audit::AuditDetails;
use platform::domain::Role;
use platform::http::{Created, PathParameter};
use platform::identity::Principal;
use platform::plan::{Reply, Retry};
use platform::problem::Code;
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use tally_prompts::built_in;
use tally_prompts::domain::{Content, Label, PromptName, PromptRef, Version, Which};
use tally_prompts::store::{Head, MOST_LABELS, Move, Prompts};

use crate::rights::Rights;
use crate::version_request::{SaveOptions, VersionRequest};
use crate::view::VersionView;
use crate::{change, names};

/// `POST /prompts/{name}/versions`. The first version makes the prompt. A save of the content of
/// the newest version adds no version, and its answer has the newest one.
#[derive(Clone)]
pub struct SaveVersion {
    prompts: Prompts,
    rights: Rights,
    /// The prices of models, where replies cost something.
    pricing: Option<Pricing>,
}

/// A save that is being planned.
#[derive(Clone)]
struct Saving {
    prompts: Prompts,
    rights: Rights,
    name: PromptName,
    content: Content,
    /// The hash of the content.
    sha256: String,
    options: SaveOptions,
    user_id: String,
    roles: Vec<Role>,
    /// Milliseconds since 1970.
    now: i64,
}

impl Endpoint for SaveVersion {
    const ROUTE: Route = routes::PROMPT_VERSION_CREATE;
    const PATH: &'static [PathParameter] = names::PATH;
    /// The version was there before.
    const STATUSES: &'static [u16] = &[200];
    const PROBLEMS: &'static [Code] = &[Code::VersionConflict, Code::Conflict, Code::LimitReached];
    type Caller = Principal;
    type Body = VersionRequest;
    type Query = ();
    type Output = Created<VersionView>;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            prompts: Prompts::new(platform)?,
            rights: Rights::new(platform)?,
            pricing: Pricing::from_config(&platform.config)?,
        })
    }

    async fn handle(
        &self,
        request: Request<'_, Self>,
    ) -> Result<Plan<Created<VersionView>>, Problem> {
        let name = names::name(request.call)?;
        let VersionRequest { content, options } = request.body;
        // A model without a price would be free.
        let is_unpriced =
            |model: &str| self.pricing.as_ref().is_some_and(|pricing| !pricing.is_priced(model));
        if content.model.as_ref().is_some_and(|model| is_unpriced(model.as_str())) {
            let detail = "must be a model that has a price in this deployment";
            return Err(Problem::invalid_field("model", detail));
        }
        let user_id = request.caller.user_id;
        let roles = self.rights.roles(&user_id).await?;
        let saving = Saving {
            prompts: self.prompts.clone(),
            rights: self.rights.clone(),
            name,
            sha256: content.sha256(),
            content,
            options,
            user_id,
            roles,
            now: request.now.as_millisecond(),
        };
        saving.plan().await
    }

    async fn repeat(
        &self,
        request: Request<'_, Self>,
        created: &str,
    ) -> Result<Plan<Created<VersionView>>, Problem> {
        let name = names::name(request.call)?;
        let Ok(PromptRef { name: saved, which: Some(Which::Number(number)) }) = created.parse()
        else {
            return Err(Problem::internal());
        };
        // The key belongs to the route, whose path has a name.
        if saved != name {
            return Err(Problem::idempotency_key_reused());
        }
        let head = self.prompts.head(&name).await?.ok_or_else(Problem::not_found)?;
        let version = change::version(&self.prompts, &name, number).await?;
        let version = version.ok_or_else(Problem::not_found)?;
        let details = details(&version).detail("repeated", true);
        Ok(Plan::reply(reply(version, &head)).details(details))
    }
}

impl Saving {
    /// Plans the save by the prompt as it is stored now.
    fn plan(self) -> BoxFuture<'static, Result<Plan<Created<VersionView>>, Problem>> {
        async move {
            let stored = self.prompts.head(&self.name).await?;
            let before = stored.unwrap_or_else(|| Head::new(self.name.clone(), self.content.kind));
            let refused = |problem: Problem| -> Result<Plan<Created<VersionView>>, Problem> {
                let details = AuditDetails::default().resource("prompt", self.name.as_str());
                Ok(Plan::refuse(problem).details(details))
            };
            if let Err(problem) = self.check(&before) {
                return refused(problem);
            }
            let unchanged = self.unchanged(&before).await?;
            let is_new = unchanged.is_none();
            let version = unchanged.unwrap_or_else(|| self.successor(&before));
            let moves = self.moves(&before, &version);
            let after = if is_new { before.with_version(&version) } else { before.next() };
            let after = moves.iter().cloned().fold(after, Head::moved);
            if let Err(problem) = self.check_labels(&version, &after) {
                return refused(problem);
            }
            let labels: Vec<_> = self.options.labels.iter().map(Label::as_str).collect();
            let details = details(&version).detail("labels", labels).detail("created", is_new);
            let which = Some(Which::Number(version.version));
            let saved = PromptRef { name: self.name.clone(), which };
            let mut others = if is_new { vec![self.prompts.add(&version)?] } else { Vec::new() };
            let head = if moves.iter().any(|moved| moved.label.is_production()) {
                let production = Some(version.clone()).filter(|version| version.version > 0);
                let current = change::current(&after, production);
                let [head, current] =
                    change::writes(&self.prompts, before.revision, &after, &current)?;
                others.push(current);
                head
            } else {
                self.prompts.replace(before.revision, &after)?
            };
            let reply = reply(version, &after);
            let reply = if is_new { reply } else { reply.status(StatusCode::OK) };
            let plan = Plan::reply(reply)
                .details(details)
                .creates(saved.to_string())
                .retries(change::AT_ONCE);
            if !is_new && moves.is_empty() {
                return Ok(plan);
            }
            let plan = moves.iter().map(move_event(&self.name)).fold(plan, Plan::also);
            // Another request may have committed first. This condition fails then. If it holds, no
            // other request has saved a version with this number.
            let again: Retry<_> = Box::new(move |_| self.plan());
            Ok(others.into_iter().fold(plan.write_or_retry(head, again), Plan::write))
        }
        .boxed()
    }

    /// Refuses a save that does not fit the prompt.
    fn check(&self, before: &Head) -> Result<(), Problem> {
        self.may_move(None)?;
        if before.kind != self.content.kind {
            let kind = before.kind.as_str();
            let detail = format!("must be {kind}, the kind of all versions of the prompt");
            return Err(Problem::invalid_field("kind", detail));
        }
        if before.archived {
            return Err(Problem::prompt_archived());
        }
        match self.options.based_on {
            Some(known) if known != before.latest => Err(Problem::version_conflict(before.latest)),
            _ => Ok(()),
        }
    }

    /// Refuses labels that the caller may not move to the version, and too many of them.
    fn check_labels(&self, version: &Version, after: &Head) -> Result<(), Problem> {
        self.may_move(version.created_by.as_deref())?;
        if after.labels.len() > MOST_LABELS {
            return Err(Problem::limit_reached("A prompt", MOST_LABELS as u64, "labels"));
        }
        Ok(())
    }

    fn may_move(&self, author: Option<&str>) -> Result<(), Problem> {
        let may = |label| self.rights.may_move(label, &self.roles, author, &self.user_id);
        self.options.labels.iter().try_for_each(may)
    }

    /// The version that follows the newest.
    fn successor(&self, before: &Head) -> Version {
        Version {
            name: self.name.clone(),
            version: before.latest + 1,
            content: self.content.clone(),
            note: self.options.note.clone(),
            sha256: self.sha256.clone(),
            created_at: Some(self.now),
            created_by: Some(self.user_id.clone()),
        }
    }

    /// The newest version, if it has the content to save. The form that is hashed rounds numbers
    /// beyond 2^53, so contents with the same hash are compared.
    async fn unchanged(&self, before: &Head) -> Result<Option<Version>, Problem> {
        if self.sha256 != latest_sha256(before) {
            return Ok(None);
        }
        let found = change::version(&self.prompts, &self.name, before.latest).await?;
        let newest = found.ok_or_else(|| {
            let version = before.latest;
            tracing::error!(prompt = %self.name, version, "failed to find the newest version");
            Problem::internal()
        })?;
        Ok(Some(newest).filter(|newest| newest.content == self.content))
    }

    /// The labels that do not point to the version yet, each with its move.
    fn moves(&self, before: &Head, version: &Version) -> Vec<Move> {
        let to = version.version;
        let labels = self.options.labels.iter();
        let labels = labels.map(|label| (label, before.labels.get(label).copied()));
        let moved = labels.filter(|(_, from)| *from != Some(to)).map(|(label, from)| Move {
            label: label.clone(),
            from,
            to: Some(to),
            at: self.now,
            by: self.user_id.clone(),
            note: self.options.note.clone(),
        });
        moved.collect()
    }
}

/// The hash of the newest version. Until one is saved, it is the version that is built in.
fn latest_sha256(head: &Head) -> String {
    if head.latest > 0 {
        return head.latest_sha256.clone();
    }
    built_in(&head.name).map(|version| version.sha256.clone()).unwrap_or_default()
}

/// The answer with the path of the version.
fn reply(version: Version, head: &Head) -> Reply<Created<VersionView>> {
    let path = format!("/prompts/{}/versions/{}", version.name, version.version);
    Reply::new(Created(VersionView::new(version, head))).location(&path)
}

/// The details of the event of a save.
fn details(version: &Version) -> AuditDetails {
    AuditDetails::default()
        .resource("prompt", version.name.as_str())
        .detail("version", version.version)
        .detail("sha256", version.sha256.as_str())
}

/// The event of each move of a label.
fn move_event(name: &PromptName) -> impl Fn(&Move) -> AuditDetails {
    move |moved: &Move| {
        let event = AuditDetails::action("prompt.label_moved")
            .resource("prompt", name.as_str())
            .detail("label", moved.label.as_str());
        let versions = [("from", moved.from), ("to", moved.to)];
        let versions = versions.into_iter().filter_map(|(name, number)| Some((name, number?)));
        let event = versions.fold(event, |event, (name, number)| event.detail(name, number));
        moved.note.iter().fold(event, |event, note| event.detail("note", note.as_str()))
    }
}
