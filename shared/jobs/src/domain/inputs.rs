//! The inputs of a job, as one object of the bucket has them. An item is an index into them, so ten
//! thousand items start with one object and one transaction.

use platform::input::{FromField, RawValue};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tally_files::domain::Span;
use tally_prompts::domain::{Pinned, Values};
use utoipa::ToSchema;

use super::batch::BatchWork;

/// The inputs of a job. They never change.
#[derive(Clone, Serialize, Deserialize)]
pub struct Inputs {
    /// The values of the prompt's variables.
    pub variables: Values,
    /// What the items are made of.
    pub work: Work,
    /// Worst-case cost of each item's call in nano-dollars, by index. Empty where calls cost
    /// nothing.
    #[serde(default)]
    pub worst: Vec<i64>,
}

platform::opaque!(Inputs);

/// What the items of a job are made of.
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Work {
    /// An analysis.
    Analysis(AnalysisWork),
    /// An evaluation.
    Evaluation(EvaluationWork),
    /// A batch.
    Batch(BatchWork),
}

/// The work of an analysis: an item for each piece, and a last one for the summary.
#[derive(Clone, Serialize, Deserialize)]
pub struct AnalysisWork {
    /// The type.
    pub r#type: AnalysisType,
    /// The pieces, in the order of the inputs.
    pub pieces: Vec<Piece>,
    /// The prompt of the summary.
    pub summary: Pinned,
}

/// What an analysis looks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum AnalysisType {
    /// Faults of code, by the prompt `code.review` unless another is named.
    Code,
    /// Faults of documents, by the prompt `finance.review` unless another is named.
    Document,
    /// What the named prompt asks for.
    Custom,
}

/// A piece of an input, which is given to a model by one call.
#[derive(Clone, Serialize, Deserialize)]
pub struct Piece {
    /// Name of the input.
    pub input: String,
    /// Path of the file within an archive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Where its text is.
    pub source: Source,
}

/// Where the text of a piece is.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// A part of a file.
    Part {
        /// Id of the file.
        file_id: String,
        /// Index of the part, from 0.
        part: u32,
        /// The place of the part in its file.
        span: Span,
        /// Bytes of the part.
        bytes: u64,
    },
    /// Lines of a text that was sent with the request. Each begins with its number and a tab, as in
    /// a part of a file.
    Text {
        /// The lines.
        text: String,
        /// Number of the first one, from 1.
        first: u32,
        /// Number of the last one.
        last: u32,
    },
}

/// The work of an evaluation. Its items are the repetitions of the cases of the versions: the index
/// of an item is `(version * cases + case) * repeat + repetition`, each counted from 0.
#[derive(Clone, Serialize, Deserialize)]
pub struct EvaluationWork {
    /// The versions of the prompt.
    pub versions: Vec<u32>,
    /// The cases.
    pub cases: Vec<Case>,
    /// The checks.
    pub checks: Vec<Check>,
    /// How often each case is asked.
    pub repeat: u32,
}

/// A case of an evaluation.
#[derive(Clone, Serialize, Deserialize)]
pub struct Case {
    /// The values of the variables.
    pub variables: Values,
    /// The input.
    pub input: String,
    /// What is expected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<Value>,
}

/// A check of an answer. `exact`: it equals `expect`, as text without surrounding white space or as
/// JSON. `contains`: it contains each text of `expect`. `schema`: it is JSON by the prompt's schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = EvaluationCheck)]
pub enum Check {
    /// It equals `expect`.
    Exact,
    /// It contains each text of `expect`.
    Contains,
    /// It is JSON by the prompt's schema.
    Schema,
}

impl AnalysisType {
    const ALL: [Self; 3] = [Self::Code, Self::Document, Self::Custom];

    /// The word that is stored and sent.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Document => "document",
            Self::Custom => "custom",
        }
    }
}

impl FromField for AnalysisType {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let text = raw.text()?;
        let known = Self::ALL.into_iter().find(|known| known.as_str() == text);
        known.ok_or_else(|| "must be code, document or custom".into())
    }
}

impl Check {
    const ALL: [Self; 3] = [Self::Exact, Self::Contains, Self::Schema];

    /// The word that is stored and sent.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Contains => "contains",
            Self::Schema => "schema",
        }
    }
}

impl FromField for Check {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let text = raw.text()?;
        let known = Self::ALL.into_iter().find(|known| known.as_str() == text);
        known.ok_or_else(|| "must be exact, contains or schema".into())
    }
}

impl Work {
    /// Number of items.
    pub fn items(&self) -> u32 {
        let count = match self {
            Self::Analysis(work) => work.pieces.len() + 1,
            Self::Evaluation(work) => work.versions.len() * work.cases.len() * work.repeat as usize,
            Self::Batch(work) => return work.items(),
        };
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// What an item counts as: one, or the rows of its call.
    pub fn units(&self, index: u32) -> u32 {
        match self {
            Self::Analysis(_) | Self::Evaluation(_) => 1,
            Self::Batch(work) => work.units(index),
        }
    }

    /// Whether an item waits for all others.
    pub fn is_last(&self, index: u32) -> bool {
        matches!(self, Self::Analysis(work) if work.pieces.len() == index as usize)
    }
}
