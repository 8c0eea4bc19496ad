//! `PUT|DELETE /prompts/{name}/labels/{label}`: moves labels and removes them.

use futures_util::FutureExt as _;
use platform::audit::AuditDetails;
use platform::clock::Timestamp;
use platform::database::Write;
use platform::http::PathParameter;
use platform::identity::Principal;
use platform::input::{Fields, Input};
use platform::plan::Retry;
use platform::problem::Code;
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use tally_prompts::built_in;
use tally_prompts::domain::{Label, PromptName, Version, VersionNumber};
use tally_prompts::store::{Head, MOST_LABELS, Move, Prompts};
use utoipa::ToSchema;

use crate::change;
use crate::fields::Note;
use crate::names::{LABEL_PATH, label, name};
use crate::rights::Rights;
use crate::view::LabelMoved;

/// `PUT /prompts/{name}/labels/{label}`. To roll back, an editor moves a label back.
pub struct MoveLabel {
    prompts: Prompts,
    rights: Rights,
}

/// `DELETE /prompts/{name}/labels/{label}`.
pub struct RemoveLabel {
    prompts: Prompts,
    rights: Rights,
}

/// The version to which the label points from now on.
#[derive(Debug, Clone, PartialEq, Eq, ToSchema)]
#[schema(as = PromptLabelMove)]
pub struct LabelMove {
    /// Number of the version. 0 is the version that is built in.
    #[schema(maximum = 999_999_999, example = 7)]
    pub version: u32,
    /// Number of the version to which the label points, as far as you know; null if it is not set.
    /// If the label points to another version, it does not move (409). Without this field, it moves
    /// in any case.
    #[schema(value_type = Option<u32>, maximum = 999_999_999, example = 6)]
    pub expected: Option<Expected>,
    /// The reason, for people. At most 500 characters.
    #[schema(max_length = 500, example = "The new version answers in the user's language.")]
    pub note: Option<String>,
}

/// The version to which a label points, as far as its caller knows. `None` stands for a label that
/// is not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected(pub Option<u32>);

/// A change of a label by a user.
struct Change {
    prompts: Prompts,
    name: PromptName,
    label: Label,
    by: String,
    now: Timestamp,
    note: Option<String>,
}

/// A move that is being planned.
struct Moving {
    change: Change,
    to: u32,
    /// The version to which the label is to point. `None` stands for the one that is built in.
    version: Option<Version>,
    expected: Option<Expected>,
}

impl Input for LabelMove {
    fn read(fields: &mut Fields) -> Option<Self> {
        let version = fields.required::<VersionNumber>("version");
        let has_expected = fields.has("expected");
        let expected = fields.optional::<VersionNumber>("expected");
        let note = fields.optional::<Note>("note");
        let expected = Expected(expected?.map(|VersionNumber(number)| number));
        Some(Self {
            version: version?.0,
            expected: has_expected.then_some(expected),
            note: note?.map(|Note(note)| note),
        })
    }
}

impl Endpoint for MoveLabel {
    const ROUTE: Route = routes::PROMPT_LABEL_SET;
    const PATH: &'static [PathParameter] = LABEL_PATH;
    const PROBLEMS: &'static [Code] = &[Code::LimitReached, Code::Conflict];
    type Caller = Principal;
    type Body = LabelMove;
    type Query = ();
    type Output = LabelMoved;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { prompts: Prompts::new(platform)?, rights: Rights::new(platform)? })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<LabelMoved>, Problem> {
        let LabelMove { version: to, expected, note } = request.body;
        let change = Change {
            prompts: self.prompts.clone(),
            name: name(request.call)?,
            label: label(request.call)?,
            by: request.caller.user_id,
            now: request.now,
            note,
        };
        let roles = self.rights.roles(&change.by).await?;
        let version = if to == 0 { None } else { self.prompts.version(&change.name, to).await? };
        let author = version.as_ref().and_then(|version| version.created_by.as_deref());
        if let Err(problem) = self.rights.may_move(&change.label, &roles, author, &change.by) {
            return Ok(Plan::refuse(problem).details(change.details().detail("to", to)));
        }
        let Some(head) = self.prompts.head(&change.name).await? else {
            let details = change.details().detail("to", to);
            return Ok(Plan::refuse(Problem::not_found()).details(details));
        };
        let is_built_in = to == 0 && built_in(&change.name).is_some();
        if version.is_none() && !is_built_in {
            return Err(Problem::invalid_field("version", "must be a version of the prompt"));
        }
        Moving { change, to, version, expected }.plan(&head)
    }
}

impl Endpoint for RemoveLabel {
    const ROUTE: Route = routes::PROMPT_LABEL_DELETE;
    const PATH: &'static [PathParameter] = LABEL_PATH;
    type Caller = Principal;
    type Body = ();
    type Query = ();
    type Output = ();

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { prompts: Prompts::new(platform)?, rights: Rights::new(platform)? })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<()>, Problem> {
        let change = Change {
            prompts: self.prompts.clone(),
            name: name(request.call)?,
            label: label(request.call)?,
            by: request.caller.user_id,
            now: request.now,
            note: None,
        };
        let roles = self.rights.roles(&change.by).await?;
        if let Err(problem) = self.rights.may_move(&change.label, &roles, None, &change.by) {
            return Ok(Plan::refuse(problem).details(change.details()));
        }
        let head = self.prompts.head(&change.name).await?;
        change.removal(head)
    }
}

