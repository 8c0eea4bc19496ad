//! Chat: how a reply is asked for, how it ends, and which messages about it go over a WebSocket.
//! The functions that start replies and the worker that writes them share this crate. The crate
//! `assistant` talks to the models.
//!
//! - [`spending`]: the cost of replies, and budgets
//! - [`store`]: the tables of this area; [`domain`]: its types that parse once at the edge

mod asked;
mod cancelling;
mod choosing;
mod closing;
mod confirming;
mod context_cells;
mod credentials;
pub mod domain;
mod ending;
mod excerpts;
mod holds;
mod memory;
mod messages;
mod notebook;
mod notes;
mod open_agents;
mod purge_start;
mod reading;
mod replies;
mod reply_start;
mod request;
pub mod spending;
pub mod store;
mod subscribing;
mod title;
mod turn;
mod waiting;
mod waking;

pub use asked::Asked;
pub use cancelling::{Cancellation, Cancelling};
pub use choosing::Named;
pub use closing::Closing;
pub use confirming::{Answering, Confirmation, Confirming};
pub use context_cells::ContextCells;
pub use credentials::Credentials;
pub use ending::{Ended, Ending, Endings};
pub use excerpts::{CELL_BYTES, Excerpts, SentRange};
pub use memory::{REMEMBERED, for_model, remembered, within};
pub use messages::{
    ChatCompleted, ChatDelta, ChatEnd, ChatFailed, ChatStarted, ChatToolCall, ChatToolResult,
};
pub use notebook::{Notebook, Opened};
pub use notes::{NOTES_BYTES, Notes};
pub use open_agents::OpenAgents;
pub use purge_start::PurgeStart;
pub use reading::{Reading, Shown};
pub use replies::{Replies, may_be_asked_again};
pub use reply_start::{ReplyStart, ReplyWorker};
pub use request::{ChatRequest, ChatSendRequest};
pub use subscribing::{Replay, Subscribing};
pub use waiting::Waiting;
