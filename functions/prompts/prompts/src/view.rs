//! Prompts, versions and moves of labels as their callers see them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use assistant::domain::{Effort, ModelName};
use platform::clock::rfc3339_ms;
use platform::http::Schemas;
use serde::Serialize;
use serde_json::Value;
use tally_prompts::domain::{Content, Kind, Label, PromptName, Variable, Version};
use tally_prompts::store::{Head, Move};
use tally_prompts::{built_in, built_ins};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// A prompt in a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct PromptSummary {
    /// The name. Dots divide it as slashes divide a path.
    #[schema(value_type = String, example = "excel.formula")]
    pub name: PromptName,
    /// The kind of all its versions.
    pub kind: Kind,
    /// Its purpose, for people.
    #[schema(example = "Writes and explains formulas for Excel.")]
    pub description: String,
    /// Whether callers may no longer use it.
    pub archived: bool,
    /// The version to which each label points. 0 is the one that is built in. Without `production`,
    /// replies use the one that is built in.
    #[schema(value_type = BTreeMap<String, u32>, example = json!({"production": 7}))]
    pub labels: BTreeMap<Label, u32>,
    /// The number of the newest version. 0 if none has been saved.
    #[schema(example = 9)]
    pub latest: u32,
}

/// A prompt.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Prompt)]
pub struct PromptView {
    /// The fields of an item of the list.
    #[serde(flatten)]
    pub summary: PromptSummary,
    /// The variables of the version that replies use. Empty if there is no such version.
    pub variables: Vec<VariableView>,
    /// Number of the changes of the prompt so far: of its versions, labels, purpose and archiving.
    #[schema(example = 12)]
    pub revision: u64,
    /// The last moves of labels, newest first. Absent unless the caller has the role `editor`,
    /// `auditor` or `admin`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_items = 50)]
    pub moves: Option<Vec<MoveView>>,
}

/// A variable of a prompt.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct VariableView(pub Variable);

/// A move of a label.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PromptMove)]
pub struct MoveView {
    /// The label.
    #[schema(value_type = String, example = "production")]
    pub label: Label,
    /// The version to which it pointed before. Null if it was not set.
    #[schema(required, example = 6)]
    pub from: Option<u32>,
    /// The version to which it pointed after that. Null if it was removed.
    #[schema(required, example = 7)]
    pub to: Option<u32>,
    /// Time of the move, RFC 3339 in UTC.
    #[schema(format = DateTime, example = "2026-01-31T09:30:00.000Z")]
    pub at: String,
    /// Id of the user who moved it.
    #[schema(format = "uuid")]
    pub by: String,
    /// The reason, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "Shorter answers.")]
    pub note: Option<String>,
}

/// A version in a list, without its texts.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PromptVersionItem)]
pub struct VersionItem {
    /// The name of the prompt.
    #[schema(value_type = String, example = "excel.formula")]
    pub name: PromptName,
    /// The number. 0 is the version that is built in.
    #[schema(example = 7)]
    pub version: u32,
    /// The kind of the prompt.
    pub kind: Kind,
    /// What has changed, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "Shorter answers.")]
    pub note: Option<String>,
    /// SHA-256 of the content (its texts, variables and settings), URL-safe base64 of its RFC 8785
    /// form. Versions with the same content have the same hash.
    #[schema(example = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU")]
    pub sha256: String,
    /// Time of the save, RFC 3339 in UTC. Absent if the version is built in.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime, example = "2026-01-31T09:30:00.000Z")]
    pub created_at: Option<String>,
    /// Id of the user who wrote it. Absent if the version is built in.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = "uuid")]
    pub created_by: Option<String>,
    /// The labels that point to it now.
    #[schema(value_type = Vec<String>, example = json!(["production"]))]
    pub labels: Vec<Label>,
}

