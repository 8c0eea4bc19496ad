//! What an analysis finds.

use platform::input::{FromField, RawValue};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A finding of an analysis. The model quotes, and the server looks the quote up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Finding {
    /// The input: the name of its file or text.
    #[schema(example = "src.zip")]
    pub input: String,
    /// Short name of the kind of finding, by the model.
    #[schema(example = "unchecked-overflow")]
    pub rule: String,
    /// Its severity.
    pub severity: Severity,
    /// What is wrong, or worth knowing.
    #[schema(example = "The sum may overflow.")]
    pub message: String,
    /// How it may be mended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "Use checked_add.")]
    pub suggestion: Option<String>,
    /// The text that the finding is about, as the model quotes it.
    #[schema(example = "a + b")]
    pub quote: String,
    /// Whether the quote stands in the input. If it does not, the finding has no place.
    pub anchored: bool,
    /// Path of the file within the archive, or the name of the input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "src/lib.rs")]
    pub file: Option<String>,
    /// First line of the quote, from 1. In a CSV, it is the record: the header is 1, and blank
    /// lines do not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 12)]
    pub line: Option<u32>,
    /// Last line of the quote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 12)]
    pub end_line: Option<u32>,
    /// Page of the quote, from 1, in a PDF.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 3)]
    pub page: Option<u32>,
}

/// How grave a finding is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// A small fault.
    Low,
    /// A fault.
    Medium,
    /// A grave fault.
    High,
    /// A fault to mend at once.
    Critical,
}

impl Severity {
    /// All, from the least.
    pub const ALL: [Self; 5] = [Self::Info, Self::Low, Self::Medium, Self::High, Self::Critical];

    /// The word that is stored and sent.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

impl FromField for Severity {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let text = raw.text()?;
        let known = Self::ALL.into_iter().find(|severity| severity.as_str() == text);
        known.ok_or_else(|| "must be info, low, medium, high or critical".into())
    }
}
