//! How much a model is to think.

use platform::input::{FromField, RawValue};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How much a model is to think and to write: `effort` of the Messages API. Not every model takes
/// every word. A model that refuses the effort is asked without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = ModelEffort)]
pub enum Effort {
    /// Little.
    Low,
    /// Less than usual.
    Medium,
    /// As much as usual.
    High,
    /// More than usual. Some models take it.
    Xhigh,
    /// The most.
    Max,
}

impl Effort {
    const ALL: [(&'static str, Self); 5] = [
        ("low", Self::Low),
        ("medium", Self::Medium),
        ("high", Self::High),
        ("xhigh", Self::Xhigh),
        ("max", Self::Max),
    ];
}

impl FromField for Effort {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let text = raw.text()?;
        let found = Self::ALL.into_iter().find(|(word, _)| *word == text);
        found
            .map(|(_, effort)| effort)
            .ok_or_else(|| "must be low, medium, high, xhigh or max".into())
    }
}