impl Change {
    fn details(&self) -> AuditDetails {
        AuditDetails::default()
            .resource("prompt", self.name.as_str())
            .detail("label", self.label.as_str())
    }

    /// The head after the change, and the write that stores it. A change of `production` also has
    /// the write of the copy of the production version.
    fn of(
        &self,
        head: &Head,
        to: Option<u32>,
        version: Option<Version>,
    ) -> Result<(Head, Write, Option<Write>), Problem> {
        let next = head.next().moved(Move {
            label: self.label.clone(),
            from: head.labels.get(&self.label).copied(),
            to,
            at: self.now.as_millisecond(),
            by: self.by.clone(),
            note: self.note.clone(),
        });
        if !self.label.is_production() {
            let replace = self.prompts.replace(head.revision, &next)?;
            return Ok((next, replace, None));
        }
        let current = change::current(&next, version);
        let [replace, copy] = change::writes(&self.prompts, head.revision, &next, &current)?;
        Ok((next, replace, Some(copy)))
    }

    fn removal(self, head: Option<Head>) -> Result<Plan<()>, Problem> {
        let details = self.details();
        let from = head.as_ref().and_then(|head| head.labels.get(&self.label)).copied();
        let (Some(head), Some(from)) = (head, from) else {
            return Ok(Plan::refuse(Problem::not_found()).details(details));
        };
        let (_, replace, copy) = self.of(&head, None, None)?;
        // Another editor has changed the prompt first.
        let again: Retry<()> = Box::new(move |_| {
            async move {
                let head = self.prompts.head(&self.name).await?;
                self.removal(head)
            }
            .boxed()
        });
        let plan = Plan::reply(()).details(details.detail("from", from)).retries(change::AT_ONCE);
        Ok(copy.into_iter().fold(plan.write_or_retry(replace, again), Plan::write))
    }
}

impl Moving {
    fn plan(self, head: &Head) -> Result<Plan<LabelMoved>, Problem> {
        let Self { change, to, version, expected } = &self;
        let from = head.labels.get(&change.label).copied();
        let details = change.details().detail("to", *to);
        let details = from.into_iter().fold(details, |details, from| details.detail("from", from));
        let details = (change.note.iter())
            .fold(details, |details, note| details.detail("note", note.as_str()));
        if expected.is_some_and(|Expected(expected)| expected != from) {
            return Ok(Plan::refuse(stands_elsewhere(from)).details(details));
        }
        let moved =
            |revision| LabelMoved { label: change.label.clone(), version: *to, from, revision };
        if from == Some(*to) {
            return Ok(Plan::reply(moved(head.revision)).details(details));
        }
        if from.is_none() && head.labels.len() >= MOST_LABELS {
            let problem = Problem::limit_reached("A prompt", MOST_LABELS as u64, "labels");
            return Ok(Plan::refuse(problem).details(details));
        }
        let (next, replace, copy) = change.of(head, Some(*to), version.clone())?;
        let reply = moved(next.revision);
        // Another editor has changed the prompt first.
        let again: Retry<LabelMoved> = Box::new(move |_| {
            async move {
                let head = self.change.prompts.head(&self.change.name).await?;
                self.plan(&head.ok_or_else(Problem::not_found)?)
            }
            .boxed()
        });
        let plan = Plan::reply(reply).details(details).retries(change::AT_ONCE);
        let plan = plan.write_or_retry(replace, again);
        Ok(copy.into_iter().fold(plan, Plan::write))
    }
}

/// 409: the label does not point to the version that the caller expects.
fn stands_elsewhere(from: Option<u32>) -> Problem {
    let detail = match from {
        Some(version) => {
            format!("The label points to version {version}. Read the prompt, then decide again.")
        }
        None => "The label is not set. Read the prompt, then decide again.".to_owned(),
    };
    Problem::new(Code::Conflict, detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(body: &Value) -> Result<LabelMove, Vec<String>> {
        let Value::Object(members) = body else { panic!("{body} is no object") };
        Fields::json(members.clone()).read::<LabelMove>().map_err(|problem| {
            problem.errors.into_iter().map(|error| error.pointer.unwrap()).collect()
        })
    }

    #[test]
    fn null_is_a_place_and_an_absent_member_is_any_place() {
        for (more, expected) in [
            (json!({}), None),
            (json!({"expected": null}), Some(Expected(None))),
            (json!({"expected": 0}), Some(Expected(Some(0)))),
            (json!({"expected": 6}), Some(Expected(Some(6)))),
        ] {
            let mut body = json!({"version": 7, "note": "Because."});
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let note = Some("Because.".to_owned());
            assert_eq!(read(&body), Ok(LabelMove { version: 7, expected, note }), "{body}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_move_is_named() {
        for (body, faults) in [
            (json!({}), &["/version"][..]),
            (json!({"version": null}), &["/version"]),
            (json!({"version": -1}), &["/version"]),
            (json!({"version": "7"}), &["/version"]),
            (json!({"version": 1_000_000_000}), &["/version"]),
            (json!({"version": 7, "expected": "none"}), &["/expected"]),
            (json!({"version": 7, "note": "x".repeat(501)}), &["/note"]),
            (json!({"version": 7, "label": "staging"}), &["/label"]),
        ] {
            assert_eq!(read(&body).unwrap_err(), faults, "{body}");
        }
    }
}
