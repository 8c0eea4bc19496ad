//! Why an item or a job has no result.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Why an item or a job has no result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobError {
    /// The reason, for programs.
    pub code: ErrorCode,
    /// The reason, for people.
    #[schema(example = "The model's answer has more than 4096 tokens.")]
    pub detail: String,
}

/// Why an item or a job has no result. `provider_rate_limited`, `provider_unavailable`,
/// `provider_rejected`: the provider did not answer, or refused the request. `refused`: the model,
/// or its provider, refused the content. `invalid_output`: the answer does not have the form that
/// was asked for. `output_too_long`: the answer has more tokens or bytes than it may. `too_large`:
/// the input is more than the model takes, or more than was held for it. `input_gone`: its file or
/// range is gone. `budget_exceeded`: the job's hold does not leave enough. `interrupted`: three
/// times, its worker died or a store failed. `expired`: the round has run for 24 hours.
/// `access_revoked`: its user may no longer give the data to a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = JobErrorCode)]
pub enum ErrorCode {
    /// The provider's rate limit is reached.
    ProviderRateLimited,
    /// The provider does not answer.
    ProviderUnavailable,
    /// The provider refuses the key, the model or the request.
    ProviderRejected,
    /// The model, or its provider, refuses the content.
    Refused,
    /// The answer does not have the form that was asked for.
    InvalidOutput,
    /// The answer has more tokens or bytes than it may.
    OutputTooLong,
    /// The input is more than the model takes, or more than was held for it.
    TooLarge,
    /// Its file or range is gone.
    InputGone,
    /// The job's hold does not leave enough.
    BudgetExceeded,
    /// Three times, its worker died or a store failed.
    Interrupted,
    /// The round has run for 24 hours.
    Expired,
    /// Its user may no longer give the data to a model.
    AccessRevoked,
}

impl ErrorCode {
    /// The word that is stored and sent.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ProviderRateLimited => "provider_rate_limited",
            Self::ProviderUnavailable => "provider_unavailable",
            Self::ProviderRejected => "provider_rejected",
            Self::Refused => "refused",
            Self::InvalidOutput => "invalid_output",
            Self::OutputTooLong => "output_too_long",
            Self::TooLarge => "too_large",
            Self::InputGone => "input_gone",
            Self::BudgetExceeded => "budget_exceeded",
            Self::Interrupted => "interrupted",
            Self::Expired => "expired",
            Self::AccessRevoked => "access_revoked",
        }
    }

    /// The reason, for people, where nothing more is known.
    pub const fn detail(self) -> &'static str {
        match self {
            Self::ProviderRateLimited => "The provider's rate limit is reached.",
            Self::ProviderUnavailable => "The provider does not answer.",
            Self::ProviderRejected => "The provider refuses the key, the model or the request.",
            Self::Refused => "The model, or its provider, refuses the content.",
            Self::InvalidOutput => "The model's answer does not have the form that was asked for.",
            Self::OutputTooLong => "The model's answer is longer than it may be.",
            Self::TooLarge => {
                "The input is more than the model takes, or more than was held for it."
            }
            Self::InputGone => "The file or range is gone.",
            Self::BudgetExceeded => "The hold of the job does not leave enough for the call.",
            Self::Interrupted => "Three times, the worker of the job died, or a store failed.",
            Self::Expired => "The round of the job has run for 24 hours.",
            Self::AccessRevoked => "You may no longer give this data to a model.",
        }
    }
}

impl JobError {
    /// An error of which nothing more is known than its code.
    pub fn of(code: ErrorCode) -> Self {
        Self { code, detail: code.detail().to_owned() }
    }

    /// An error with its own detail. The detail has nothing of the data.
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }
}
