//! Claude's Messages API, however it is reached: the requests and the events of an answer. The
//! providers `anthropic` and `bedrock` share it.
//!
//! - `body`: the request body; `strict`: the schemas of its answer and tools
//! - `event`, `reply`: the parsed events of the answer; `errors`: the meaning of its errors

mod body;
pub(crate) mod errors;
mod event;
mod reply;
mod strict;

pub(crate) use body::{Purpose, body, sent};
pub(crate) use event::StreamEvent;
pub(crate) use reply::{Message, Reply};
pub(crate) use strict::grammar;
