//! The problems of a model's replies.

use super::{Code, Problem};

impl Problem {
    /// 402: the reply can cost more than a budget has left this month.
    pub fn budget_exceeded(whose: &str) -> Self {
        let detail = format!(
            "{whose} for this month does not cover what this reply can cost. Replies in progress \
             reserve part of it."
        );
        Self::new(Code::BudgetExceeded, detail)
    }

    /// 402: the agent may spend less on a reply than its first call of the model can cost.
    pub fn agent_too_frugal() -> Self {
        let detail = "The agent's `max_cost_usd` does not cover what the first call of the model \
                      can cost. Send a shorter message or fewer cells, or use another agent.";
        Self::new(Code::BudgetExceeded, detail)
    }

    /// 409: a reply can no longer be stopped.
    pub fn reply_ended() -> Self {
        Self::new(Code::Conflict, "The reply has ended.")
    }

    /// 409: a reply does not wait for a decision about this call any more.
    pub fn not_waiting() -> Self {
        let detail = "The reply does not wait for this decision any more. Read the reply.";
        Self::new(Code::Conflict, detail)
    }

    /// 409: the user has decided about a call in another way before.
    pub fn decided_otherwise(call_id: &str) -> Self {
        let detail =
            format!("Another decision about the call {call_id} came first. Read the reply.");
        Self::new(Code::Conflict, detail)
    }

    /// 422: not even the last message alone fits into the model's context window.
    pub fn context_too_long() -> Self {
        Self::new(
            Code::ContextTooLong,
            "The message is too long for the model. Send a shorter one.",
        )
    }

    /// 422: the provider's filter stopped the reply.
    pub fn content_refused() -> Self {
        Self::new(
            Code::ContentRefused,
            "The model's provider refuses to answer this content. Word the message differently.",
        )
    }

    /// 403: the reply came from cells that its reader may no longer read.
    pub fn sources_withheld() -> Self {
        Self::forbidden("The reply is about cells of which you may no longer read all.")
    }

    /// 502: the provider refuses what this deployment sends, until its operator changes a setting.
    pub fn provider_rejected() -> Self {
        Self::new(
            Code::ProviderRejected,
            "The model's provider refuses the server's request. The operator has to fix the cause.",
        )
    }

    /// 404: between the question and the reply, a range of its context ended.
    pub fn range_gone() -> Self {
        let detail = "A range of the message does not exist any more, or you may not see it any \
                      more.";
        Self { detail: detail.to_owned(), ..Self::not_found() }
    }

    /// The problem of a failed reply, by the code that is stored with it.
    pub fn of_reply(failure: Option<Code>) -> Self {
        match failure {
            Some(Code::ContextTooLong) => Self::context_too_long(),
            Some(Code::ContentRefused) => Self::content_refused(),
            Some(Code::ProviderRejected) => Self::provider_rejected(),
            Some(Code::NotFound) => Self::range_gone(),
            Some(Code::Forbidden) => Self::not_granted("ai"),
            Some(Code::InternalError) => Self::internal(),
            _ => Self::unavailable(),
        }
    }
}
