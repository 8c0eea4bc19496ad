//! Types that parse once at the edge. They do no I/O, and a value that exists is a valid one.

mod message;

pub use message::{MessageStatus, MessageText};
