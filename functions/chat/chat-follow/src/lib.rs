//! `chat.cancel` and `chat.resume`: stop a reply that is being written, or send one from where a
//! client has left it.

mod cancel;
mod resume;

pub use cancel::{Cancel, CancelBody, Cancelling};
pub use resume::{Resume, ResumeBody, Resumed};
