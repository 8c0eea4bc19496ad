//! Types that parse once at the edge. They do no I/O, and a value that exists is a valid one.

mod agent;
mod agent_fields;
mod context;
mod days;
mod decision;
mod frame;
mod idle;
mod message;
mod state;
mod tool_call;

pub use agent::{Agent, Confirm};
pub use agent_fields::{AgentName, AgentRoles, MaxCost, MaxSteps, NotAName, Purpose, ToolNames};
pub use context::{ChatContext, ContextRange, RangeAddress};
pub use days::ReportDays;
pub use decision::{Decision, Decisions, Verdict};
pub use frame::{Frame, ToolResultFrame};
pub use idle::{ConversationStatus, IdleAfter};
pub use message::{MessageStatus, MessageText};
pub use state::{STATE_BYTES, STATE_KEYS, StateFull, StateKey, StateText, StateValues};
pub use tool_call::{CallStatus, NOT_MADE, ToolCall};
pub(crate) use tool_call::{of_text, stored_calls};
