//! The tables of this area: one file each, with its key shape, item conversion and queries. Nothing
//! else here uses the DynamoDB SDK.

mod agents;
mod budgets;
mod commands;
mod conversation_search;
mod conversations;
mod drafts;
mod frames;
mod heads;
mod history;
mod messages;
mod overdue;
mod purge;
mod purge_jobs;
mod reply_steps;
mod states;
mod steps;
mod usage;
mod waits;

pub use agents::{AgentPlace, Agents};
pub use budgets::{Budgets, Hold, Spending, Subject};
pub use commands::Joined;
pub use conversation_search::SearchPlace;
pub use conversations::{Conversation, Conversations};
pub use drafts::Drafts;
pub use frames::Frames;
pub use heads::{Head, Spent, Subscriber, SubscribersAtEnd};
pub use history::{First, History, Place};
pub use messages::{AgentTerms, Message, MessageAgent, Messages, Origin};
pub use overdue::Overdue;
pub use purge::{Purge, Purged};
pub use purge_jobs::{Deleted, PurgeJob, PurgeJobs};
pub use states::{State, States};
pub use steps::{CallRecord, Step, Steps, StepsTaken, shown_calls};
pub use usage::{DailyUsage, UsageLog, VersionTotals};