/// A version with its texts.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PromptVersion)]
pub struct VersionView {
    /// The fields of an item of the list.
    #[serde(flatten)]
    pub item: VersionItem,
    /// The system prompt, a template.
    #[schema(example = "You are the assistant of {{company}}.")]
    pub system: String,
    /// A template of the user's turn. Without it, the turn is the message or the input alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "Answer briefly.\n{{message}}")]
    pub user: Option<String>,
    /// The variables. Each of them stands in a template.
    pub variables: Vec<VariableView>,
    /// The model to ask. Without it, the model of the deployment is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false, example = "claude-opus-5-5")]
    pub model: Option<ModelName>,
    /// Tokens of the answer, at most, if that is less than the deployment allows.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 2000)]
    pub max_tokens: Option<u64>,
    /// How much the model is to think. Without it, the model decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub effort: Option<Effort>,
    /// A JSON Schema of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<std::collections::HashMap<String, Value>>, nullable = false)]
    pub output_schema: Option<Value>,
}

/// A label after its move.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PromptLabelMoved)]
pub struct LabelMoved {
    /// The label.
    #[schema(value_type = String, example = "production")]
    pub label: Label,
    /// The version to which it points.
    #[schema(example = 7)]
    pub version: u32,
    /// The version to which it pointed before. Null if it was not set.
    #[schema(required, example = 6)]
    pub from: Option<u32>,
    /// Number of the changes of the prompt so far.
    #[schema(example = 12)]
    pub revision: u64,
}

/// Answers need a schema of their own, because the schema of a body allows no other members.
impl ToSchema for VariableView {
    fn name() -> Cow<'static, str> {
        "PromptVariable".into()
    }

    fn schemas(schemas: &mut Schemas) {
        Variable::schemas(schemas);
    }
}

impl PartialSchema for VariableView {
    fn schema() -> RefOr<Schema> {
        Variable::schema()
    }
}

impl PromptSummary {
    /// A prompt with this head. If no editor has described it, a prompt that is built in has the
    /// purpose that it came with.
    pub fn new(head: &Head) -> Self {
        let built_in = built_ins().iter().find(|(version, _)| version.name == head.name);
        let purpose = built_in.map(|(_, purpose)| *purpose).unwrap_or_default();
        let described = !head.description.is_empty();
        Self {
            name: head.name.clone(),
            kind: head.kind,
            description: if described { head.description.clone() } else { purpose.to_owned() },
            archived: head.archived,
            labels: head.labels.clone(),
            latest: head.latest,
        }
    }
}

impl PromptView {
    /// A prompt with this head. `production` is the stored version to which that label points, and
    /// `reads_all` says whether the caller sees the moves.
    pub fn new(head: &Head, production: Option<&Version>, reads_all: bool) -> Self {
        let variables = match production {
            Some(version) => version.content.variables.clone(),
            None => built_in(&head.name)
                .map(|version| version.content.variables.clone())
                .unwrap_or_default(),
        };
        Self {
            summary: PromptSummary::new(head),
            variables: variables.into_iter().map(VariableView).collect(),
            revision: head.revision,
            moves: reads_all.then(|| head.moves.iter().map(MoveView::new).collect()),
        }
    }
}

impl MoveView {
    fn new(moved: &Move) -> Self {
        Self {
            label: moved.label.clone(),
            from: moved.from,
            to: moved.to,
            at: rfc3339_ms(moved.at),
            by: moved.by.clone(),
            note: moved.note.clone(),
        }
    }
}

impl VersionItem {
    /// A version of the prompt with this head.
    pub fn new(version: &Version, head: &Head) -> Self {
        let labels = head.labels.iter().filter(|(_, number)| **number == version.version);
        Self {
            name: version.name.clone(),
            version: version.version,
            kind: version.content.kind,
            note: version.note.clone(),
            sha256: version.sha256.clone(),
            created_at: version.created_at.map(rfc3339_ms),
            created_by: version.created_by.clone(),
            labels: labels.map(|(label, _)| label.clone()).collect(),
        }
    }
}

impl VersionView {
    /// A version of the prompt with this head.
    pub fn new(version: Version, head: &Head) -> Self {
        let item = VersionItem::new(&version, head);
        let Content { kind: _, system, user, variables, model, max_tokens, effort, output_schema } =
            version.content;
        Self {
            item,
            system,
            user,
            variables: variables.into_iter().map(VariableView).collect(),
            model,
            max_tokens,
            effort,
            output_schema,
        }
    }
}
