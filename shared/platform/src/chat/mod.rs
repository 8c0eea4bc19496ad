//! Chat: how a reply is asked for, how it ends, and which messages about it go over a WebSocket. The functions that start replies and
//! the worker that writes them share this module. The crate `assistant` talks to the models.

mod credentials;
mod ending;
mod listening;
mod memory;
mod messages;
mod replies;
mod request;
mod sweep;
mod title;

pub use credentials::Credentials;
pub use ending::{Ended, Ending, Endings};
pub use listening::{Listening, Replay};
pub use memory::{REMEMBERED, remembered, system_prompt, within};
pub use messages::{ChatCompleted, ChatDelta, ChatEnd, ChatFailed, ChatStarted};
pub use replies::{Replies, ReplyStart, may_be_asked_again};
pub use request::{ChatRequest, ChatSendRequest};
pub use sweep::SweepStart;
