//! Types that parse once at the edge. They do no I/O, and a value that exists is a valid one.

mod context;
mod message;

pub use context::{ChatContext, ContextRange, RangeAddress};
pub use message::{MessageStatus, MessageText};
